package outside

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/dnsask"
	"github.com/originward/originward/internal/escape"
)

const host = "shop.example"

// zone runs a DNS server on loopback that knows the records and nothing else.
func zone(t *testing.T, records ...string) dnsask.Server {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		known := false
		for _, r := range records {
			rr, err := dns.NewRR(r)
			if err != nil {
				t.Error(err)
				continue
			}
			if rr.Header().Name != q.Question[0].Name {
				continue
			}
			known = true
			if rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		if !known {
			m.Rcode = dns.RcodeNameError
		}
		w.WriteMsg(m)
	})
	ready := make(chan struct{})
	s := &dns.Server{PacketConn: pc, Handler: h, NotifyStartedFunc: func() { close(ready) }}
	go s.ActivateAndServe()
	<-ready
	t.Cleanup(func() { s.Shutdown() })
	srv, err := dnsask.Parse(pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// raw serves every connection on loopback with f.
func raw(t *testing.T, f func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); f(c) }()
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

// closed is an address and port on which nothing listens.
func closed(t *testing.T) netip.AddrPort {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

func origin(ap netip.AddrPort) []Origin { return []Origin{{Addr: ap.Addr(), Port: ap.Port()}} }

func exchangesOf(es []originward.Evidence) map[string]fact.Exchange {
	out := map[string]fact.Exchange{}
	for _, e := range es {
		if x, ok := e.Fact.(fact.Exchange); ok {
			out[strings.TrimSuffix(e.Subject.Scheme+" "+x.Variant, " ")] = x
		}
	}
	return out
}

func dnsOf(es []originward.Evidence, role string) (out []fact.DNS) {
	for _, e := range es {
		if d, ok := e.Fact.(fact.DNS); ok && d.Role == role {
			out = append(out, d)
		}
	}
	return out
}

// check holds for every run: items stand on their own and are fit to print.
func check(t *testing.T, es []originward.Evidence, ms []originward.NotObserved) {
	t.Helper()
	own := 0
	for _, e := range es {
		if e.Vantage != originward.Outside || e.At.IsZero() || e.At.Location() != time.UTC || e.Text == "" || e.Reproduce == "" || e.Question != e.Fact.Question() || e.ID != "" {
			t.Errorf("item is not whole: %+v", e)
		}
		if e.Text != escape.Line(e.Text, maxText) || strings.ContainsFunc(e.Reproduce, func(r rune) bool { return !escape.Printable(r) }) {
			t.Errorf("item is not fit to print: %q, %q", e.Text, e.Reproduce)
		}
		if e.Question == fact.QOwnNetwork {
			own++
		}
		b, err := json.Marshal(e)
		if err != nil {
			t.Error(err)
		}
		var back originward.Evidence
		if err := json.Unmarshal(b, &back); err != nil {
			t.Error(err)
		} else if err := fact.Type(&back); err != nil {
			t.Error(err)
		}
	}
	if own != 1 {
		t.Errorf("%d items about our own network", own)
	}
	for _, m := range ms {
		if m.Vantage != originward.Outside || m.Why == "" || m.How == "" {
			t.Errorf("not observed, without why or how: %+v", m)
		}
	}
}

func TestRefused(t *testing.T) {
	start := time.Now()
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "https", Origins: origin(closed(t)), Servers: []dnsask.Server{zone(t)}})
	took := time.Since(start)
	check(t, es, ms)
	x := exchangesOf(es)["https"]
	if x.Fault == nil || x.Fault.Type != originward.ConnectionRefused || x.Fault.Code != 521 {
		t.Errorf("%+v", x)
	}
	if len(exchangesOf(es)) != 1 {
		t.Errorf("second looks at a refusal: %v", exchangesOf(es))
	}
	if took > time.Second {
		t.Errorf("a refusal took %s", took)
	}
	if d := dnsOf(es, "site"); len(d) != 1 || d[0].RCode != "NXDOMAIN" {
		t.Errorf("dns %+v", d)
	}
}

func TestHealthyTLS(t *testing.T) {
	var got http.Header
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		if r.Host != host || r.URL.Path != "/a" {
			t.Errorf("asked for %s %s", r.Host, r.URL)
		}
		io.WriteString(w, "<title>hello</title>")
	}))
	defer s.Close()
	ap := netip.MustParseAddrPort(s.Listener.Addr().String())
	es, ms := Observe(t.Context(), Ask{Host: host, Path: "/a", Scheme: "https", Origins: origin(ap), Servers: []dnsask.Server{zone(t)}})
	check(t, es, ms)
	x := exchangesOf(es)["https"]
	if x.Fault != nil || x.Response == nil || x.Response.Status != 200 || x.SNI != host {
		t.Fatalf("%+v", x)
	}
	if x.TLS == nil || x.TLS.Judged != fact.Yes || !slices.Contains(x.TLS.Reasons, fact.CertNameMismatch) {
		t.Errorf("certificate: %+v", x.TLS)
	}
	for _, name := range []string{"CF-Connecting-IP", "CF-Ray", "CDN-Loop", "X-Forwarded-Proto"} {
		if got.Get(name) == "" {
			t.Errorf("an edge's field %s was not sent", name)
		}
	}
}

// A server that knows no name aborts only the handshake with the site's name:
// the matrix shows it.
func TestUnknownServerName(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = nil
	s.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if h.ServerName == host {
			return nil, fmt.Errorf("unknown name")
		}
		return nil, nil
	}}
	s.StartTLS()
	defer s.Close()
	ap := netip.MustParseAddrPort(s.Listener.Addr().String())
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "https", Origins: origin(ap), Servers: []dnsask.Server{zone(t)}})
	check(t, es, ms)
	xs := exchangesOf(es)
	if f := xs["https"].Fault; f == nil || f.Phase != originward.PhaseTLS || f.Alert != 1080 {
		t.Errorf("plain: %+v", f)
	}
	for _, v := range []string{"sni-other", "sni-none"} {
		if x, ok := xs["https "+v]; !ok || x.Fault != nil || x.TLS == nil || !x.TLS.Complete {
			t.Errorf("%s: %+v", v, x)
		}
	}
	for _, v := range []string{"hello-small", "hello-large", "tls12", "tls13"} {
		if x, ok := xs["https "+v]; !ok || x.Fault == nil {
			t.Errorf("%s: %+v", v, x)
		}
	}
}

func TestPlainHTTPOnTLSPort(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "plain") }))
	defer s.Close()
	ap := netip.MustParseAddrPort(s.Listener.Addr().String())
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "https", Origins: origin(ap), Servers: []dnsask.Server{zone(t)}})
	check(t, es, ms)
	xs := exchangesOf(es)
	if f := xs["https"].Fault; f == nil || !f.NotTLS {
		t.Errorf("plain: %+v", xs["https"])
	}
	if x := xs["https plain-http"]; x.Response == nil || x.Response.Status != 200 {
		t.Errorf("plain-http: %+v", x)
	}
}

// A port that the user names without a scheme is asked what it speaks: that it
// speaks plain HTTP is no failed handshake then.
func TestPortWithoutScheme(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	for want, s := range map[string]*httptest.Server{"http": plain, "https": secure} {
		ap := netip.MustParseAddrPort(s.Listener.Addr().String())
		es, ms := Observe(t.Context(), Ask{Host: host, Origins: origin(ap), Servers: []dnsask.Server{zone(t)}})
		check(t, es, ms)
		xs := exchangesOf(es)
		if x, ok := xs[want]; !ok || x.Response == nil {
			t.Errorf("%s: %+v", want, xs)
		}
		for k, x := range xs {
			if x.Fault != nil {
				t.Errorf("%s: %s failed: %+v", want, k, x.Fault)
			}
		}
	}
}

// A handshake that hangs for the site's name alone: the other names are tried
// while it hangs, and the whole ends in time.
func TestHangingHandshake(t *testing.T) {
	cert := httptest.NewTLSServer(nil)
	defer cert.Close()
	conf := &tls.Config{Certificates: cert.TLS.Certificates, GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if h.ServerName == host {
			<-h.Context().Done()
		}
		return nil, nil
	}}
	ap := raw(t, func(c net.Conn) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		tc := tls.Server(c, conf)
		if tc.HandshakeContext(ctx) == nil {
			io.Copy(io.Discard, tc)
		}
	})
	start := time.Now()
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "https", Origins: origin(ap), Servers: []dnsask.Server{zone(t)}})
	if took := time.Since(start); took > 4500*time.Millisecond {
		t.Errorf("took %s", took)
	}
	check(t, es, ms)
	xs := exchangesOf(es)
	if f := xs["https"].Fault; f == nil || f.Phase != originward.PhaseTLS {
		t.Errorf("plain: %+v", f)
	}
	for _, v := range []string{"sni-other", "sni-none"} {
		if x, ok := xs["https "+v]; !ok || x.TLS == nil || !x.TLS.Complete {
			t.Errorf("%s: %+v", v, x)
		}
	}
}

func TestEmptyReply(t *testing.T) {
	ap := raw(t, func(c net.Conn) { c.Read(make([]byte, 4096)) })
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Origins: origin(ap), Servers: []dnsask.Server{zone(t)}, Cookie: "a=b"})
	check(t, es, ms)
	xs := exchangesOf(es)
	if f := xs["http"].Fault; f == nil || f.Code != 520 {
		t.Errorf("plain: %+v", f)
	}
	for _, v := range []string{"no-cookie", "bare", "host-other", "flexible", "second-visit"} {
		if _, ok := xs["http "+v]; !ok {
			t.Errorf("no %s look: %v", v, xs)
		}
	}
}

// An origin that redirects to https whatever the visitor uses, and one that
// heeds the edge's word.
func TestFlexibleLoop(t *testing.T) {
	for _, heeds := range []bool{false, true} {
		ap := raw(t, func(c net.Conn) {
			b := make([]byte, 4096)
			n, _ := c.Read(b)
			if heeds && strings.Contains(string(b[:n]), "X-Forwarded-Proto: https") {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				return
			}
			io.WriteString(c, "HTTP/1.1 301 Moved\r\nLocation: https://shop.example/a\r\nContent-Length: 0\r\n\r\n")
		})
		es, ms := Observe(t.Context(), Ask{Host: host, Path: "/a", Scheme: "http", Origins: origin(ap), Servers: []dnsask.Server{zone(t)}})
		check(t, es, ms)
		xs := exchangesOf(es)
		if !fact.SameOnHTTPS(xs["http"]) {
			t.Errorf("plain: %+v", xs["http"])
		}
		if x, ok := xs["http flexible"]; !ok || fact.SameOnHTTPS(x) == heeds {
			t.Errorf("heeds %v: flexible %+v", heeds, x)
		}
	}
}

func TestOriginName(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	ap := netip.MustParseAddrPort(s.Listener.Addr().String())
	z := zone(t, "shop.example. 300 IN A 104.16.1.1", "origin.example. 60 IN A 127.0.0.1")
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Servers: []dnsask.Server{z}, Origins: []Origin{{Name: "origin.example", Port: ap.Port()}, {Name: "gone.example"}}})
	check(t, es, ms)
	site, names := dnsOf(es, "site"), dnsOf(es, "origin")
	if len(site) != 1 || site[0].Colour != "orange" || site[0].InCDN[0].CDN != "cloudflare" {
		t.Errorf("site %+v", site)
	}
	rcodes := map[string]string{}
	for _, d := range names {
		rcodes[d.Name] = d.RCode
	}
	if rcodes["origin.example"] != "NOERROR" || rcodes["gone.example"] != "NXDOMAIN" {
		t.Errorf("origin names %v", rcodes)
	}
	if x := exchangesOf(es)["http"]; x.Name != "origin.example" || x.Response == nil {
		t.Errorf("%+v", x)
	}
}

func TestOrangeWithoutOrigin(t *testing.T) {
	es, ms := Observe(t.Context(), Ask{Host: host, Servers: []dnsask.Server{zone(t, "shop.example. 300 IN A 104.16.1.1")}})
	check(t, es, ms)
	if len(exchangesOf(es)) != 0 || len(ms) != 1 || !strings.Contains(ms[0].How, "--origin") || !strings.Contains(ms[0].Why, "edge") {
		t.Errorf("%v, %+v", exchangesOf(es), ms)
	}
}

// Several resolvers that disagree are several observations.
func TestResolversDisagree(t *testing.T) {
	a := zone(t, "shop.example. 300 IN A 104.16.1.1")
	b := zone(t)
	es, ms := Observe(t.Context(), Ask{Host: host, Servers: []dnsask.Server{a, b}})
	check(t, es, ms)
	if d := dnsOf(es, "site"); len(d) != 2 || d[0].RCode == d[1].RCode {
		t.Errorf("%+v", d)
	}
}

// A self-hosted edge is in no published range: its answer tells.
func TestSelfHostedEdgeIsNoOrigin(t *testing.T) {
	es, ms := observeWith(t, Ask{Host: host, Servers: []dnsask.Server{zone(t, "shop.example. 60 IN A 203.0.113.77")}}, func(s probeSpec) fact.Exchange {
		x := fact.Exchange{Target: s.Target.Addr, Scheme: s.Target.Scheme(), Variant: s.Variant, Host: s.Host, Path: s.Path}
		x.Response = &fact.Response{Status: 521, Proto: "HTTP/1.1", Header: map[string]string{"server": "originward", "cf-ray": "230b030023ae2822-LAB"}}
		return x
	})
	check(t, es, ms)
	if len(exchangesOf(es)) != 0 {
		t.Errorf("the edge's answers pass for the origin's: %v", exchangesOf(es))
	}
	if d := dnsOf(es, "site"); len(d) != 1 || d[0].Colour != "orange" {
		t.Errorf("%+v", d)
	}
}

// Without a route of our own the target is not blamed.
func TestOwnNetwork(t *testing.T) {
	v6 := netip.MustParseAddr("2001:db8::10")
	es, ms := observeWith(t, Ask{Host: host, Servers: []dnsask.Server{zone(t)}, Origins: []Origin{{Addr: v6}}}, nil)
	check(t, es, ms)
	if len(exchangesOf(es)) != 0 {
		t.Errorf("probed without a route: %v", exchangesOf(es))
	}
	found := false
	for _, m := range ms {
		found = found || m.Subject.Addr == v6 && m.Subject.Family == originward.IP6
	}
	if !found {
		t.Errorf("not observed: %+v", ms)
	}
	for _, e := range es {
		if own, ok := e.Fact.(fact.OwnNetwork); ok {
			if own.Families[0].Usable != fact.Yes || own.Families[1].Usable != fact.No || own.Families[1].Reason != "ENETUNREACH" {
				t.Errorf("%+v", own)
			}
		}
	}
}

// Hostile names, headers and banners are shown escaped and bounded.
func TestHostileOrigin(t *testing.T) {
	ap := raw(t, func(c net.Conn) {
		c.Read(make([]byte, 4096))
		io.WriteString(c, "HTTP/1.1 301 \x1b[2J\r\nServer: \x1b]0;pwned\x07\r\nLocation: https://x/"+strings.Repeat("\u202eA", 4000)+"\r\nContent-Length: 0\r\n\r\n")
	})
	es, ms := Observe(t.Context(), Ask{Host: host, Path: "/$(id)'\"", Scheme: "http", Origins: origin(ap), Servers: []dnsask.Server{zone(t)}})
	check(t, es, ms)
}

func TestSilentDrip(t *testing.T) {
	if testing.Short() {
		t.Skip("takes three seconds")
	}
	ap := raw(t, func(c net.Conn) {
		c.Read(make([]byte, 4096))
		io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(c, "X-%d: drip\r\n", i); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	start := time.Now()
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Origins: origin(ap), Servers: []dnsask.Server{zone(t)}})
	if took := time.Since(start); took > 4500*time.Millisecond {
		t.Errorf("took %s", took)
	}
	check(t, es, ms)
}
