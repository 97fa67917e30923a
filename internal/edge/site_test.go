package edge

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every form of page, for what is answered before any origin is asked.
func TestRefusals(t *testing.T) {
	e, o, _ := hosts()
	w := start(t, fmt.Sprintf(`listen: {http: ['%s:0'], https: ['%s:0']}
zones:
- name: shop.example
  records:
  - {type: A, name: shop.example, content: %s, proxied: true}
  - {type: A, name: grey.shop.example, content: %s}
- name: other.example
  records: [{type: A, name: other.example, content: %s, proxied: true}]
`, e, e, o, o, o))
	for _, tc := range []struct {
		url, host      string
		status, number int
	}{
		{"http://nowhere.example/", "", 409, 1001},
		{"http://127.0.0.1/", "", 403, 1003},
		{"http://shop.example/", "[::1]:80", 403, 1003},
		{"http://grey.shop.example/", "", 409, 1004},
		{"http://absent.shop.example/", "", 530, 1016},
		{"http://shop.example/", "", 521, 521},
		{"http://SHOP.example./", "", 521, 521},
		{"https://shop.example/", "other.example", 421, 1013},
		{"http://shop.example/cdn-cgi/nothing", "", 404, 404},
		{"http://shop.example/cdn-cgi/error/522", "", 522, 522},
		{"http://shop.example/cdn-cgi/error/1020", "", 403, 1020},
		{"http://shop.example/cdn-cgi/error/530", "", 530, 1016},
		{"http://shop.example/cdn-cgi/error/777", "", 404, 404},
	} {
		for accept, contentType := range map[string]string{
			"": "text/html; charset=utf-8", "application/json": "application/json; charset=utf-8",
			"application/problem+json;q=0.9, text/html;q=0.1": "application/problem+json", "text/markdown": "text/markdown; charset=utf-8",
		} {
			header := []string{"Accept", accept}
			if tc.host != "" {
				header = append(header, "Host", tc.host)
			}
			r := w.get(tc.url, header...)
			if r.StatusCode != tc.status || r.Header.Get("Content-Type") != contentType {
				t.Errorf("%s %s, %q: %s, %s; want %d, %s", tc.url, tc.host, accept, r.Status, r.Header.Get("Content-Type"), tc.status, contentType)
			}
			if r.Header.Get("Server") != "originward" || r.Header.Get("CF-Ray") == "" || !strings.Contains(r.Header.Get("Cache-Control"), "no-store") {
				t.Errorf("%s: header %v", tc.url, r.Header)
			}
			if strings.Contains(contentType, "json") {
				var p struct {
					ErrorCode int `json:"error_code"`
				}
				if err := json.Unmarshal([]byte(r.body), &p); err != nil || p.ErrorCode != tc.number {
					t.Errorf("%s: %v, number %d, want %d", tc.url, err, p.ErrorCode, tc.number)
				}
			}
		}
	}
}

func TestTrace(t *testing.T) {
	w := plain(t, func(http.ResponseWriter, *http.Request) { t.Error("the origin was asked") })
	r := w.get("https://shop.example/cdn-cgi/trace", "User-Agent", "Test/1")
	for _, want := range []string{"h=shop.example\n", "ip=127.0.0.1\n", "visit_scheme=https\n", "uag=Test/1\n", "colo=LAB\n", "http=http/1.1\n", "tls=TLSv1.3\n", "sni=plaintext\n", "kex=X25519MLKEM768\n"} {
		if !strings.Contains(r.body, want) {
			t.Errorf("no %q in\n%s", want, r.body)
		}
	}
	if r := w.get("http://shop.example/cdn-cgi/trace"); !strings.Contains(r.body, "tls=off\n") {
		t.Errorf("plain: %s", r.body)
	}
}

// SSL modes on the ports that they are about: what reaches which origin port, and
// what a bad certificate means.
func TestSSLModes(t *testing.T) {
	e, o, _ := hosts()
	h := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", name, r.Proto) }
	}
	if l, err := net.Listen("tcp", netip.AddrPortFrom(o, 443).String()); err != nil {
		t.Skipf("needs the right to listen on port 443: %v", err)
	} else {
		l.Close()
	}
	origin(t, o, 80, h("port 80"))
	serveTLS(t, o, 443, "shop.example", h("port 443"))
	serveTLS(t, o, 8443, "wrong.example", h("port 8443"))
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pemOf(testCA().Root()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		mode, url, want string
		status          int
	}{
		{"off", "http://shop.example/", "port 80 HTTP/1.1", 200},
		{"off", "https://shop.example/x?y", "http://shop.example/x?y", 301},
		{"flexible", "http://shop.example/", "port 80 HTTP/1.1", 200},
		{"flexible", "https://shop.example/", "port 80 HTTP/1.1", 200},
		{"flexible", "https://shop.example:8443/", "port 8443 HTTP/2.0", 200},
		{"full", "http://shop.example/", "port 80 HTTP/1.1", 200},
		{"full", "https://shop.example/", "port 443 HTTP/2.0", 200},
		{"full", "https://shop.example:8443/", "port 8443 HTTP/2.0", 200},
		{"strict", "http://shop.example/", "port 80 HTTP/1.1", 200},
		{"strict", "https://shop.example/", "port 443 HTTP/2.0", 200},
		{"strict", "https://shop.example:8443/", "name_mismatch", 526},
		{"origin_pull", "http://shop.example/", "port 443 HTTP/2.0", 200},
		{"origin_pull", "https://shop.example/", "port 443 HTTP/2.0", 200},
		{"strict untrusted", "https://shop.example/", "unknown_issuer", 526},
		{"full untrusted", "https://shop.example/", "port 443 HTTP/2.0", 200},
	} {
		mode, untrusted := strings.CutSuffix(tc.mode, " untrusted")
		trust := fmt.Sprintf("trust: {roots: [%s]}\n", ca)
		if untrusted {
			other, err := testCA().Certificate("unrelated.example")
			if err != nil {
				t.Fatal(err)
			}
			leaf := filepath.Join(dir, "other.pem")
			if err := os.WriteFile(leaf, pemOf(other.Leaf), 0o600); err != nil {
				t.Fatal(err)
			}
			trust = fmt.Sprintf("trust: {roots: [%s]}\n", leaf)
		}
		w := start(t, fmt.Sprintf("%slisten: {http: ['%s:80'], https: ['%s:443', '%s:8443']}\nzones: [%s]", trust, e, e, e, siteZone(mode, o)))
		if strings.Contains(tc.url, ":8443") {
			w.tls = netip.AddrPortFrom(e, 8443)
		}
		r := w.direct(tc.url)
		if r.StatusCode != tc.status || !strings.Contains(r.body+r.Header.Get("Location")+r.Header.Get("Proxy-Status"), tc.want) {
			t.Errorf("%s %s: %s %v %.100s; want %d with %q", tc.mode, tc.url, r.Status, r.Header, r.body, tc.status, tc.want)
		}
		w.edge.Shutdown(t.Context())
	}
}

// direct asks over HTTP or HTTPS at the port that the URL names.
func (w *world) direct(url string) reply {
	w.t.Helper()
	secure := strings.HasPrefix(url, "https")
	c := w.client(false)
	c.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		if secure {
			return d.DialContext(ctx, "tcp", w.tls.String())
		}
		return d.DialContext(ctx, "tcp", w.http.String())
	}
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.do(c, req)
}

func TestAlwaysUseHTTPS(t *testing.T) {
	e, o, _ := hosts()
	w := start(t, fmt.Sprintf("listen: {http: ['%s:0']}\nzones: [{name: shop.example, ssl: full, always_use_https: on, records: [{type: A, name: '*.shop.example', content: %s, proxied: true}]}]", e, o))
	r := w.get("http://www.shop.example/a?b")
	if r.StatusCode != 301 || r.Header.Get("Location") != "https://www.shop.example/a?b" {
		t.Errorf("%s %s", r.Status, r.Header.Get("Location"))
	}
}

func TestVisitorCertificates(t *testing.T) {
	e, o, _ := hosts()
	dir := t.TempDir()
	text := fmt.Sprintf(`listen: {https: ['%s:0']}
data: %s
zones:
- name: shop.example
  min_tls_version: "1.3"
  records: [{type: A, name: shop.example, content: %s, proxied: true}, {type: A, name: '*.shop.example', content: %s, proxied: true}]
`, e, dir, o, o)
	w := start(t, text)
	names := func(w *world, sni string, max uint16) (string, error) {
		c, err := tls.Dial("tcp", w.tls.String(), &tls.Config{ServerName: sni, InsecureSkipVerify: true, MaxVersion: max})
		if err != nil {
			return "", err
		}
		defer c.Close()
		return strings.Join(c.ConnectionState().PeerCertificates[0].DNSNames, " "), nil
	}
	for sni, want := range map[string]string{
		"shop.example": "shop.example", "www.shop.example": "*.shop.example", "a.b.shop.example": "*.b.shop.example",
		"nowhere.example": "edge.invalid", "": "edge.invalid",
	} {
		if got, err := names(w, sni, 0); err != nil || got != want {
			t.Errorf("server name %q: certificate for %q, %v; want %q", sni, got, err, want)
		}
	}
	if _, err := names(w, "shop.example", tls.VersionTLS12); err == nil {
		t.Error("TLS 1.2 was spoken although the zone asks for 1.3")
	}
	c, err := tls.Dial("tcp", w.tls.String(), &tls.Config{ServerName: "shop.example", RootCAs: w.roots()})
	if err != nil {
		t.Fatalf("the local CA's certificate does not verify: %v", err)
	}
	first := c.ConnectionState().PeerCertificates[0]
	c.Close()
	w2 := start(t, text)
	c, err = tls.Dial("tcp", w2.tls.String(), &tls.Config{ServerName: "shop.example", RootCAs: w.roots()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !c.ConnectionState().PeerCertificates[0].Equal(first) {
		t.Error("a second run on the same folder has another certificate")
	}
}

// Plain HTTP on the HTTPS port gets an answer that a person understands.
func TestPlainOnTLSPort(t *testing.T) {
	w := plain(t, func(http.ResponseWriter, *http.Request) {})
	c, err := net.Dial("tcp", w.tls.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
	c.(*net.TCPConn).CloseWrite()
	b, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 400 ") || !strings.Contains(string(b), "This port speaks TLS") {
		t.Errorf("%v %q", err, b)
	}
	if _, head, body := splitResponse(t, string(b)); !strings.Contains(head, fmt.Sprintf("Content-Length: %d\r\n", len(body))) {
		t.Errorf("the declared length is not %d:\n%s", len(body), head)
	}
}

func TestBadRequests(t *testing.T) {
	w := plain(t, func(http.ResponseWriter, *http.Request) { t.Error("the origin was asked") })
	for _, tc := range []struct {
		name, request string
		number        int
	}{
		{"no HTTP", "hello\r\n\r\n", 400},
		{"bad version", "GET / HTTP/3.0\r\nHost: shop.example\r\n\r\n", 505},
		{"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"bad Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
		{"CL and TE", "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"two lengths", "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400},
		{"bare LF", "GET / HTTP/1.1\nHost: shop.example\n\n", 400},
		{"folded", "GET / HTTP/1.1\r\nHost: shop.example\r\nA: b\r\n c\r\n\r\n", 400},
		{"space before colon", "GET / HTTP/1.1\r\nHost: shop.example\r\nA : b\r\n\r\n", 400},
		{"long target", "GET /" + strings.Repeat("a", 17<<10) + " HTTP/1.1\r\nHost: shop.example\r\n\r\n", 414},
		{"large head", "GET / HTTP/1.1\r\nHost: shop.example\r\nCookie: " + strings.Repeat("a", 130<<10) + "\r\n\r\n", 431},
		{"CONNECT", "CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n", 501},
	} {
		n := len(w.lines())
		status, head, _ := splitResponse(t, w.raw(tc.request))
		if l := w.last(n + 1); status != tc.number || l.Status != tc.number || l.Error != tc.number {
			t.Errorf("%s: status %d, log %+v; want %d", tc.name, status, l, tc.number)
		}
		if !strings.Contains(head, "Connection: close\r\n") && tc.number != 501 {
			t.Errorf("%s: the connection stays open:\n%s", tc.name, head)
		}
	}
}

// Origin rules change port, Host, server name and the name that is resolved.
func TestOriginRules(t *testing.T) {
	e, o, other := hosts()
	tell := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			sni := "-"
			if r.TLS != nil {
				sni = r.TLS.ServerName
			}
			fmt.Fprintf(w, "%s host=%s sni=%s", name, r.Host, sni)
		}
	}
	ap, _ := origin(t, o, 0, tell("record"))
	port, _ := origin(t, o, 0, tell("port"))
	origin(t, other, ap.Port(), tell("other"))
	sp := tlsOrigin(t, o, "shop.example", tell("tls"))
	w := start(t, fmt.Sprintf(`listen: {http: ['%s:%d'], https: ['%s:%d']}
zones:
- name: shop.example
  records:
  - {type: A, name: shop.example, content: %s, proxied: true}
  - {type: A, name: other.shop.example, content: %s}
  rules:
    origin:
    - {expression: 'http.request.uri.path eq "/port"', action: route, action_parameters: {origin: {port: %d}}}
    - {expression: 'http.request.uri.path contains "/host"', action_parameters: {host_header: inner.example}}
    - {expression: 'http.request.uri.path eq "/host-sni"', action_parameters: {sni: {value: name.example}}}
    - {expression: 'http.request.uri.path eq "/other"', action_parameters: {origin: {host: other.shop.example}}}
    - {expression: 'http.request.uri.path eq "/gone"', action_parameters: {origin: {host: gone.shop.example}}}
    - {expression: 'true', enabled: false, action_parameters: {origin: {port: 1}}}
`, e, ap.Port(), e, sp.Port(), o, other, port.Port()))
	for url, want := range map[string]string{
		"http://shop.example/":          "record host=shop.example sni=-",
		"http://shop.example/port":      "port host=shop.example sni=-",
		"http://shop.example/host":      "record host=inner.example sni=-",
		"https://shop.example/":         "tls host=shop.example sni=shop.example",
		"https://shop.example/host":     "tls host=inner.example sni=inner.example",
		"https://shop.example/host-sni": "tls host=inner.example sni=name.example",
		"http://shop.example/other":     "other host=shop.example sni=-",
	} {
		if r := w.get(url); r.body != want {
			t.Errorf("%s: %s %.100s, want %s", url, r.Status, r.body, want)
		}
	}
	if r := w.get("http://shop.example/gone", "Accept", "application/json"); r.StatusCode != 530 {
		t.Errorf("a name without a record: %s %s", r.Status, r.body)
	}
}
