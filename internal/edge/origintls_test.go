package edge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/internal/config"
)

// clientPair writes a certificate of that name, signed by itself, with its key.
func clientPair(t *testing.T, dir, cn string) (path string, certPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, cn+".pem")
	if err := os.WriteFile(path, pairPEM(t, &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}), 0o600); err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return path, pemOf(leaf)
}

// An nginx that wants a client certificate is shown the host name's, else the
// zone's, else the edge's; without one it refuses.
func TestAuthenticatedOriginPulls(t *testing.T) {
	e, o, _ := hosts()
	dir := t.TempDir()
	var trusted []byte
	pair := map[string]string{}
	for _, cn := range []string{"edge", "zone", "host"} {
		path, c := clientPair(t, dir, cn)
		pair[cn] = fmt.Sprintf("cert: %s, key: %[1]s", path)
		trusted = append(trusted, c...)
	}
	if err := os.WriteFile(filepath.Join(dir, "trusted"), trusted, 0o600); err != nil {
		t.Fatal(err)
	}
	server, _ := clientPair(t, dir, "server")
	at := netip.AddrPortFrom(o, 443)
	nginx(t, fmt.Sprintf(`server {
    listen %s ssl; ssl_certificate %s; ssl_certificate_key %[2]s;
    ssl_verify_client on; ssl_client_certificate %[3]s/trusted;
    return 200 "$ssl_client_s_dn";
  }`, at, server, dir))
	waitPort(t, at)
	site := func(name, more string) string {
		return fmt.Sprintf("- {name: %s, ssl: full, %s records: [{type: A, name: %[1]s, content: %[3]s, proxied: true}, {type: A, name: www.%[1]s, content: %[3]s, proxied: true}]}\n", name, more, o)
	}
	hostsOf := "origin_pull_hostnames: [{hostname: www.%s, " + pair["host"] + "}],"
	text := "origin_pull_certificate: {" + pair["edge"] + "}\nzones:\n" +
		site("none.example", "") +
		site("global.example", "tls_client_auth: on,") +
		site("zone.example", "tls_client_auth: on, origin_pull_certificate: {"+pair["zone"]+"},") +
		site("host.example", "origin_pull_certificate: {"+pair["zone"]+"}, "+fmt.Sprintf(hostsOf, "host.example")) +
		site("only.example", fmt.Sprintf(hostsOf, "only.example"))
	w := start(t, fmt.Sprintf("listen: {https: ['%s:443']}\n%s", e, text))
	for name, want := range map[string]string{
		"none.example": "400", "global.example": "CN=edge", "www.global.example": "CN=edge", "zone.example": "CN=zone",
		"host.example": "CN=zone", "www.host.example": "CN=host", "only.example": "400", "www.only.example": "CN=host",
	} {
		r := w.get("https://" + name + "/")
		got := r.body
		if r.StatusCode != 200 {
			got = fmt.Sprint(r.StatusCode)
		}
		if got != want {
			t.Errorf("%s: the origin saw %q, want %q", name, got, want)
		}
	}
}

// A zone's trust store takes the place of the edge's, for that zone alone; what a
// reload leaves as it was keeps its connections.
func TestTrustOfAZone(t *testing.T) {
	e, o, _ := hosts()
	ap := tlsOrigin(t, o, "shop.example", func(http.ResponseWriter, *http.Request) {})
	_, other := clientPair(t, t.TempDir(), "other")
	dir := t.TempDir()
	for name, b := range map[string][]byte{"origin.pem": pemOf(testCA().Root()), "other.pem": other} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := func(zoneTrust, edgeTrust string) string {
		return fmt.Sprintf("listen: {https: ['%s:%d']}\ntrust: {roots: [%s/%s]}\nzones: [{name: shop.example, ssl: strict, trust: [%s], records: [{type: A, name: shop.example, content: %s, proxied: true}]}]",
			e, ap.Port(), dir, edgeTrust, zoneTrust, o)
	}
	for _, tc := range []struct {
		zone, edge string
		want       int
	}{
		{"", "origin.pem", 200}, {"", "other.pem", 526}, {dir + "/origin.pem", "other.pem", 200}, {dir + "/other.pem", "origin.pem", 526},
	} {
		w := start(t, text(tc.zone, tc.edge))
		if r := w.get("https://shop.example/"); r.StatusCode != tc.want {
			t.Errorf("zone trusts %q, edge %q: %d, want %d", tc.zone, tc.edge, r.StatusCode, tc.want)
		}
		was := w.edge.state.Load().routes.zones["shop.example"].origins
		cfg, err := Loader().Parse("edge.yaml", []byte(text(tc.zone, tc.edge)))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Trust = w.edge.Config().Trust // the very same, as that of a file that was read once
		if err := w.edge.Apply(cfg); err != nil {
			t.Fatal(err)
		}
		now := w.edge.state.Load().routes.zones["shop.example"].origins
		if now.differs(was) {
			t.Errorf("zone trusts %q: a reload that changes nothing makes new policies", tc.zone)
		}
		if w.edge.Shutdown(t.Context()) != nil {
			t.Error("shutdown")
		}
	}
}

// A certificate that is taken back is refused by strict modes from that moment, also
// over connections that were made before.
func TestRevoked(t *testing.T) {
	e, o, _ := hosts()
	ap := tlsOrigin(t, o, "shop.example", func(http.ResponseWriter, *http.Request) {})
	w := start(t, fmt.Sprintf("listen: {https: ['%s:%d']}\nzones: [%s, %s]", e, ap.Port(), siteZone("strict", o), strings.ReplaceAll(siteZone("full", o), "shop.", "full.")))
	if err := w.edge.SetStored(Stored{OriginCA: []*x509.Certificate{testCA().Root()}}); err != nil {
		t.Fatal(err)
	}
	if r := w.get("https://shop.example/"); r.StatusCode != 200 {
		t.Fatalf("before: %d", r.StatusCode)
	}
	c, err := testCA().Certificate("shop.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.edge.SetStored(Stored{OriginCA: []*x509.Certificate{testCA().Root()}, Revoked: []config.Revoked{
		{Issuer: string(c.Leaf.RawIssuer), Serial: string(c.Leaf.SerialNumber.Bytes()), At: time.Now()},
	}}); err != nil {
		t.Fatal(err)
	}
	r := w.get("https://shop.example/")
	if s := r.Header.Get("Proxy-Status"); r.StatusCode != 526 || !strings.Contains(s, "tls_certificate_error") || !strings.Contains(s, "revoked") {
		t.Errorf("after: %d, %s", r.StatusCode, s)
	}
	w.last(2)
	if all := w.lines(); !slices.ContainsFunc(all, func(l logLine) bool { return l.Status == 526 && strings.Contains(l.Detail, "was revoked by") }) {
		t.Errorf("the log says %+v", all)
	}
	if r := w.get("https://full.example/"); r.StatusCode != 200 {
		t.Errorf("full accepts any certificate: %d", r.StatusCode)
	}
}

func TestSameCert(t *testing.T) {
	a := &tls.Certificate{Certificate: [][]byte{{1}, {2}}}
	b := &tls.Certificate{Certificate: slices.Clone(a.Certificate)}
	if !sameCert(a, b) || !sameCert(nil, nil) || sameCert(a, nil) || sameCert(nil, a) || sameCert(a, &tls.Certificate{Certificate: [][]byte{{1}}}) {
		t.Error("certificates are compared wrongly")
	}
}
