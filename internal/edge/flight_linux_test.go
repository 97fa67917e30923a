package edge

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/originward/originward"
)

// What a visitor's request waits for stands in the record while it waits, and, when
// the visitor has left, with the wait's length and no fault of the origin.
func TestSilentOrigin(t *testing.T) {
	if !inNewNet(t) {
		return
	}
	run(t, "ip", "addr", "add", "10.9.0.1/24", "dev", "lo")
	run(t, "ip", "addr", "add", "10.9.0.16/24", "dev", "lo")
	run(t, "nft", "add", "table", "inet", "t")
	run(t, "nft", "add chain inet t in { type filter hook input priority 0; }")
	run(t, "nft", "add rule inet t in ip daddr 10.9.0.16 tcp dport 8080 drop")
	addr := netip.MustParseAddr("10.9.0.16")
	w := start(t, fmt.Sprintf("listen: {http: ['10.9.0.1:8080']}\nzones: [%s]", siteZone("full", addr)))
	c, err := net.Dial("tcp", w.http.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: shop.example\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	var seen factExchange
	waitFor(t, "a wait of a fifth of a second on record", func() bool {
		rec := w.edge.Records(Filter{Host: "shop.example"})
		if len(rec.Waiting) != 1 {
			return false
		}
		seen = rec.Waiting[0]
		return len(seen.Phases) == 1 && seen.Phases[0].MS >= 200
	})
	if seen.Phase != originward.PhaseConnect || seen.Phases[0].Done || seen.Code != 0 || seen.Fault != "" || seen.Origin != netip.AddrPortFrom(addr, 8080) ||
		!strings.HasPrefix(seen.Detail, "the SYN is unanswered for ") {
		t.Errorf("under way: %+v", seen)
	}
	if other := w.edge.Records(Filter{Host: "other.example"}).Waiting; len(other) != 0 {
		t.Errorf("another host waits: %+v", other)
	}
	c.Close()
	l := w.last(1)
	if l.Status != 499 || l.Phase != "connect" || l.Fault != "" || !l.Left || l.Phases["connect"] < 200 {
		t.Errorf("logged as %+v", l)
	}
	rec := w.edge.Records(Filter{Host: "shop.example"})
	if len(rec.Items) != 1 || len(rec.Waiting) != 0 {
		t.Fatalf("recorded as %+v", rec)
	}
	if x := rec.Items[0]; x.Ray != seen.Ray || !x.Left || x.Code != 499 || x.Fault != "" || x.Phase != originward.PhaseConnect || !strings.Contains(x.Detail, "the visitor left; the SYN is unanswered") {
		t.Errorf("recorded as %+v", x)
	}
}
