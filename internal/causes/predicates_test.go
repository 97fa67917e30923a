package causes

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

func TestOutcomeOf(t *testing.T) {
	phases := func(p originward.Phase, ms float64) []fact.PhaseTime { return []fact.PhaseTime{{Phase: p, MS: ms}} }
	fault := func(p originward.Phase, f originward.FaultType, read int64) fact.Exchange {
		return fact.Exchange{Fault: &fact.Fault{Phase: p, Type: f, BytesRead: read}}
	}
	short := fault(originward.PhaseConnect, originward.ConnectionTimeout, 0)
	short.Fault.Ended, short.Phases = "timeout", phases(originward.PhaseConnect, 0.03)
	whole := fault(originward.PhaseConnect, originward.ConnectionTimeout, 0)
	whole.Fault.Ended, whole.Phases = "timeout", phases(originward.PhaseConnect, 2900)
	for _, c := range []struct {
		x    fact.Exchange
		want Outcome
	}{
		{fact.Exchange{}, ""},
		{fact.Exchange{Response: &fact.Response{Status: 500}}, OutOK},
		{fact.Exchange{Variant: fact.VariantTCP}, OutOK},
		{fault(originward.PhaseResolve, originward.DNSError, 0), OutResolve},
		{fault(originward.PhaseConnect, originward.ConnectionRefused, 0), OutRefused},
		{fault(originward.PhaseConnect, originward.DestinationIPUnroutable, 0), OutUnreachable},
		{short, ""},
		{whole, OutTimeout},
		{fault(originward.PhaseTLS, originward.TLSAlertReceived, 7), OutTLS},
		{fault(originward.PhaseTLS, originward.TLSCertificateError, 0), OutCert},
		{fault(originward.PhaseWrite, originward.ConnectionTimeout, 0), OutNoAck},
		{fault(originward.PhaseFirstByte, originward.ConnectionTerminated, 0), OutEmpty},
		{fault(originward.PhaseFirstByte, originward.HTTPResponseTimeout, 0), OutSlow},
		{fault(originward.PhaseHeaders, originward.HTTPResponseIncomplete, 20), OutBadHTTP},
		{fault(originward.PhaseHeaders, originward.HTTPResponseHeaderSection, 140000), OutHead},
		{fault(originward.PhaseHeaders, originward.HTTPProtocolError, 4), OutBadHTTP},
		{fault(originward.PhaseBody, originward.ConnectionTerminated, 99), OutBody},
	} {
		if got := OutcomeOf(c.x); got != c.want {
			t.Errorf("%+v: %q, want %q", c.x.Fault, got, c.want)
		}
	}
}

func TestCodesOf(t *testing.T) {
	for _, c := range []struct {
		verdict, with string
		reply         bool
		want          []int
	}{
		{fact.VerdictDrop, "", false, []int{522}},
		{fact.VerdictReject, "tcp-reset", false, []int{521}},
		{fact.VerdictReject, "icmp-port-unreachable", false, []int{521, 522}},
		{fact.VerdictReject, "icmp port-unreachable", true, []int{522}},
		{fact.VerdictReject, "icmp-host-prohibited", false, []int{523, 521, 522}},
		{fact.VerdictReject, "icmpx admin-prohibited", false, []int{523, 521, 522}},
		{fact.VerdictReject, "icmp-net-unreachable", false, []int{523, 521, 522}},
		{fact.VerdictReject, "", false, []int{521, 523, 522}},
	} {
		got := CodesOf(fact.FirewallSegment{Verdict: c.verdict, With: c.with, Reply: c.reply})
		if !slices.Equal(got, c.want) {
			t.Errorf("%s with %q: %v, want %v", c.verdict, c.with, got, c.want)
		}
	}
}

func TestBindText(t *testing.T) {
	for text, errno := range map[string]int{
		"bind() to 0.0.0.0:443 failed (98: Address already in use)":                       98,
		"bind() to 203.0.113.9:80 failed (99: Cannot assign requested address)":           99,
		"socket() [::]:80 failed (97: Address family not supported by protocol)":          97,
		"(98)Address already in use: AH00072: make_sock: could not bind to address":       98,
		"cannot bind socket (Permission denied) for [0.0.0.0:443]":                        13,
		"Starting frontend web: cannot bind socket (Address already in use) [0.0.0.0:80]": 98,
	} {
		if !bindText(text) || bindErrno(text) != errno {
			t.Errorf("%q: bind %v, errno %d, want %d", text, bindText(text), bindErrno(text), errno)
		}
	}
	if bindText(`unknown directive "sever_name"`) {
		t.Error("a syntax error is taken for a bind failure")
	}
}

func TestSpeaksOfPort(t *testing.T) {
	line := "2026/11/22 12:32:52 [emerg] 56#56: bind() to 203.0.113.77:80 failed (99: Cannot assign requested address)"
	for port, want := range map[uint16]bool{80: true, 443: false, 8080: false} {
		if got := speaksOfPort(line, port); got != want {
			t.Errorf("port %d: %v", port, got)
		}
	}
	if !speaksOfPort("the address could not be bound", 443) {
		t.Error("a line without a port may speak of any")
	}
}

func TestNameMatches(t *testing.T) {
	for _, c := range []struct {
		name, host string
		want       bool
	}{
		{"shop.example", "shop.example", true}, {"SHOP.example", "shop.example", true}, {"*.example", "shop.example", true},
		{"*.shop.example", "shop.example", false}, {".shop.example", "shop.example", true}, {".shop.example", "www.shop.example", true},
		{"other.example", "shop.example", false}, {"", "shop.example", false}, {"_", "shop.example", false}, {"*.", "shop.example", false},
	} {
		if got := nameMatches(c.name, c.host); got != c.want {
			t.Errorf("%q against %q: %v", c.name, c.host, got)
		}
	}
}

func TestSameURL(t *testing.T) {
	for _, c := range []struct {
		loc, path string
		want      bool
	}{
		{"https://shop.example/", "/", true}, {"https://shop.example:443/", "/", true}, {"https://www.shop.example/", "/", false},
		{"http://shop.example/", "/", false}, {"https://shop.example/cart", "/", false}, {"https://shop.example/cart", "/cart", true}, {"", "/", false},
	} {
		if got := sameURL(c.loc, "shop.example", c.path); got != c.want {
			t.Errorf("%q for %q: %v", c.loc, c.path, got)
		}
	}
}

func TestCapturedBy(t *testing.T) {
	gw := netip.MustParseAddr("10.66.0.1")
	for _, c := range []struct {
		g    fact.RouteGroup
		want bool
	}{
		{fact.RouteGroup{Type: "unicast", Default: true}, false},
		{fact.RouteGroup{Type: "unicast", Default: true, Private: true, Gateway: gw}, false}, // a router of one's own
		{fact.RouteGroup{Type: "unicast", Private: true, Gateway: gw}, true},
		{fact.RouteGroup{Type: "blackhole"}, true}, {fact.RouteGroup{Type: "prohibit"}, true}, {fact.RouteGroup{Type: "none"}, true},
	} {
		if got := capturedBy(c.g) != ""; got != c.want {
			t.Errorf("%+v: %v", c.g, got)
		}
	}
}

func TestHitGood(t *testing.T) {
	for _, c := range []struct {
		h    Hit
		want bool
	}{
		{Hit{Status: 200, Code: 200}, true}, {Hit{Status: 301, Code: 301}, true}, {Hit{Status: 301, Code: 301, Loop: true}, false},
		{Hit{Status: 404, Code: 404}, true}, {Hit{Status: 403, Code: 403}, false}, {Hit{Status: 429, Code: 429}, false},
		{Hit{Status: 521, Code: 521}, false}, {Hit{Status: 409, Code: 1001}, false}, {Hit{Pending: true}, false},
	} {
		if got := c.h.Good(); got != c.want {
			t.Errorf("%+v: %v", c.h, got)
		}
	}
}

func TestSegSize(t *testing.T) {
	p := netip.MustParsePrefix
	if n := segSize(fact.FirewallSegment{Ranges: []netip.Prefix{p("10.0.0.0/8"), p("192.0.2.0/24")}}); n.Int64() != 1<<24+256 {
		t.Errorf("%v addresses", n)
	}
	if n := segSize(fact.FirewallSegment{Addresses: "12", Ranges: []netip.Prefix{p("10.0.0.0/8")}}); n.Int64() != 12 {
		t.Errorf("told 12, counted %v", n)
	}
}
