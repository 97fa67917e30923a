package diagnose

import (
	"net/netip"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

// haproxyLimit is a world whose haproxy counts connections by the connecting
// address and refuses without a line in any log. Each word of the pattern is a
// connection of the edge: its address, and whether it was served.
func haproxyLimit(pattern ...dialled) *bt.World {
	w := bt.Healthy()
	w.Edge(200, "", "")
	w.Visits, w.Record.Items = nil, nil
	for i, p := range pattern {
		to := netip.AddrPortFrom(bt.Origin4, 443)
		if p.served {
			w.Hit(i, to, bt.Egress[p.from], 200, "", "")
		} else {
			w.Hit(i, to, bt.Egress[p.from], 525, originward.PhaseTLS, originward.TLSProtocolError)
		}
	}
	w.Web[0].Server = "haproxy"
	w.Web[0].Limits = []fact.Limit{{Kind: "connections", Key: "src", Rate: "sc_conn_rate(0) gt 8", PeerKey: fact.Yes, Place: fact.Place{File: "/etc/haproxy/haproxy.cfg", Line: 19}}}
	return w
}

type dialled struct {
	from   int
	served bool
}

// TestSilentLimit: a limit that writes no line is proved by what it does, and
// by nothing less.
func TestSilentLimit(t *testing.T) {
	for _, c := range []struct {
		name    string
		pattern []dialled
		want    originward.Standing
	}{
		{"one address is shut out", []dialled{{0, true}, {1, true}, {0, false}, {1, true}, {0, false}}, originward.Proved},
		{"an address is served again", []dialled{{0, false}, {1, true}, {0, true}, {0, false}}, originward.Likely},
		{"a single failure", []dialled{{0, true}, {1, true}, {0, false}}, originward.Likely},
		{"nobody was ever served", []dialled{{0, false}, {1, false}, {0, false}}, originward.Likely},
		{"served first, then shut out", []dialled{{0, true}, {0, false}, {0, false}}, originward.Proved},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Explain(haproxyLimit(c.pattern...).Bundle(), Options{})
			if got := stands(d, "ban.server-throttle"); got != c.want {
				t.Errorf("stands %s, want %s\n%s", got, c.want, dump(d))
			}
		})
	}
	t.Run("the packet filter turns the edge away", func(t *testing.T) {
		w := partBlocked(haproxyLimit(dialled{0, true}, dialled{1, true}, dialled{0, false}, dialled{0, false}), fact.VerdictDrop, "", rule("input", "ip saddr 173.245.48.0/20 drop"))
		if got := stands(Explain(w.Bundle(), Options{}), "ban.server-throttle"); got == originward.Proved {
			t.Error("the limit stands proved")
		}
	})
}
