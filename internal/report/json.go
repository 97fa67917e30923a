package report

import (
	"encoding/json"
	"io"

	"github.com/originward/originward"
)

// JSON writes the diagnosis whole, with lists that are empty rather than null.
func JSON(w io.Writer, d *originward.Diagnosis) error {
	c := *d
	c.RootCauses = orEmpty(c.RootCauses)
	c.Findings = append([]originward.Finding{}, c.Findings...)
	for i := range c.Findings {
		c.Findings[i].For = orEmpty(c.Findings[i].For)
		c.Findings[i].Against = orEmpty(c.Findings[i].Against)
	}
	c.Evidence = orEmpty(c.Evidence)
	c.NotObserved = orEmpty(c.NotObserved)
	return encode(w, c)
}

// Bundle writes the evidence alone.
func Bundle(w io.Writer, b *originward.Bundle) error {
	c := *b
	c.Schema = originward.EvidenceSchema
	c.Evidence = orEmpty(c.Evidence)
	c.NotObserved = orEmpty(c.NotObserved)
	return encode(w, c)
}

func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
