package edgeapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/originward/originward/internal/config"
)

// An origin with a certificate of the edge's origin CA passes the strict mode.
func TestOriginCA(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	csr := pemText("CERTIFICATE REQUEST", der)
	ask := func(change func(*originCertIn)) string {
		in := originCertIn{CSR: csr, Hostnames: []string{"shop.example", "*.shop.example"}, Type: "origin-ecc", Days: 7}
		if change != nil {
			change(&in)
		}
		b, _ := json.Marshal(in)
		return string(b)
	}
	for pointer, change := range map[string]func(*originCertIn){
		"/csr":                func(in *originCertIn) { in.CSR = "nonsense" },
		"/request_type":       func(in *originCertIn) { in.Type = "origin-rsa" },
		"/requested_validity": func(in *originCertIn) { in.Days = 8 },
		"/hostnames":          func(in *originCertIn) { in.Hostnames = nil },
		"/hostnames/1":        func(in *originCertIn) { in.Hostnames[1] = "elsewhere.example" },
	} {
		k.refused("POST", "/certificates", ask(change), 400, codeField, pointer)
	}
	made := k.do("POST", "/certificates", ask(nil))
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(made["certificate"].(string)), []byte(pemText("PRIVATE KEY", private)))
	if err != nil {
		t.Fatal(err)
	}
	origin := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))
	origin.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	origin.StartTLS()
	defer origin.Close()
	_, port, _ := net.SplitHostPort(origin.Listener.Addr().String())
	k.do("PATCH", zone+"/settings/ssl", `{"value":"origin_pull"}`)
	k.do("POST", zone+"/dns_records", `{"type":"A","name":"@","content":"127.0.0.1","proxied":true}`)
	k.do("PUT", zone+"/rulesets/phases/http_request_origin/entrypoint", `{"rules":[{"expression":"true","action":"route","action_parameters":{"origin":{"port":`+port+`}}}]}`)
	if code := k.visit("shop.example", "/").StatusCode; code != 200 {
		t.Errorf("an origin with a certificate of the origin CA: %d", code)
	}
	id := strings.TrimPrefix(zone, "/zones/")
	if got := k.list("/certificates?zone_id=" + id); len(got) != 1 || got[0]["id"] != made["id"] {
		t.Errorf("list %v", got)
	}
	one := "/certificates/" + made["id"].(string)
	if got := k.do("GET", one, ""); got["requested_validity"] != 7.0 {
		t.Errorf("get %v", got)
	}
	if r := k.send("GET", "/user/audit_logs", ""); strings.Contains(string(r.raw), "PRIVATE KEY") {
		t.Error("the authority's key stands in the audit log")
	}
	// Taken back, it is no longer good enough, also after the zone has gone and come again.
	second := k.do("POST", "/certificates", ask(nil))
	if got := k.do("DELETE", "/certificates/"+second["id"].(string), ""); got["revoked_at"] == "" {
		t.Errorf("revoked: %v", got)
	}
	if code := k.visit("shop.example", "/").StatusCode; code != 200 {
		t.Errorf("another certificate was revoked: %d", code)
	}
	if got := k.do("DELETE", one, ""); got["id"] != made["id"] {
		t.Errorf("revoked: %v", got)
	}
	if r := k.visit("shop.example", "/"); r.StatusCode != 526 || !strings.Contains(r.Header.Get("Proxy-Status"), "revoked") {
		t.Errorf("an origin with a revoked certificate: %d, %s", r.StatusCode, r.Header.Get("Proxy-Status"))
	}
	k.refused("GET", one, "", 404, codeNoObject, "")
	// A token for another zone neither sees nor gets one.
	other := strings.TrimPrefix(k.zone("other.example"), "/zones/")
	k.token = k.do("POST", "/user/tokens", `{"name":"other","policies":[{"effect":"allow","resources":{"com.cloudflare.api.account.zone.`+other+`":"*"},"permission_groups":[{"name":"SSL and Certificates Write"}]}]}`)["value"].(string)
	k.refused("GET", one, "", 404, codeNoObject, "")
	k.refused("DELETE", one, "", 404, codeNoObject, "")
	k.refused("POST", "/certificates", ask(nil), 400, codeField, "/hostnames/0")
	k.token = ""

	// The certificates of a zone that is deleted are taken back with it.
	one = "/certificates/" + k.do("POST", "/certificates", ask(nil))["id"].(string)
	third := k.do("GET", one, "")
	k.do("DELETE", zone, "")
	block, _ := pem.Decode([]byte(third["certificate"].(string)))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(k.edge.Config().Trust.Revoked, func(r config.Revoked) bool { return r.Serial == string(cert.SerialNumber.Bytes()) }) {
		t.Error("a certificate of a deleted zone is still trusted")
	}
}
