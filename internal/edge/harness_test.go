package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/edge/localca"
)

// Tests run on loopback addresses of their own: the edge keeps the visitor's port,
// so edge and origin share a port and differ in address.
var nextNet atomic.Uint32

// hosts gives the edge's and two origins' addresses for one test.
func hosts() (edge, origin, other netip.Addr) {
	n := nextNet.Add(1)
	at := func(last byte) netip.Addr { return netip.AddrFrom4([4]byte{127, 40 + byte(n>>8), byte(n), last}) }
	return at(1), at(2), at(3)
}

// logBuffer is an access log that tests read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// logLine is what tests look at in a line of the access log.
type logLine struct {
	Ray, Host, Method, Target, Proto, Origin, Egress, Fault, Phase, Detail, Errno, Kind, Rule, Level, Trace string
	Status, Error                                                                                           int
	BytesIn                                                                                                 int64 `json:"bytes_in"`
	BytesOut                                                                                                int64 `json:"bytes_out"`
	Reused, Retried, Cut, Left                                                                              bool
	MS                                                                                                      float64
	Phases                                                                                                  map[string]float64
	RulesLogged                                                                                             []string `json:"rules_logged"`
}

// world is a running edge with its log.
type world struct {
	t    testing.TB
	edge *Edge
	log  *logBuffer
	http netip.AddrPort
	tls  netip.AddrPort
}

// start runs an edge from a configuration file's text.
func start(t testing.TB, text string) *world {
	t.Helper()
	cfg, err := Loader().Parse(filepath.Join(t.TempDir(), "edge.yaml"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, log: &logBuffer{}}
	w.edge, err = New(cfg, Options{AccessLog: w.log})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.edge.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		_ = w.edge.Shutdown(ctx) // what still runs is the test's own leftover
	})
	plain, secure := w.edge.Addrs()
	if len(plain) > 0 {
		w.http = plain[0]
	}
	if len(secure) > 0 {
		w.tls = secure[0]
	}
	return w
}

// lines gives the access log so far.
func (w *world) lines() []logLine {
	w.t.Helper()
	if err := w.edge.access.flush(); err != nil {
		w.t.Fatal(err)
	}
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	var out []logLine
	for _, l := range strings.Split(strings.TrimSpace(w.log.b.String()), "\n") {
		if l == "" {
			continue
		}
		var x logLine
		if err := json.Unmarshal([]byte(l), &x); err != nil {
			w.t.Fatalf("log line %s: %v", l, err)
		}
		out = append(out, x)
	}
	return out
}

// last waits for the n-th line, which comes after the response.
func (w *world) last(n int) logLine {
	w.t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if l := w.lines(); len(l) >= n {
			return l[n-1]
		}
	}
	w.t.Fatalf("no line %d in the log: %v", n, w.lines())
	return logLine{}
}

func (w *world) roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(w.edge.state.Load().ca.Root())
	return p
}

// client makes a visitor that sends every host name to the edge.
func (w *world) client(h2 bool) *http.Client {
	dial := func(ctx context.Context, _, addr string) (net.Conn, error) {
		to := w.http
		if strings.HasSuffix(addr, ":443") {
			to = w.tls
		}
		var d net.Dialer
		return d.DialContext(ctx, "tcp", to.String())
	}
	tr := &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: w.roots()}, ForceAttemptHTTP2: h2, DisableCompression: true}
	w.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 20 * time.Second}
}

// reply is a response read whole.
type reply struct {
	*http.Response
	body string
}

func (w *world) do(c *http.Client, req *http.Request) reply {
	w.t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%s %s: body: %v", req.Method, req.URL, err)
	}
	return reply{resp, string(b)}
}

func (w *world) get(url string, header ...string) reply {
	w.t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Add(header[i], header[i+1])
	}
	return w.do(w.client(false), req)
}

// raw sends bytes to the edge and gives everything that comes back.
func (w *world) raw(request string) string {
	w.t.Helper()
	c, err := net.Dial("tcp", w.http.String())
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	go func() {
		// The edge may answer and close before it has taken everything.
		// The edge ends the connection itself when it is asked to.
		if _, err := io.WriteString(c, request); err == nil && !strings.Contains(request, "\r\nConnection: close\r\n") {
			_ = c.(*net.TCPConn).CloseWrite()
		}
	}()
	b, err := io.ReadAll(c)
	if err != nil {
		w.t.Logf("raw: %v", err)
	}
	return string(b)
}

// origin is an HTTP server on an address and port of its own.
func origin(t testing.TB, addr netip.Addr, port uint16, h http.HandlerFunc) (netip.AddrPort, *http.Server) {
	t.Helper()
	l, ap := listen(t, addr, port)
	s := &http.Server{Handler: h}
	go s.Serve(l) //nolint:errcheck // ends with the test
	t.Cleanup(func() { s.Close() })
	return ap, s
}

func listen(t testing.TB, addr netip.Addr, port uint16) (net.Listener, netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", netip.AddrPortFrom(addr, port).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, l.Addr().(*net.TCPAddr).AddrPort()
}

// script is an origin that does what it is told with each connection.
func script(t testing.TB, addr netip.Addr, port uint16, serve func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	l, ap := listen(t, addr, port)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			}()
		}
	}()
	return ap
}

// readHead reads a request head.
func readHead(c net.Conn) string {
	r := bufio.NewReader(c)
	var b strings.Builder
	for {
		l, err := r.ReadString('\n')
		b.WriteString(l)
		if err != nil || l == "\r\n" {
			return b.String()
		}
	}
}

// siteZone is the text of a zone with one proxied name.
func siteZone(mode string, addrs ...netip.Addr) string {
	var recs []string
	for _, a := range addrs {
		typ := "A"
		if a.Is6() {
			typ = "AAAA"
		}
		recs = append(recs, fmt.Sprintf("{type: %s, name: shop.example, content: '%s', proxied: true}", typ, a))
	}
	return fmt.Sprintf("{name: shop.example, ssl: %s, records: [%s]}", mode, strings.Join(recs, ", "))
}

// plain starts an edge in front of a handler, which is served over HTTP for http
// visitors and over TLS for https ones.
func plain(t testing.TB, h http.HandlerFunc) *world {
	t.Helper()
	e, o, _ := hosts()
	ap, _ := origin(t, o, 0, h)
	sp := tlsOrigin(t, o, "shop.example", h)
	return start(t, fmt.Sprintf("listen: {http: ['%s:%d'], https: ['%s:%d']}\nzones: [%s]", e, ap.Port(), e, sp.Port(), siteZone("full", o)))
}

// testCA signs origins' certificates.
var testCA = sync.OnceValue(func() *localca.CA {
	ca, err := localca.Open("", time.Now)
	if err != nil {
		panic(err)
	}
	return ca
})

// tlsOrigin serves a handler over TLS, HTTP/1.1 and HTTP/2, with a certificate for name.
func tlsOrigin(t testing.TB, addr netip.Addr, name string, h http.HandlerFunc) netip.AddrPort {
	t.Helper()
	return serveTLS(t, addr, 0, name, h)
}

func serveTLS(t testing.TB, addr netip.Addr, port uint16, name string, h http.HandlerFunc) netip.AddrPort {
	t.Helper()
	l, ap := listen(t, addr, port)
	cert, err := testCA().Certificate(name)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, TLSConfig: &tls.Config{Certificates: []tls.Certificate{*cert}}, ErrorLog: log.New(io.Discard, "", 0)}
	go s.ServeTLS(l, "", "") //nolint:errcheck // ends with the test
	t.Cleanup(func() { s.Close() })
	return ap
}

func tlsClient(c net.Conn, roots *x509.CertPool) net.Conn {
	return tls.Client(c, &tls.Config{ServerName: "shop.example", RootCAs: roots})
}

// factExchange is short for the record's type.
type factExchange = fact.EdgeExchange

func pemOf(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func pairPEM(t testing.TB, c *tls.Certificate) []byte {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
}

// record gives the edge's record of a ray.
func (w *world) record(f Filter) []fact.EdgeExchange { return w.edge.Records(f).Items }
