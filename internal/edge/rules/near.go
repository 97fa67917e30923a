package rules

import (
	"maps"
	"slices"
	"strings"

	"github.com/originward/originward/internal/spell"
)

// fieldNames are the fields that may stand in the expression, sorted.
func (p *parser) fieldNames() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		f := fields[name]
		if f.response && !p.options.Response || f.place && p.options.NoPlaces {
			continue
		}
		out = append(out, name)
	}
	return out
}

// maxNear is how many names an error proposes.
const maxNear = 4

// near lists the names that a wrong one may have meant: those that differ from it by
// few letters, else those that begin or end alike, else none but the beginnings.
func near(wrong string, known []string) []string {
	type candidate struct {
		name string
		d    int
	}
	var found []candidate
	for _, k := range known {
		if d := spell.Distance(wrong, k); d <= max(2, len(wrong)/4) {
			found = append(found, candidate{k, d})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.d - b.d })
	var out []string
	for _, c := range found {
		out = append(out, c.name)
	}
	if out == nil {
		for _, k := range known {
			if strings.HasPrefix(k, wrong) || lastPart(k) == lastPart(wrong) {
				out = append(out, k)
			}
		}
	}
	if len(out) > 0 {
		return out[:min(len(out), maxNear)]
	}
	for _, k := range known {
		first, _, dotted := strings.Cut(k, ".")
		if dotted {
			first += ".…"
		}
		if !slices.Contains(out, first) {
			out = append(out, first)
		}
	}
	return out
}

func lastPart(s string) string { return s[strings.LastIndexByte(s, '.')+1:] }
