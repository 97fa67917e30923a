package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/originward/originward/internal/lab"
)

// labFix prints one line a world and ends with "N of N cured and undone".
// Worlds that cannot be cured on their origin are listed with the reason and
// never counted.
func labFix(ctx context.Context, s streams, worlds []*lab.World, o labRunOptions) error {
	lines, all := o.lines(s), []labResult{}
	ok, counted, not := 0, 0, 0
	for r := range lab.FixAll(ctx, worlds, lab.Many{Jobs: o.jobs, Quick: o.quick, Again: o.again, Options: lab.Options{Documented: o.documented}}) {
		switch {
		case r.Skipped != "":
			fmt.Fprintf(lines, "skip   %-32s %s\n", r.World.Name, r.Skipped)
		case r.Not != "":
			not++
			fmt.Fprintf(lines, "-      %-32s %s\n", r.World.Name, r.Not)
		case r.OK():
			ok, counted = ok+1, counted+1
			fmt.Fprintf(lines, "cured  %-32s %s → %s → %s  %s  %s\n", r.World.Name, codeText(r.Broken), codeText(r.Cured), codeText(r.Undone), r.Took.Round(10*time.Millisecond), strings.Join(r.Steps, "; "))
		default:
			counted++
			fmt.Fprintf(lines, "FAIL   %-32s %s → %s → %s  %s  %s\n", r.World.Name, codeText(r.Broken), codeText(r.Cured), codeText(r.Undone), r.Took.Round(10*time.Millisecond), strings.Join(r.Steps, "; "))
			for _, m := range r.Wrong {
				fmt.Fprintf(lines, "       %s\n", m)
			}
		}
		all = append(all, labResult{
			World: r.World.Name, OK: r.OK(), Skipped: cmp.Or(r.Skipped, r.Not), Code: r.Broken, Expected: r.World.Causes, Steps: r.Steps, Wrong: r.Wrong, Seconds: r.Took.Seconds(),
		})
	}
	fmt.Fprintf(lines, "%d of %d cured and undone", ok, counted)
	if not > 0 {
		fmt.Fprintf(lines, "; %d worlds have nothing to cure on the machine", not)
	}
	fmt.Fprintln(lines)
	if err := o.write(s, all); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	if ok < counted || ok == 0 {
		return &statusError{code: 1}
	}
	return nil
}

func codeText(code int) string {
	if code == 0 {
		return "-"
	}
	return fmt.Sprint(code)
}
