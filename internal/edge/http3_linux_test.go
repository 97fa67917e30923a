package edge

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// client3 is a visitor over HTTP/3 that sends every host name to an address.
func client3(t testing.TB, to string) *http.Client {
	t.Helper()
	addr, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: addr.IP})
	if err != nil {
		t.Fatal(err)
	}
	tr := &quic.Transport{Conn: pc}
	h := &http3.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true,
		Dial: func(ctx context.Context, _ string, c *tls.Config, q *quic.Config) (*quic.Conn, error) {
			return tr.DialEarly(ctx, addr, c, q)
		},
	}
	t.Cleanup(func() {
		h.Close()
		tr.Close()
		pc.Close()
	})
	return &http.Client{Transport: h, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// site3 is an edge that serves HTTP/3 in front of a handler; more goes into its zone.
func site3(t testing.TB, more string, h http.HandlerFunc) (*world, string) {
	t.Helper()
	e, o, _ := hosts()
	ap := tlsOrigin(t, o, "shop.example", h)
	to := fmt.Sprintf("%s:%d", e, ap.Port())
	w := start(t, fmt.Sprintf("listen: {https: ['%s'], http3: ['%[1]s']}\nzones: [{name: shop.example, ssl: full, %s records: [{type: A, name: shop.example, content: %s, proxied: true}]}]", to, more, o))
	return w, to
}

func TestHTTP3(t *testing.T) {
	w, to := site3(t, "rules: {custom: [{expression: 'http.request.version eq \"HTTP/3\" and http.request.uri.path eq \"/blocked\"', action: block}]},", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/upload":
			h := sha256.New()
			n, err := io.Copy(h, r.Body)
			fmt.Fprintf(w, "%d %x %v %d %s", n, h.Sum(nil), err, r.ContentLength, r.Trailer.Get("X-Late"))
		case "/trailers":
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "body")
			w.Header().Set("X-Sum", "42")
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/cut":
			w.Header().Set("Content-Length", "100000")
			io.WriteString(w, strings.Repeat("x", 50000))
			panic(http.ErrAbortHandler)
		default:
			fmt.Fprintf(w, "%s %s %s %d", r.Method, r.Host, r.Header.Get("X-Forwarded-Proto"), r.ContentLength)
		}
	})
	c := client3(t, to)
	ask := func(method, path string, body io.Reader) reply {
		t.Helper()
		req, err := http.NewRequest(method, "https://shop.example"+path, body)
		if err != nil {
			t.Fatal(err)
		}
		return w.do(c, req)
	}
	r := ask("GET", "/hello?x=1", nil)
	if r.StatusCode != 200 || r.body != "GET shop.example https 0" || r.ProtoMajor != 3 || r.Header.Get("CF-Ray") == "" || r.Header.Get("Server") != "originward" ||
		r.Header.Get("Alt-Svc") != `h3="`+to[strings.IndexByte(to, ':'):]+`"; ma=86400` || r.ContentLength != int64(len(r.body)) {
		t.Errorf("GET: %d %q %v", r.StatusCode, r.body, r.Header)
	}
	if l := w.last(1); l.Proto != "HTTP/3" || l.Status != 200 || l.Target != "/hello?x=1" || l.BytesOut != int64(len(r.body)) {
		t.Errorf("log %+v", l)
	}
	if r := ask("GET", "/cdn-cgi/trace", nil); !strings.Contains(r.body, "http=http/3\n") || !strings.Contains(r.body, "tls=TLSv1.3\n") {
		t.Errorf("trace %q", r.body)
	}
	if r := ask("HEAD", "/hello", nil); r.StatusCode != 200 || r.body != "" || r.Header.Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %q %v", r.StatusCode, r.body, r.Header)
	}
	if r := ask("GET", "/none", nil); r.StatusCode != 204 || r.body != "" {
		t.Errorf("204: %d %q", r.StatusCode, r.body)
	}
	if r := ask("GET", "/trailers", nil); r.body != "body" || r.Trailer.Get("X-Sum") != "42" {
		t.Errorf("trailers: %q %v", r.body, r.Trailer)
	}
	if r := ask("GET", "/blocked", nil); r.StatusCode != 403 {
		t.Errorf("a rule over HTTP/3: %d", r.StatusCode)
	}
	if r := ask("GET", "/"+strings.Repeat("a", 17<<10), nil); r.StatusCode != 414 {
		t.Errorf("a target of 17 KiB: %d", r.StatusCode)
	}
	big := strings.Repeat("0123456789", 1<<18) // 2.5 MiB
	sum := fmt.Sprintf("%d %x <nil>", len(big), sha256.Sum256([]byte(big)))
	if r := ask("POST", "/upload", strings.NewReader(big)); r.body != fmt.Sprintf("%s %d ", sum, len(big)) {
		t.Errorf("upload: %s", r.body)
	}
	req, err := http.NewRequest("PUT", "https://shop.example/upload", io.MultiReader(strings.NewReader(big)))
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = http.Header{"X-Late": {"late"}}
	if r := w.do(c, req); r.body != sum+" -1 late" {
		t.Errorf("upload without a length: %s", r.body)
	}
	resp, err := c.Get("https://shop.example/cut")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("a response that was cut off reads as whole, %d bytes", len(b))
	}
}

// What fails at the origin has its page; a visitor that reads slowly holds the origin
// back, and one that leaves ends the exchange.
func TestHTTP3Origin(t *testing.T) {
	const total = 64 << 20
	var written atomic.Int64
	left := make(chan struct{})
	w, to := site3(t, "", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-r.Context().Done()
			close(left)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(total))
		b := make([]byte, 64<<10)
		for written.Load() < total {
			n, err := w.Write(b)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	c := client3(t, to)
	resp, err := c.Get("https://shop.example/large")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	// Until the origin's writing has come to rest.
	for last := int64(-1); last != written.Load(); time.Sleep(300 * time.Millisecond) {
		last = written.Load()
	}
	if n := written.Load(); n > total/2 {
		t.Errorf("the origin could write %d of %d bytes that nobody reads", n, total)
	}
	if n, err := io.Copy(io.Discard, resp.Body); n != total || err != nil {
		t.Errorf("read %d of %d: %v", n, total, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", "https://shop.example/wait", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(100 * time.Millisecond)
		cancel()
	}()
	if _, err := c.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("the request that was given up: %v", err)
	}
	select {
	case <-left:
	case <-time.After(10 * time.Second):
		t.Error("the origin is still asked although the visitor has left")
	}
	if l := w.last(2); l.Status != statusLeft {
		t.Errorf("log %+v", l)
	}
}

func TestHTTP3Fault(t *testing.T) {
	e, dead, _ := hosts()
	w := start(t, fmt.Sprintf("listen: {http3: ['%s:443']}\nzones: [{name: shop.example, ssl: full, records: [{type: A, name: shop.example, content: %s, proxied: true}]}]", e, dead))
	req, err := http.NewRequest("GET", "https://shop.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	r := w.do(client3(t, e.String()+":443"), req)
	if r.StatusCode != 521 || !strings.Contains(r.body, `"error_code": 521`) || !strings.Contains(r.Header.Get("Proxy-Status"), "connection_refused") {
		t.Errorf("%d %s %v", r.StatusCode, r.body, r.Header)
	}
}

// A zone that has HTTP/3 off neither tells of it nor speaks it.
func TestHTTP3Off(t *testing.T) {
	w, to := site3(t, "http3: off,", func(http.ResponseWriter, *http.Request) {})
	if r := w.get("https://shop.example/"); r.StatusCode != 200 || r.Header.Get("Alt-Svc") != "" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
	if _, err := client3(t, to).Get("https://shop.example/"); err == nil {
		t.Error("HTTP/3 is spoken")
	}
	on, _ := site3(t, "", func(http.ResponseWriter, *http.Request) {})
	if r := on.get("https://shop.example/"); r.Header.Get("Alt-Svc") == "" {
		t.Errorf("HTTP/3 is not told of: %v", r.Header)
	}
}

// Connections over HTTP/3 count among those of their address.
func TestHTTP3Limits(t *testing.T) {
	e, _, _ := hosts()
	w := start(t, fmt.Sprintf("listen: {http3: ['%s:443']}\nlimits: {connections_per_address: 1}\nzones: [{name: shop.example}]", e))
	first := client3(t, e.String()+":443")
	if r, err := first.Get("https://shop.example/cdn-cgi/trace"); err != nil || r.StatusCode != 200 {
		t.Fatal(r, err)
	}
	if _, err := client3(t, e.String()+":443").Get("https://shop.example/cdn-cgi/trace"); err == nil {
		t.Error("a second connection of the address is served")
	}
	if n := w.edge.visiting(); n != 1 {
		t.Errorf("%d visitors", n)
	}
}

// A reload opens and closes sockets; requests under way end in peace.
func TestHTTP3Drain(t *testing.T) {
	began, finish := make(chan struct{}, 1), make(chan struct{})
	w, to := site3(t, "", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			began <- struct{}{}
			<-finish
		}
		io.WriteString(w, "whole")
	})
	c := client3(t, to)
	got := make(chan string, 1)
	go func() {
		resp, err := c.Get("https://shop.example/slow")
		if err != nil {
			got <- err.Error()
			return
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		got <- fmt.Sprint(string(b), err)
	}()
	<-began
	cfg := *w.edge.Config()
	cfg.Listen.HTTP3 = nil
	if err := w.edge.Apply(&cfg); err != nil {
		t.Fatal(err)
	}
	close(finish)
	if s := <-got; s != "whole<nil>" {
		t.Errorf("a request under way got %s", s)
	}
	// The port is free again.
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		pc, err := net.ListenPacket("udp", to)
		if err == nil {
			pc.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// A change of the program: requests under way end with the old one, later ones are
// served by the new one over the same socket.
func TestHTTP3Handover(t *testing.T) {
	began, finish := make(chan struct{}, 1), make(chan struct{})
	s := startProcessWith(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			began <- struct{}{}
			<-finish
		}
		io.WriteString(w, r.URL.Path)
	}, func(at string) string { return ", http3: ['" + at + "']" })
	get := func(c *http.Client, path string) (string, error) {
		resp, err := c.Get("https://shop.example" + path)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	c := client3(t, s.tls)
	if got, err := get(c, "/first"); got != "/first" {
		t.Fatal(got, err)
	}
	slow := make(chan string, 1)
	go func() {
		got, err := get(c, "/slow")
		slow <- fmt.Sprint(got, err)
	}()
	<-began
	old := s.newest()
	if err := syscall.Kill(old, syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	s.await(func() bool { return s.newest() != old })
	fresh := client3(t, s.tls)
	next := make(chan string, 1)
	go func() {
		got, err := get(fresh, "/next")
		next <- fmt.Sprint(got, err)
	}()
	time.AfterFunc(500*time.Millisecond, func() { close(finish) })
	if got := <-slow; got != "/slow<nil>" {
		t.Errorf("the request under way got %s", got)
	}
	if got := <-next; got != "/next<nil>" {
		t.Errorf("the next one got %s", got)
	}
}
