package outside

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
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
	"github.com/originward/originward/internal/dnsask"
)

// nginx runs the real server with one server block in which PORT, CERT and KEY
// stand for what the test made, and gives the address it serves.
func nginx(t *testing.T, server string) netip.AddrPort {
	t.Helper()
	bin, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	dir := t.TempDir()
	port := closed(t).Port()
	cert(t, dir)
	server = strings.NewReplacer("PORT", fmt.Sprint(port), "CERT", dir+"/cert.pem", "KEY", dir+"/key.pem").Replace(server)
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 64; }
http { access_log %[1]s/access.log; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
%[2]s
}`, dir, server)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command(bin, "-p", dir, "-c", path, "-e", dir+"/error.log")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	ap := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	for end := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("tcp", ap.String())
		if err == nil {
			c.Close()
			return ap
		}
		if time.Now().After(end) {
			t.Fatalf("nginx does not come up: %s", out.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// cert writes a self-signed certificate for the site.
func cert(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNginx(t *testing.T) {
	const tls = "ssl_certificate CERT; ssl_certificate_key KEY;"
	for _, tt := range []struct {
		name, server, scheme string
		check                func(t *testing.T, xs map[string]fact.Exchange)
	}{
		{"healthy", "server { listen PORT ssl http2; " + tls + " return 200 ok; }", "https", func(t *testing.T, xs map[string]fact.Exchange) {
			x := xs["https"]
			if x.Response == nil || x.Response.Status != 200 || !slices.Equal(x.TLS.Reasons, []fact.CertReason{fact.CertSelfSigned}) {
				t.Errorf("%+v", x)
			}
			if y := xs["https hello-large"]; y.TLS == nil || !y.TLS.Complete {
				t.Errorf("large hello: %+v", y)
			}
		}},
		{"handshake rejected for unknown names", "server { listen PORT ssl default_server; ssl_reject_handshake on; } server { listen PORT ssl; server_name other.example neutral.invalid; " + tls + " return 200; }", "https", func(t *testing.T, xs map[string]fact.Exchange) {
			f := xs["https"].Fault
			if f == nil || f.Phase != originward.PhaseTLS || f.AlertName != "unrecognized_name" {
				t.Errorf("%+v", f)
			}
			if y := xs["https sni-other"]; y.TLS == nil || !y.TLS.Complete {
				t.Errorf("other name: %+v", y)
			}
			if y := xs["https sni-none"]; y.Fault == nil {
				t.Errorf("no name: %+v", y)
			}
		}},
		{"TLS 1.3 only", "server { listen PORT ssl; ssl_protocols TLSv1.3; " + tls + " return 200; }", "https", func(t *testing.T, xs map[string]fact.Exchange) {
			if x := xs["https"]; x.TLS == nil || x.TLS.Version != "1.3" {
				t.Errorf("%+v", x)
			}
		}},
		{"closed without a response", "server { listen PORT; return 444; }", "http", func(t *testing.T, xs map[string]fact.Exchange) {
			if f := xs["http"].Fault; f == nil || f.Code != 520 || f.BytesRead != 0 {
				t.Errorf("%+v", f)
			}
			if _, ok := xs["http host-other"]; !ok {
				t.Error("no look with another Host")
			}
		}},
		{"closed for one host only", "server { listen PORT default_server; return 200; } server { listen PORT; server_name shop.example; return 444; }", "http", func(t *testing.T, xs map[string]fact.Exchange) {
			if xs["http"].Fault == nil || xs["http host-other"].Response == nil {
				t.Errorf("%+v", xs)
			}
		}},
		{"client certificate demanded", "server { listen PORT ssl; ssl_verify_client on; ssl_client_certificate CERT; " + tls + " return 200; }", "https", func(t *testing.T, xs map[string]fact.Exchange) {
			x := xs["https"]
			if x.Response == nil || x.Response.Status != 400 || x.TLS.ClientCert != fact.Yes || !strings.Contains(x.Response.Body, "No required SSL certificate was sent") {
				t.Errorf("%+v", x)
			}
		}},
		{"plain HTTP sent to the TLS port", "server { listen PORT ssl; " + tls + " return 200; }", "http", func(t *testing.T, xs map[string]fact.Exchange) {
			if x := xs["http"]; x.Response == nil || x.Response.Status != 400 || !strings.Contains(x.Response.Body, "plain HTTP request was sent to HTTPS port") {
				t.Errorf("%+v", x)
			}
		}},
		{"forbidden to what claims to be an edge", `server { listen PORT; if ($http_cf_connecting_ip) { return 403; } return 200; }`, "http", func(t *testing.T, xs map[string]fact.Exchange) {
			if xs["http"].Response.Status != 403 || xs["http bare"].Response == nil || xs["http bare"].Response.Status != 200 {
				t.Errorf("%+v", xs)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ap := nginx(t, tt.server)
			es, ms := Observe(t.Context(), Ask{Host: host, Scheme: tt.scheme, Origins: origin(ap), Servers: []dnsask.Server{zone(t)}})
			check(t, es, ms)
			tt.check(t, exchangesOf(es))
		})
	}
}
