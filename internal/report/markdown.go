package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/originward/originward"
)

// Markdown writes the form for tickets and chats.
func Markdown(w io.Writer, d *originward.Diagnosis) error {
	p := NewPage(d)
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: %s\n\n%s\n\n", md(p.Host), p.Status, md(p.Verdict))
	var hops []string
	for _, h := range p.Hops {
		s := hopMark(h.State) + " " + h.Name
		if h.Note != "" {
			s += " (" + md(h.Note) + ")"
		}
		hops = append(hops, s)
	}
	fmt.Fprintf(&b, "%s\n", strings.Join(hops, " → "))
	for _, r := range p.Roots {
		mdBlock(&b, r)
	}
	if len(p.Folded) > 0 {
		b.WriteString("\n## Follows from it\n\n")
		for _, f := range p.Folded {
			fmt.Fprintf(&b, "- %s\n", md(f))
		}
	}
	if len(p.Seen) > 0 {
		b.WriteString("\n## What was seen\n\n")
		for _, l := range p.Seen {
			fmt.Fprintf(&b, "- %s, %s: %s\n", l.Vantage, l.At, md(l.Text))
		}
	}
	if len(p.Possible) > 0 {
		b.WriteString("\n## Not excluded\n\n")
		for _, r := range p.Possible {
			fmt.Fprintf(&b, "- `%s`: %s", r.Cause, md(r.Title))
			if r.Next != nil {
				fmt.Fprintf(&b, ". Decides it, from %s: %s", r.Next.Observe, md(r.Next.How))
			}
			b.WriteByte('\n')
		}
	}
	if len(p.Diffs) > 0 {
		b.WriteString("\n## Straight from the origin, and through the edge\n\n| | direct | edge |\n|---|---|---|\n")
		for _, x := range p.Diffs {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", md(x.Field), md(orNone(x.Direct)), md(orNone(x.Edge)))
		}
	}
	mdMissing(&b, p.Missing)
	fmt.Fprintf(&b, "\n%s, %s\n", p.When, p.Took)
	_, err := io.WriteString(w, b.String())
	return err
}

func mdMissing(b *strings.Builder, missing []Missing) {
	if len(missing) == 0 {
		return
	}
	b.WriteString("\n## Not looked at\n\n")
	for _, m := range missing {
		fmt.Fprintf(b, "- %s: %s. %s\n", md(m.Vantage), md(strings.TrimSuffix(m.Why, ".")), md(m.How))
	}
}

func mdBlock(b *strings.Builder, r Block) {
	fmt.Fprintf(b, "\n## %s (%s)\n\n`%s`", md(r.Title), r.Standing, r.Cause)
	if r.About != "" {
		fmt.Fprintf(b, " · %s", md(strings.Join(append([]string{r.About}, r.Also...), "; also ")))
	}
	b.WriteString("\n")
	if r.Why != "" {
		fmt.Fprintf(b, "\n%s\n", md(r.Why))
	}
	if len(r.Evidence) > 0 {
		b.WriteString("\n| | from | at | seen |\n|---|---|---|---|\n")
		for _, l := range r.Evidence {
			sign := "for"
			if l.Against {
				sign = "against"
			}
			fmt.Fprintf(b, "| %s %s | %s | %s | %s |\n", md(l.ID), sign, l.Vantage, l.At, md(l.Text))
		}
	}
	if r.Fix == nil {
		return
	}
	fmt.Fprintf(b, "\n### Fix, on the %s\n\n%s\n", r.Where, md(r.Fix.Summary))
	for _, s := range r.Fix.Steps {
		fmt.Fprintf(b, "\n%s\n", fence(s.Run))
		if s.Risk != "" {
			fmt.Fprintf(b, "\nRisk: %s\n", md(s.Risk))
		}
		if s.Undo != "" {
			fmt.Fprintf(b, "\nUndo:\n\n%s\n", fence(s.Undo))
		}
	}
	if r.Fix.Verify != "" {
		fmt.Fprintf(b, "\nCheck: %s\n", md(r.Fix.Verify))
	}
}

func hopMark(s State) string {
	switch s {
	case Working:
		return "✓"
	case Broken:
		return "✗"
	}
	return "?"
}

// mdReplacer keeps what a stranger said from becoming markup or a table cell.
var mdReplacer = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`,
	"<", "&lt;", ">", "&gt;", "|", `\|`, "#", `\#`, "\n", " ",
)

func md(s string) string { return mdReplacer.Replace(s) }

// fence wraps a command in a code fence longer than any run of backquotes in
// it, so that nothing in it can close the fence.
func fence(s string) string {
	ticks := "```"
	for strings.Contains(s, ticks) {
		ticks += "`"
	}
	return ticks + "sh\n" + s + "\n" + ticks
}
