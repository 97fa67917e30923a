package diagnose

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

// hostile is a world in which everything that can be many is many.
func hostile() *bt.World {
	const n = 3000
	w := stopNginx(bt.Healthy())
	addr := func(i int) netip.Addr {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], 0x0B000000+uint32(i))
		return netip.AddrFrom4(b)
	}
	for i := range n {
		a, p := addr(i), uint16(1+i)
		w.Direct = append(w.Direct, bt.Refused(bt.Origin4, p), bt.Timeout(a, 443))
		w.Local = append(w.Local, bt.Refused(a, p))
		w.Hit(100+i, netip.AddrPortFrom(a, p), a, 521, originward.PhaseConnect, originward.ConnectionRefused)
		w.Records.Records = append(w.Records.Records, fact.CDNRecord{Type: "A", Name: bt.Host, Content: a.String()})
		w.Listeners.Sockets = append(w.Listeners.Sockets, bt.Sock("0.0.0.0", p, "node"))
		w.Services.Services = append(w.Services.Services, fact.Service{Kind: "nginx", Role: "web", State: "failed", Test: &fact.Test{OK: fact.No, Output: strings.Repeat("x", 100)}})
		seg := segment(fact.VerdictDrop, "", rule("input", a.String()), netip.PrefixFrom(a, 32))
		seg.Rule.Handle = uint64(i)
		w.Firewall.Answers[1].CDN = append(w.Firewall.Answers[1].CDN, seg)
		w.Bans.Sources = append(w.Bans.Sources, fact.BanSource{Tool: "fail2ban", State: fact.Yes, CDN: []fact.Ban{{Prefix: netip.PrefixFrom(a, 32)}}, Private: []fact.Ban{{Prefix: netip.PrefixFrom(a, 32)}}})
		w.Logs.Lines = append(w.Logs.Lines, fact.LogLine{Kind: fact.LogBindFailed, At: bt.At, Client: a, Text: "bind() to " + a.String() + ":443 failed"})
		w.Web[0].Upstreams = append(w.Web[0].Upstreams, refusedUpstream())
		w.Web[0].Limits = append(w.Web[0].Limits, fact.Limit{Kind: "requests", PeerKey: fact.Yes})
		w.Web[0].Sites[0].Refuses = append(w.Web[0].Sites[0].Refuses, fact.SiteRefusal{Everyone: true, Ranges: []netip.Prefix{netip.PrefixFrom(a, 32)}})
		w.Routes.Groups = append(w.Routes.Groups, bt.Route(originward.IP4, true, netip.PrefixFrom(a, 32)))
		w.Jobs.Jobs = append(w.Jobs.Jobs, fact.Job{Kind: "dyndns", OK: fact.No})
		w.Certs.Files = append(w.Certs.Files, fact.CertFile{Chain: []fact.Cert{bt.Leaf("x")}})
	}
	w.Web[0].Running = fact.Yes
	return w
}

// TestHostile explains a bundle of tens of thousands of entries within bounds.
func TestHostile(t *testing.T) {
	b := hostile().Bundle()
	Number(b)
	began := time.Now()
	d := Explain(b, Options{})
	took := time.Since(began)
	t.Logf("%d items, %d findings, %v", len(b.Evidence), len(d.Findings), took)
	if took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	sane(t, "hostile", d)
}

// BenchmarkHostile explains the largest bundle of the tests: the budget is
// 50 ms on a quiet machine.
func BenchmarkHostile(b *testing.B) {
	bundle := hostile().Bundle()
	Number(bundle)
	b.ReportAllocs()
	for b.Loop() {
		Explain(bundle, Options{})
	}
}
