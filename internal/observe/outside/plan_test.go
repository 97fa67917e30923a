package outside

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

func TestDoors(t *testing.T) {
	for _, tt := range []struct {
		given uint16
		ask   Ask
		want  string
	}{
		{0, Ask{}, "[{80 http false} {443 https false}]"},
		{0, Ask{Scheme: "https", Port: 443}, "[{80 http false} {443 https false}]"},
		{0, Ask{Scheme: "https", Port: 8443}, "[{80 http false} {443 https false} {8443 https false}]"},
		{0, Ask{Scheme: "https", Port: 9443}, "[{80 http false} {443 https false} {9443 https false}]"},
		{8443, Ask{}, "[{8443 https false}]"},
		{8080, Ask{Scheme: "https"}, "[{8080 http false}]"},
		{3000, Ask{Scheme: "https"}, "[{3000 https false}]"},
		{3000, Ask{}, "[{3000 https true}]"},
	} {
		if got := fmt.Sprint(doors(tt.given, tt.ask)); got != tt.want {
			t.Errorf("doors(%d, %+v) = %s, want %s", tt.given, tt.ask, got, tt.want)
		}
	}
}

func TestSecondLooks(t *testing.T) {
	fault := func(scheme string, p originward.Phase, f originward.FaultType) fact.Exchange {
		return fact.Exchange{Scheme: scheme, Fault: &fact.Fault{Phase: p, Type: f}}
	}
	answer := func(scheme string, status int, location string) fact.Exchange {
		return fact.Exchange{Scheme: scheme, Response: &fact.Response{Status: status, Header: map[string]string{"location": location}}}
	}
	h2 := func(x fact.Exchange) fact.Exchange { x.TLS = &fact.TLS{ALPN: "h2"}; return x }
	asked := func(x fact.Exchange) fact.Exchange {
		if x.TLS = (&fact.TLS{ClientCert: fact.Yes}); x.Fault != nil {
			x.Fault.ClientCert = fact.Yes
		}
		return x
	}
	edge := known{edgeHeader: true}
	all := known{cookie: true, clientCert: true, edgeHeader: true}
	notTLS := fault("https", originward.PhaseTLS, originward.TLSProtocolError)
	notTLS.Fault.NotTLS = true
	alert := fault("https", originward.PhaseTLS, originward.TLSAlertReceived)
	alert.Fault.Alert = 1112
	matrix := "sni-other sni-none hello-small hello-large tls12 tls13"
	for _, tt := range []struct {
		name string
		x    fact.Exchange
		k    known
		want string
	}{
		{"healthy", answer("https", 200, ""), all, "hello-large"},
		{"healthy in plain HTTP", answer("http", 200, ""), all, ""},
		{"refused", fault("https", originward.PhaseConnect, originward.ConnectionRefused), all, ""},
		{"silent", fault("https", originward.PhaseConnect, originward.ConnectionTimeout), all, ""},
		{"no route", fault("http", originward.PhaseConnect, originward.DestinationIPUnroutable), all, ""},
		{"alert", alert, edge, matrix},
		{"reset in the handshake", fault("https", originward.PhaseTLS, originward.ConnectionTerminated), edge, matrix + " plain-http"},
		{"plain HTTP on the port", notTLS, all, "plain-http"},
		{"client certificate demanded in the handshake", asked(alert), all, matrix + " client-cert"},
		{"client certificate demanded, none at hand", asked(alert), edge, matrix},
		{"empty reply", fault("https", originward.PhaseFirstByte, originward.ConnectionTerminated), edge, "bare host-other second-visit"},
		{"empty reply, with cookies and h2", h2(fault("https", originward.PhaseFirstByte, originward.ConnectionTerminated)), all, "no-cookie bare host-other http1 second-visit"},
		{"empty reply in plain HTTP", fault("http", originward.PhaseFirstByte, originward.ConnectionTerminated), edge, "bare host-other flexible second-visit"},
		{"late alert", asked(fault("https", originward.PhaseFirstByte, originward.ConnectionTerminated)), known{clientCert: true}, "host-other client-cert second-visit"},
		{"late", fault("https", originward.PhaseFirstByte, originward.HTTPResponseTimeout), known{}, "host-other head second-visit"},
		{"redirect to https", answer("http", 301, "https://shop.example/"), edge, "flexible"},
		{"redirect elsewhere", answer("http", 301, "/login"), edge, ""},
		{"redirect from https", answer("https", 301, "https://www.shop.example/"), edge, "hello-large"},
		{"forbidden", answer("https", 403, ""), edge, "hello-large bare"},
		{"forbidden, nothing of an edge was sent", answer("https", 403, ""), known{}, "hello-large"},
		{"header too large", answer("https", 431, ""), all, "hello-large no-cookie"},
		{"no client certificate", asked(answer("https", 400, "")), known{clientCert: true}, "hello-large client-cert"},
		{"server error over h2", h2(answer("https", 502, "")), edge, "hello-large bare http1"},
	} {
		if got := strings.Join(secondLooks(tt.x, tt.k), " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		tt.x.Variant = fact.VariantBare
		if got := secondLooks(tt.x, tt.k); got != nil {
			t.Errorf("%s: a second look asks for %v", tt.name, got)
		}
	}
}

// Every second look has words and a command, and those begun ahead are among
// those that may be wanted.
func TestVariantsAreKnown(t *testing.T) {
	for _, v := range append(ahead("https"), fact.VariantHead, fact.VariantBare, fact.VariantFlexible, fact.VariantNoCookie, fact.VariantOtherHost, fact.VariantHTTP1, fact.VariantTLS12, fact.VariantTLS13, fact.VariantClientCert, fact.VariantSecondVisit) {
		if changed[v] == "" {
			t.Errorf("variant %s has no words", v)
		}
	}
	if got := fmt.Sprint(ahead("http")); got != "[head]" {
		t.Errorf("begun ahead in plain HTTP: %s", got)
	}
}

func TestParseOrigin(t *testing.T) {
	for in, want := range map[string]Origin{
		"203.0.113.10":          {Addr: netip.MustParseAddr("203.0.113.10")},
		"203.0.113.10:8443":     {Addr: netip.MustParseAddr("203.0.113.10"), Port: 8443},
		"2001:db8::10":          {Addr: netip.MustParseAddr("2001:db8::10")},
		"[2001:db8::10]":        {Addr: netip.MustParseAddr("2001:db8::10")},
		"[2001:db8::10]:443":    {Addr: netip.MustParseAddr("2001:db8::10"), Port: 443},
		"::ffff:203.0.113.10":   {Addr: netip.MustParseAddr("203.0.113.10")},
		"Origin.Example.":       {Name: "origin.example"},
		"origin.example:8080":   {Name: "origin.example", Port: 8080},
		"localhost":             {Name: "localhost"},
		"_internal.origin.test": {Name: "_internal.origin.test"},
	} {
		got, err := ParseOrigin(in)
		if err != nil || got != want {
			t.Errorf("ParseOrigin(%q) = %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "203.0.113.999", "203.0.113.10:", "203.0.113.10:0", "203.0.113.10:65536", "http://x/", "a b", "1.2.3", "-", "x..y", "fe80::1%eth0", "user@host", "2001:db8::10:443:443:443:443:1:1"} {
		if o, err := ParseOrigin(in); in != "-" && (err == nil || !strings.Contains(err.Error(), "203.0.113.10")) {
			t.Errorf("ParseOrigin(%q) = %+v, %v", in, o, err)
		}
	}
}

func FuzzParseOrigin(f *testing.F) {
	for _, s := range []string{"203.0.113.10:80", "[::1]:443", "a.example", ":::::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := ParseOrigin(s)
		if err != nil {
			return
		}
		if again, err := ParseOrigin(o.String()); err != nil || again != o {
			t.Errorf("%q → %+v → %+v, %v", s, o, again, err)
		}
	})
}
