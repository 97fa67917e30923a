package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/remedy"
)

// fixLoop is `diagnose --fix`: diagnose, fix, and again, until the site is
// healthy or undecided, or nothing safe is left to do.
type fixLoop struct {
	on      bool
	yes     bool
	journal string
	within  time.Duration
	wish    remedy.Wish
}

// maxLoops bounds the loop: more causes than these one behind the other are
// for a person to look at.
const maxLoops = 8

func (l *fixLoop) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&l.on, "fix", false, "carry out the fix on this machine, or with --ssh there, look again, and go on until healthy, undecided, or nothing safe is left")
	f.BoolVar(&l.yes, "yes", false, "with --fix: do not ask; needed without a terminal")
	f.StringVar(&l.journal, "journal", "", "with --fix: `DIR`ectory of the journal, with --ssh on the host")
	flagWish(f, &l.wish, "with --fix: ")
	f.DurationVar(&l.within, "within", remedy.DefaultWithin, "with --fix: the guard takes a fix back when it is not proved by then")
}

// check wants the origin to be this machine, or to be at hand over ssh.
func (l *fixLoop) check(o *lookOptions) error {
	if !l.on {
		return nil
	}
	if o.hostEvidence != "" {
		return errors.New("--fix changes the origin: run it there, or give --ssh in the place of --host-evidence")
	}
	o.localHost = o.ssh == ""
	return nil
}

// run ends with the last diagnosis and its exit status.
func (l *fixLoop) run(ctx context.Context, s streams, b *originward.Bundle, ask diagnose.Ask, look lookOptions, out outputOptions, began time.Time) error {
	quiet, done := out.format != "text", 0
	for range maxLoops {
		d := diagnose.Explain(b, diagnose.Options{})
		if len(d.RootCauses) == 0 {
			break
		}
		said := s
		if quiet {
			said.out = s.err // standard output holds the diagnosis alone
		}
		if !quiet {
			if err := writeReport(s, &d, out); err != nil {
				return err
			}
			fmt.Fprintln(s.out)
		}
		kept, err := fixBundle(ctx, said, b, ask, fixOptions{look: look, yes: l.yes, journal: l.journal, within: l.within, wish: l.wish})
		var status *statusError
		if err != nil && (!errors.As(err, &status) || status.err != nil) {
			return err
		}
		if !kept {
			break
		}
		done++
		if b, began, err = observeRun(ctx, s, ask, ""); err != nil {
			return err
		}
	}
	err := explain(s, b, out, began)
	if done > 0 && !quiet {
		fmt.Fprintf(s.out, "\nCarried out: %s. originward undo takes the newest back, originward undo --list shows them.\n", remedy.Plural(done, "fix", "fixes"))
	}
	return err
}
