package diagnose

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// Number gives every item of the bundle its id, e1, e2, …, in an order that
// depends on what the items say and not on how they came: vantage, question,
// subject, time, content. It sorts b.Evidence accordingly.
func Number(b *originward.Bundle) {
	sortByContent(b.Evidence)
	for i := range b.Evidence {
		b.Evidence[i].ID = "e" + strconv.Itoa(i+1)
	}
}

func sortByContent(es []originward.Evidence) {
	type keyed struct {
		e   originward.Evidence
		key string
	}
	ks := make([]keyed, len(es))
	for i, e := range es {
		ks[i] = keyed{e, contentKey(e)}
	}
	slices.SortStableFunc(ks, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	for i := range ks {
		es[i] = ks[i].e
	}
}

// contentKey orders an item by what it says.
func contentKey(e originward.Evidence) string {
	subject, _ := json.Marshal(e.Subject) // plain data: cannot fail
	content, err := json.Marshal(e.Fact)
	if err != nil {
		content = nil // a fact of a foreign type: the rest still orders it
	}
	at := e.At.UTC().Format("2006-01-02T15:04:05.000000000")
	return strings.Join([]string{vantageKey(e.Vantage), string(e.Question), string(subject), at, string(content), e.Text}, "\x00")
}

func vantageKey(v originward.Vantage) string {
	if i := slices.Index(originward.Vantages(), v); i >= 0 {
		return strconv.Itoa(i)
	}
	return "9" + string(v)
}

// prepare is a copy of the bundle with typed facts and unique ids, sorted.
func prepare(b *originward.Bundle) *originward.Bundle {
	c := *b
	c.Evidence = slices.Clone(b.Evidence)
	if c.Evidence == nil {
		c.Evidence = []originward.Evidence{}
	}
	for i := range c.Evidence {
		// What does not fit its type stays raw: no cause reads it.
		_ = fact.Type(&c.Evidence[i])
	}
	if !numbered(c.Evidence) {
		Number(&c)
		return &c
	}
	slices.SortStableFunc(c.Evidence, func(x, y originward.Evidence) int {
		return cmp.Or(cmp.Compare(idNumber(x.ID), idNumber(y.ID)), cmp.Compare(x.ID, y.ID))
	})
	return &c
}

func numbered(es []originward.Evidence) bool {
	seen := map[string]bool{}
	for _, e := range es {
		if e.ID == "" || seen[e.ID] {
			return false
		}
		seen[e.ID] = true
	}
	return true
}

// idNumber is the number in an id; ids of another form come last.
func idNumber(id string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "e"))
	if err != nil {
		return 1 << 30
	}
	return n
}
