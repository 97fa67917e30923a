package exchange

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// site is a PKI with a good certificate for shop.example.
type site struct {
	root, inter, leaf *entity
	trust             *Trust
}

func newSite(t testing.TB) *site {
	s := &site{root: authority(t, nil, "Root", nil)}
	s.inter = authority(t, s.root, "Intermediate", nil)
	s.leaf = issue(t, s.inter, "shop.example", nil)
	s.trust = &Trust{Roots: pool(s.root), Now: func() time.Time { return testNow }}
	return s
}

func (s *site) config(change func(*tls.Config)) *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{chainOf(s.leaf, s.inter)}}
	if change != nil {
		change(c)
	}
	return c
}

func (s *site) target(addr netip.AddrPort) Target {
	return Target{Addr: addr, TLS: &TLSPolicy{Trust: s.trust}, SNI: "shop.example", Host: "shop.example"}
}

func (s *site) probe(t testing.TB, origin func(net.Conn), variant string) fact.Exchange {
	t.Helper()
	return Probe(t.Context(), ProbeSpec{Target: s.target(serve(t, origin)), Profile: quick(), Variant: variant})
}

const okReply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// readHello reads what a client sends first.
func readHello(c net.Conn) {
	_, _ = io.ReadFull(c, make([]byte, 100))
}

func TestTLSFaults(t *testing.T) {
	s := newSite(t)
	protocol := want{originward.PhaseTLS, originward.TLSProtocolError, 525, "", "", ""}
	with := func(ended, errno string) want { w := protocol; w.ended, w.errno = ended, errno; return w }
	for _, tc := range []struct {
		name   string
		origin func(net.Conn)
		want   want
		looks  string
	}{
		{"silent after ClientHello", func(c net.Conn) { wait(c) }, with("timeout", ""), ""},
		{"closes after ClientHello", func(c net.Conn) { readHello(c); _ = c.(*net.TCPConn).CloseWrite(); wait(c) }, with("closed", ""), ""},
		{"resets after ClientHello", func(c net.Conn) { readHello(c); reset(c) }, with("reset", "ECONNRESET"), ""},
		{"plain HTTP", func(c net.Conn) {
			readHello(c)
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			wait(c)
		}, protocol, "http_response"},
		{"SSH", func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n"); wait(c) }, protocol, "ssh"},
		{"half a record", func(c net.Conn) {
			readHello(c)
			_, _ = c.Write([]byte{22, 3, 3, 0, 200, 2})
			_ = c.(*net.TCPConn).CloseWrite()
			wait(c)
		}, with("closed", ""), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			x := s.probe(t, tc.origin, "")
			tc.want.check(t, x)
			if x.Fault.NotTLS != (tc.looks != "") || x.Fault.Looks != tc.looks {
				t.Errorf("not TLS %v, looks %q, sample %q", x.Fault.NotTLS, x.Fault.Looks, x.Fault.Sample)
			}
			if tc.looks != "" && len(x.Fault.Sample) < 10 {
				t.Errorf("sample %q", x.Fault.Sample)
			}
			if x.TLS == nil || x.TLS.Complete {
				t.Errorf("TLS %+v", x.TLS)
			}
		})
	}
}

// TestAlerts holds crypto/tls to the way in which it reports alerts.
func TestAlerts(t *testing.T) {
	s := newSite(t)
	for n, name := range alertNames {
		if n == 0 || n == 90 { // close_notify and user_canceled are no failures
			continue
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			x := s.probe(t, func(c net.Conn) {
				readHello(c)
				_, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, n})
				wait(c)
			}, "")
			want{originward.PhaseTLS, originward.TLSAlertReceived, 525, "", "", ""}.check(t, x)
			if x.Fault.Alert != 1000+int(n) || x.Fault.AlertName != name {
				t.Errorf("alert %d %q", x.Fault.Alert, x.Fault.AlertName)
			}
		})
	}
}

func TestNoSharedCipher(t *testing.T) {
	s := newSite(t)
	x := s.probe(t, serveTLS(s.config(func(c *tls.Config) {
		c.MaxVersion = tls.VersionTLS12
		c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256} // not in the documented offer
	}), replies(okReply)), "")
	want{originward.PhaseTLS, originward.TLSAlertReceived, 525, "", "", ""}.check(t, x)
	if x.Fault.Alert != 1040 {
		t.Errorf("alert %d", x.Fault.Alert)
	}
}

// TestVersions: TLS 1.0 to 1.3 are all offered, and pinned by variants.
func TestVersions(t *testing.T) {
	s := newSite(t)
	rsaSite := rsaConfig(t)
	for v, name := range map[uint16]string{tls.VersionTLS10: "1.0", tls.VersionTLS11: "1.1", tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"} {
		c := rsaSite.Clone()
		c.MinVersion, c.MaxVersion = v, v
		x := s.probe(t, serveTLS(c, replies(okReply)), "")
		if x.Fault != nil || x.TLS.Version != name || !x.TLS.Complete {
			t.Errorf("TLS %s: %+v %+v", name, x.Fault, x.TLS)
		}
	}
	for _, id := range []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA} {
		c := rsaSite.Clone()
		c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{id}
		x := s.probe(t, serveTLS(c, replies(okReply)), "")
		if x.Fault != nil || x.TLS.Cipher != tls.CipherSuiteName(id) {
			t.Errorf("%s: %+v %+v", tls.CipherSuiteName(id), x.Fault, x.TLS)
		}
	}
	c := s.config(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
	if x := s.probe(t, serveTLS(c, replies(okReply)), fact.VariantTLS13); x.Fault == nil || x.Fault.Alert != 1070 {
		t.Errorf("TLS 1.3 only against 1.2: %+v", x.Fault)
	}
	if x := s.probe(t, serveTLS(s.config(nil), replies(okReply)), fact.VariantTLS12); x.Fault != nil || x.TLS.Version != "1.2" {
		t.Errorf("pinned to 1.2: %+v %+v", x.Fault, x.TLS)
	}
}

// TestFullAndStrict: mode full takes any certificate, strict modes name each reason,
// and the evidence holds the verdict either way.
func TestFullAndStrict(t *testing.T) {
	s := newSite(t)
	other := authority(t, nil, "Private", nil)
	for _, tc := range []struct {
		name    string
		cert    tls.Certificate
		reasons []fact.CertReason
	}{
		{"good", chainOf(s.leaf, s.inter), nil},
		{"expired", chainOf(issue(t, s.inter, "shop.example", func(c *x509.Certificate) { c.NotAfter = testNow.Add(-time.Hour) }), s.inter), []fact.CertReason{fact.CertExpired}},
		{"self-signed", chainOf(issue(t, nil, "shop.example", nil)), []fact.CertReason{fact.CertSelfSigned}},
		{"wrong name", chainOf(issue(t, s.inter, "other.example", nil), s.inter), []fact.CertReason{fact.CertNameMismatch}},
		{"unknown issuer", chainOf(issue(t, other, "shop.example", nil), other), []fact.CertReason{fact.CertUnknownIssuer}},
		{"all at once", chainOf(issue(t, nil, "other.example", func(c *x509.Certificate) { c.NotAfter = testNow.Add(-time.Hour) })), []fact.CertReason{fact.CertExpired, fact.CertNameMismatch, fact.CertSelfSigned}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr := serve(t, serveTLS(&tls.Config{Certificates: []tls.Certificate{tc.cert}}, replies(okReply)))
			x := Probe(t.Context(), ProbeSpec{Target: s.target(addr), Profile: quick()})
			if x.Fault != nil || x.Response.Status != 200 {
				t.Fatalf("mode full: %+v", x.Fault)
			}
			if !slices.Equal(x.TLS.Reasons, tc.reasons) || x.TLS.Judged != fact.Yes || x.TLS.ClientCert != fact.No {
				t.Errorf("TLS %+v", x.TLS)
			}
			strict := s.target(addr)
			strict.TLS = &TLSPolicy{Trust: s.trust, Validate: true}
			var tr Trace
			conn, f := NewDialer(quick()).Dial(t.Context(), strict, &tr)
			if conn != nil {
				defer func() { _ = conn.Close() }()
			}
			if len(tc.reasons) == 0 {
				if f != nil {
					t.Fatalf("strict: %v", f)
				}
				return
			}
			if f == nil || f.Phase != originward.PhaseTLS || f.Type != originward.TLSCertificateError || f.Code().Error != 526 {
				t.Fatalf("strict: %v", f)
			}
			if got := FactOf(f, 0, 0).Reasons; !slices.Equal(got, tc.reasons) {
				t.Errorf("strict: reasons %v", got)
			}
			if !conn.TLS().Complete {
				t.Error("the handshake had completed before the certificate was refused")
			}
		})
	}
}

func TestStrictWithoutRootsIsNoVerdict(t *testing.T) {
	s := newSite(t)
	none := Judge([]*x509.Certificate{s.leaf.cert}, nil, []string{"shop.example"},
		&Trust{OriginCA: x509.NewCertPool(), Custom: nil, Roots: nil, Now: func() time.Time { return testNow }})
	if sys, err := x509.SystemCertPool(); err == nil && !sys.Equal(x509.NewCertPool()) {
		if none.Judged != fact.Yes {
			t.Errorf("judged %q with the system's roots", none.Judged)
		}
		return
	}
	if none.Judged != fact.Unknown || none.Err == nil {
		t.Errorf("judged %q without any roots: %v", none.Judged, none.Err)
	}
}

// TestClientCertificateDemanded: an alert during the handshake under TLS 1.2, one
// after it under TLS 1.3, and an ordinary answer from nginx.
func TestClientCertificateDemanded(t *testing.T) {
	s := newSite(t)
	demand := func(max uint16) func(net.Conn) {
		return serveTLS(s.config(func(c *tls.Config) {
			c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, max
		}), replies(okReply))
	}
	t.Run("TLS 1.2", func(t *testing.T) {
		x := s.probe(t, demand(tls.VersionTLS12), "")
		want{originward.PhaseTLS, originward.TLSAlertReceived, 525, "", "", ""}.check(t, x)
		if x.Fault.ClientCert != fact.Yes || x.TLS.ClientCert != fact.Yes || len(x.TLS.Chain) != 2 {
			t.Errorf("fault %+v, TLS %+v", x.Fault, x.TLS)
		}
	})
	t.Run("TLS 1.3", func(t *testing.T) {
		x := s.probe(t, demand(tls.VersionTLS13), "")
		want{originward.PhaseFirstByte, originward.ConnectionTerminated, 520, "", "", ""}.check(t, x)
		if x.Fault.Alert != 1116 || x.Fault.ClientCert != fact.Yes || !x.TLS.Complete {
			t.Errorf("fault %+v", x.Fault)
		}
	})
	t.Run("given", func(t *testing.T) {
		cert := chainOf(issue(t, s.inter, "edge.example", nil))
		addr := serve(t, demand(tls.VersionTLS13))
		spec := ProbeSpec{Target: s.target(addr), Profile: quick(), Variant: fact.VariantClientCert, ClientCert: &cert}
		if x := Probe(t.Context(), spec); x.Fault != nil {
			t.Errorf("fault %+v", x.Fault)
		}
		spec.Variant = ""
		if x := Probe(t.Context(), spec); x.Fault == nil {
			t.Error("the certificate was presented without being asked for")
		}
	})
	t.Run("nginx", func(t *testing.T) {
		addr := nginx(t, s, "ssl_verify_client on; ssl_client_certificate ca.pem;")
		x := Probe(t.Context(), ProbeSpec{Target: s.target(addr), Profile: quick()})
		if x.Fault != nil || x.Response.Status != 400 || !strings.Contains(x.Response.Title, "No required SSL certificate") {
			t.Errorf("fault %+v, response %+v", x.Fault, x.Response)
		}
		if x.TLS.ClientCert != fact.Yes {
			t.Errorf("TLS %+v", x.TLS)
		}
	})
}

// nginx runs a real one with the site's certificate.
func nginx(t *testing.T, s *site, directives string) netip.AddrPort {
	t.Helper()
	bin, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("skipped: nginx is not installed")
	}
	dir := t.TempDir()
	writePEM(t, filepath.Join(dir, "cert.pem"), s.leaf, s.inter)
	writePEM(t, filepath.Join(dir, "ca.pem"), s.root)
	writeKey(t, filepath.Join(dir, "key.pem"), s.leaf)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	_ = l.Close()
	conf := fmt.Sprintf(`daemon off; pid nginx.pid; error_log error.log; worker_processes 1;
events {}
http { access_log off; server { listen %s ssl http2; ssl_certificate cert.pem; ssl_certificate_key key.pem; %s
location / { return 200 "hello from nginx\n"; } } }`, addr, directives)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() })
	for range 200 {
		c, err := net.Dial("tcp", addr.String())
		if err == nil {
			_ = c.Close()
			return addr
		}
		time.Sleep(10 * time.Millisecond) // until it listens
	}
	t.Fatalf("nginx does not listen: %s", log.String())
	return addr
}

// TestHelloSizes: the small ClientHello fits one packet, the large one does not.
func TestHelloSizes(t *testing.T) {
	s := newSite(t)
	size := func(variant string) int {
		n := make(chan int, 1)
		x := s.probe(t, func(c net.Conn) {
			head := make([]byte, 5)
			if _, err := io.ReadFull(c, head); err != nil {
				n <- 0
				return
			}
			n <- 5 + int(head[3])<<8 + int(head[4])
		}, variant)
		if x.Fault == nil {
			t.Error("no fault from an origin that hangs up")
		}
		return <-n
	}
	if got := size(""); got > 700 {
		t.Errorf("default: %d bytes", got)
	}
	if got := size(fact.VariantSmallHello); got > 700 {
		t.Errorf("small: %d bytes", got)
	}
	if got := size(fact.VariantLargeHello); got <= 1460 {
		t.Errorf("large: %d bytes, fits one packet", got)
	}
}

// TestServerName: what each variant sends.
func TestServerName(t *testing.T) {
	s := newSite(t)
	for variant, sni := range map[string]string{"": "shop.example", fact.VariantNoSNI: "", fact.VariantOtherSNI: neutralName} {
		names := make(chan string, 1)
		c := s.config(func(c *tls.Config) {
			c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
				names <- h.ServerName
				return nil, nil
			}
		})
		x := s.probe(t, serveTLS(c, replies(okReply)), variant)
		if got := <-names; got != sni || x.SNI != sni || x.Fault != nil {
			t.Errorf("%q: sent %q, recorded %q, fault %+v", variant, got, x.SNI, x.Fault)
		}
		if x.Host != "shop.example:"+fmt.Sprint(x.Target.Port()) {
			t.Errorf("%q: Host %q", variant, x.Host)
		}
	}
}

// TestPlainOnTLS: HTTP spoken to a TLS port, as Flexible does with a wrong port.
func TestPlainOnTLS(t *testing.T) {
	s := newSite(t)
	x := s.probe(t, func(c net.Conn) {
		readHead(c)
		_, _ = c.Write([]byte{21, 3, 1, 0, 2, 2, 70}) // as OpenSSL answers: protocol_version
	}, fact.VariantPlainHTTP)
	if x.Scheme != "http" || x.TLS != nil || x.Fault == nil || x.Fault.Code != 520 {
		t.Fatalf("%+v %+v", x, x.Fault)
	}
	if x.Fault.Looks != "tls" {
		t.Errorf("looks %q, sample %q", x.Fault.Looks, x.Fault.Sample)
	}
	addr := nginx(t, s, "")
	x = Probe(t.Context(), ProbeSpec{Target: s.target(addr), Profile: quick(), Variant: fact.VariantPlainHTTP})
	if x.Fault != nil || x.Response.Status != 400 || !strings.Contains(x.Response.Title, "plain HTTP request") {
		t.Errorf("nginx: %+v %+v", x.Fault, x.Response)
	}
}
