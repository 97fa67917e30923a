package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/remedy"
)

type undoOptions struct {
	list, force bool
	journal     string
	format      string
}

func newUndoCmd(s streams) *cobra.Command {
	var o undoOptions
	c := &cobra.Command{
		Use:   "undo [ID]",
		Short: "Take a fix back",
		Long: `Takes back the newest fix that stands, or the one named: files, rules, sets
and units are as they were before it. What others changed since is left alone
and reported, unless --force is given.`,
		Example: "  originward undo --list\n  originward undo",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if o.format != "text" && o.format != "json" {
				return usageError(fmt.Errorf("format %q: allowed are text, json", o.format))
			}
			if o.list {
				return undoList(s, o)
			}
			return undoRun(c.Context(), s, strings.Join(args, ""), o)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.list, "list", false, "list the fixes of this machine")
	f.BoolVar(&o.force, "force", false, "write back what was there, also over later changes of others")
	f.StringVar(&o.journal, "journal", journalDir(), "where the `DIR`ectory of the journal is (default: $ORIGINWARD_JOURNAL)")
	f.StringVar(&o.format, "format", "text", "with --list: text or json")
	return c
}

func undoList(s streams, o undoOptions) error {
	all, err := remedy.History(o.journal)
	if err != nil {
		return err
	}
	if o.format == "json" {
		return writeJSON(s.out, all)
	}
	if len(all) == 0 {
		fmt.Fprintln(s.out, "no fix was carried out on this machine")
	}
	for _, p := range all {
		fmt.Fprintf(s.out, "%-28s %-7s %s  %s\n", p.ID, p.State, p.Host, strings.Join(p.Titles, "; "))
	}
	return nil
}

func undoRun(ctx context.Context, s streams, id string, o undoOptions) error {
	p, err := remedy.Undo(ctx, o.journal, id, o.force)
	if errors.Is(err, remedy.ErrNothing) {
		return &statusError{originward.ExitCauseFound, err}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s is taken back: %s\n", p.ID, strings.Join(p.Titles, "; "))
	return nil
}
