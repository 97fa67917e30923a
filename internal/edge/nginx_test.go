package edge

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nginx starts a real nginx with the directives of its http block; it ends with
// the test.
func nginx(t testing.TB, directives string) (stop func()) {
	t.Helper()
	bin, err := exec.LookPath("nginx")
	if err != nil {
		if bin = "/usr/sbin/nginx"; !exists(bin) {
			t.Skip("needs nginx")
		}
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
  access_log %[1]s/access.log; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  client_max_body_size 0;
%[2]s
}
`, dir, directives)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-p", dir, "-c", conf)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()
	}
	t.Cleanup(stop)
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("nginx: %s%s", &out, log)
		}
	})
	return stop
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

func waitPort(t testing.TB, ap netip.AddrPort) {
	t.Helper()
	waitFor(t, "a listener on "+ap.String(), func() bool {
		c, err := net.DialTimeout("tcp", ap.String(), time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// A real nginx behind the edge: files, compression, ranges, its own errors, a client
// certificate, and the whole server going away.
func TestRealNginx(t *testing.T) {
	e, o, _ := hosts()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	page := strings.Repeat("<p>A page of a real server.\n", 2000)
	for name, text := range map[string]string{"index.html": page, "small.txt": "small"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := testCA().Certificate("shop.example")
	if err != nil {
		t.Fatal(err)
	}
	pair := filepath.Join(t.TempDir(), "pair.pem")
	if err := os.WriteFile(pair, pairPEM(t, cert), 0o600); err != nil {
		t.Fatal(err)
	}
	free, plainPort := listen(t, o, 0)
	freeTLS, tlsPort := listen(t, o, 0)
	free.Close()
	freeTLS.Close()
	stop := nginx(t, fmt.Sprintf(`
  gzip on; gzip_proxied any; gzip_types text/html;
  server {
    listen %[1]s; listen %[2]s ssl http2;
    server_name shop.example; ssl_certificate %[3]s; ssl_certificate_key %[3]s;
    root %[4]s; keepalive_timeout 1s;
    location /close { return 444; }
    location /own502 { return 502; }
    location /headers { add_header X-Got "$http_cf_connecting_ip|$http_cf_visitor|$http_x_forwarded_proto|$http_connection|$http_cdn_loop"; return 204; }
  }`, plainPort, tlsPort, pair, dir))
	waitPort(t, plainPort)
	w := start(t, fmt.Sprintf("%slisten: {http: ['%s:%d'], https: ['%s:%d']}\nzones: [%s]", shortTimers, e, plainPort.Port(), e, tlsPort.Port(), siteZone("full", o)))
	for _, base := range []string{"http://shop.example", "https://shop.example"} {
		if r := w.get(base + "/"); r.StatusCode != 200 || r.body != page || r.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %s, %d bytes, %v", base, r.Status, len(r.body), r.Header)
		}
		if r := w.get(base+"/", "Accept-Encoding", "gzip"); r.Header.Get("Content-Encoding") != "gzip" || len(r.body) > len(page)/2 {
			t.Errorf("%s, gzip: %d bytes, %v", base, len(r.body), r.Header)
		}
		if r := w.get(base+"/", "Range", "bytes=3-8"); r.StatusCode != 206 || r.body != page[3:9] {
			t.Errorf("%s, a range: %s %q", base, r.Status, r.body)
		}
		if r := w.get(base + "/nowhere"); r.StatusCode != 404 || !strings.Contains(r.body, "nginx") {
			t.Errorf("%s: nginx's own 404: %s", base, r.Status)
		}
		if r := w.get(base + "/own502"); r.StatusCode != 502 || !strings.Contains(r.body, "nginx") || r.Header.Get("Proxy-Status") != "originward; received-status=502" {
			t.Errorf("%s: nginx's own 502: %s %v", base, r.Status, r.Header)
		}
		if r := w.get(base + "/close"); r.StatusCode != 520 {
			t.Errorf("%s: closed without an answer: %s", base, r.Status)
		}
		req := mustRequest(t, "PUT", base+"/small.txt", io.LimitReader(zeros{}, 1<<20))
		if r := w.do(w.client(false), req); r.StatusCode != 405 {
			t.Errorf("%s: a body that nginx does not want: %s", base, r.Status)
		}
	}
	if got := w.get("https://shop.example/headers").Header.Get("X-Got"); !strings.HasPrefix(got, `127.0.0.1|{"scheme":"https"}|https|`) || !strings.Contains(got, "|originward; edge=") {
		t.Errorf("nginx saw %q", got)
	}
	// nginx closes idle connections after a second: the edge must not fall over that.
	c := w.client(false)
	for range 5 {
		if r := w.do(c, mustRequest(t, "GET", "http://shop.example/small.txt", nil)); r.body != "small" {
			t.Errorf("around keepalive_timeout: %s", r.Status)
		}
		time.Sleep(990 * time.Millisecond)
	}
	stop()
	r := w.get("http://shop.example/", "Accept", "application/json")
	if r.StatusCode != 521 || !strings.Contains(r.body, `"error_code": 521`) {
		t.Errorf("nginx stopped: %s %s", r.Status, r.body)
	}
}
