package edge

import (
	"net/netip"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
)

func TestRoutes(t *testing.T) {
	r := newRoutes()
	rec := func(typ originward.RecordType, name, content string, proxied bool) originward.Record {
		return originward.Record{Type: typ, Name: name, Content: content, Proxied: proxied}
	}
	zoneOf := func(name string, recs ...originward.Record) *zone {
		return &zone{Zone: config.Zone{Zone: originward.Zone{Name: name, Records: recs}}}
	}
	r.add(zoneOf("shop.example",
		rec("A", "shop.example", "192.0.2.1", true),
		rec("AAAA", "shop.example", "2001:db8::1", false),
		rec("A", "*.shop.example", "192.0.2.2", true),
		rec("A", "a.b.shop.example", "192.0.2.3", false),
		rec("CNAME", "www.shop.example", "shop.example", true),
		rec("CNAME", "out.shop.example", "host.elsewhere.example", true),
		rec("CNAME", "to-wild.shop.example", "any.shop.example", true),
	))
	r.add(zoneOf("deep.shop.example", rec("A", "deep.shop.example", "192.0.2.9", true)))
	for _, tc := range []struct {
		host, zone, site string
		proxied          bool
	}{
		{"shop.example", "shop.example", "shop.example", true},
		{"x.shop.example", "shop.example", "*.shop.example", true},
		{"x.y.shop.example", "shop.example", "*.shop.example", true},
		{"a.b.shop.example", "shop.example", "a.b.shop.example", false},
		{"b.shop.example", "shop.example", "", false},   // exists between a record and the zone
		{"c.b.shop.example", "shop.example", "", false}, // the wildcard does not reach past it
		{"deep.shop.example", "deep.shop.example", "deep.shop.example", true},
		{"x.deep.shop.example", "deep.shop.example", "", false}, // another zone's wildcard does not count
		{"example", "", "", false},
		{"notshop.example", "", "", false},
		{"", "", "", false},
		{".", "", "", false},
		{".shop.example", "shop.example", "*.shop.example", true},
	} {
		z, s := r.find([]byte(tc.host))
		var zn, sn string
		if z != nil {
			zn = z.Name
		}
		if s != nil {
			sn = s.name
		}
		if zn != tc.zone || sn != tc.site || s != nil && s.proxied != tc.proxied {
			t.Errorf("%q: zone %q, site %q; want %q, %q", tc.host, zn, sn, tc.zone, tc.site)
		}
	}
	for _, tc := range []struct {
		host, name, target string
		addrs              int
	}{
		{"shop.example", "", "", 2},
		{"www.shop.example", "", "shop.example", 2},
		{"out.shop.example", "host.elsewhere.example", "host.elsewhere.example", 0},
		{"to-wild.shop.example", "", "any.shop.example", 1},
	} {
		_, s := r.find([]byte(tc.host))
		addrs, name, target := r.origin(s)
		if len(addrs) != tc.addrs || name != tc.name || target != tc.target {
			t.Errorf("%s leads to %v, %q, %q", tc.host, addrs, name, target)
		}
	}
}

func TestTurns(t *testing.T) {
	s := &site{addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")}}
	seen := map[int]int{}
	for range 30 {
		seen[s.turn(3)]++
	}
	if len(seen) != 3 || seen[0] != 10 || s.turn(1) != 0 || s.turn(0) != 0 {
		t.Errorf("turns %v", seen)
	}
}

func BenchmarkFind(b *testing.B) {
	r := newRoutes()
	r.add(&zone{Zone: config.Zone{Zone: originward.Zone{Name: "shop.example", Records: []originward.Record{{Type: "A", Name: "www.shop.example", Content: "192.0.2.1"}}}}})
	host := []byte("www.shop.example")
	b.ReportAllocs()
	for b.Loop() {
		if _, s := r.find(host); s == nil {
			b.Fatal("not found")
		}
	}
}
