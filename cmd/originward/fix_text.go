package main

import (
	"fmt"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/causes"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/remedy"
	"github.com/originward/originward/internal/report"
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
				fixResultText(s, p)
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

// para writes a text below a lead, broken at the terminal's width; elsewhere it
// stays one line.
func para(s streams, lead, text string) {
	lines := []string{text}
	if s.width > 20 {
		lines = report.Wrap(text, s.width-len(lead))
	}
	for i, l := range lines {
		if i > 0 {
			lead = strings.Repeat(" ", len(lead))
		}
		fmt.Fprintln(s.out, lead+l)
	}
}

// named are causes for a person: what each is, and its name.
func named(ids []originward.CauseID) string {
	var out []string
	for _, id := range ids {
		text := string(id)
		if c, ok := causes.Find(id); ok {
			text = c.Title + " (" + text + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// fixPlanText writes a plan for a person. Everything in it that is not ours is
// escaped: it may come from another host, or from a file that anybody wrote.
func fixPlanText(s streams, p remedy.Shown, detail bool) {
	w := s.out
	if len(p.Steps) > 0 && len(p.Causes) > 0 {
		para(s, "", fmt.Sprintf("%s: %s against: %s", p.Host, remedy.Plural(len(p.Steps), "step", "steps"), named(p.Causes)))
	} else if len(p.Steps) > 0 {
		fmt.Fprintf(w, "%s: %s\n", p.Host, remedy.Plural(len(p.Steps), "step", "steps"))
	}
	cut := false
	for i, st := range p.Steps {
		stays := ""
		if st.Persist {
			stays = " (so that it stays after a reboot)"
		}
		fmt.Fprintln(w)
		para(s, fmt.Sprintf("%d. ", i+1), escape.Line(st.Title, 300)+stays)
		lines, more := changeLines(p, i, s.width, detail)
		for _, l := range lines {
			fmt.Fprintf(w, "     %s\n", l)
		}
		if cut = cut || more > 0; more > 0 {
			fmt.Fprintf(w, "     … and %s\n", remedy.Plural(more, "line more", "lines more"))
		}
		if st.Risk != "" {
			para(s, "   Risk: ", escape.Line(st.Risk, 1000))
		}
		if st.Better != "" {
			para(s, "   Better: ", escape.Line(st.Better, 600))
		}
	}
	if cut {
		fmt.Fprintln(w, "\n--detail shows every line.")
	}
	for i, c := range p.Checks {
		if i == 0 {
			fmt.Fprintln(w, "\nTried in a copy of this host's network:")
		}
		para(s, "   ", escape.Line(c, 400))
	}
	for _, b := range p.Better {
		fmt.Fprintln(w)
		para(s, "Better: ", escape.Line(b, 600))
	}
	for _, t := range p.TradeOffs {
		fmt.Fprintln(w)
		para(s, "Not done, a trade-off: ", escape.Line(t, 600))
	}
	for _, l := range p.Left {
		fmt.Fprintln(w)
		para(s, "Not cured here: ", fmt.Sprintf("%s: %s", named([]originward.CauseID{l.Cause}), escape.Line(l.Why, 600)))
		for _, h := range l.How {
			para(s, "   "+h[:len(h)-len(strings.TrimLeft(h, " "))], escape.Line(strings.TrimLeft(h, " "), 600))
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
		out = append(out, escape.Line(strings.ReplaceAll(l, "\t", "    "), limit))
	}
	return out, more
}

func fixResultText(s streams, p fixPart) {
	undo := "originward undo "
	if p.On != "" {
		undo += "--ssh " + escape.ShellWord(p.On) + " "
	}
	fmt.Fprintln(s.out)
	switch r := p.Result; r.Outcome {
	case remedy.OutcomeKept:
		para(s, "Done: ", escape.Line(r.Verdict.Text, 600)+".")
		fmt.Fprintf(s.out, "To take it back: %s%s\n", undo, r.ID)
	case remedy.OutcomeUndone:
		para(s, "Not cured, and everything is as it was before: ", escape.Line(r.Why, 600)+".")
	default:
		para(s, r.Outcome+": ", escape.Line(r.Why, 600))
	}
}
