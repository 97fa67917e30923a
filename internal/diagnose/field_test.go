package diagnose

import (
	"net/netip"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

// TestOwnPort: a site that is asked for on a port of its own is judged by that
// port; what the usual ones do is nobody's concern.
func TestOwnPort(t *testing.T) {
	w := bt.Healthy()
	w.SetDirect(bt.OK(bt.Origin4, 8443), bt.Refused(bt.Origin4, 443), bt.Refused(bt.Origin4, 80))
	w.Visit(netip.AddrPortFrom(bt.Origin4, 8443), 200, "", "")
	for i := range w.Visits {
		w.Visits[i].Target = netip.AddrPortFrom(w.Visits[i].Target.Addr(), 8443)
	}
	d := Explain(w.Without(originward.Host).Bundle(), Options{})
	if d.ExitCode() != originward.ExitHealthy {
		t.Errorf("%s %v\n%s", d.Status, d.RootCauses, dump(d))
	}
}

// TestNeverProved holds what real servers have shown to look like a cause that
// it is not: the cause must not stand proved, whatever else does.
func TestNeverProved(t *testing.T) {
	for _, c := range []struct {
		name  string
		cause originward.CauseID
		world func() *bt.World
	}{
		{"a TLS port behind a path that loses large packets answers plain http with 400", "tls.plain-http-on-port", func() *bt.World {
			silent := bt.Fails(bt.Origin4, 443, originward.PhaseTLS, originward.TLSProtocolError, "")
			silent.Fault.Ended = "timeout"
			hint := bt.Status(bt.Origin4, 443, 400)
			hint.TLS, hint.Scheme = nil, "http"
			hint.Response.Title = "400 The plain HTTP request was sent to HTTPS port"
			return shake525(silent, bt.Variant(hint, fact.VariantPlainHTTP))
		}},
		{"nginx waits for an application that takes connections and never answers", "backend.proxy-wedged", func() *bt.World {
			slow := bt.Fails(bt.Origin4, 443, originward.PhaseFirstByte, originward.HTTPResponseTimeout, "")
			w := bt.Healthy().Swap(slow)
			w.Local = []fact.Exchange{slow}
			w.Web[0].Upstreams = []fact.Upstream{{
				Name: "127.0.0.1:3000", Scheme: "http", Addr: netip.MustParseAddrPort("127.0.0.1:3000"),
				Answers: fact.Yes, Errno: "http_response_timeout", Listener: fact.Yes, Place: confLine(8),
			}}
			return w.Edge(524, originward.PhaseFirstByte, originward.HTTPResponseTimeout)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := Explain(c.world().Bundle(), Options{}); stands(d, c.cause) == originward.Proved {
				t.Errorf("%s is proved\n%s", c.cause, dump(d))
			}
		})
	}
}
