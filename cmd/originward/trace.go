package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/escape"
)

// writeTrace prints one subject's trace: every question that was put to the
// evidence, its answer, and what the answer cost.
func writeTrace(w io.Writer, t diagnose.Trace) {
	line := func(s string) string { return escape.Line(s, 400) }
	about := []string{}
	if t.Subject.Addr.IsValid() {
		about = append(about, t.Subject.Addr.String())
	}
	if t.Subject.Port != 0 {
		about = append(about, fmt.Sprintf("port %d", t.Subject.Port))
	}
	fmt.Fprintf(w, "%s %s: %s\n", t.Cause, strings.Join(about, " "), t.Stands)
	for _, s := range t.Steps {
		answer := string(s.Answer)
		if s.Answer == fact.Unknown {
			answer = "not observed"
		}
		fmt.Fprintf(w, "  %s %s", line(s.Asks), answer)
		if len(s.By) > 0 {
			fmt.Fprintf(w, " (%s)", strings.Join(s.By, " "))
		}
		if s.Costs != "" && s.Costs != originward.Proved {
			fmt.Fprintf(w, ", so at most %s", s.Costs)
		}
		fmt.Fprintln(w)
		if s.Says != "" {
			fmt.Fprintf(w, "    %s\n", line(s.Says))
		}
		if s.Next != nil {
			fmt.Fprintf(w, "    would answer it, from %s: %s\n", s.Next.Observe, line(s.Next.How))
		}
	}
	for _, l := range t.Lowered {
		fmt.Fprintf(w, "  lowered: %s\n", line(l))
	}
}
