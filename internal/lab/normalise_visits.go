package lab

import (
	"cmp"
	"slices"
	"strings"

	"github.com/originward/originward/fact"
)

// The edge's visits are made side by side: which of them leaves from which
// address of the edge, over which connection and in which order is another
// thing each time. What a world decides is which address meets which end.
// Exchanges that are alike are therefore put in order, kept twice at most, and
// the visits that were looked at closely are tied to the first that are alike.

// object is a JSON object.
type object = map[string]any

// calmVisits makes the visits of a bundle equal.
func calmVisits(doc object) {
	items, runs := lists(doc, "edge_record", "items"), lists(doc, "repeat", "runs")
	var looked []string // rays of the visits that have an item of their own
	for _, f := range facts(doc, "edge_answer") {
		if r := str(f["ray"]); r != "" && !slices.Contains(looked, r) {
			looked = append(looked, r)
		}
	}
	for _, list := range items {
		list.set(calmItems(list.rows, looked))
	}
	byRay := map[string]object{}
	for _, list := range items {
		for _, x := range list.rows {
			byRay[str(x["ray"])] = x
		}
	}
	for _, list := range runs {
		list.set(calmRuns(list.rows, byRay, looked))
	}
	for _, e := range evidence(doc) {
		if q := str(e["question"]); q == "edge_record" || q == "repeat" {
			head, _, _ := strings.Cut(str(e["text"]), ": ")
			e["text"] = strings.TrimLeft(head, "0123456789 ")
		}
	}
}

// calmItems orders recorded exchanges, ties the looked-at rays to the first of
// their kind, and drops what is there more than twice.
func calmItems(rows []object, looked []string) []object {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b object) int {
		return cmp.Or(
			cmp.Compare(text(a, "code", "error", "fault", "phase", "scheme", "host", "origin", "name", "rule", "egress"), text(b, "code", "error", "fault", "phase", "scheme", "host", "origin", "name", "rule", "egress")),
			cmp.Compare(text(a, "reused"), text(b, "reused")), // "" before true
			cmp.Compare(str(a["at"]), str(b["at"])),
		)
	})
	taken := map[int]bool{}
	for _, ray := range looked {
		at := slices.IndexFunc(rows, func(x object) bool { return str(x["ray"]) == ray })
		if at < 0 {
			continue
		}
		end := ending(rows[at])
		for i, x := range rows {
			if !taken[i] && ending(x) == end {
				rows[at]["ray"], x["ray"] = x["ray"], rows[at]["ray"]
				taken[i] = true
				break
			}
		}
	}
	seen := map[string]int{}
	out := []object{}
	for i, x := range rows {
		k := ending(x) + text(x, "egress")
		if seen[k]++; seen[k] <= 2 || taken[i] {
			out = append(out, x)
		}
	}
	// Over which connection a good one went matters where no new one was ever
	// opened.
	fresh := slices.ContainsFunc(out, func(x object) bool { return x["fault"] == nil && x["reused"] != true })
	for _, x := range out {
		if x["fault"] == nil {
			delete(x, "phases")
			if fresh {
				delete(x, "reused")
			}
		}
	}
	return out
}

// calmRuns orders the visits of a series likewise; where the record knows one,
// it says from where it left.
func calmRuns(rows []object, byRay map[string]object, looked []string) []object {
	for _, x := range rows {
		ray := str(x["ray"])
		rec := byRay[ray]
		if !slices.Contains(looked, ray) {
			delete(x, "ray")
			continue
		}
		if rec != nil && x["egress"] != nil {
			x["egress"] = rec["egress"]
		}
	}
	for _, x := range rows {
		delete(x, "reused")
		if x["ray"] == nil {
			delete(x, "egress")
		}
	}
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b object) int {
		return cmp.Or(cmp.Compare(runEnding(a), runEnding(b)), cmp.Compare(slices.Index(looked, str(a["ray"])), slices.Index(looked, str(b["ray"]))))
	})
	seen := map[string]int{}
	out := []object{}
	for _, x := range rows {
		k := runEnding(x)
		if seen[k]++; seen[k] <= 2 || x["ray"] != nil {
			out = append(out, x)
		}
	}
	return out
}

func ending(x object) string {
	return text(x, "code", "error", "fault", "phase", "scheme", "host", "origin", "name", "rule")
}

func runEnding(x object) string { return text(x, "status", "fault", "phase", "peer") }

// text is some fields of an object as one text.
func text(x object, fields ...string) string {
	var b strings.Builder
	for _, f := range fields {
		b.WriteString(asText(x[f]))
		b.WriteByte('|')
	}
	return b.String()
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

func evidence(doc object) []object { return objects(doc["evidence"]) }

func objects(v any) []object {
	var out []object
	list, _ := v.([]any)
	for _, e := range list {
		if o, ok := e.(object); ok {
			out = append(out, o)
		}
	}
	return out
}

// facts are the facts of one question.
func facts(doc object, question string) []object {
	var out []object
	for _, e := range evidence(doc) {
		if f, ok := e["fact"].(object); ok && str(e["question"]) == question {
			out = append(out, f)
		}
	}
	return out
}

// rows is a list inside a fact.
type rows struct {
	rows []object
	in   object
	key  string
}

func lists(doc object, question, key string) []*rows {
	var out []*rows
	for _, f := range facts(doc, question) {
		out = append(out, &rows{objects(f[key]), f, key})
	}
	return out
}

// set writes the list back.
func (r *rows) set(to []object) {
	r.rows = to
	list := make([]any, 0, len(to))
	for _, x := range to {
		list = append(list, x)
	}
	r.in[r.key] = list
}

// calmLines keeps one line of each kind for visits of the edge and one for
// others: which of them there are is chance, and of which the sample is.
func calmLines(lines []any) []any {
	for _, l := range objects(lines) {
		calmLine(l)
	}
	slices.SortStableFunc(lines, func(a, b any) int { return cmp.Compare(asText(a), asText(b)) })
	seen := map[string]bool{}
	return slices.DeleteFunc(lines, func(v any) bool {
		l, is := v.(object)
		if !is || l["client"] == nil {
			return false // of no visit
		}
		k := text(l, "kind", "source", "status", "cdn")
		had := seen[k]
		seen[k] = true
		return had
	})
}

// calmLine makes the sample of a log's good answers the same.
func calmLine(l object) {
	status, _ := l["status"].(float64)
	if str(l["kind"]) != fact.LogStatus || status >= 400 {
		return
	}
	client := "198.51.100.77" // the visitor of every world
	if l["cdn"] != nil {
		client = "173.245.48.10" // the edge's first address
	}
	before, _, _ := strings.Cut(str(l["text"]), ` "Mozilla`)
	before, _, _ = strings.Cut(before, ` "curl`)
	l["text"], l["client"] = strings.Replace(before, str(l["client"]), client, 1), client
}
