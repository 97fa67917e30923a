package causes

import (
	"strings"

	"github.com/originward/originward"
)

// Page is the documentation page of a cause, as Markdown. The pages in the
// documentation are generated from it, so that they never say another thing
// than the catalogue.
func Page(c Cause) string {
	var b strings.Builder
	para := func(head, text string) {
		if text != "" {
			b.WriteString("## " + head + "\n\n" + text + "\n\n")
		}
	}
	b.WriteString("# " + string(c.ID) + "\n\n" + sentenceCase(c.Title) + ".\n\n")
	b.WriteString("| | |\n|---|---|\n")
	if len(c.Codes) > 0 {
		b.WriteString("| A visitor may see | " + codesText(c.Codes) + " |\n")
	}
	b.WriteString("| Fixed at | " + whereText(c.Where) + " |\n")
	if len(c.After) > 0 {
		b.WriteString("| Can follow from | " + idsText(c.After) + " |\n")
	}
	b.WriteString("\n")
	para("What it is", c.Doc.What)
	para("How it looks", c.Doc.Looks)
	para("How it is proved", c.Doc.Proof+needsText(c.Needs))
	if len(c.Doc.Alike) > 0 {
		b.WriteString("## What looks alike\n\n")
		for _, a := range c.Doc.Alike {
			b.WriteString("- [`" + string(a.ID) + "`](" + string(a.ID) + ".md): " + a.Parts + ".\n")
		}
		b.WriteString("\n")
	}
	para("How it is fixed", c.Doc.Fix)
	para("How it is kept away", c.Doc.Prevent)
	if c.Doc.World != "" {
		para("In the lab", "There is no world of this cause: "+c.Doc.World+".")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func sentenceCase(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func codesText(codes []int) string {
	var s []string
	for _, c := range codes {
		s = append(s, itoa(c))
	}
	return strings.Join(s, ", ")
}

func whereText(w originward.Where) string {
	switch w {
	case originward.WhereHost:
		return "the origin host"
	case originward.WhereCDN:
		return "the CDN"
	case originward.WhereNetwork:
		return "the network between"
	case originward.WhereProvider:
		return "the hosting provider"
	case originward.WhereVisitor:
		return "nowhere at the origin"
	}
	return string(w)
}

func idsText(list []originward.CauseID) string {
	var s []string
	for _, id := range list {
		s = append(s, "[`"+string(id)+"`]("+string(id)+".md)")
	}
	return strings.Join(s, ", ")
}

// needsText says without which looks the cause is never called proved.
func needsText(ns []Need) string {
	if len(ns) == 0 {
		return ""
	}
	text := "\n\nIt is never called proved without:\n"
	for _, n := range ns {
		var vs []string
		for _, v := range n.Any {
			vs = append(vs, string(v))
		}
		text += "\n- evidence from *" + strings.Join(vs, "* or *") + "*"
		if n.How != "" {
			text += ": " + n.How
		}
	}
	return text
}
