package report

import (
	"fmt"
	"slices"

	"github.com/originward/originward"
)

// side is where the work is: with the reader, with somebody else, or not known.
type side int

const (
	undecided side = iota
	reader
	other
)

// does says who does the work for a cause that is fixed at a place.
var does = map[originward.Where]map[Audience]side{
	originward.WhereHost:     {ForCDN: other, ForHost: reader, ForTeam: reader},
	originward.WhereProvider: {ForCDN: other, ForHost: reader, ForTeam: other},
	originward.WhereNetwork:  {ForCDN: reader, ForHost: reader, ForTeam: other},
	originward.WhereCDN:      {ForCDN: reader, ForHost: other, ForTeam: reader},
	originward.WhereVisitor:  {ForCDN: other, ForHost: other, ForTeam: other},
}

// ask is what the reader is asked to do, in sentences. It never asks somebody
// to mend what the evidence places elsewhere.
func ask(d *originward.Diagnosis, to Audience) []string {
	if d.Status == originward.StatusHealthy {
		return []string{"Nothing: at the time of this report the edge reached the origin on everything that was looked at."}
	}
	roots := rootFindings(d)
	if len(roots) == 0 {
		return askForEvidence(d, to)
	}
	var out []string
	for _, f := range roots {
		out = append(out, askFor(f, to)...)
	}
	return out
}

func askFor(f *originward.Finding, to Audience) []string {
	title, certain := line(f.Title), "The evidence shows: "
	if f.Standing != originward.Proved {
		certain = "Likely, and not shown to the end: "
	}
	where := place(f.Subject)
	if where == "" {
		where = about(f.Subject)
	}
	if where != "" {
		title += " (" + where + ")"
	}
	switch does[f.Where][to] {
	case reader:
		out := []string{certain + title + "."}
		if f.Fix != nil && f.Fix.Summary != "" {
			out = append(out, "Please: "+line(f.Fix.Summary))
		}
		if f.Standing != originward.Proved && f.Next != nil {
			out = append(out, fmt.Sprintf("To be sure first, from %s: %s", f.Next.Observe, line(f.Next.How)))
		}
		if f.Fix != nil && f.Fix.Verify != "" {
			out = append(out, "It is cured when: "+line(f.Fix.Verify))
		}
		return out
	case other:
		return []string{
			certain + title + ". It is mended at the " + placeName(f.Where) + ", not by you.",
			confirm(to),
		}
	}
	return []string{certain + title + "."}
}

// confirm is what a reader can add who has nothing to mend.
func confirm(to Audience) string {
	switch to {
	case ForCDN:
		return "Please say if what your edge recorded for the rays below contradicts it."
	case ForHost:
		return "Please say if what you know of the server or its network contradicts it."
	}
	return "Hand it on to who can: originward report BUNDLE.json --for " + "host or cdn."
}

// askForEvidence asks for what only the reader can look at.
func askForEvidence(d *originward.Diagnosis, to Audience) []string {
	out := []string{"The cause is not decided. What is missing is named below; the evidence so far blames nobody."}
	switch to {
	case ForCDN:
		out = append(out, "Please tell for the rays below: in which phase your edge's connection to the origin failed, with which error, and from which address it was made.")
	case ForHost:
		out = append(out, "Please tell whether anything between the internet and this server filters, limits or reroutes connections from the edge's addresses, and what the server's own firewall says of them.")
	default:
		out = append(out, "Run `originward host` on the origin as root, or add --ssh USER@HOST to the diagnosis.")
	}
	mine := map[Audience][]originward.Vantage{
		ForCDN: {originward.CDN, originward.Edge}, ForHost: {originward.Host}, ForTeam: originward.Vantages(),
	}[to]
	var hows []string
	for _, f := range d.Findings {
		if f.Next == nil || f.Standing == originward.RuledOut || !slices.Contains(mine, f.Next.Observe) || len(hows) == 3 {
			continue
		}
		if how := line(f.Next.How); !slices.Contains(hows, how) {
			hows = append(hows, how)
			out = append(out, fmt.Sprintf("It would decide (%s): %s", f.Cause, how))
		}
	}
	return out
}

func placeName(w originward.Where) string {
	return map[originward.Where]string{
		originward.WhereHost: "origin host", originward.WhereCDN: "CDN", originward.WhereNetwork: "network between edge and origin",
		originward.WhereProvider: "hosting provider", originward.WhereVisitor: "visitor's side",
	}[w]
}
