package diagnose

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/outside"
)

// refusing is an address on loopback that nobody listens on.
func refusing(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

func TestObserveJoinsTheVantages(t *testing.T) {
	edge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cf-Ray", "8f2a000000000001-LAB")
		w.Header().Set("Server", "originward")
		w.Header().Set("Proxy-Status", `originward; error=connection_refused`)
		w.WriteHeader(521)
	}))
	defer edge.Close()
	origin := refusing(t)
	host := &originward.Bundle{
		Evidence: []originward.Evidence{
			{Vantage: originward.Host, Question: fact.QListeners, Fact: fact.Listeners{Complete: fact.Yes}},
			{Vantage: originward.CDN, Question: fact.QCDNSettings, Fact: fact.CDNSettings{SSL: originward.SSLFull}},
		},
		NotObserved: []originward.NotObserved{{Vantage: originward.Host, Question: fact.QFirewall, Why: "not root"}},
	}
	b := Observe(t.Context(), Ask{
		Site: Site{Host: "shop.example", Scheme: "http", Path: "/", Port: origin.Port()}, Origins: []string{origin.String()},
		Edge: netip.MustParseAddrPort(edge.Listener.Addr().String()), SSL: originward.SSLStrict,
		Resolvers: []netip.AddrPort{refusing(t)}, HostEvidence: host, Probes: []string{"fra"},
	})
	xs := fact.All[fact.Exchange](b, originward.Outside)
	if len(xs) == 0 || xs[0].Fact.Fault == nil || xs[0].Fact.Fault.Type != originward.ConnectionRefused {
		t.Errorf("exchanges %+v", xs)
	}
	as := fact.All[fact.EdgeAnswer](b, originward.Edge)
	if len(as) == 0 || as[0].Fact.Status != 521 || as[0].Fact.Ray != "8f2a000000000001" {
		t.Errorf("edge answers %+v", as)
	}
	if len(fact.All[fact.Listeners](b, originward.Host)) != 1 {
		t.Error("the host's evidence is missing")
	}
	settings := fact.All[fact.CDNSettings](b, originward.CDN)
	if len(settings) != 1 || settings[0].Fact.SSL != originward.SSLStrict || settings[0].Fact.Source != "flag" {
		t.Errorf("settings %+v: what a host file says of the CDN must not count, what the user says must", settings)
	}
	var why []string
	for _, n := range b.NotObserved {
		why = append(why, string(n.Vantage)+" "+n.Why)
	}
	for _, want := range []string{"host not root", "outside no fleet is joined"} {
		if !strings.Contains(strings.Join(why, "\n"), want) {
			t.Errorf("not observed lacks %q: %q", want, why)
		}
	}
}

func TestOriginsComeFromTheCDN(t *testing.T) {
	got := originsOf([]originward.Evidence{{Fact: fact.CDNRecords{Records: []fact.CDNRecord{
		{Type: "A", Content: "203.0.113.10", Proxied: fact.Yes},
		{Type: "CNAME", Content: "origin.example", Proxied: fact.Yes},
		{Type: "A", Content: "203.0.113.99", Proxied: fact.No},
	}}}})
	if len(got) != 2 || got[0].Addr.String() != "203.0.113.10" || got[1].Name != "origin.example" {
		t.Errorf("%+v", got)
	}
}

func TestParseRoots(t *testing.T) {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	good := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if _, err := ParseRoots(good); err != nil {
		t.Error(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})
	for name, raw := range map[string][]byte{
		"empty": nil, "a key": key, "no certificate": []byte("hello"),
		"broken": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1, 2}}),
	} {
		if _, err := ParseRoots(raw); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestResolveAPI(t *testing.T) {
	for _, c := range []struct{ cdn, api, wantCDN, wantAPI string }{
		{"", "", "", ""},
		{"", "http://127.0.0.1:8520", "originward", "http://127.0.0.1:8520/client/v4/"},
		{"", "https://api.cloudflare.com/client/v4", "cloudflare", "https://api.cloudflare.com/client/v4/"},
		{"cloudflare", "", "cloudflare", "https://api.cloudflare.com/client/v4/"},
		{"", "https://api.fastly.com", "fastly", "https://api.fastly.com/"},
		{"fastly", "", "fastly", "https://api.fastly.com/"},
		{"fastly", "http://127.0.0.1:1", "fastly", "http://127.0.0.1:1/"},
	} {
		a := Ask{CDN: c.cdn, CDNAPI: c.api}
		if err := a.ResolveAPI(); err != nil || a.CDN != c.wantCDN || a.CDNAPI != c.wantAPI {
			t.Errorf("%+v: %q %q %v", c, a.CDN, a.CDNAPI, err)
		}
	}
	for _, a := range []Ask{{CDNAPI: "nonsense"}, {CDN: "nonsense"}, {CDN: "originward"}} {
		if a.ResolveAPI() == nil {
			t.Errorf("%q %q is taken", a.CDN, a.CDNAPI)
		}
	}
}

func TestARefusalIsKnownAtOnce(t *testing.T) {
	origin := refusing(t)
	began := time.Now()
	b := ObserveOutside(t.Context(), Ask{Site: Site{Host: "shop.example", Path: "/"}, Origins: []string{origin.String()}, Resolvers: []netip.AddrPort{refusing(t)}})
	// The fast timers call silence after seconds; a refusal needs none of them.
	if took := time.Since(began); took > 2*time.Second || len(b.Evidence) == 0 {
		t.Errorf("took %v for %d items", took, len(b.Evidence))
	}
}

func TestNamedAndRecordedOriginsAreBothLookedAt(t *testing.T) {
	parse := func(ss ...string) (out []outside.Origin) {
		for _, s := range ss {
			o, err := ParseOrigin(s)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, o)
		}
		return out
	}
	got := joinOrigins(parse("203.0.113.10:8443"), parse("203.0.113.10", "203.0.113.99"))
	if len(got) != 2 || got[0].Port != 8443 || got[1].Addr.String() != "203.0.113.99" {
		t.Errorf("%v", got)
	}
}
