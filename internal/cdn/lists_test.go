package cdn

import (
	"net/netip"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

func TestEmbeddedData(t *testing.T) {
	tab, err := readTables()
	if err != nil {
		t.Fatal(err)
	}
	if len(tab.lists) < 7 {
		t.Fatalf("%d lists", len(tab.lists))
	}
	for _, l := range tab.lists {
		if len(l.Prefixes) == 0 || l.Source == "" || l.CDN == "" {
			t.Errorf("%s %s: list without ranges, source or name", l.CDN, l.Role)
		}
		if l.Role != RoleOrigin && l.Role != RoleVisitor && l.Role != RoleBoth {
			t.Errorf("%s: role %q", l.CDN, l.Role)
		}
		if l.AsOf.IsZero() && l.Complete {
			t.Errorf("%s %s: complete, yet nobody knows when", l.CDN, l.Role)
		}
		for _, p := range l.Prefixes {
			if s, ok := SpecialOf(p.Addr()); ok {
				t.Errorf("%s: %s lies in %s (%s)", l.CDN, p, s.Range, s.Name)
			}
		}
		if l.CDN.Title() == string(l.CDN) {
			t.Errorf("%s has no title", l.CDN)
		}
	}
	// A withdrawn entry that is still in the list is a contradiction.
	for _, w := range tab.withdrawn {
		for _, l := range tab.lists {
			for _, p := range l.Prefixes {
				if l.CDN == w.CDN && p == w.Prefix {
					t.Errorf("%s: %s is published and withdrawn", w.CDN, p)
				}
			}
		}
	}
}

// The counts of Cloudflare's pages: 15 IPv4 and 7 IPv6 (cloudflare.md §9).
func TestCloudflareRanges(t *testing.T) {
	for f, want := range map[originward.Family]int{originward.IP4: 15, originward.IP6: 7, "": 22} {
		got, complete := Ranges(Cloudflare, f)
		if len(got) != want || !complete {
			t.Errorf("Ranges(%q) = %d ranges, complete %v; want %d", f, len(got), complete, want)
		}
	}
	if _, complete := Ranges(Akamai, ""); complete {
		t.Error("Akamai's list passes for complete")
	}
	if r, _ := Ranges(Vercel, ""); len(r) != 0 {
		t.Errorf("Vercel has ranges: %v", r)
	}
}

func TestLookup(t *testing.T) {
	for _, tt := range []struct {
		addr   string
		all    ID
		egress ID
		rng    string
	}{
		{"173.245.48.10", Cloudflare, Cloudflare, "173.245.48.0/20"},
		{"104.23.255.255", Cloudflare, Cloudflare, "104.16.0.0/13"},
		{"104.27.255.255", Cloudflare, Cloudflare, "104.24.0.0/14"},
		{"104.28.0.1", "", "", ""}, // left the list
		{"::ffff:173.245.48.10", Cloudflare, Cloudflare, "173.245.48.0/20"},
		{"2606:4700::6810:1", Cloudflare, Cloudflare, "2606:4700::/32"},
		{"151.101.1.1", Fastly, Fastly, "151.101.0.0/16"},
		{"35.191.4.4", Google, Google, "35.191.0.0/16"},
		{"203.0.113.10", "", "", ""},
		{"127.0.0.1", "", "", ""},
	} {
		a := netip.MustParseAddr(tt.addr)
		id, rng := Lookup(a)
		if id != tt.all || (tt.rng != "" && rng != netip.MustParsePrefix(tt.rng)) {
			t.Errorf("Lookup(%s) = %q %s, want %q %s", tt.addr, id, rng, tt.all, tt.rng)
		}
		if id, _ := LookupEgress(a); id != tt.egress {
			t.Errorf("LookupEgress(%s) = %q, want %q", tt.addr, id, tt.egress)
		}
	}
	if id, _ := Lookup(netip.Addr{}); id != "" {
		t.Errorf("Lookup of no address = %q", id)
	}
}

// CloudFront answers visitors from other addresses than it fetches from.
func TestVisitorRangesAreNoEgress(t *testing.T) {
	n := 0
	for _, l := range Lists() {
		if l.CDN != CloudFront || l.Role != RoleVisitor {
			continue
		}
		for _, p := range l.Prefixes {
			if id, _ := Lookup(p.Addr()); id != CloudFront {
				t.Errorf("%s: %q", p, id)
			}
			if id, _ := LookupEgress(p.Addr()); id != CloudFront {
				n++
			}
		}
	}
	if n == 0 {
		t.Error("every visitor range of CloudFront passes for egress")
	}
}

func TestInCDN(t *testing.T) {
	got := InCDN([]netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("172.64.1.1")})
	if len(got) != 1 || got[0].CDN != "cloudflare" || got[0].Range.String() != "172.64.0.0/13" {
		t.Errorf("InCDN = %v", got)
	}
	// 172.64.0.0/13 is public, 172.16.0.0/12 private: they do not overlap.
	if s, ok := SpecialOf(netip.MustParseAddr("172.64.1.1")); ok {
		t.Errorf("172.64.1.1 is %s", s.Name)
	}
}

func TestSpecial(t *testing.T) {
	for addr, want := range map[string]bool{
		"192.0.2.0": true, "192.0.2.77": true, "100::": true, "100::1": true,
		"203.0.113.1": false, "10.1.2.3": false, "100:0:0:1::": false, "::ffff:192.0.2.1": true,
	} {
		if got := Placeholder(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Placeholder(%s) = %v", addr, got)
		}
	}
	for addr, want := range map[string]string{
		"10.1.2.3": "private", "172.31.255.255": "private", "fd00::1": "private", "::1": "loopback",
		"100.64.0.1": "carrier-grade NAT", "fe80::1%eth0": "link-local",
	} {
		if got, ok := SpecialOf(netip.MustParseAddr(addr)); !ok || got.Name != want {
			t.Errorf("SpecialOf(%s) = %q, %v", addr, got.Name, ok)
		}
	}
	if _, ok := SpecialOf(netip.MustParseAddr("8.8.8.8")); ok {
		t.Error("8.8.8.8 is special")
	}
}

func TestPortSupported(t *testing.T) {
	for _, tt := range []struct {
		id     ID
		scheme string
		port   uint16
		want   fact.Tri
	}{
		{Cloudflare, "https", 443, fact.Yes},
		{Cloudflare, "https", 8443, fact.Yes},
		{Cloudflare, "https", 8080, fact.No},
		{Cloudflare, "http", 8080, fact.Yes},
		{Cloudflare, "http", 3000, fact.No},
		{Cloudflare, "", 2053, fact.Yes},
		{Originward, "https", 9443, fact.No},
		{Fastly, "https", 9443, fact.Unknown},
	} {
		if got := PortSupported(tt.id, tt.scheme, tt.port); got != tt.want {
			t.Errorf("PortSupported(%s, %q, %d) = %q, want %q", tt.id, tt.scheme, tt.port, got, tt.want)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	a := netip.MustParseAddr("162.159.1.1")
	Lookup(a)
	b.ReportAllocs()
	for b.Loop() {
		Lookup(a)
	}
}
