package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/remedy"
	"github.com/originward/originward/internal/remedy/remote"
)

type undoOptions struct {
	ssh         string
	sudo        bool
	list, force bool
	journal     string
	format      textOrJSON
}

func newUndoCmd(s streams) *cobra.Command {
	var o undoOptions
	c := &cobra.Command{
		Use:   "undo [ID]",
		Short: "Take a fix back",
		Long: `Takes back the newest fix that stands, or the one named: files, rules, sets
and units are as they were before it. What others changed since is left alone
and reported, unless --force is given.`,
		Example: "  originward undo --list\n  originward undo\n  originward undo --ssh root@203.0.113.10",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if o.list {
				return undoList(c.Context(), s, o)
			}
			return undoRun(c.Context(), s, strings.Join(args, ""), o)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.list, "list", false, "list the fixes of this machine")
	f.BoolVar(&o.force, "force", false, "write back what was there, also over later changes of others")
	f.StringVar(&o.ssh, "ssh", "", "take a fix of the host `USER@HOST` back, over the system's ssh")
	f.BoolVar(&o.sudo, "sudo", false, "with --ssh: as root through sudo")
	f.StringVar(&o.journal, "journal", "", "`DIR`ectory of the journal, with --ssh on the host (default: $ORIGINWARD_JOURNAL, else "+remedy.DefaultJournal+")")
	o.format.flag(c, "form of the list")
	return c
}

func undoList(ctx context.Context, s streams, o undoOptions) error {
	all, err := o.history(ctx)
	if err != nil {
		return err
	}
	if o.format.json() {
		return writeJSON(s.out, all)
	}
	if len(all) == 0 {
		fmt.Fprintln(s.out, "no fix was carried out on this machine")
	}
	for _, p := range all {
		fmt.Fprintf(s.out, "%-28s %-10s %s\n", p.ID, pastStates[p.State], p.Host)
		for _, t := range p.Titles {
			para(s, "    ", escape.Line(t, 1000))
		}
	}
	return nil
}

// pastStates say how a fix of the journal stands.
var pastStates = map[string]string{"kept": "stands", "undone": "taken back", "open": "unfinished", "failed": "FAILED: half of it may stand"}

func (o undoOptions) history(ctx context.Context) ([]remedy.Past, error) {
	if o.ssh != "" {
		return remote.Host{Dest: o.ssh, Sudo: o.sudo}.History(ctx, o.journal)
	}
	return remedy.History(journalHere(o.journal))
}

func (o undoOptions) undo(ctx context.Context, id string) (remedy.Past, error) {
	if o.ssh != "" {
		return remote.Host{Dest: o.ssh, Sudo: o.sudo}.Undo(ctx, o.journal, remote.UndoTask{ID: id, Force: o.force})
	}
	return remedy.Undo(ctx, journalHere(o.journal), id, o.force)
}

func undoRun(ctx context.Context, s streams, id string, o undoOptions) error {
	p, err := o.undo(ctx, id)
	if errors.Is(err, remedy.ErrNothing) {
		return &statusError{originward.ExitCauseFound, err}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "Taken back, everything is as it was before %s:\n", p.ID)
	for _, t := range p.Titles {
		para(s, "    ", escape.Line(t, 1000))
	}
	return nil
}
