package edgeapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// selfSigned is a certificate of that name with its key, as PEM.
func selfSigned(t *testing.T, cn string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, DNSNames: []string{cn}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pemText("CERTIFICATE", der), pemText("PRIVATE KEY", raw)
}

func upload(cert, key string) string {
	b, _ := json.Marshal(map[string]string{"certificate": cert, "private_key": key})
	return string(b)
}

// The three levels of authenticated origin pulls, and a trust store of the zone,
// through the API; a real origin says whom it saw.
func TestPullLevelsAndTrust(t *testing.T) {
	dir := t.TempDir()
	edgeCert, edgeKey := selfSigned(t, "edge")
	if err := os.WriteFile(filepath.Join(dir, "edge.pem"), []byte(edgeCert+edgeKey), 0o600); err != nil {
		t.Fatal(err)
	}
	k := startKeptWith(t, fmt.Sprintf("origin_pull_certificate: {cert: %s/edge.pem, key: %[1]s/edge.pem}\n", dir))
	zone := k.zone("shop.example")
	serverCert, serverKey := selfSigned(t, "shop.example")
	pair, err := tls.X509KeyPair([]byte(serverCert), []byte(serverKey))
	if err != nil {
		t.Fatal(err)
	}
	origin := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			fmt.Fprint(w, "nobody")
			return
		}
		fmt.Fprint(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	origin.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
	origin.StartTLS()
	defer origin.Close()
	_, port, _ := net.SplitHostPort(origin.Listener.Addr().String())
	k.do("PATCH", zone+"/settings/ssl", `{"value":"origin_pull"}`)
	k.do("POST", zone+"/dns_records", `{"type":"A","name":"@","content":"127.0.0.1","proxied":true}`)
	k.do("PUT", zone+"/rulesets/phases/http_request_origin/entrypoint", `{"rules":[{"expression":"true","action":"route","action_parameters":{"origin":{"port":`+port+`}}}]}`)

	// Nobody vouches for the origin but the zone's own trust store.
	if code := k.visit("shop.example", "/").StatusCode; code != 526 {
		t.Errorf("an origin that signed its certificate itself: %d", code)
	}
	k.refused("POST", zone+"/acm/custom_trust_store", `{"certificate":"nonsense"}`, 400, 1400, "/certificate")
	k.refused("POST", zone+"/acm/custom_trust_store", upload(serverCert+serverCert, ""), 400, 1400, "/certificate")
	b, _ := json.Marshal(trustIn{serverCert})
	trust := k.do("POST", zone+"/acm/custom_trust_store", string(b))["id"].(string)
	if got := k.list(zone + "/acm/custom_trust_store"); len(got) != 1 || got[0]["id"] != trust || got[0]["status"] != "active" {
		t.Errorf("trust store %v", got)
	}

	saw := func(want string) {
		t.Helper()
		if r, body := k.fetch("shop.example", "/"); body != want {
			t.Errorf("the origin saw %d %s, want %s", r.StatusCode, body, want)
		}
	}
	saw("nobody")
	k.do("PATCH", zone+"/settings/tls_client_auth", `{"value":"on"}`)
	saw("edge")
	k.do("POST", zone+"/origin_tls_client_auth", upload(selfSigned(t, "zone")))
	saw("edge")
	k.do("PUT", zone+"/origin_tls_client_auth/settings", `{"enabled":true}`)
	saw("zone")
	at := zone + "/origin_tls_client_auth/hostnames"
	id := k.do("POST", at+"/certificates", upload(selfSigned(t, "host")))["id"].(string)
	saw("zone")
	put := func(host, id, enabled string) string {
		return fmt.Sprintf(`{"config":[{"hostname":%q,"cert_id":%q,"enabled":%s}]}`, host, id, enabled)
	}
	k.refused("PUT", at, put("elsewhere.example", id, "true"), 400, codeField, "/config/0/hostname")
	k.refused("PUT", at, put("shop.example", "none", "true"), 400, codeField, "/config/0/cert_id")
	k.refused("PUT", at, `{"config":[]}`, 400, codeField, "/config")
	k.send("PUT", at, put("Shop.Example", id, "true"))
	saw("host")
	if got := k.do("GET", at+"/shop.example", ""); got["cert_id"] != id || got["enabled"] != true || got["serial_number"] != "1" {
		t.Errorf("association %v", got)
	}
	if got := k.list(at); len(got) != 1 || got[0]["hostname"] != "shop.example" {
		t.Errorf("associations %v", got)
	}
	k.refused("DELETE", at+"/certificates/"+id, "", 409, codeField, "")
	k.send("PUT", at, put("shop.example", id, "false"))
	saw("zone")
	k.send("PUT", at, put("shop.example", id, "null"))
	k.refused("GET", at+"/shop.example", "", 404, codeNoObject, "")
	k.do("DELETE", at+"/certificates/"+id, "")
	k.do("PUT", zone+"/origin_tls_client_auth/settings", `{"enabled":false}`)
	saw("edge")
	k.do("DELETE", zone+"/acm/custom_trust_store/"+trust, "")
	if code := k.visit("shop.example", "/").StatusCode; code != 526 {
		t.Errorf("without its trust store: %d", code)
	}
}
