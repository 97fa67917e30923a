package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// serve writes what is served and the visitor's certificate (ECDSA P-256).
func (b *bench) serve() error {
	// The origin's worker is another user.
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	for name, size := range map[string]int{"1k": 1 << 10, "100k": 100 << 10, "1k.css": 1 << 10, "100k.css": 100 << 10} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(strings.Repeat("x", size)), 0o644); err != nil {
			return err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	c := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	k := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return writeAll(b.dir, map[string][]byte{"cert.pem": c, "key.pem": k, "both.pem": append(c, k...)})
}

func writeAll(dir string, files map[string][]byte) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func originConfig(b *bench) string {
	return fmt.Sprintf(`worker_processes 1; daemon off; pid %[1]s/origin.pid;
events { worker_connections 8192; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; keepalive_timeout 900s;
client_body_temp_path %[1]s/ob; proxy_temp_path %[1]s/op; fastcgi_temp_path %[1]s/of; uwsgi_temp_path %[1]s/ou; scgi_temp_path %[1]s/os;
server { listen %[2]s:80 backlog=4096; root %[1]s; } }
`, b.dir, originAddr)
}

func nginxConfig(b *bench, addr string) string {
	return fmt.Sprintf(`worker_processes 1; daemon off; pid %[1]s/nginx.pid; worker_rlimit_nofile 65536;
events { worker_connections 32768; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 400s;
client_body_temp_path %[1]s/nb; proxy_temp_path %[1]s/np; fastcgi_temp_path %[1]s/nf; uwsgi_temp_path %[1]s/nu; scgi_temp_path %[1]s/ns;
proxy_cache_path %[1]s/nc keys_zone=c:8m;
upstream o { server %[2]s:80; keepalive 256; keepalive_requests 100000000; keepalive_timeout 900s; }
server { listen %[3]s:80 backlog=4096; listen %[3]s:443 ssl http2 backlog=4096;
ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem; http2_max_requests 100000000;
location / { proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; }
location ~ \.css$ { proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
proxy_cache c; proxy_cache_valid 200 1h; } } }
`, b.dir, originAddr, addr)
}

func haproxyConfig(b *bench, addr string) string {
	return fmt.Sprintf(`global
  nbthread 1
  maxconn %[4]d
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout client 400s
  timeout server 125s
  timeout connect 19s
  http-reuse always
cache c
  total-max-size 64
  max-object-size 200000
  max-age 3600
frontend f
  bind %[3]s:80
  bind %[3]s:443 ssl crt %[1]s/both.pem alpn h2,http/1.1
  option forwardfor
  http-request cache-use c if { path_end .css }
  http-response cache-store c
  default_backend o
backend o
  server o %[2]s:80
`, b.dir, originAddr, addr, b.haproxyMax())
}

func caddyConfig(b *bench, addr string) string {
	return fmt.Sprintf(`{
  admin off
  auto_https off
}
http://%[4]s, http://%[3]s {
  bind %[3]s
  reverse_proxy %[2]s:80
}
https://%[4]s, https://%[3]s {
  bind %[3]s
  tls %[1]s/cert.pem %[1]s/key.pem
  reverse_proxy %[2]s:80
}
`, b.dir, originAddr, addr, host)
}

// varnishConfig keeps everything for an hour.
func varnishConfig(*bench, string) string {
	return fmt.Sprintf("vcl 4.1;\nbackend o { .host = \"%s\"; .port = \"80\"; }\nsub vcl_backend_response { set beresp.ttl = 1h; }\n", originAddr)
}

// edgeConfig has the work of an edge switched on: 40 rules over path and user agent
// and a rate limit per client; files as .css are kept.
func edgeConfig(b *bench, addr string) string {
	var s strings.Builder
	s.WriteString(bareConfig(b, addr) + `    cache: {level: standard}
    rules:
      rate_limits: [{expression: 'true', requests_per_period: 1000000, period: 10, mitigation_timeout: 10}]
      custom:
`)
	for i := range 20 {
		fmt.Fprintf(&s, "        - {expression: 'starts_with(http.request.uri.path, \"/private%d/\")', action: block}\n", i)
		fmt.Fprintf(&s, "        - {expression: 'http.user_agent contains \"badbot%d\"', action: block}\n", i)
	}
	return s.String()
}

// bareConfig is an edge that only passes on.
func bareConfig(b *bench, addr string) string {
	return fmt.Sprintf(`listen: {http: ["%[3]s:80"], https: ["%[3]s:443"]}
data: %[1]s/edge-data-%[3]s
cache: {memory_mb: 64}
zones:
  - name: %[4]s
    ssl: flexible
    certificate: {cert: %[1]s/cert.pem, key: %[1]s/key.pem}
    records: [{type: A, name: %[4]s, content: %[2]s, proxied: true}]
`, b.dir, originAddr, addr, host)
}
