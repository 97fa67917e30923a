// Package ssh runs this program on an origin where nothing is installed, to
// collect evidence there or to be talked with:
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
	"github.com/originward/originward/fact"
)

// Options steer Collect and Run. The zero value is ready to use.
type Options struct {
	Sudo    bool          // collect as root through `sudo -n`
	Args    []string      // arguments of the program, for Collect after `host`; none may hold a line break
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
	var b *originward.Bundle
	o.Args = append([]string{"host"}, o.Args...)
	err := start(ctx, dest, o, once, func(_ io.Writer, out io.Reader) (err error) {
		if b, err = fact.ReadBundle(out); err != nil {
			return fmt.Errorf("what the program wrote on the host is not evidence: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("collect on %s over ssh: %w", dest, err)
	}
	return b, nil
}

// Run runs the program with the given arguments at dest, and talks with it:
// in is its standard input, out its standard output. The program is not killed
// when the connection ends; it learns of that by the end of its input.
func Run(ctx context.Context, dest string, o Options, talkWith func(in io.Writer, out io.Reader) error) error {
	if err := start(ctx, dest, o, talk, talkWith); err != nil {
		return fmt.Errorf("on %s over ssh: %w", dest, err)
	}
	return nil
}

func start(ctx context.Context, dest string, o Options, end string, u use) error {
	if err := check(dest, o.Args); err != nil {
		return err
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
	return newSession(dest, o).run(ctx, end, u)
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
