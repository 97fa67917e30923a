package redact

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
)

func redactor(t testing.TB, o Options) *Redactor {
	t.Helper()
	m, err := NewMap(bytes.NewReader(bytes.Repeat([]byte{0x5a}, 16)))
	if err != nil {
		t.Fatal(err)
	}
	if o.Host == "" {
		o.Host = "www.shop.example.com"
	}
	return New(m, o)
}

func TestSecrets(t *testing.T) {
	for _, c := range []struct{ in, secret string }{
		{`GET /cart?session=abc123def&lang=en HTTP/1.1`, "abc123def"},
		{`GET /reset?deadbeefdeadbeef HTTP/1.1`, "deadbeefdeadbeef"},
		{`https://ann:hunter2@shop.example.com/`, "hunter2"},
		{`https://shop.example.com/#access_token=xyzzy`, "xyzzy"},
		{`Cookie: a=1; sid=opensesame`, "opensesame"},
		{`curl -H "Authorization: Bearer t0ken.value" https://x`, "t0ken.value"},
		{`curl -H 'Cookie: k=plainvalue' https://x`, "plainvalue"},
		{`proxy_set_header Authorization "Basic dXNlcjpwYXNz";`, "dXNlcjpwYXNz"},
		{`http-request set-header X-Api-Key letmein`, "letmein"},
		{`fastcgi_param DB_PASSWORD "s3cr3t!";`, "s3cr3t!"},
		{`define('DB_PASSWORD', 's3cr3t'); DB_PASSWORD=s3cr3tagain`, "s3cr3tagain"},
		{`user admin insecure-password swordfish`, "swordfish"},
		{`user admin password $6$rounds$abc`, "$6$rounds$abc"},
		{`curl -u ann:hunter2 https://x`, "hunter2"},
		{`token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig_nature`, "eyJzdWIiOiIxIn0"},
		{`key AKIAIOSFODNN7EXAMPLE`, "AKIAIOSFODNN7EXAMPLE"},
		{`ghp_0123456789abcdefghijABCDEFGHIJ012345`, "0123456789abcdefghij"},
		{"-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----", "MIIEow"},
		{"-----BEGIN PRIVATE KEY-----\nMIIEowcut", "MIIEowcut"},
		{`"client_secret": "plainword"`, "plainword"},
		{`api_key: plainword`, "plainword"},
		{`X-Custom 9aF3kLm2QpZx81Bv7TyU`, "9aF3kLm2QpZx81Bv7TyU"},
		{`md5 d41d8cd98f00b204e9800998ecf8427e`, "d41d8cd98f00b204e9800998ecf8427e"},
		{`/var/lib/php/sessions/sess_8gk2jq1b`, "8gk2jq1b"},
	} {
		got := redactor(t, Options{}).Text(c.in)
		if strings.Contains(got, c.secret) {
			t.Errorf("%q keeps its secret: %q", c.in, got)
		}
		if again := redactor(t, Options{}).Text(got); again != got {
			t.Errorf("redacting twice changes %q to %q", got, again)
		}
	}
}

// TestKept: what a support needs to read stays as it is.
func TestKept(t *testing.T) {
	for _, s := range []string{
		"a visitor to https://www.shop.example.com/ gets 521, made by the edge, connection_refused, ray 9dec1d05da170362-LAB",
		"journalctl -u nginx --since -1h", "nginx -s reload; systemctl restart php8.2-fpm",
		"nft delete rule inet filter input handle 14", "ssl_certificate /etc/ssl/shop.pem;",
		"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "Basic authentication is asked for",
		"173.245.48.10 and 10.0.0.1, 127.0.0.1, 192.168.1.4/32, 203.0.113.10:443, [2001:db8::1]:443, fe80::1, ::1, ::",
		"81.0.0.0/8 and 2a00::/16 are wide", "2400:cb00::1 is an edge", "at 12:20:22", "Mon, 02 Jan 2006 15:04:05 GMT",
		"nginx/1.22.1", "net.ipv4.ip_local_port_range", "what now? nothing", "the Cookie header is too big", "password is wrong",
		"connect() failed (111: Connection refused)", "server_tokens off;", "1.1.1.1",
		"openssl s_client -connect 203.0.113.10:443 -servername shop.example.com </dev/null",
	} {
		if got := redactor(t, Options{}).Text(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	r := redactor(t, Options{Origins: []netip.Addr{netip.MustParseAddr("81.2.69.142")}})
	for _, s := range []string{"80.1.2.3", "80.1.2.3/32", "2a02:8000:1:2::3", "::ffff:80.1.2.3", "[2a02:8000:1:2::3]:443", "SRC=80.1.2.3 DST=81.2.69.142"} {
		got := r.Text(s)
		if strings.Contains(got, "80.1.2") || strings.Contains(got, "2a02") {
			t.Errorf("%q became %q", s, got)
		}
	}
	if got := r.Text("81.2.69.142"); got != "81.2.69.142" {
		t.Errorf("the origin's own address became %s", got)
	}
	a, b := r.Text("80.1.2.3"), r.Text("80.1.2.9")
	net := netip.MustParsePrefix(r.Text("80.1.2.0/24"))
	if a == b || a != r.Text("80.1.2.3") || !net.Contains(netip.MustParseAddr(a)) || !net.Contains(netip.MustParseAddr(b)) {
		t.Errorf("80.1.2.3 is %s, 80.1.2.9 is %s, their network %s", a, b, net)
	}
	if strings.HasSuffix(a, ".3") {
		t.Errorf("80.1.2.3 became %s: its last octet can be read", a)
	}
	if got := r.Text("MAC=02:42:ac:11:00:02:52:54:00:12:34:56:08:00"); strings.Contains(got, "ac:11") {
		t.Errorf("hardware addresses stay: %s", got)
	}
}

func TestNames(t *testing.T) {
	r := redactor(t, Options{})
	r.Sites([]string{"neighbour.example.org", "*.shop.example.com", "_", "localhost", "www.neighbour.example.org"})
	got := r.Text("server_name www.neighbour.example.org shop.example.com neighbour.example.org; root /home/ann/www; mail ann@example.net")
	for _, bad := range []string{"neighbour", "ann"} {
		if strings.Contains(got, bad) {
			t.Errorf("%s stays: %s", bad, got)
		}
	}
	if !strings.Contains(got, "shop.example.com") {
		t.Errorf("the asked name is gone: %s", got)
	}
	p := redactor(t, Options{Public: true, Origins: []netip.Addr{netip.MustParseAddr("203.0.113.10")}})
	if got := p.Text("https://www.shop.example.com/ from 203.0.113.10"); strings.Contains(got, "example.com") || strings.Contains(got, "203.0.113") {
		t.Errorf("for everyone to read: %s", got)
	}
}

func TestMapIsKeptAndRead(t *testing.T) {
	r := redactor(t, Options{})
	want := r.Text("80.1.2.3 ann@example.net password=hunter2")
	var saved bytes.Buffer
	if err := r.m.Write(&saved); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(saved.String(), "hunter2") {
		t.Error("the map holds a secret in the clear")
	}
	m, err := ReadMap(&saved)
	if err != nil {
		t.Fatal(err)
	}
	if got := New(m, Options{Host: "www.shop.example.com"}).Text("x 80.1.2.3 ann@example.net password=hunter2"); got != "x "+want {
		t.Errorf("with the same map %q, before %q", got, want)
	}
	for _, bad := range []string{"", "{}", `{"schema":"originward.redaction/1","key":"zz"}`} {
		if _, err := ReadMap(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is read as a map", bad)
		}
	}
}

func TestTree(t *testing.T) {
	var v any
	in := `{"header":{"set-cookie":"a=b","server":"nginx"},"sha256":"0123456789abcdef0123456789abcdef","serial":"password=hunter2","80.1.2.3":[1,true,null,"80.1.2.3"]}`
	if err := json.Unmarshal([]byte(in), &v); err != nil {
		t.Fatal(err)
	}
	out, _ := json.Marshal(redactor(t, Options{}).Tree(v))
	for _, bad := range []string{"a=b", "hunter2", "80.1.2.3"} {
		if bytes.Contains(out, []byte(bad)) {
			t.Errorf("%s stays: %s", bad, out)
		}
	}
	for _, good := range []string{"nginx", "0123456789abcdef0123456789abcdef", "[1,true,null,"} {
		if !bytes.Contains(out, []byte(good)) {
			t.Errorf("%s is gone: %s", good, out)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"80.1.2.3/24 a@b.cd ?x=y", "Cookie: x", "::1:2/3", "-----BEGIN PRIVATE KEY-----", "/home/a/", "240.0.1.9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := redactor(t, Options{})
		r.Sites([]string{"other.example.org"})
		got := r.Text("password=CANARYWORD1 " + s + " 80.1.2.3 ann@example.net")
		for _, bad := range []string{"CANARYWORD1", "ann@example.net"} {
			if strings.Contains(got, bad) {
				t.Errorf("%q keeps %s: %q", s, bad, got)
			}
		}
	})
}
