package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/remedy"
)

// fixNothing ends a fix for evidence that names no cause.
func fixNothing(s streams, b *originward.Bundle, o fixOptions) error {
	d := diagnose.Explain(b, diagnose.Options{})
	code := d.ExitCode()
	text := fmt.Sprintf("%s: %s; no cause stands proved or likely, so there is nothing to fix", d.Host, d.Status)
	if o.format.json() {
		if err := writeJSON(s.out, fixReport{Schema: fixSchema, Plan: remedy.Shown{Plan: remedy.Plan{Host: d.Host, Causes: []originward.CauseID{}, Steps: []remedy.Step{}}}, Note: text}); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(s.out, text)
	}
	if code == originward.ExitHealthy {
		return nil
	}
	return &statusError{code: code}
}

// fixSchema names the format of a plan and its outcome.
const fixSchema = "originward.fix/1"

type fixReport struct {
	Schema string         `json:"schema"`
	Plan   remedy.Shown   `json:"plan"`
	Result *remedy.Result `json:"result,omitempty"`
	// Parts are there when several machines had a part: the origin over ssh, and
	// this one, which changes the CDN. Plan then holds them all, Result the last.
	Parts []fixPart `json:"parts,omitempty"`
	Note  string    `json:"note,omitempty"`
}

// fixEnd tells how it ended, and gives the exit status.
func fixEnd(s streams, parts []fixPart, o fixOptions) error {
	rep := fixReport{Schema: fixSchema}
	if len(parts) > 1 {
		rep.Parts = parts
	}
	kept, steps := true, 0
	for _, p := range parts {
		rep.Plan = joined(rep.Plan, p.Shown)
		steps += len(p.Shown.Steps)
		if p.Result != nil {
			rep.Result = p.Result
			if !o.format.json() {
				fixResultText(s.out, p)
			}
		}
		if len(p.Shown.Steps) > 0 && (p.Result == nil || p.Result.Outcome != remedy.OutcomeKept) {
			kept = false
		}
	}
	if o.format.json() {
		if err := writeJSON(s.out, rep); err != nil {
			return err
		}
	}
	good := o.dryRun && steps > 0 || kept && rep.Result != nil && rep.Result.Verdict.Status == string(originward.StatusHealthy)
	if good && len(rep.Plan.Left) == 0 {
		return nil
	}
	return &statusError{code: originward.ExitCauseFound}
}

// joined puts the plans of two machines together.
func joined(a, b remedy.Shown) remedy.Shown {
	if a.Host == "" {
		return b
	}
	a.Causes, a.Steps, a.Changes = append(a.Causes, b.Causes...), append(a.Steps, b.Steps...), append(a.Changes, b.Changes...)
	a.Left, a.Better, a.Checks = append(a.Left, b.Left...), append(a.Better, b.Better...), append(a.Checks, b.Checks...)
	a.TradeOffs = append(a.TradeOffs, b.TradeOffs...)
	return a
}

// Lines of changes that fit on a screen beside the rest, and those that a step
// shows at least.
const (
	screenLines = 20
	stepLines   = 4
)

// fixPlanText writes a plan for a person. Everything in it that is not ours is
// escaped: it may come from another host, or from a file that anybody wrote.
func fixPlanText(s streams, p remedy.Shown, detail bool) {
	w := s.out
	if len(p.Steps) > 0 {
		var ids []string
		for _, id := range p.Causes {
			ids = append(ids, string(id))
		}
		if len(ids) == 0 {
			ids = []string{"what is wanted"}
		}
		fmt.Fprintf(w, "%s: the plan for %s\n", p.Host, strings.Join(ids, ", "))
	}
	cut := false
	for i, st := range p.Steps {
		stays := ""
		if st.Persist {
			stays = " (so that it stays after a reboot)"
		}
		fmt.Fprintf(w, "\n%d. %s%s\n", i+1, escape.Line(st.Title, 300), stays)
		lines, more := changeLines(p, i, s.width, detail)
		for _, l := range lines {
			fmt.Fprintf(w, "     %s\n", l)
		}
		if cut = cut || more > 0; more > 0 {
			fmt.Fprintf(w, "     … and %d lines more\n", more)
		}
		if st.Risk != "" {
			fmt.Fprintf(w, "   Risk: %s\n", escape.Line(st.Risk, 1000))
		}
		if st.Better != "" {
			fmt.Fprintf(w, "   Better: %s\n", escape.Line(st.Better, 600))
		}
	}
	if cut {
		fmt.Fprintln(w, "\n--detail shows every line.")
	}
	for i, c := range p.Checks {
		if i == 0 {
			fmt.Fprintln(w, "\nSimulated:")
		}
		fmt.Fprintf(w, "   %s\n", escape.Line(c, 400))
	}
	for _, b := range p.Better {
		fmt.Fprintf(w, "\nBetter: %s\n", escape.Line(b, 600))
	}
	for _, t := range p.TradeOffs {
		fmt.Fprintf(w, "\nNot done, a trade-off: %s\n", escape.Line(t, 600))
	}
	for _, l := range p.Left {
		fmt.Fprintf(w, "\nNot done here: %s: %s\n", l.Cause, escape.Line(l.Why, 600))
		for _, h := range l.How {
			fmt.Fprintf(w, "   %s\n", escape.Line(h, 600))
		}
	}
}

// changeLines are the lines of one step that are shown, and how many are not.
func changeLines(p remedy.Shown, i, width int, detail bool) (out []string, more int) {
	all := 0
	for _, c := range p.Changes {
		all += len(c)
	}
	lines := p.Changes[i]
	if most := max(stepLines, screenLines/len(p.Changes)); !detail && all > screenLines && len(lines) > most+1 {
		lines, more = lines[:most], len(lines)-most
	}
	for _, l := range lines {
		limit := 4000
		if width > 20 && !detail {
			limit = width - 6
		}
		out = append(out, escape.Line(l, limit))
	}
	return out, more
}

func fixResultText(w io.Writer, p fixPart) {
	undo := "originward undo "
	if p.On != "" {
		undo += "--ssh " + escape.ShellWord(p.On) + " "
	}
	switch r := p.Result; r.Outcome {
	case remedy.OutcomeKept:
		fmt.Fprintf(w, "\nDone: %s.\n`%s%s` takes it back.\n", escape.Line(r.Verdict.Text, 600), undo, r.ID)
	case remedy.OutcomeUndone:
		fmt.Fprintf(w, "\nTaken back, everything is as it was: %s.\n", escape.Line(r.Why, 600))
	default:
		fmt.Fprintf(w, "\n%s: %s\n", r.Outcome, escape.Line(r.Why, 600))
	}
}
