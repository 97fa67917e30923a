package loopback

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
)

func TestPlan(t *testing.T) {
	env := collect.NewEnv(collect.Ask{Ports: []uint16{80, 8443}}, collect.Sources{})
	own := []netip.Addr{netip.MustParseAddr("203.0.113.10")}
	socks := []fact.Socket{
		{Addr: netip.MustParseAddr("127.0.0.2"), Port: 80, Family: originward.IP4},
		{Addr: netip.IPv4Unspecified(), Port: 80, Family: originward.IP4},
		{Addr: netip.MustParseAddr("10.0.0.1"), Port: 3000, Family: originward.IP4},
	}
	var got []string
	for _, x := range plan(env, socks, own) {
		got = append(got, x.scheme+" "+x.addr.String())
	}
	want := "http 127.0.0.1:80, http 203.0.113.10:80, http 127.0.0.2:80, https 127.0.0.1:8443, https 203.0.113.10:8443"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s, want %s: only the edge's ports, only own addresses", s, want)
	}
	six := plan(env, append(socks, fact.Socket{Addr: netip.IPv6Unspecified(), Port: 80, Family: originward.IP6}), own)
	if !slices.Contains(six, target{netip.MustParseAddrPort("[::1]:80"), "http"}) {
		t.Errorf("an IPv6 socket is there: %v", six)
	}
	var many []netip.Addr
	for i := range 100 {
		many = append(many, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
	}
	if n := len(plan(env, nil, many)); n != maxTargets {
		t.Errorf("%d targets, at most %d", n, maxTargets)
	}
}

func TestSentences(t *testing.T) {
	x := target{netip.MustParseAddrPort("[2001:db8::10]:443"), "https"}
	for _, tt := range []struct {
		fact fact.Exchange
		want string
	}{
		{fact.Exchange{Response: &fact.Response{Status: 503}}, "answers 503"},
		{fact.Exchange{Fault: &fact.Fault{Phase: originward.PhaseConnect, Errno: "ECONNREFUSED"}}, "fails while connecting: ECONNREFUSED"},
		{fact.Exchange{Fault: &fact.Fault{Phase: originward.PhaseFirstByte, Type: originward.HTTPResponseTimeout}}, "fails while waiting for the first byte: http response timeout"},
	} {
		if s := summary(x, tt.fact); !strings.Contains(s, tt.want) || !strings.Contains(s, "https at [2001:db8::10]:443") {
			t.Errorf("%s, want %s", s, tt.want)
		}
	}
	env := collect.NewEnv(collect.Ask{Host: "shop.example"}, collect.Sources{})
	if r := reproduce(env, x); r != "curl -skv --resolve 'shop.example:443:[2001:db8::10]' https://shop.example:443/" {
		t.Errorf("%s", r)
	}
	if r := reproduce(collect.NewEnv(collect.Ask{}, collect.Sources{}), x); r != "curl -skv 'https://[2001:db8::10]:443/'" {
		t.Errorf("%s", r)
	}
}
