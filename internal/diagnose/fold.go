package diagnose

import (
	"slices"
	"sync"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/causes"
)

// fold puts a consequence under the named cause that it follows from. The
// order between causes is transitive: what lies between need not be named, so
// that C under B under A is folded although B was never seen.
func (e *explained) fold() {
	for i := range e.verdicts {
		v := &e.verdicts[i]
		if !v.Standing.Named() {
			continue
		}
		if by, ok := e.parent(*v); ok {
			v.BecauseOf = &by
		}
	}
}

// parent is the nearest named cause of which v is a consequence: for the same
// failure or the same subject, and at least as certain.
func (e *explained) parent(v causes.Verdict) (originward.CauseID, bool) {
	for _, level := range ancestors(v.Cause) {
		for _, id := range level {
			for _, o := range e.verdicts {
				if o.Cause == id && o.Standing.Named() && o.Standing.Rank() <= v.Standing.Rank() && related(o, v) {
					return id, true
				}
			}
		}
	}
	return "", false
}

// related reports whether two verdicts speak of the same failure or subject.
func related(a, b causes.Verdict) bool {
	for _, k := range a.Explain {
		if slices.Contains(b.Explain, k) {
			return true
		}
	}
	same := a.Subject.Addr.IsValid() && a.Subject.Addr == b.Subject.Addr && (a.Subject.Port == 0 || b.Subject.Port == 0 || a.Subject.Port == b.Subject.Port)
	return same && (len(a.Explain) == 0 || len(b.Explain) == 0)
}

// lineage lists, for every cause, those from which it can follow, nearest
// first. It is worked out once: the catalogue never changes.
var lineage = sync.OnceValue(func() map[originward.CauseID][][]originward.CauseID {
	m := map[originward.CauseID][][]originward.CauseID{}
	for _, c := range causes.Catalogue() {
		m[c.ID] = climb(c.ID)
	}
	return m
})

// ancestors are the causes from which one can follow, nearest first.
func ancestors(id originward.CauseID) [][]originward.CauseID { return lineage()[id] }

// climb walks up from one cause, level by level.
func climb(id originward.CauseID) [][]originward.CauseID {
	var out [][]originward.CauseID
	seen := []originward.CauseID{id}
	for level := seen; len(level) > 0; {
		var next []originward.CauseID
		for _, l := range level {
			c, _ := causes.Find(l)
			for _, a := range c.After {
				if !slices.Contains(seen, a) {
					seen = append(seen, a)
					next = append(next, a)
				}
			}
		}
		if len(next) > 0 {
			out = append(out, next)
		}
		level = next
	}
	return out
}

// follows reports whether a can be a consequence of b.
func follows(a, b originward.CauseID) bool {
	return slices.ContainsFunc(ancestors(a), func(l []originward.CauseID) bool { return slices.Contains(l, b) })
}
