package report

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes the sheet for tickets.
func (s Sheet) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s.\n\n", md(s.Title), md(s.For()))
	b.WriteString("**What we ask.** ")
	for i, a := range s.Ask {
		if i > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(md(a))
	}
	b.WriteString("\n\n")
	mdRows(&b, s.Facts)
	for _, r := range s.Roots {
		mdBlock(&b, r)
	}
	if len(s.Excluded) > 0 {
		b.WriteString("\n## What it is not\n\n")
		for _, e := range s.Excluded {
			fmt.Fprintf(&b, "- `%s`: %s. %s", e.Cause, md(strings.TrimSuffix(e.Title, ".")), md(e.Why))
			if len(e.IDs) > 0 {
				fmt.Fprintf(&b, " (%s)", md(strings.Join(e.IDs, ", ")))
			}
			b.WriteByte('\n')
		}
	}
	if len(s.Changes) > 0 {
		b.WriteString("\n## Changed not long before\n\n")
		for _, c := range s.Changes {
			fmt.Fprintf(&b, "- %s: %s\n", c.At, md(c.What))
		}
	}
	if len(s.Reproduce) > 0 {
		b.WriteString("\n## To see it yourself\n")
		for _, c := range s.Reproduce {
			fmt.Fprintf(&b, "\n%s\n", fence(c))
		}
	}
	mdMissing(&b, s.Missing)
	if len(s.Redacted) > 0 {
		b.WriteString("\n## Replaced in this report\n\n")
		mdRows(&b, s.Redacted)
		b.WriteString("\nEqual substitutes stand for equal things. The owner of the site keeps what they stand for.\n")
	}
	fmt.Fprintf(&b, "\n%s\n", s.Asked)
	_, err := io.WriteString(w, b.String())
	return err
}

func mdRows(b *strings.Builder, rows []Row) {
	b.WriteString("| | |\n|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(b, "| %s | %s |\n", md(r.Label), md(r.Value))
	}
}
