//go:build !linux

package firewall

import "context"

// Collect reads packet filters, which only Linux has; see ErrUnsupported.
func Collect(context.Context, Options) (*Snapshot, error) { return nil, ErrUnsupported }

// Prove needs a Linux kernel; see ErrUnsupported.
func (s *Snapshot) Prove(context.Context, Answer) (Proof, error) { return Proof{}, ErrUnsupported }

// ProveLive needs a Linux kernel; see ErrUnsupported.
func (s *Snapshot) ProveLive(context.Context, Answer) (Proof, error) {
	return Proof{}, ErrUnsupported
}
