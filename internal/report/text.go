package report

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/originward/originward"
)

// TextOptions say how the terminal form is written.
type TextOptions struct {
	Colour bool
	Width  int  // columns; 0 = 80
	Detail bool // the command that shows each piece of evidence again
}

// Text writes the terminal form: results first, one screen.
func Text(w io.Writer, d *originward.Diagnosis, o TextOptions) error {
	if o.Width < 40 {
		o.Width = 80
	}
	t := &text{opt: o, pal: newPalette(o.Colour)}
	t.page(NewPage(d))
	_, err := io.WriteString(w, t.b.String())
	return err
}

type text struct {
	b   strings.Builder
	opt TextOptions
	pal palette
}

// palette holds one style per meaning; without colour every style is plain.
type palette struct{ good, bad, dim, strong, code lipgloss.Style }

func newPalette(colour bool) palette {
	plain := lipgloss.NewStyle()
	if !colour {
		return palette{plain, plain, plain, plain, plain}
	}
	// ANSI colours follow the terminal's own theme, light or dark.
	return palette{
		good:   plain.Foreground(lipgloss.Green),
		bad:    plain.Foreground(lipgloss.Red).Bold(true),
		dim:    plain.Faint(true),
		strong: plain.Bold(true),
		code:   plain.Foreground(lipgloss.Cyan),
	}
}

func (t *text) page(p Page) {
	t.hops(p.Hops)
	t.b.WriteByte('\n')
	t.para("", p.Host+": "+p.Verdict, t.pal.strong)
	for _, r := range p.Roots {
		t.block(r)
	}
	for i, f := range p.Folded {
		if i == 0 {
			t.head("Follows from it")
		}
		t.para("  ", f, t.pal.dim)
	}
	if len(p.Seen) > 0 {
		t.head("What was seen")
		t.lines(p.Seen)
	}
	if len(p.Possible) > 0 {
		t.head("Not excluded")
		for _, b := range p.Possible {
			t.possible(b)
		}
	}
	t.diffs(p.Diffs)
	t.missing(p)
	t.b.WriteByte('\n')
	t.para("", fmt.Sprintf("%s, %s. The whole evidence: --format json.", p.When, p.Took), t.pal.dim)
}

func (t *text) hops(hs []Hop) {
	var names, notes []string
	for _, h := range hs {
		mark, style := "?", t.pal.dim
		switch h.State {
		case Working:
			mark, style = "✓", t.pal.good
		case Broken:
			mark, style = "✗", t.pal.bad
		}
		name := mark + " " + h.Name
		width := max(lipgloss.Width(name), lipgloss.Width(h.Note))
		pad := func(s string) string { return strings.Repeat(" ", width-lipgloss.Width(s)) }
		names = append(names, style.Render(name)+pad(name))
		notes = append(notes, h.Note+pad(h.Note))
	}
	t.b.WriteString("  " + strings.Join(names, t.pal.dim.Render(" ───── ")) + "\n")
	if under := strings.TrimRight(strings.Join(notes, "       "), " "); under != "" {
		t.b.WriteString("  " + under + "\n")
	}
}

func (t *text) block(b Block) {
	t.head(fmt.Sprintf("%s  [%s]", b.Cause, b.Standing))
	if b.About != "" {
		t.para("  ", strings.Join(append([]string{b.About}, b.Also...), "; also "), t.pal.dim)
	}
	if b.Why != "" {
		t.para("  ", b.Why, lipgloss.NewStyle())
	}
	t.evidence(b)
	if b.Next != nil && b.Standing != originward.Proved {
		t.para("  ", "To be sure, look from "+string(b.Next.Observe)+": "+b.Next.How, lipgloss.NewStyle())
	}
	t.fix(b)
}

func (t *text) evidence(b Block) {
	t.lines(b.Evidence)
	if b.Omitted > 0 {
		t.para("    ", fmt.Sprintf("and %d more", b.Omitted), t.pal.dim)
	}
}

func (t *text) lines(ls []Line) {
	for _, l := range ls {
		sign := "+"
		if l.Against {
			sign = "-"
		}
		lead := fmt.Sprintf("  %s %-7s %s  ", sign, l.Vantage, l.At)
		t.hang(lead, l.Text)
		if t.opt.Detail && l.Reproduce != "" {
			t.b.WriteString(strings.Repeat(" ", len(lead)) + t.pal.code.Render("$ "+l.Reproduce) + "\n")
		}
	}
}

func (t *text) fix(b Block) {
	if b.Fix == nil {
		return
	}
	t.b.WriteByte('\n')
	t.para("  ", "Fix, on the "+string(b.Where)+": "+b.Fix.Summary, t.pal.strong)
	for _, s := range b.Fix.Steps {
		t.b.WriteString("    " + t.pal.code.Render(s.Run) + "\n")
		if s.Risk != "" {
			t.hang("      risk: ", s.Risk)
		}
		if s.Undo != "" {
			t.b.WriteString("      " + t.pal.dim.Render("undo: "+s.Undo) + "\n")
		}
	}
	if b.Fix.Verify != "" {
		t.hang("    check: ", b.Fix.Verify)
	}
}

func (t *text) possible(b Block) {
	s := string(b.Cause)
	if b.About != "" {
		s += " (" + b.About + ")"
	}
	t.hang("  ? ", s+": "+b.Title)
	if b.Next != nil {
		t.hang("    decides it: ", "from "+string(b.Next.Observe)+", "+b.Next.How)
	}
}

// diffs stand with the evidence: the verdict already says what they mean.
func (t *text) diffs(ds []Difference) {
	if !t.opt.Detail || len(ds) == 0 {
		return
	}
	t.head("Straight from the origin, and through the edge")
	for _, d := range ds {
		t.hang(fmt.Sprintf("  %-10s ", d.Field), orNone(d.Direct)+" → "+orNone(d.Edge))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (t *text) missing(p Page) {
	if len(p.Missing) == 0 {
		return
	}
	t.head("Not looked at")
	for _, m := range p.Missing {
		s := m.Why
		if m.How != "" {
			s += ": " + m.How
		}
		t.hang(fmt.Sprintf("  %-8s ", m.Vantage), s)
	}
	if p.More > 0 {
		t.para("  ", fmt.Sprintf("and %d more", p.More), t.pal.dim)
	}
}

func (t *text) head(s string) { t.b.WriteString("\n" + t.pal.strong.Render(s) + "\n") }

// para writes a wrapped paragraph under an indent.
func (t *text) para(indent, s string, style lipgloss.Style) {
	for _, l := range Wrap(s, t.opt.Width-len(indent)) {
		t.b.WriteString(indent + style.Render(l) + "\n")
	}
}

// hang writes a wrapped paragraph whose first line begins with lead.
func (t *text) hang(lead, s string) {
	width := lipgloss.Width(lead)
	for i, l := range Wrap(s, t.opt.Width-width) {
		if i > 0 {
			lead = strings.Repeat(" ", width)
		}
		t.b.WriteString(lead + l + "\n")
	}
}

// Wrap breaks at spaces; a word longer than the width stays whole, so that a
// command or an address can be copied.
func Wrap(s string, width int) []string {
	width = max(width, 20)
	var lines []string
	cur := ""
	for _, word := range strings.Fields(s) {
		switch {
		case cur == "":
			cur = word
		case lipgloss.Width(cur)+1+lipgloss.Width(word) <= width:
			cur += " " + word
		default:
			lines = append(lines, cur)
			cur = word
		}
	}
	return append(lines, cur)
}
