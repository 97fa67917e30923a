package viaedge

import (
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
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/dnsask"
	"github.com/originward/originward/internal/escape"
)

const (
	host = "shop.example"
	ray  = "230b030023ae2822"
)

// edge is a server with Cloudflare's marks around h.
func edge(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "cloudflare")
		w.Header().Set("CF-Ray", ray+"-SJC")
		h(w, r)
	}
}

func page(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(code)
		fmt.Fprintf(w, `<title>%s | %d: x</title><div id="cf-wrapper"><span class="code-label">Error code %d</span>`, r.Host, code, code)
	}
}

func door(t *testing.T, s *httptest.Server) []Edge {
	t.Helper()
	t.Cleanup(s.Close)
	ap := netip.MustParseAddrPort(s.Listener.Addr().String())
	return []Edge{{Addr: ap.Addr(), Port: ap.Port()}}
}

func plain(t *testing.T, h http.HandlerFunc) []Edge { return door(t, httptest.NewServer(h)) }

func answers(es []originward.Evidence) (out []fact.EdgeAnswer) {
	for _, e := range es {
		if a, ok := e.Fact.(fact.EdgeAnswer); ok {
			out = append(out, a)
		}
	}
	return out
}

func variant(es []originward.Evidence, v string) (fact.EdgeAnswer, bool) {
	for _, a := range answers(es) {
		if a.Variant == v {
			return a, true
		}
	}
	return fact.EdgeAnswer{}, false
}

func series(es []originward.Evidence) (out []fact.Run) {
	for _, e := range es {
		if r, ok := e.Fact.(fact.Repeat); ok {
			out = append(out, r.Runs...)
		}
	}
	return out
}

func check(t *testing.T, es []originward.Evidence, ms []originward.NotObserved) {
	t.Helper()
	for _, e := range es {
		if e.Vantage != originward.Edge || e.At.IsZero() || e.Text == "" || e.Reproduce == "" || e.Question != e.Fact.Question() || e.ID != "" || e.Subject.Host != host {
			t.Errorf("item is not whole: %+v", e)
		}
		if e.Text != escape.Line(e.Text, maxSentence) || strings.ContainsFunc(e.Reproduce, func(r rune) bool { return !escape.Printable(r) }) {
			t.Errorf("item is not fit to print: %q, %q", e.Text, e.Reproduce)
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
	for _, m := range ms {
		if m.Vantage != originward.Edge || m.Why == "" || m.How == "" {
			t.Errorf("not observed, without why or how: %+v", m)
		}
	}
}

func TestErrorPage(t *testing.T) {
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Edges: plain(t, edge(page(521)))})
	check(t, es, ms)
	as := answers(es)
	if len(as) != 1 || as[0].Status != 521 || as[0].Error != 521 || as[0].EdgeMade != fact.Yes || as[0].Ray != ray || as[0].Colo != "SJC" || as[0].CDN != "cloudflare" {
		t.Errorf("%+v", as)
	}
	if runs := series(es); len(runs) != 3 || runs[0].Status != 521 || runs[0].Ray != ray {
		t.Errorf("%+v", runs)
	}
}

// The edge fetches from two addresses in turn and one of them is blocked.
func TestIntermittent(t *testing.T) {
	var n atomic.Int32
	good := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Visits: 6, Edges: plain(t, edge(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%2 == 0 {
			page(522)(w, r)
			return
		}
		good(w, r)
	}))})
	check(t, es, ms)
	var codes []int
	for _, a := range answers(es) {
		codes = append(codes, a.Status)
	}
	if slices.Sort(codes); fmt.Sprint(codes) != "[200 522]" {
		t.Errorf("kinds of answers: %v", codes)
	}
	if runs := series(es); len(runs) != 6 {
		t.Errorf("%d runs", len(runs))
	}
}

func TestRedirects(t *testing.T) {
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Visits: 1, Edges: plain(t, edge(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/de/", http.StatusFound)
			return
		}
		io.WriteString(w, "hallo")
	}))})
	check(t, es, ms)
	if a := answers(es); len(a) != 1 || a[0].Status != 200 || len(a[0].Redirects) != 1 || a[0].RedirLoop != fact.No {
		t.Errorf("%+v", a)
	}
}

// A port that the user names without a scheme is asked what it speaks.
func TestPortWithoutScheme(t *testing.T) {
	es, ms := Observe(t.Context(), Ask{Host: host, Visits: 1, Edges: plain(t, edge(page(521)))})
	check(t, es, ms)
	if a := answers(es); len(a) != 1 || a[0].Scheme != "http" || a[0].Status != 521 {
		t.Errorf("%+v", a)
	}
	s := httptest.NewUnstartedServer(edge(page(521)))
	s.StartTLS()
	es, ms = Observe(t.Context(), Ask{Host: host, Visits: 1, Edges: door(t, s)})
	check(t, es, ms)
	if a := answers(es); len(a) != 1 || a[0].Scheme != "https" || a[0].Status != 521 {
		t.Errorf("%+v", a)
	}
}

// A redirect to https leads to a port of the edge that the user did not name:
// that nothing answers there says nothing about the edge.
func TestRedirectToUnknownPort(t *testing.T) {
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Visits: 1, Edges: plain(t, edge(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+host+"/", http.StatusMovedPermanently)
	}))})
	check(t, es, ms)
	if a := answers(es); len(a) != 1 || a[0].Failure != nil || a[0].Status != 301 || len(a[0].Redirects) != 1 || a[0].RedirLoop != fact.Unknown {
		t.Errorf("%+v", a)
	}
}

func TestRedirectLoop(t *testing.T) {
	s := httptest.NewUnstartedServer(edge(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "https://"+r.Host+r.URL.Path)
		w.WriteHeader(http.StatusMovedPermanently)
	}))
	s.StartTLS()
	e := door(t, s)
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "https", Port: e[0].Port, Visits: 1, Edges: e})
	check(t, es, ms)
	if a := answers(es); len(a) != 1 || a[0].RedirLoop != fact.Yes || a[0].Status != 301 {
		t.Errorf("%+v", a)
	}
}

// A site that sets a cookie and sends the visitor back to the same URL is no
// loop.
func TestCookieRedirectIsNoLoop(t *testing.T) {
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Visits: 1, Edges: plain(t, edge(func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("seen"); err != nil || c.Value != "1" {
			http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1", Path: "/"})
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		io.WriteString(w, "ok")
	}))})
	check(t, es, ms)
	if a := answers(es); len(a) != 1 || a[0].Status != 200 || a[0].RedirLoop != fact.No {
		t.Errorf("%+v", a)
	}
	if strings.Contains(fmt.Sprintf("%+v", es), "seen=1") {
		t.Error("a cookie's value is in the evidence")
	}
}

func TestNeverOffHost(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("followed to another host") }))
	defer other.Close()
	for _, loc := range []string{other.URL + "/x", "//evil.example/", "http://shop.example.evil.example/", "javascript:alert(1)", "https://shop.example:0/", "http://[::1"} {
		es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Visits: 1, Edges: plain(t, edge(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Location"] = []string{loc}
			w.WriteHeader(http.StatusFound)
		}))})
		check(t, es, ms)
		if a := answers(es); len(a) != 1 || a[0].Status != 302 || len(a[0].Redirects) > 1 {
			t.Errorf("%s: %+v", loc, a)
		}
	}
}

// A redirect to ever new URLs is given up.
func TestEndlessRedirects(t *testing.T) {
	var n atomic.Int32
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Visits: 1, Edges: plain(t, edge(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, fmt.Sprintf("/%d", n.Add(1)), http.StatusFound)
	}))})
	check(t, es, ms)
	if a := answers(es); len(a[0].Redirects) != maxRedirects || a[0].RedirLoop != fact.Unknown {
		t.Errorf("%+v", a)
	}
}

func TestCachedError(t *testing.T) {
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Edges: plain(t, edge(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			w.Header().Set("CF-Cache-Status", "HIT")
			w.Header().Set("Age", "120")
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("CF-Cache-Status", "MISS")
	}))})
	check(t, es, ms)
	first, _ := variant(es, fact.VariantPlain)
	second, ok := variant(es, fact.VariantBypass)
	if first.Status != 500 || first.Cache != "HIT" || *first.Age != 120 || first.EdgeMade != fact.No || !ok || second.Status != 200 || second.Cache != "MISS" {
		t.Errorf("%+v\n%+v", first, second)
	}
}

func TestLargeCookies(t *testing.T) {
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Cookie: "big=" + strings.Repeat("x", 9000), Edges: plain(t, edge(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" {
			page(520)(w, r)
		}
	}))})
	check(t, es, ms)
	first, _ := variant(es, fact.VariantPlain)
	second, ok := variant(es, fact.VariantNoCookie)
	if first.Status != 520 || !ok || second.Status != 200 {
		t.Errorf("%+v\n%+v", first, second)
	}
}

func TestEdgeCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(edge(func(w http.ResponseWriter, r *http.Request) {}))
	s.StartTLS()
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "https", Visits: 1, Edges: door(t, s)})
	check(t, es, ms)
	if a := answers(es); len(a) != 1 || a[0].Status != 200 || !slices.Contains(a[0].EdgeCert, fact.CertNameMismatch) {
		t.Errorf("%+v", a)
	}
}

// An edge without a certificate for the name ends the handshake.
func TestNoEdgeCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(edge(func(w http.ResponseWriter, r *http.Request) {}))
	s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, fmt.Errorf("none") }}
	s.StartTLS()
	es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "https", Visits: 1, Edges: door(t, s)})
	check(t, es, ms)
	if a := answers(es); len(a) != 1 || a[0].Failure == nil || a[0].Failure.Phase != originward.PhaseTLS || a[0].Status != 0 {
		t.Errorf("%+v", a)
	}
}

func TestEdgeDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ap := netip.MustParseAddrPort(l.Addr().String())
	l.Close()
	es, ms := Observe(t.Context(), Ask{Host: host, Edges: []Edge{{ap.Addr(), ap.Port()}}, Scheme: "http"})
	check(t, es, ms)
	if a := answers(es); len(a) != 1 || a[0].Failure == nil || a[0].Failure.Type != originward.ConnectionRefused {
		t.Errorf("%+v", a)
	}
}

// An edge that waits for its origin is not called dead: it is asked for a page
// of its own meanwhile.
func TestWaitingEdge(t *testing.T) {
	hang := make(chan struct{})
	es, ms := func() ([]originward.Evidence, []originward.NotObserved) {
		defer close(hang)
		return Observe(t.Context(), Ask{Host: host, Scheme: "http", Edges: plain(t, edge(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/cdn-cgi/trace" {
				io.WriteString(w, "colo=SJC\n")
				return
			}
			<-hang
		}))})
	}()
	check(t, es, ms)
	a, _ := variant(es, fact.VariantPlain)
	if a.Failure == nil || a.Failure.Phase != originward.PhaseFirstByte || a.CDN != "cloudflare" || !strings.Contains(Text(a), "answered /cdn-cgi/trace") {
		t.Errorf("%+v", a)
	}
	if len(answers(es)) != 1 {
		t.Errorf("an answer about the edge passes for one of the site: %+v", answers(es))
	}
	if !strings.Contains(Text(a), "still be waiting") {
		t.Errorf("%s", Text(a))
	}
}

// resolver knows one name at 127.0.0.1.
func resolver(t *testing.T, known bool) []dnsask.Server {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	s := &dns.Server{PacketConn: pc, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if !known {
			m.Rcode = dns.RcodeNameError
		} else if q.Question[0].Qtype == dns.TypeA {
			rr, _ := dns.NewRR(q.Question[0].Name + " 60 IN A 127.0.0.1")
			m.Answer = append(m.Answer, rr)
		}
		w.WriteMsg(m)
	})}
	go s.ActivateAndServe()
	<-ready
	t.Cleanup(func() { s.Shutdown() })
	srv, _ := dnsask.Parse(pc.LocalAddr().String())
	return []dnsask.Server{srv}
}

// Where DNS leads to no edge, nothing was seen through one; where an edge that
// publishes no ranges answers, it was.
func TestGreyAndSelfHosted(t *testing.T) {
	for _, recognised := range []bool{false, true} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if recognised {
				w.Header().Set("Server", "originward")
				w.Header().Set("Proxy-Status", "originward; error=connection_refused; phase=connect")
				w.WriteHeader(521)
			}
		}))
		ap := netip.MustParseAddrPort(s.Listener.Addr().String())
		es, ms := Observe(t.Context(), Ask{Host: host, Scheme: "http", Port: ap.Port(), Servers: resolver(t, true)})
		s.Close()
		check(t, es, ms)
		if recognised {
			if a := answers(es); len(a) != 1 || a[0].Fault != originward.ConnectionRefused || a[0].Phase != originward.PhaseConnect || len(ms) != 0 {
				t.Errorf("self-hosted: %+v, %+v", a, ms)
			}
		} else if len(es) != 0 || len(ms) != 1 || !strings.Contains(ms[0].How, "--edge") {
			t.Errorf("grey: %+v, %+v", es, ms)
		}
	}
	es, ms := Observe(t.Context(), Ask{Host: host, Servers: resolver(t, false)})
	check(t, es, ms)
	if len(es) != 0 || len(ms) != 1 || !strings.Contains(ms[0].Why, "NXDOMAIN") {
		t.Errorf("unknown name: %+v, %+v", es, ms)
	}
}

func TestParseEdge(t *testing.T) {
	for in, want := range map[string]string{"198.51.100.10": "{198.51.100.10 0}", "198.51.100.10:8443": "{198.51.100.10 8443}", "[2001:db8::1]:443": "{2001:db8::1 443}", "2001:db8::1": "{2001:db8::1 0}"} {
		if e, err := ParseEdge(in); err != nil || fmt.Sprint(e) != want {
			t.Errorf("ParseEdge(%q) = %v, %v", in, e, err)
		}
	}
	for _, in := range []string{"", "edge.example", "198.51.100.10:0", "198.51.100.10:x", "fe80::1%eth0"} {
		if e, err := ParseEdge(in); err == nil || !strings.Contains(err.Error(), "198.51.100.10") {
			t.Errorf("ParseEdge(%q) = %v, %v", in, e, err)
		}
	}
}

func TestBudget(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, answers nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ap := netip.MustParseAddrPort(l.Addr().String())
	start := time.Now()
	es, ms := Observe(t.Context(), Ask{Host: host, Edges: []Edge{{ap.Addr(), ap.Port()}}, Scheme: "https"})
	if took := time.Since(start); took > 4500*time.Millisecond {
		t.Errorf("took %s", took)
	}
	check(t, es, ms)
	if a := answers(es); len(a) == 0 || a[0].Failure == nil || a[0].Failure.Phase != originward.PhaseTLS {
		t.Errorf("%+v", a)
	}
}
