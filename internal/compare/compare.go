// Package compare puts a direct exchange with an origin beside what the edge
// gave a visitor, field by field. It is pure.
package compare

import (
	"fmt"
	"strings"

	"github.com/originward/originward/fact"
)

// Weight is how much a difference tells.
type Weight string

// The weights. An edge changes much by its nature: what it always changes is no
// difference at all and is left out.
const (
	Telling Weight = "telling" // another answer: status, fault, redirect, kind or title of the page
	Minor   Weight = "minor"   // the same answer in other words: protocol, caching, size, time
)

// FieldDiff is one field in which the two differ. An empty side has no value.
type FieldDiff struct {
	Field  string `json:"field"`
	Direct string `json:"direct"`
	Edge   string `json:"edge"`
	Weight Weight `json:"weight"`
}

// field is one thing to compare. Values are normalised, so that equal means the
// same to a visitor.
type field struct {
	name   string
	weight Weight
	direct func(fact.Exchange) string
	edge   func(fact.EdgeAnswer) string
}

// fields in the order in which they are shown. Server, Date, cookies and the
// fields that a CDN adds differ always and are not among them.
var fields = []field{
	{"outcome", Telling, directOutcome, edgeOutcome},
	{"status", Telling,
		func(x fact.Exchange) string { return status(x.Response) },
		func(a fact.EdgeAnswer) string { return status(a.Response) }},
	{"location", Telling,
		func(x fact.Exchange) string { return header(x.Response, "location") },
		func(a fact.EdgeAnswer) string { return header(a.Response, "location") }},
	{"content-type", Telling,
		func(x fact.Exchange) string { return media(x.Response) },
		func(a fact.EdgeAnswer) string { return media(a.Response) }},
	{"title", Telling,
		func(x fact.Exchange) string { return title(x.Response) },
		func(a fact.EdgeAnswer) string { return title(a.Response) }},
	{"www-authenticate", Telling,
		func(x fact.Exchange) string { return header(x.Response, "www-authenticate") },
		func(a fact.EdgeAnswer) string { return header(a.Response, "www-authenticate") }},
	{"retry-after", Minor,
		func(x fact.Exchange) string { return header(x.Response, "retry-after") },
		func(a fact.EdgeAnswer) string { return header(a.Response, "retry-after") }},
	{"cache-control", Minor,
		func(x fact.Exchange) string { return list(header(x.Response, "cache-control")) },
		func(a fact.EdgeAnswer) string { return list(header(a.Response, "cache-control")) }},
	{"protocol", Minor,
		func(x fact.Exchange) string { return proto(x.Response) },
		func(a fact.EdgeAnswer) string { return proto(a.Response) }},
}

// Diff lists the fields in which a direct exchange and an answer of the edge
// differ; empty means that a visitor gets what the origin gives. A field that
// one side could not show, for it has no response, is not compared.
func Diff(x fact.Exchange, a fact.EdgeAnswer) []FieldDiff {
	out := []FieldDiff{}
	for _, f := range fields {
		if f.name == "outcome" && agree(x, a) || f.name != "outcome" && (x.Response == nil || a.Response == nil) {
			continue
		}
		if d, e := f.direct(x), f.edge(a); d != e {
			out = append(out, FieldDiff{f.name, d, e, f.weight})
		}
	}
	return out
}

// Same reports that nothing telling differs.
func Same(ds []FieldDiff) bool {
	for _, d := range ds {
		if d.Weight == Telling {
			return false
		}
	}
	return true
}

// agree reports that an edge that names no fault shows the number that follows
// from the direct exchange's fault.
func agree(x fact.Exchange, a fact.EdgeAnswer) bool {
	return x.Fault != nil && a.EdgeMade == fact.Yes && a.Fault == "" && a.Error != 0 && x.Fault.Code == a.Error
}

// directOutcome is "answered", or the fault.
func directOutcome(x fact.Exchange) string { return faultWords(x.Fault) }

// edgeOutcome is "answered" for an answer of the origin, and else what the edge
// says: its error, or the failure to reach the edge.
func edgeOutcome(a fact.EdgeAnswer) string {
	switch {
	case a.Failure != nil:
		return "edge: " + faultWords(a.Failure)
	case a.EdgeMade == fact.Yes && a.Fault != "":
		return string(a.Fault)
	case a.EdgeMade == fact.Yes && a.Error != 0:
		return fmt.Sprintf("error %d", a.Error)
	case a.EdgeMade == fact.Yes:
		return "answered by the edge"
	}
	return "answered"
}

func faultWords(f *fact.Fault) string {
	if f == nil {
		return "answered"
	}
	return string(f.Type)
}

func status(r *fact.Response) string {
	if r == nil {
		return ""
	}
	return fmt.Sprint(r.Status)
}

func header(r *fact.Response, name string) string {
	if r == nil {
		return ""
	}
	return r.Header[name]
}

// media is the media type without its parameters.
func media(r *fact.Response) string {
	m, _, _ := strings.Cut(header(r, "content-type"), ";")
	return strings.ToLower(strings.TrimSpace(m))
}

func title(r *fact.Response) string {
	if r == nil {
		return ""
	}
	return r.Title
}

func proto(r *fact.Response) string {
	if r == nil {
		return ""
	}
	return r.Proto
}

// list normalises a comma list: case and spaces mean nothing.
func list(v string) string {
	parts := strings.Split(strings.ToLower(v), ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return strings.Join(parts, ", ")
}
