package exchange

import (
	"context"

	"github.com/originward/originward"
)

// Dialer connects to origins under one profile.
type Dialer struct {
	profile Profile
}

// NewDialer returns a dialer; zero fields of p take the documented values.
func NewDialer(p Profile) *Dialer { return &Dialer{profile: p.withDefaults()} }

// Profile is the profile in use.
func (d *Dialer) Profile() Profile { return d.profile }

// Dial connects and, when the target says so, does the TLS handshake, in the
// calling goroutine. The fault's phase is connect or tls. tr may be nil.
func (d *Dialer) Dial(ctx context.Context, t Target, tr *Trace) (*Conn, *originward.Fault) {
	panic("unwritten")
}
