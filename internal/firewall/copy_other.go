//go:build !linux

package firewall

import "context"

// Copy is a throw-away copy of a namespace; only Linux has them.
type Copy struct{}

// Copy is not available on this platform.
func (s *Snapshot) Copy(context.Context) (*Copy, error) { return nil, ErrUnsupported }

// Do does nothing.
func (c *Copy) Do(func() error) error { return ErrUnsupported }

// Limits is empty.
func (c *Copy) Limits() []Limit { return nil }

// Collect is not available on this platform.
func (c *Copy) Collect(context.Context) (*Snapshot, error) { return nil, ErrUnsupported }

// Prove is not available on this platform.
func (c *Copy) Prove(context.Context, *Snapshot, Answer) (Proof, error) {
	return Proof{}, ErrUnsupported
}

// Close does nothing.
func (c *Copy) Close() {}
