package causes

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// poolView is a view of a site behind a load balancer, whose record leads elsewhere.
func poolView(records fact.CDNRecords, pools ...fact.CDNPool) *View {
	b := &originward.Bundle{Host: "shop.example", Evidence: []originward.Evidence{
		{ID: "e1", Vantage: originward.CDN, Question: fact.QCDNRecords, Fact: records},
		{ID: "e2", Vantage: originward.CDN, Question: fact.QCDNSettings, Fact: fact.CDNSettings{SSL: originward.SSLFull, Source: "api"}},
		{ID: "e3", Vantage: originward.Outside, Question: fact.QExchange, Fact: fact.Exchange{Target: netip.MustParseAddrPort("203.0.113.99:443"), Scheme: "https"}},
	}}
	if pools != nil {
		b.Evidence = append(b.Evidence, originward.Evidence{ID: "e4", Vantage: originward.CDN, Question: fact.QCDNBalancer, Fact: fact.CDNBalancer{Name: "shop.example", Pools: pools}})
	}
	return NewView(b)
}

// The origins of a balanced name are its pools', on their ports; the record that the
// load balancer hides, and an address that somebody named, are none.
func TestPoolsAreTheOrigins(t *testing.T) {
	records := fact.CDNRecords{
		Name: "shop.example", Covered: fact.Yes, CoveredBy: "load balancer shop.example",
		Records: []fact.CDNRecord{{Type: "A", Content: "203.0.113.99", Proxied: fact.Yes}},
	}
	pools := []fact.CDNPool{
		{ID: "p1", Name: "main", Origins: []fact.CDNPoolOrigin{
			{Name: "a", Address: "203.0.113.10"}, {Name: "b", Address: "203.0.113.11", Port: 8443}, {Address: "203.0.113.12", Enabled: fact.No}, {Name: "n", Address: "origin.example"},
			{Address: "203.0.113.13", Port: 1 << 20},
		}},
		{ID: "p2", Enabled: fact.No, Origins: []fact.CDNPoolOrigin{{Address: "203.0.113.20"}}},
	}
	v := poolView(records, pools...)
	used := map[string]fact.Tri{}
	for _, o := range v.Origins {
		used[o.Addr.String()] = o.Published
	}
	for addr, want := range map[string]fact.Tri{"203.0.113.10": fact.Yes, "203.0.113.11": fact.Yes, "203.0.113.12": "", "203.0.113.20": "", "203.0.113.99": fact.No} {
		if used[addr] != want {
			t.Errorf("%s: %q, wanted %q", addr, used[addr], want)
		}
	}
	for _, l := range v.Legs {
		if l.Addr() == netip.MustParseAddr("203.0.113.11") && (l.Used == fact.Yes) != (l.Port == 8443) {
			t.Errorf("%v is used: %q", l, l.Used)
		}
		if l.Addr() == netip.MustParseAddr("203.0.113.13") && l.Port != 443 && l.Port != 80 && l.Used == fact.Yes {
			t.Errorf("%v: a port that cannot be", l)
		}
	}
	if names, _ := v.originNames(); !slices.Equal(names, []string{"origin.example"}) {
		t.Errorf("names %v", names)
	}
	if a := v.RecordFor(netip.MustParseAddr("203.0.113.10")); !a.IsYes() {
		t.Errorf("a pool's own address: %+v", a)
	}
	if a := v.RecordFor(netip.MustParseAddr("203.0.113.99")); a.Known() {
		t.Errorf("with a name in the pool, any address may be in use: %+v", a)
	}
	if w := v.writtenAt(netip.MustParseAddr("203.0.113.11")); w != "the address of origin b in the pool main" {
		t.Error(w)
	}
	if s := v.withdraw(netip.MustParseAddr("203.0.113.10"), ""); s.Run != "disable origin a in the pool main" {
		t.Errorf("%+v", s)
	}
	if judgeDuplicate(v) != nil {
		t.Error("several origins of a pool are called duplicate records")
	}
	named := poolView(records, fact.CDNPool{ID: "p1", Origins: []fact.CDNPoolOrigin{{Address: "203.0.113.10"}}})
	if a := named.RecordFor(netip.MustParseAddr("203.0.113.99")); !a.IsNo() {
		t.Errorf("no pool holds it: %+v", a)
	}
}

// A load balancer whose pools could not be read: the record does not count, and
// nothing is said of where the origins are.
func TestPoolsUnread(t *testing.T) {
	records := fact.CDNRecords{
		Name: "shop.example", Covered: fact.Yes, CoveredBy: "load balancer shop.example",
		Records: []fact.CDNRecord{{Type: "CNAME", Content: "old.example", Proxied: fact.Yes}},
	}
	for _, pools := range [][]fact.CDNPool{nil, {{ID: "p1", Unread: true}}} {
		v := poolView(records, pools...)
		if a := v.RecordFor(netip.MustParseAddr("203.0.113.10")); a.Known() || a.Look == nil || *a.Look != lookPools {
			t.Errorf("%+v", a)
		}
		if names, _ := v.originNames(); len(names) != 0 {
			t.Errorf("names %v of a record that does not count", names)
		}
	}
}
