// Package sandbox runs another program's self-test so that it cannot change
// the machine.
//
// `nginx -t` and its like are no pure look: they create log files, pid files
// and directories, and open the listening sockets for a moment. Here the
// program runs under a seccomp filter that it cannot leave: a file opened for
// writing is a handle on /dev/null (or a read-only one when it would be read
// too), with the errors that the real path would give; directories are not
// made; bind says that the address is in use, which self-tests accept; nothing
// is renamed, removed, mounted or signalled. Reading, resolving names and
// loading keys go on as usual.
//
// It runs programs of root only when nobody else could have replaced them.
package sandbox

import (
	"context"
	"errors"
	"time"
)

// Command is a program to run.
type Command struct {
	Path string   // absolute
	Args []string // without the program's own name
	Env  []string // whole environment; nil = a minimal one
	Dir  string   // working directory; empty = "/"
}

// Output is what a program left.
type Output struct {
	Text   string // standard output and error together, at most MaxOutput bytes
	Code   int    // exit status; -1 = ended by a signal
	Faked  bool   // at least one refused step was reported to the program as a read-only file system
	Took   time.Duration
	Notify bool // writes were answered one by one; false = the kernel only refused them (before 5.14)
}

// MaxOutput bounds what is kept of a program's output.
const MaxOutput = 64 << 10

// Errors of Run, besides those of the context and of starting the program.
var (
	ErrUnsupported = errors.New("programs cannot be confined here")
	ErrUntrusted   = errors.New("the program could have been replaced by an ordinary user")
)

// Run runs a program in confinement and waits for its end.
func Run(ctx context.Context, c Command) (Output, error) { return run(ctx, c) }
