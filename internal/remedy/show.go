package remedy

import (
	"context"
	"fmt"
)

// Shown is a plan with the exact changes that its steps would make now.
type Shown struct {
	Plan
	Changes [][]string `json:"changes"` // one list a step
}

// Show looks at the machine and says what every step would change.
func Show(ctx context.Context, p Plan) (Shown, error) {
	out := Shown{Plan: p, Changes: [][]string{}}
	for _, s := range p.Steps {
		c, err := s.Do.Plan(ctx, &Machine{})
		if err != nil {
			return out, fmt.Errorf("%s: %w", s.Title, err)
		}
		out.Changes = append(out.Changes, c.Show)
	}
	return out, nil
}
