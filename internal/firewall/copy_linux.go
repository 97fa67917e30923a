package firewall

import (
	"context"
	"fmt"

	"github.com/originward/originward/internal/firewall/replica"
)

// Copy is a throw-away namespace with a snapshot's interfaces, addresses,
// routes, rules and sets, in which changes can be tried.
type Copy struct {
	w       *replica.World
	options Options
	limits  []Limit
}

// Copy builds a copy of the namespace that the snapshot was taken in. It needs
// root, and must run on a thread of that namespace.
func (s *Snapshot) Copy(ctx context.Context) (*Copy, error) {
	if s.host == nil {
		return nil, fmt.Errorf("copy of the packet filter: the snapshot is empty")
	}
	var p Proof
	w, err := s.buildReplica(ctx, &p)
	if err != nil {
		return nil, fmt.Errorf("copy of the packet filter: %w", err)
	}
	return &Copy{w: w, options: s.options, limits: p.Limits}, nil
}

// Do runs f inside the copy; programs that it starts are in the copy too.
func (c *Copy) Do(f func() error) error { return c.w.Do(f) }

// Limits says what the copy lacks.
func (c *Copy) Limits() []Limit { return c.limits }

// Collect reads the copy's packet filters as they are now.
func (c *Copy) Collect(ctx context.Context) (s *Snapshot, err error) {
	doErr := c.w.Do(func() error {
		o := c.options
		o.Proc = "" // the thread's own
		s, err = Collect(ctx, o)
		return nil
	})
	if err == nil {
		err = doErr
	}
	return s, err
}

// Prove lets the kernel confirm an answer about the copy, in a copy of it.
func (c *Copy) Prove(ctx context.Context, s *Snapshot, a Answer) (p Proof, err error) {
	doErr := c.w.Do(func() error {
		p, err = s.Prove(ctx, a)
		return nil
	})
	if err == nil {
		err = doErr
	}
	return p, err
}

// Close ends the copy.
func (c *Copy) Close() { c.w.Close() }
