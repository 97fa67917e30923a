package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/lab"
)

type labRunOptions struct {
	all, verbose, quick, documented, again, fix bool
	jobs                                        int
	save                                        string
	patience                                    time.Duration
	format                                      textOrJSON
}

func newLabRunCmd(s streams) *cobra.Command {
	var o labRunOptions
	c := &cobra.Command{
		Use: "run [WORLD ...]", Short: "Build worlds, break them, diagnose, cure, and compare with what is expected",
		Example: "  originward lab run listener-none-nginx-stopped\n  originward lab run 'ban-*'\n  originward lab run --all -j 6",
		RunE: func(c *cobra.Command, names []string) error {
			worlds, err := pickWorlds(names, o.all)
			if err != nil {
				return usageError(err)
			}
			if o.jobs < 1 || o.jobs > 64 {
				return usageError(fmt.Errorf("--jobs %d: allowed are 1 to 64", o.jobs))
			}
			if o.fix {
				return labFix(c.Context(), s, worlds, o)
			}
			return labRun(c.Context(), s, worlds, o)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.all, "all", false, "run every world")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "print the diagnosis of each broken world")
	f.BoolVar(&o.quick, "quick", false, "leave out the worlds that need minutes")
	f.BoolVar(&o.documented, "documented-timers", false, "let the edge wait as long as documented (19 s to connect, …), not just seconds")
	f.DurationVar(&o.patience, "visitors-wait", 0, "how long the visitors before the diagnosis wait for the edge (default 2.5s)")
	f.IntVarP(&o.jobs, "jobs", "j", 1, "how many worlds stand at a time; each has its own namespaces")
	f.BoolVar(&o.again, "again", false, "run a world that fails beside others once more, alone: it may have been short of processor time")
	f.BoolVar(&o.fix, "fix", false, "let originward fix cure each world on its origin, want a good answer, undo, and want everything as before")
	o.format.flag(c, "form of the results")
	f.StringVar(&o.save, "save", "", "save the evidence of each broken world into this `DIR`")
	return c
}

// labResult is what became of one world.
type labResult struct {
	World    string               `json:"world"`
	OK       bool                 `json:"ok"`
	Skipped  string               `json:"skipped,omitempty"` // what this machine lacks, or why there is nothing to cure here
	Code     int                  `json:"code,omitempty"`    // status the edge answered while broken
	Expected []originward.CauseID `json:"expected,omitempty"`
	Found    []originward.CauseID `json:"found,omitempty"`
	Steps    []string             `json:"steps,omitempty"` // of the cure
	Wrong    []string             `json:"wrong,omitempty"` // what was not as expected
	Seconds  float64              `json:"seconds"`
}

// lines is where one line a world goes: to the messages when the results are JSON.
func (o labRunOptions) lines(s streams) io.Writer {
	if o.format.json() {
		return s.err
	}
	return s.out
}

// write prints the results as JSON when that was asked for.
func (o labRunOptions) write(s streams, all []labResult) error {
	if !o.format.json() {
		return nil
	}
	return writeJSON(s.out, all)
}

// labRun prints one line a world and ends with "N of N". Worlds that this
// machine cannot run are listed as such and never counted as passed.
func labRun(ctx context.Context, s streams, worlds []*lab.World, o labRunOptions) error {
	if o.save != "" {
		if err := os.MkdirAll(o.save, 0o755); err != nil {
			return fmt.Errorf("--save: %w", err)
		}
	}
	lines, all := o.lines(s), []labResult{}
	ok, skipped := 0, 0
	for r := range lab.RunAll(ctx, worlds, lab.Many{Jobs: o.jobs, Quick: o.quick, Again: o.again, Options: lab.Options{Documented: o.documented, Patience: o.patience}}) {
		switch {
		case r.Skipped != "":
			skipped++
			fmt.Fprintf(lines, "skip  %-32s %s\n", r.World.Name, r.Skipped)
		case r.OK():
			ok++
			fmt.Fprintf(lines, "ok    %-32s %3d  %s  %s\n", r.World.Name, r.Code, foundText(r), tookText(r))
		default:
			fmt.Fprintf(lines, "FAIL  %-32s %3d  expected %s, found %s  %s\n", r.World.Name, r.Code, expectedText(r.World), foundText(r), tookText(r))
			for _, m := range r.Wrong {
				fmt.Fprintf(lines, "      %s\n", m)
			}
		}
		all = append(all, labResult{
			World: r.World.Name, OK: r.OK(), Skipped: r.Skipped, Code: r.Code, Expected: r.World.Causes, Found: r.Found, Wrong: r.Wrong, Seconds: r.Took.Seconds(),
		})
		if err := labDetails(s, r, o); err != nil {
			return err
		}
	}
	fmt.Fprintf(lines, "%d of %d", ok, len(worlds)-skipped)
	if skipped > 0 {
		fmt.Fprintf(lines, ", %d skipped", skipped)
	}
	fmt.Fprintln(lines)
	if err := o.write(s, all); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	if ok < len(worlds)-skipped || ok == 0 {
		return &statusError{code: 1}
	}
	return nil
}

func labDetails(s streams, r lab.Result, o labRunOptions) error {
	if o.verbose && r.Broken != nil {
		if err := writeReport(s, r.Broken, outputOptions{format: "text", detail: true}); err != nil {
			return err
		}
	}
	if o.save == "" || r.Bundle == nil {
		return nil
	}
	return os.WriteFile(filepath.Join(o.save, r.World.Name+".json"), r.Bundle, 0o644)
}

func expectedText(w *lab.World) string {
	if w.Undecided {
		return "undecided"
	}
	return joinCauses(w.Causes)
}

func foundText(r lab.Result) string {
	switch {
	case r.Broken == nil:
		return "nothing"
	case len(r.Found) == 0:
		return string(r.Broken.Status)
	}
	return joinCauses(r.Found)
}

// tookText is how long a world took, and whether it was run twice.
func tookText(r lab.Result) string {
	took := r.Took.Round(10 * time.Millisecond).String()
	if r.Again {
		took += ", run again alone"
	}
	return took
}
