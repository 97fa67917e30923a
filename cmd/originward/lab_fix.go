package main

import (
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
	ok, counted, not := 0, 0, 0
	for r := range lab.FixAll(ctx, worlds, lab.Many{Jobs: o.jobs, Quick: o.quick, Again: o.again, Options: lab.Options{Documented: o.documented}}) {
		switch {
		case r.Skipped != "":
			fmt.Fprintf(s.out, "skip   %-32s %s\n", r.World.Name, r.Skipped)
		case r.Not != "":
			not++
			fmt.Fprintf(s.out, "-      %-32s %s\n", r.World.Name, r.Not)
		case r.OK():
			ok, counted = ok+1, counted+1
			fmt.Fprintf(s.out, "cured  %-32s %s → %s → %s  %s  %s\n", r.World.Name, codeText(r.Broken), codeText(r.Cured), codeText(r.Undone), r.Took.Round(10*time.Millisecond), strings.Join(r.Steps, "; "))
		default:
			counted++
			fmt.Fprintf(s.out, "FAIL   %-32s %s → %s → %s  %s  %s\n", r.World.Name, codeText(r.Broken), codeText(r.Cured), codeText(r.Undone), r.Took.Round(10*time.Millisecond), strings.Join(r.Steps, "; "))
			for _, m := range r.Wrong {
				fmt.Fprintf(s.out, "       %s\n", m)
			}
		}
	}
	fmt.Fprintf(s.out, "%d of %d cured and undone", ok, counted)
	if not > 0 {
		fmt.Fprintf(s.out, "; %d worlds have nothing to cure on the machine", not)
	}
	fmt.Fprintln(s.out)
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
