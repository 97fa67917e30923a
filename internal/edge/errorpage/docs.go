package errorpage

import (
	"fmt"
	"strings"
)

// Numbers lists every error that has a page, in the order of the list.
func Numbers() []int {
	out := make([]int, len(codes))
	for i, c := range codes {
		out[i] = c.number
	}
	return out
}

// Doc is the Markdown page that the error page of a number links to; causes are
// the ids and titles of what can be behind it, with their own pages beside it in
// ../causes. It is empty for an unknown number.
func Doc(number int, causes [][2]string) string {
	c, ok := lookUp(number)
	if !ok {
		return ""
	}
	text := english().code(number)
	var b strings.Builder
	fmt.Fprintf(&b, "# Error %d: %s\n\n%s\n\nThe answer's HTTP status is %d.\n", number, text.Title, text.Happened, c.status)
	list := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		for _, l := range lines {
			fmt.Fprintf(&b, "- %s\n", l)
		}
	}
	list("If you are visiting the site", text.Visitor)
	list("If it is your site", text.Owner)
	var links []string
	for _, k := range causes {
		links = append(links, fmt.Sprintf("[`%s`](../causes/%s.md): %s", k[0], k[0], k[1]))
	}
	list("What can be behind it", links)
	if len(links) > 0 {
		b.WriteString("\n`originward diagnose HOST` finds out which.\n")
	}
	return b.String()
}
