package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/remedy"
)

type fixOptions struct {
	look    lookOptions
	last    bool
	dryRun  bool
	yes     bool
	format  textOrJSON
	journal string
	within  time.Duration
	detail  bool
	wish    remedy.Wish
}

func newFixCmd(s streams) *cobra.Command {
	var o fixOptions
	c := &cobra.Command{
		Use:   "fix BUNDLE.json|--last",
		Short: "Carry out the fix of a diagnosis, prove it, and take it back if it did not help",
		Long: `Takes saved evidence (diagnose --save), works out what cures its causes on this
machine, and carries it out: simulate, show, back up, arm a guard that takes
everything back if this process dies or does not finish in time, change, look
again from the same vantages, keep or undo. A change that would cut your own
SSH connection is refused.

With --ssh all of that happens on the origin, over ssh, with nothing installed
there; this machine looks again. What is cured at the CDN is changed from here:
its token stays here.

The flags that say from where to look are those of diagnose; addresses that the
evidence holds need not be given again. originward undo takes a fix back later.

Exit status: 0 cured (with --dry-run: there is a plan for every cause), 1 a
cause stands still, 2 undecided, 3 nothing could be observed, 4 internal error,
64 usage.`,
		Example: `  originward diagnose shop.example --local-host --save evidence.json
  originward fix evidence.json --dry-run
  originward fix evidence.json
  originward diagnose shop.example --ssh root@203.0.113.10 && originward fix --last`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if o.last == (len(args) > 0) {
				return usageError(errors.New("name a bundle, or give --last for the evidence of the last diagnosis"))
			}
			if o.look.hostEvidence != "" {
				return usageError(errors.New("the bundle holds the host's evidence already; to look at the host again and to change it, give --ssh USER@HOST, or run fix there"))
			}
			return fixRun(c.Context(), s, args, o)
		},
	}
	o.look.flags(c)
	f := c.Flags()
	f.BoolVar(&o.last, "last", false, "the evidence and the flags of the last diagnosis of this user")
	f.BoolVar(&o.dryRun, "dry-run", false, "show the plan and change nothing")
	f.BoolVar(&o.yes, "yes", false, "do not ask; needed without a terminal")
	o.format.flag(c, "form of the output")
	f.BoolVar(&o.detail, "detail", false, "every line of what would change, not one screen")
	o.flagJournal(f)
	flagWish(f, &o.wish, "")
	f.DurationVar(&o.within, "within", remedy.DefaultWithin, "the guard takes everything back when the fix is not proved by then")
	return c
}

func fixRun(ctx context.Context, s streams, args []string, o fixOptions) error {
	b, target, err := o.evidence(s, args)
	if err != nil {
		return usageError(err)
	}
	ask, err := o.look.ask(target)
	if err != nil {
		return err
	}
	_, err = fixBundle(ctx, s, b, ask, o)
	return err
}

// evidence reads the bundle, and completes the flags by what it holds.
func (o *fixOptions) evidence(s streams, args []string) (b *originward.Bundle, target string, err error) {
	if o.last {
		return o.look.loadLast()
	}
	if b, err = readBundle(args[0], s.in); err != nil {
		return nil, "", err
	}
	if b.Host == "" {
		return nil, "", fmt.Errorf("%s holds no host name: it is evidence of a host alone; diagnose with --host-evidence and --save first", args[0])
	}
	o.look.complete(b)
	return b, remedy.SiteOf(b).URL(), nil
}

// complete takes from the evidence where it was looked at.
func (o *lookOptions) complete(b *originward.Bundle) {
	if len(o.origins) == 0 {
		o.origins = remedy.OriginsOf(b)
	}
	if e := remedy.EdgeOf(b); o.edge == "" && e.IsValid() {
		o.edge = e.Addr().String()
	}
}

// fixAgreed asks, or wants --yes where nobody can be asked.
func fixAgreed(s streams, o fixOptions) error {
	if o.yes {
		return nil
	}
	f, ok := s.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return usageError(errors.New("there is no terminal to ask on; look with --dry-run, then give --yes"))
	}
	fmt.Fprint(s.err, "\nNothing is changed yet. If the site is not better afterwards, or this terminal\ndies, everything is taken back.\nCarry this out? [y/N] ")
	line, err := bufio.NewReader(s.in).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); err == nil && (answer == "y" || answer == "yes") {
		return nil
	}
	return &statusError{originward.ExitCauseFound, errors.New("nothing was changed")}
}
