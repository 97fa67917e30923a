package causes

import (
	"net/netip"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

func webItem(w fact.WebConfig) fact.Item[fact.WebConfig] {
	return fact.Item[fact.WebConfig]{Evidence: &originward.Evidence{ID: "w-" + w.Server}, Fact: w}
}

func site(name string, listens ...fact.Listen) fact.Site {
	return fact.Site{Names: []string{name}, Listens: listens}
}

// TestServersSideBySide: a stopped server whose configuration says nothing of
// the site does not claim its port where another server's names it; one that
// failed, or that nothing outclaims, does.
func TestServersSideBySide(t *testing.T) {
	stock := fact.WebConfig{Server: "lighttpd", Parsed: fact.Yes, Listens: []fact.Listen{{Port: 80}}}
	named := fact.WebConfig{Server: "nginx", Parsed: fact.Yes, Sites: []fact.Site{site("shop.example", fact.Listen{Port: 80})}}
	stopped := fact.Service{Kind: "lighttpd", State: "stopped"}
	for _, c := range []struct {
		name string
		web  []fact.WebConfig
		s    fact.Service
		want fact.Tri
	}{
		{"alone", []fact.WebConfig{stock}, stopped, fact.Yes},
		{"beside the site's own", []fact.WebConfig{stock, named}, stopped, fact.No},
		{"failed", []fact.WebConfig{stock, named}, fact.Service{Kind: "lighttpd", State: "failed"}, fact.Yes},
		{"the site's own", []fact.WebConfig{stock, named}, fact.Service{Kind: "nginx", State: "stopped"}, fact.Yes},
	} {
		v := &View{Host: "shop.example"}
		for _, w := range c.web {
			v.web = append(v.web, webItem(w))
		}
		if got := v.wouldServe(c.s, 80); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestSiteAt: without a name that fits, the default of the address's own
// listener answers, and sites of other addresses never do.
func TestSiteAt(t *testing.T) {
	w := fact.WebConfig{Sites: []fact.Site{
		site("_", fact.Listen{Addr: "*:443", Port: 443, Default: true}),
		site("www.shop.example", fact.Listen{Addr: "*:443", Port: 443}, fact.Listen{Addr: "[::]:443", Port: 443, Default: true}),
		site("shop.example", fact.Listen{Addr: "203.0.113.11:443", Port: 443}),
	}}
	for to, want := range map[string]string{
		"203.0.113.10:443":     "_",
		"[2001:db8::10]:443":   "www.shop.example",
		"203.0.113.11:443":     "shop.example",
		"0.0.0.0:443":          "shop.example",
		"[2001:db8::10]:10443": "",
	} {
		got, _, _ := siteAt(w, "shop.example", netip.MustParseAddrPort(to))
		if len(got.Names) == 0 && want != "" || len(got.Names) > 0 && got.Names[0] != want {
			t.Errorf("%s: %v, want %q", to, got.Names, want)
		}
	}
}

func TestBareName(t *testing.T) {
	for in, want := range map[string]string{
		"https://shop.example": "shop.example", "shop.example:8443": "shop.example", "http://shop.example/api": "shop.example",
		"shop.example": "shop.example", ":443": "", "_": "_",
	} {
		if got := bareName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestAlone: a leaf is alone where nothing that was sent has signed it, however
// much was sent.
func TestAlone(t *testing.T) {
	leaf := fact.Cert{Subject: "CN=shop.example", Issuer: "CN=Inter"}
	for _, c := range []struct {
		name  string
		chain []fact.Cert
		why   fact.CertReason
		want  bool
	}{
		{"leaf only", []fact.Cert{leaf}, fact.CertUnknownIssuer, true},
		{"another's link", []fact.Cert{leaf, {Subject: "CN=Other", Issuer: "CN=Other", SelfSigned: true}}, fact.CertSelfSigned, true},
		{"its issuer", []fact.Cert{leaf, {Subject: "CN=Inter", Issuer: "CN=Inter", SelfSigned: true}}, fact.CertUnknownIssuer, false},
		{"by itself", []fact.Cert{{Subject: "CN=a", Issuer: "CN=a", SelfSigned: true}}, fact.CertSelfSigned, false},
		{"expired", []fact.Cert{leaf}, fact.CertExpired, false},
	} {
		s := served{tls: &fact.TLS{Chain: c.chain}, reasons: []fact.CertReason{c.why}}
		if got := s.alone(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestTakenElsewhere: replies to the edge alone by a policy rule's table or by
// a network of the host's own are captured; what everyone's replies take is not.
func TestTakenElsewhere(t *testing.T) {
	usual := fact.RouteGroup{Family: originward.IP4, Type: "unicast", Iface: "eth0", Gateway: netip.MustParseAddr("192.168.1.1"), Private: true, Default: true}
	vpn := fact.RouteGroup{CDN: true, Family: originward.IP4, Type: "unicast", Iface: "wg0", Gateway: netip.MustParseAddr("10.9.0.2"), Private: true, Default: true, InIface: "eth0"}
	link := fact.RouteGroup{CDN: true, Family: originward.IP4, Type: "unicast", Iface: "d0", InIface: "eth0"}
	behind := usual
	behind.CDN = true
	for _, c := range []struct {
		name  string
		g     fact.RouteGroup
		rules []string
		want  bool
	}{
		{"rule to a VPN", vpn, []string{"100: to 173.245.48.0/20 lookup 77"}, true},
		{"the same without a rule", vpn, nil, false},
		{"a network of its own", link, nil, true},
		{"everyone behind a router", behind, []string{"100: to 10.0.0.0/8 lookup 77"}, false},
	} {
		it := fact.Item[fact.Routes]{Evidence: &originward.Evidence{}, Fact: fact.Routes{Groups: []fact.RouteGroup{usual, c.g}, Rules: c.rules}}
		if got := new(View).takenElsewhere(it, c.g); (got != "") != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
