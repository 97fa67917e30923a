// Package ssh collects host evidence on an origin where nothing is installed:
// over the system's own ssh, in one connection, the program is streamed into a
// private temporary directory, run, and removed — also when either side is
// interrupted.
//
// The connection is made by the user's ssh with the user's configuration
// (keys, jump hosts, BatchMode, host key checks); prompts go to the terminal
// as usual.
package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/originward/originward"
)

// Options steer Collect. The zero value is ready to use.
type Options struct {
	Sudo    bool          // collect as root through `sudo -n`
	Args    []string      // arguments of `originward host`; none may hold a line break
	Program string        // the ssh client; empty = "ssh" on PATH
	Flags   []string      // further flags of the client, before the destination
	Stderr  io.Writer     // where ssh's own messages go as well; nil = nowhere
	Timeout time.Duration // bounds everything; 0 = DefaultTimeout
	// Binary finds the program to run on another machine; nil = Binary.
	Binary func(goos, goarch string) (path string, err error)
}

// DefaultTimeout leaves time for a prompt, for sending the program over a slow
// line, and for a host that is slow to answer.
const DefaultTimeout = 3 * time.Minute

// Errors that say what to do next.
var (
	ErrDestination = errors.New("not a destination for ssh")
	ErrSystem      = errors.New("the remote system cannot run the program")
	ErrNoBinary    = errors.New("no program for the remote architecture")
)

// Collect collects the evidence of the host at dest: "user@host", a name of
// the user's ssh configuration, or "ssh://user@host:port".
func Collect(ctx context.Context, dest string, o Options) (*originward.Bundle, error) {
	if err := check(dest, o.Args); err != nil {
		return nil, err
	}
	if o.Binary == nil {
		o.Binary = Binary
	}
	if o.Program == "" {
		o.Program = "ssh"
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	b, err := newSession(dest, o).run(ctx)
	if err != nil {
		return nil, fmt.Errorf("collect on %s over ssh: %w", dest, err)
	}
	return b, nil
}

// check refuses what ssh would take for a flag, and what the remote shell
// could not be given.
func check(dest string, args []string) error {
	if dest == "" || strings.HasPrefix(dest, "-") || strings.ContainsAny(dest, " \t\r\n\x00") {
		return fmt.Errorf("%w: %q; allowed are USER@HOST, HOST, ssh://USER@HOST:PORT", ErrDestination, dest)
	}
	for _, a := range args {
		if strings.ContainsAny(a, "\n\x00") {
			return fmt.Errorf("argument %q holds a line break", a)
		}
	}
	return nil
}
