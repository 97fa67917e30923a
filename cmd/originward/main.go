// An edge in mode full takes any certificate, and what a strict one refuses has
// to be read before it can be named; the standard library would refuse these
// before either.
//
//go:debug tlssha1=1
//go:debug rsa1024min=0
//go:debug x509negativeserial=1

// Originward keeps an edge network and its origin servers on speaking terms:
// it is an edge, and it says why any edge cannot reach an origin.
//
// One file a command: its options, and a run function that takes them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/originward/originward"
)

// version is set by the release build.
var version = "0.1.0-dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	log.SetOutput(io.Discard) // libraries write there; our own messages have their places
	code := run(ctx, os.Args[1:], osStreams())
	stop()
	os.Exit(code)
}

// streams are where a command reads and writes. Results go to out, progress
// and messages to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
	colour   bool // out is a terminal that wants colour
	progress bool // err is a terminal
	width    int  // columns of out; 0 = not a terminal
}

func osStreams() streams {
	s := streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	s.progress = term.IsTerminal(int(os.Stderr.Fd()))
	if fd := int(os.Stdout.Fd()); term.IsTerminal(fd) {
		s.width, _, _ = term.GetSize(fd)
		// no-color.org: any value, but not an empty one, turns colour off.
		s.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return s
}

// commands lists every command; one line adds one.
func commands(s streams) []*cobra.Command {
	return []*cobra.Command{
		newDiagnoseCmd(s),
		newExplainCmd(s),
		newHostCmd(s),
		newFixCmd(s),
		newUndoCmd(s),
		newHardenCmd(s),
		newGuardCmd(s),
		newAgentCmd(s),
		newReportCmd(s),
		newPreflightCmd(s),
		newServeCmd(s),
		newZonesCmd(s),
		newRangesCmd(s),
		newCausesCmd(s),
		newLabCmd(s),
		newDemoCmd(s),
		newVersionCmd(s),
		newManCmd(s),
	}
}

func newRootCmd(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "originward",
		Short: "Why can the edge not reach the origin?",
		Long: `Originward finds out why a CDN's edge cannot reach an origin server, and is
such an edge itself.

Exit status of the commands that diagnose:
  0   healthy
  1   a cause was found
  2   broken, undecided
  3   nothing could be observed
  4   internal error
  64  usage`,
		Example: `  originward diagnose shop.example --origin 203.0.113.10
  originward diagnose shop.example --ssh root@203.0.113.10
  originward serve --config edge.yaml`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError(fmt.Errorf("%w; see '%s --help'", err, c.CommandPath()))
	})
	root.AddCommand(commands(s)...)
	for _, c := range root.Commands() {
		wrapArgs(c)
	}
	return root
}

// wrapArgs makes wrong arguments, and flags that exclude each other, a usage error.
func wrapArgs(c *cobra.Command) {
	if args := c.Args; args != nil {
		c.Args = func(c *cobra.Command, a []string) error {
			err := args(c, a)
			if err == nil {
				err = c.ValidateFlagGroups()
			}
			if err != nil {
				return usageError(fmt.Errorf("%w; see '%s --help'", err, c.CommandPath()))
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}

// run carries out one command line and gives the exit status.
func run(ctx context.Context, args []string, s streams) int {
	return guarded(s.err, func() int {
		root := newRootCmd(s)
		root.SetArgs(args)
		return exitStatus(s.err, root.ExecuteContext(ctx))
	})
}

// guarded makes a panic exit 4: it is a bug of ours, and says so.
func guarded(w io.Writer, f func() int) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(w, "originward: internal error: %v\nThis is a bug of Originward, not of your site.\n", r)
			code = originward.ExitInternal
		}
	}()
	return f()
}

// statusError ends a command with an exit status of its own. A nil err says
// nothing more than the status.
type statusError struct {
	code int
	err  error
}

func (e *statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

func usageError(err error) error { return &statusError{originward.ExitUsage, err} }

// exitStatus is the one place where an error becomes an exit status.
func exitStatus(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	var s *statusError
	switch {
	case errors.As(err, &s):
		if s.err != nil {
			fmt.Fprintln(w, "originward:", s.err)
		}
		return s.code
	case isUnknownCommand(err):
		fmt.Fprintln(w, "originward:", err)
		return originward.ExitUsage
	}
	fmt.Fprintln(w, "originward:", err)
	return originward.ExitInternal
}

// isUnknownCommand recognises the one usage error that cobra makes before any
// of our functions run: it has no type of its own, so the root's own wording,
// which is part of cobra's tests, is what there is.
func isUnknownCommand(err error) bool {
	const lead = "unknown command "
	return len(err.Error()) > len(lead) && err.Error()[:len(lead)] == lead
}
