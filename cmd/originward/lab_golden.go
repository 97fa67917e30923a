package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/originward/originward/internal/lab"
)

type labGoldenOptions struct {
	dir  string
	all  bool
	jobs int
}

func newLabGoldenCmd(s streams) *cobra.Command {
	var o labGoldenOptions
	c := &cobra.Command{
		Use: "golden --dir DIR [WORLD ...]", Short: "Write the evidence of worlds as goldens: what differs from run to run made equal",
		Long: `Runs worlds and writes, for each that holds, its evidence (NAME.json.gz) and the
diagnosis it must give for ever (NAME.json). Without names it writes those that
are in DIR already anew; review them as a diff.`,
		Example: "  originward lab golden --dir internal/lab/testdata/golden",
		RunE: func(c *cobra.Command, names []string) error {
			if o.dir == "" {
				return usageError(errors.New("name the directory: --dir DIR"))
			}
			if len(names) == 0 && !o.all {
				var err error
				if names, err = lab.Goldens(o.dir); err != nil {
					return err
				}
			}
			worlds, err := pickWorlds(names, o.all)
			if err != nil {
				return usageError(err)
			}
			return labGolden(c.Context(), s, worlds, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.dir, "dir", "", "directory of the goldens")
	f.BoolVar(&o.all, "all", false, "every world")
	f.IntVarP(&o.jobs, "jobs", "j", 2, "how many worlds stand at a time")
	return c
}

// labGolden writes only what holds: a golden of a wrong answer would pin it.
func labGolden(ctx context.Context, s streams, worlds []*lab.World, o labGoldenOptions) error {
	wrong := 0
	for r := range lab.RunAll(ctx, worlds, lab.Many{Jobs: o.jobs}) {
		if !r.OK() {
			wrong++
			fmt.Fprintf(s.out, "not written  %-32s %s%v\n", r.World.Name, r.Skipped, r.Wrong)
			continue
		}
		if err := lab.WriteGolden(o.dir, r.World.Name, r.Bundle); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "written      %-32s %s\n", r.World.Name, foundText(r))
	}
	if wrong > 0 {
		return &statusError{code: 1}
	}
	return nil
}
