package remedy

import (
	"context"
	"fmt"
	"slices"
)

// Shown is a plan with the exact changes that its steps would make now.
type Shown struct {
	Plan
	Changes [][]string `json:"changes"` // one list a step
}

// Show looks at the machine and says what every step would change.
func Show(ctx context.Context, p Plan) (Shown, error) {
	out := Shown{Plan: p, Changes: [][]string{}}
	out.Steps = make([]Step, len(p.Steps))
	for i, s := range p.Steps {
		out.Steps[i] = s
		if h, ok := s.Do.(hider); ok {
			out.Steps[i].Do = h.hidden()
		}
		c, err := s.Do.Plan(ctx, &Machine{})
		if err != nil {
			return out, fmt.Errorf("%s: %w", s.Title, err)
		}
		out.Changes = append(out.Changes, c.Show)
	}
	return out, nil
}

// hider is an action that holds secrets: private keys.
type hider interface {
	// hidden is the action without them, as it may be shown.
	hidden() Action
}

func (c *Config) hidden() Action {
	shown := *c
	shown.Edits = slices.Clone(c.Edits)
	for i := range shown.Edits {
		if shown.Edits[i].Secret {
			shown.Edits[i].Content = nil
		}
	}
	return &shown
}

func (o *OriginCert) hidden() Action {
	shown := *o
	shown.Key = nil
	shown.Put = *o.Put.hidden().(*Config)
	return &shown
}
