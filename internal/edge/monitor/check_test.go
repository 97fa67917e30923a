package monitor

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/localca"
	"github.com/originward/originward/internal/exchange"
)

// authority makes certificates, as of a time.
func authority(t *testing.T, now time.Time) *localca.CA {
	t.Helper()
	ca, err := localca.Open("", func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func presents(t *testing.T, ca *localca.CA, protos ...string) *tls.Config {
	t.Helper()
	c, err := ca.Certificate("shop.example")
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{*c}, NextProtos: protos}
}

// serve accepts on a loopback address until the test ends.
func serve(t *testing.T, each func(net.Conn)) netip.AddrPort {
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
			go func() { defer c.Close(); each(c) }()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// answer reads a request and writes a text.
func answer(text string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			fmt.Fprint(c, text)
		}
	}
}

func secure(cfg *tls.Config, each func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		s := tls.Server(c, cfg)
		if s.Handshake() == nil {
			each(s)
		}
	}
}

const (
	good = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nAll is WELL"
	gone = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
)

// noNames is a resolver that knows one name.
type noNames struct{}

func (noNames) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	switch host {
	case "inside.example":
		return []netip.Addr{netip.MustParseAddr("127.0.0.99")}, nil
	case "silent.example":
		return nil, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// Every documented reason, from an origin that is broken in that way.
func TestReasons(t *testing.T) {
	ca, other, past := authority(t, time.Now()), authority(t, time.Now()), authority(t, time.Now().AddDate(-20, 0, 0))
	fine, strange, late := presents(t, ca), presents(t, other), presents(t, past)
	roots := x509.NewCertPool()
	roots.AddCert(ca.Root())
	roots.AddCert(past.Root())
	p := &Prober{
		Resolver: noNames{}, Trust: &exchange.Trust{Roots: roots}, Profile: exchange.Patient(),
		Prohibited: func(a netip.Addr, _ uint16) error {
			if a == netip.MustParseAddr("127.0.0.99") {
				return fmt.Errorf("%s is an address of this edge", a)
			}
			return nil
		},
	}
	host := [][2]string{{"Host", "shop.example"}}
	ok := []config.CodeRange{{Low: 200, High: 200}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	for _, tc := range []struct {
		name, want string
		origin     func(net.Conn)
		at         netip.AddrPort // in place of origin
		target     string
		monitor    config.Monitor
	}{
		{name: "healthy", want: NoFailure, origin: answer(good), monitor: config.Monitor{Type: "http", Codes: ok, Body: "all is well"}},
		{name: "healthy tcp", want: NoFailure, origin: func(net.Conn) {}, monitor: config.Monitor{Type: "tcp"}},
		{name: "healthy https", want: NoFailure, origin: secure(fine, answer(good)), monitor: config.Monitor{Type: "https", Codes: ok, Header: host}},
		{name: "refused", want: TCPFailed, at: closed, monitor: config.Monitor{Type: "tcp"}},
		{name: "code", want: CodeMismatch, origin: answer(gone), monitor: config.Monitor{Type: "http", Codes: ok}},
		{name: "body", want: BodyMismatch, origin: answer(good), monitor: config.Monitor{Type: "http", Codes: ok, Body: "operational"}},
		{name: "body beyond 10 KB", want: BodyMismatch, origin: answer("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 10<<10) + "needle"), monitor: config.Monitor{Type: "http", Codes: ok, Body: "needle"}},
		{name: "silent", want: HTTPTimeout, origin: func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)); _, _ = c.Read(make([]byte, 1)) }, monitor: config.Monitor{Type: "http", Codes: ok}},
		{name: "no HTTP", want: HTTPInvalid, origin: answer("SSH-2.0-OpenSSH\r\n\r\n"), monitor: config.Monitor{Type: "http", Codes: ok}},
		{name: "empty", want: HTTPInvalid, origin: answer(""), monitor: config.Monitor{Type: "http", Codes: ok}},
		{name: "reset", want: ConnectionReset, origin: func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); _ = c.(*net.TCPConn).SetLinger(0) }, monitor: config.Monitor{Type: "http", Codes: ok}},
		{name: "unknown host", want: UnknownHost, target: "gone.example", monitor: config.Monitor{Type: "http", Codes: ok}},
		{name: "DNS failed", want: OtherFailure, target: "silent.example", monitor: config.Monitor{Type: "http", Codes: ok}},
		{name: "internal", want: DNSInternal, target: "inside.example", monitor: config.Monitor{Type: "http", Codes: ok}},
		{name: "unknown authority", want: TLSUntrusted, origin: secure(strange, answer(good)), monitor: config.Monitor{Type: "https", Codes: ok, Header: host}},
		{name: "unknown authority allowed", want: NoFailure, origin: secure(strange, answer(good)), monitor: config.Monitor{Type: "https", Codes: ok, Header: host, AllowInsecure: true}},
		{name: "expired", want: TLSUntrusted, origin: secure(late, answer(good)), monitor: config.Monitor{Type: "https", Codes: ok, Header: host}},
		{name: "name", want: TLSNameMismatch, origin: secure(fine, answer(good)), monitor: config.Monitor{Type: "https", Codes: ok}},
		{name: "plain HTTP on the port", want: TLSProtocol, origin: func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}, monitor: config.Monitor{Type: "https", Codes: ok, Header: host}},
		{name: "unrecognized name", want: TLSUnrecognized, origin: func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, alertUnrecognizedName}) // a fatal alert
		}, monitor: config.Monitor{Type: "https", Codes: ok}},
		{name: "no common protocol", want: TLSHandshake, origin: secure(presents(t, ca, "only-this"), answer(good)), monitor: config.Monitor{Type: "https", Codes: ok, Header: host}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			at := tc.at
			if tc.origin != nil {
				at = serve(t, tc.origin)
			}
			m := tc.monitor
			m.Method, m.Path, m.Port, m.Timeout, m.Retries = "GET", "/", at.Port(), 500*time.Millisecond, 0
			if tc.name == "silent" {
				m.Timeout = 100 * time.Millisecond
			}
			c := p.Check(t.Context(), Subject{config.PoolOrigin{Addr: at.Addr(), Target: tc.target}, m})
			if c.Reason != tc.want || c.OK != (tc.want == NoFailure) || c.At.IsZero() || !c.OK && c.Detail == "" {
				t.Errorf("%+v, wanted %s", c, tc.want)
			}
		})
	}
}

// Failures of the network, as the kernel reports them.
func TestReasonsOfTheNetwork(t *testing.T) {
	for err, want := range map[error]string{
		syscall.ENETUNREACH: NetworkUnreachable, syscall.EHOSTUNREACH: NoRoute, syscall.ECONNREFUSED: TCPFailed, syscall.ETIMEDOUT: TCPTimeout, syscall.EMFILE: OtherFailure,
	} {
		typ := map[string]originward.FaultType{
			NetworkUnreachable: originward.DestinationIPUnroutable, NoRoute: originward.DestinationIPUnroutable, TCPFailed: originward.ConnectionRefused,
			TCPTimeout: originward.ConnectionTimeout, OtherFailure: originward.ProxyInternalError,
		}[want]
		f := &originward.Fault{Phase: originward.PhaseConnect, Type: typ, Err: os.NewSyscallError("connect", err)}
		if got := reasonOf(f); got != want {
			t.Errorf("%v: %s, wanted %s", err, got, want)
		}
	}
}

// Only a timeout is tried again at once.
func TestRetries(t *testing.T) {
	var asked atomic.Int64
	slow := serve(t, func(c net.Conn) {
		if asked.Add(1) < 3 {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Read(make([]byte, 1))
			return
		}
		answer(good)(c)
	})
	bad := serve(t, func(c net.Conn) { asked.Add(1); answer(gone)(c) })
	p := &Prober{Profile: exchange.Patient()}
	m := config.Monitor{Type: "http", Method: "GET", Path: "/", Codes: []config.CodeRange{{Low: 200, High: 200}}, Timeout: 100 * time.Millisecond, Retries: 2, Port: slow.Port()}
	if c := p.Check(t.Context(), Subject{config.PoolOrigin{Addr: slow.Addr()}, m}); !c.OK || asked.Load() != 3 {
		t.Errorf("%+v after %d tries", c, asked.Load())
	}
	asked.Store(0)
	m.Port = bad.Port()
	m.Timeout = 5 * time.Second
	if c := p.Check(t.Context(), Subject{config.PoolOrigin{Addr: bad.Addr()}, m}); c.OK || asked.Load() != 1 {
		t.Errorf("%+v after %d tries", c, asked.Load())
	}
}

// What a check asks for, and where a redirect leads it.
func TestRequest(t *testing.T) {
	var mu sync.Mutex
	var heads []string // guarded by mu
	asked := func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(heads) }
	at := serve(t, func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		heads = append(heads, fmt.Sprint(r.Method, " ", r.Host, r.URL, " ", r.Header))
		switch r.URL.Path {
		case "/old":
			fmt.Fprint(c, "HTTP/1.1 301 Moved\r\nLocation: /new?x=1\r\nContent-Length: 0\r\n\r\n")
		case "/round":
			fmt.Fprint(c, "HTTP/1.1 302 Found\r\nLocation: /round\r\nContent-Length: 0\r\n\r\n")
		default:
			fmt.Fprint(c, good)
		}
	})
	p := &Prober{Profile: exchange.Patient()}
	m := config.Monitor{
		Type: "http", Method: "HEAD", Path: "/old", Codes: []config.CodeRange{{Low: 200, High: 299}}, Timeout: 5 * time.Second,
		Port: at.Port(), Header: [][2]string{{"Host", "monitor.example"}, {"X-Key", "1"}},
	}
	o := config.PoolOrigin{Addr: at.Addr(), Host: "origin.example"}
	if c := p.Check(t.Context(), Subject{o, m}); c.Reason != CodeMismatch || c.Code != 301 {
		t.Errorf("a redirect that is not followed: %+v", c)
	}
	want := "HEAD origin.example/old map[Connection:[close] User-Agent:[" + userAgent + "] X-Key:[1]]"
	if !slices.Equal(asked(), []string{want}) {
		t.Errorf("asked %q\nwanted %q", asked(), want)
	}
	m.FollowRedirects, o.Host = true, ""
	m.Header[0][1] = fmt.Sprintf("monitor.example:%d", at.Port())
	if c := p.Check(t.Context(), Subject{o, m}); !c.OK || !strings.Contains(asked()[2], "/new?x=1") {
		t.Errorf("followed: %+v %q", c, asked())
	}
	m.Path = "/round"
	if c := p.Check(t.Context(), Subject{o, m}); c.Reason != CodeMismatch || len(asked()) > 12 {
		t.Errorf("in a circle: %+v, %d requests", c, len(asked()))
	}
}
