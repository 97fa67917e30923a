package exchange

import (
	"context"
	"net/netip"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// ProbeSpec describes one probing exchange. Only Target.Addr is needed; the
// variant ([fact] Variant constants) is applied to the rest.
type ProbeSpec struct {
	// Target is what is dialled. Its TLS policy, when not nil, is the base to which
	// Variant is applied; the certificate is judged and never enforced.
	Target Target
	// Variant is what is changed to part look-alikes; empty = as the edge would do it.
	Variant string
	// Name is the origin name that the address came from, for the record.
	Name string
	// Method is GET when empty; Path is "/" when empty; Host is Target.Host when empty.
	Method, Path, Host string
	// Header are extra request fields, in order: name, value.
	Header [][2]string
	// NoRequest ends the exchange after connect (and TLS).
	NoRequest bool
	// Profile holds the timers; zero = Fast.
	Profile Profile
	// Budget bounds the whole exchange beside ctx; 0 = FastWhole for a fast profile, else
	// none but the timers.
	Budget time.Duration
	// MaxBody bounds how much of the body is read; 0 = 64 KiB.
	MaxBody int64
	// IdleBefore is how long the connection idles before the second request of the
	// reuse variant.
	IdleBefore time.Duration
}

// Probe does one whole exchange and returns it as evidence. It never fails: what
// goes wrong is the evidence. It dials in the calling goroutine.
func Probe(ctx context.Context, s ProbeSpec) fact.Exchange { panic("unwritten") }

// FactOf is a fault as plain data: errno, TLS alert, parse kind, sample and
// certificate reasons worked out from the real error. read is the number of
// response bytes that had arrived, after the time since the exchange began.
func FactOf(f *originward.Fault, after time.Duration, read int64) *fact.Fault { panic("unwritten") }

// RouteSource is the source address that the kernel would use towards addr, found
// without sending a packet; its error holds the errno when there is no route.
func RouteSource(addr netip.AddrPort) (netip.Addr, error) { panic("unwritten") }
