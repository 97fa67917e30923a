package logs

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/hosttest"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// Real servers are brought into faults, and what they write about them must be
// recognised.

// box is a directory with a certificate, and ports for a server and a dead
// backend.
type box struct {
	t    *testing.T
	dir  string
	port map[string]int
}

func newBox(t *testing.T, bin string) *box {
	t.Helper()
	if _, err := exec.LookPath(bin); err != nil {
		t.Skip(bin + " is not installed")
	}
	b := &box{t: t, dir: t.TempDir(), port: map[string]int{}}
	for d := b.dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) { // workers drop their rights
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []string{"HTTP", "TLS", "PROXY", "DEAD", "SLOW", "CLOSE", "BIG", "GARBAGE", "TAKEN"} {
		l := hosttest.Listen(t)
		b.port[n] = l.Addr().(*net.TCPAddr).Port
		switch n {
		case "HTTP", "TLS", "PROXY", "DEAD":
			l.Close() // ours to use, or nobody's
		default:
			t.Cleanup(func() { l.Close() })
			go serve(l, n)
		}
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"a.example"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	kd, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	b.write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))+string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kd})))
	return b
}

// serve is a backend that misbehaves in one way.
func serve(l net.Listener, how string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
				return
			}
			switch how {
			case "SLOW":
				time.Sleep(3 * time.Second)
			case "BIG":
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Big: %s\r\n\r\n", strings.Repeat("x", 64<<10))
			case "GARBAGE":
				fmt.Fprint(c, "\x15\x03\x01\x00\x02\x02\x50 no http at all\r\n\r\n")
			}
		}()
	}
}

func (b *box) fill(s string) string {
	for n, p := range b.port {
		s = strings.ReplaceAll(s, "@"+n, fmt.Sprint(p))
	}
	return strings.ReplaceAll(s, "DIR", b.dir)
}

func (b *box) write(name, text string) string {
	file := filepath.Join(b.dir, name)
	if err := os.WriteFile(file, []byte(b.fill(text)), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return file
}

// start runs a server until the test ends; its output goes to DIR/out.log.
func (b *box) start(args ...string) {
	b.t.Helper()
	out, err := os.Create(filepath.Join(b.dir, "out.log"))
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range args {
		args[i] = b.fill(args[i])
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	b.t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); <-done; out.Close() })
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("tcp", b.fill("127.0.0.1:@HTTP"))
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-done:
			text, _ := os.ReadFile(out.Name())
			b.t.Fatalf("%s ended: %s", args[0], text)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s does not listen", args[0])
		}
	}
}

// send writes raw bytes to a port and reads what comes.
func (b *box) send(port, text string) string {
	c, err := net.Dial("tcp", b.fill("127.0.0.1:@"+port))
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(c, text)
	got, _ := io.ReadAll(io.LimitReader(c, 1<<20))
	return string(got)
}

func (b *box) get(path string) string {
	return b.send("HTTP", "GET "+path+" HTTP/1.1\r\nHost: a.example\r\nCF-Ray: 8f2a000000000001-FRA\r\nConnection: close\r\n\r\n")
}

// kinds reads the logs as the collector does until all kinds are there.
func (b *box) kinds(list []file, want ...string) map[string]fact.LogLine {
	b.t.Helper()
	w := Window{From: time.Now().Add(-time.Hour), Local: time.Local}
	for deadline := time.Now().Add(15 * time.Second); ; {
		w.To = time.Now().Add(time.Minute)
		tl := newTally(func(netip.Addr) (string, netip.Prefix, bool) { return "", netip.Prefix{}, false }, "8f2a000000000001")
		for _, f := range list {
			f.fs, f.name = rootfs.FS{}, filepath.Join(b.dir, f.name)
			f.read(w, tl)
		}
		got := map[string]fact.LogLine{}
		for _, l := range tl.sorted() {
			if _, ok := got[l.Kind]; !ok || l.Ray != "" {
				got[l.Kind] = l
			}
		}
		missing := ""
		for _, k := range want {
			if _, ok := got[k]; !ok {
				missing += " " + k
			}
		}
		if missing == "" {
			return got
		}
		if time.Now().After(deadline) {
			for _, f := range list {
				text, _ := os.ReadFile(filepath.Join(b.dir, f.name))
				b.t.Logf("%s:\n%s", f.name, text[:min(len(text), 6000)])
			}
			b.t.Fatalf("not recognised:%s", missing)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestRealNginx(t *testing.T) {
	b := newBox(t, "nginx")
	format := `$remote_addr|$time_iso8601|$status|$request_time|$http_cf_ray|$request`
	b.write("own.conf", `pid own.pid; worker_processes 1; error_log error.log info; events {}
http {
	log_format own '`+format+`'; access_log access.log own;
	limit_req_zone $binary_remote_addr zone=few:1m rate=1r/m;
	proxy_read_timeout 1s; proxy_connect_timeout 1s; proxy_buffer_size 4k; proxy_buffers 4 4k; proxy_busy_buffers_size 8k;
	server { listen 127.0.0.1:@HTTP; server_name a.example;
		location /dead { proxy_pass http://127.0.0.1:@DEAD; }
		location /slow { proxy_pass http://127.0.0.1:@SLOW; }
		location /close { proxy_pass http://127.0.0.1:@CLOSE; }
		location /big { proxy_pass http://127.0.0.1:@BIG; }
		location /garbage { proxy_pass http://127.0.0.1:@GARBAGE; }
		location /tls { proxy_pass https://127.0.0.1:@GARBAGE; }
		location /sock { fastcgi_pass unix:DIR/none.sock; }
		location /closed { return 444; }
		location /denied { deny all; }
		location /few { limit_req zone=few; }
	}
	server { listen 127.0.0.1:@TLS ssl; server_name a.example; ssl_certificate DIR/cert.pem; ssl_certificate_key DIR/cert.pem; }
	server { listen 127.0.0.1:@PROXY proxy_protocol; }
}
`)
	b.start("nginx", "-p", "DIR", "-c", "own.conf", "-e", "DIR/error.log", "-g", "daemon off;")
	for _, p := range []string{"/dead", "/slow", "/close", "/big", "/garbage", "/tls", "/sock", "/closed", "/denied", "/few", "/few"} {
		b.get(p)
	}
	b.send("HTTP", "GET / HTTP/1.1\r\nHost: a.example\r\nX: "+strings.Repeat("x", 40<<10)+"\r\n\r\n")
	b.send("TLS", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
	b.send("PROXY", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n")
	if c, err := tls.Dial("tcp", b.fill("127.0.0.1:@HTTP"), &tls.Config{InsecureSkipVerify: true}); err == nil {
		c.Close()
	}
	if c, err := tls.Dial("tcp", b.fill("127.0.0.1:@TLS"), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}); err == nil {
		c.Close()
	}
	got := b.kinds([]file{{name: "error.log", program: "nginx"}, {name: "access.log", program: "nginx", access: true, format: newFormat("nginx", format)}},
		fact.LogUpstreamRefused, fact.LogUpstreamTimeout, fact.LogUpstreamClosed, fact.LogUpstreamHeader, fact.LogUpstreamInvalid, fact.LogUpstreamTLS,
		fact.LogClosed444, fact.LogDenied, fact.LogLimited, fact.LogHeaderTooBig, fact.LogPlainToTLS, fact.LogProxyProtocol, fact.LogTLSToPlain, fact.LogTLSHandshake, fact.LogStatus)
	if l := got[fact.LogUpstreamRefused]; l.Errno == 0 || !strings.Contains(l.Target, "none.sock") && !strings.Contains(l.Target, b.fill(":@DEAD")) || l.Client.String() != "127.0.0.1" {
		t.Errorf("%+v", l)
	}
	if l := got[fact.LogStatus]; l.Ray != "8f2a000000000001" || l.Client.String() != "127.0.0.1" {
		t.Errorf("%+v", l)
	}
}

func TestRealNginxStart(t *testing.T) {
	b := newBox(t, "nginx")
	b.write("own.conf", "pid own.pid; error_log error.log; events {}\nhttp { access_log off; server { listen 127.0.0.1:@TAKEN; } }\n")
	b.write("bad.conf", "pid own.pid; error_log error.log; events {}\nhttp { access_log off; server { listen 127.0.0.1:@HTTP; location / { proxy_pass http://no-such-name.invalid; } } }\n")
	for _, c := range []string{"own.conf", "bad.conf"} {
		if out, err := exec.Command("nginx", "-p", b.dir, "-c", c, "-e", b.dir+"/error.log", "-g", "daemon off;").CombinedOutput(); err == nil {
			t.Fatalf("nginx started: %s", out)
		}
	}
	got := b.kinds([]file{{name: "error.log", program: "nginx"}}, fact.LogBindFailed)
	if l := got[fact.LogBindFailed]; l.Errno != 98 || l.Target != b.fill("127.0.0.1:@TAKEN") {
		t.Errorf("%+v", l)
	}
	_, unresolved := got[fact.LogUpstreamResolve]
	if _, config := got[fact.LogConfigError]; !unresolved && !config {
		t.Errorf("a name that stops the start: %+v", got)
	}
}

func TestRealApache(t *testing.T) {
	b := newBox(t, "apache2")
	b.write("own.conf", `Define LIB /usr/lib/apache2/modules
LoadModule mpm_event_module ${LIB}/mod_mpm_event.so
LoadModule authz_core_module ${LIB}/mod_authz_core.so
LoadModule proxy_module ${LIB}/mod_proxy.so
LoadModule proxy_http_module ${LIB}/mod_proxy_http.so
LoadModule proxy_fcgi_module ${LIB}/mod_proxy_fcgi.so
LoadModule ssl_module ${LIB}/mod_ssl.so
ServerName localhost
PidFile DIR/own.pid
ErrorLog DIR/error.log
LogLevel info
LogFormat "%h %t \"%r\" %>s %D \"%{CF-Ray}i\"" own
CustomLog DIR/access.log own
ProxyTimeout 1
Listen 127.0.0.1:@HTTP
Listen 127.0.0.1:@TLS
<Location />
	Require all granted
</Location>
<Location /denied>
	Require all denied
</Location>
ProxyPass /dead http://127.0.0.1:@DEAD/ retry=0
ProxyPass /slow http://127.0.0.1:@SLOW/
ProxyPass /close http://127.0.0.1:@CLOSE/
ProxyPass /sock unix:DIR/none.sock|fcgi://localhost/
SSLProxyEngine on
ProxyPass /tls https://127.0.0.1:@GARBAGE/
<VirtualHost 127.0.0.1:@TLS>
	SSLEngine on
	SSLCertificateFile DIR/cert.pem
</VirtualHost>
`)
	b.start("apache2", "-X", "-d", "DIR", "-f", "DIR/own.conf")
	for _, p := range []string{"/dead", "/slow", "/close", "/sock", "/tls", "/denied"} {
		b.get(p)
	}
	b.send("HTTP", "GET / HTTP/1.1\r\nHost: a.example\r\nX: "+strings.Repeat("x", 40<<10)+"\r\n\r\n")
	b.send("TLS", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
	if c, err := tls.Dial("tcp", b.fill("127.0.0.1:@HTTP"), &tls.Config{InsecureSkipVerify: true}); err == nil {
		c.Close()
	}
	got := b.kinds([]file{{name: "error.log", program: "apache"}, {name: "access.log", program: "apache", access: true, format: newFormat("apache", `%h %t "%r" %>s %D "%{CF-Ray}i"`)}},
		fact.LogUpstreamRefused, fact.LogUpstreamTimeout, fact.LogUpstreamClosed, fact.LogDenied, fact.LogHeaderTooBig, fact.LogPlainToTLS, fact.LogTLSToPlain, fact.LogUpstreamTLS, fact.LogStatus)
	if l := got[fact.LogStatus]; l.Ray != "8f2a000000000001" {
		t.Errorf("%+v", l)
	}
	if l := got[fact.LogUpstreamRefused]; l.Errno == 0 || l.Target == "" {
		t.Errorf("%+v", l)
	}
}

func TestRealHAProxy(t *testing.T) {
	b := newBox(t, "haproxy")
	b.write("own.cfg", `global
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    timeout connect 1s
    timeout client 5s
    timeout server 1s
frontend web
    bind 127.0.0.1:@HTTP
    bind 127.0.0.1:@TLS ssl crt DIR/cert.pem
    use_backend slow if { path_beg /slow }
    use_backend closing if { path_beg /close }
    http-request deny if { path_beg /denied }
    default_backend dead
frontend proxied
    bind 127.0.0.1:@PROXY accept-proxy
backend dead
    server d1 127.0.0.1:@DEAD
backend slow
    server s1 127.0.0.1:@SLOW
backend closing
    server c1 127.0.0.1:@CLOSE
`)
	b.start("haproxy", "-f", "DIR/own.cfg")
	for _, p := range []string{"/dead", "/slow", "/close", "/denied"} {
		b.get(p)
	}
	b.send("TLS", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
	b.send("PROXY", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
	b.kinds([]file{{name: "out.log", program: "haproxy", access: true}},
		fact.LogUpstreamRefused, fact.LogUpstreamTimeout, fact.LogUpstreamClosed, fact.LogTLSHandshake, fact.LogProxyProtocol, fact.LogStatus)
}

func TestRealLighttpd(t *testing.T) {
	b := newBox(t, "lighttpd")
	b.write("own.conf", `server.modules = ( "mod_proxy", "mod_fastcgi", "mod_accesslog" )
server.document-root = "DIR"
server.bind = "127.0.0.1"
server.port = @HTTP
server.errorlog = "DIR/error.log"
accesslog.filename = "DIR/access.log"
server.max-request-field-size = 4096
$HTTP["url"] =~ "^/dead" { proxy.server = ( "" => ( ( "host" => "127.0.0.1", "port" => @DEAD ) ) ) }
$HTTP["url"] =~ "^/sock" { fastcgi.server = ( "/" => ( ( "socket" => "DIR/none.sock", "check-local" => "disable" ) ) ) }
`)
	b.start("lighttpd", "-D", "-f", "DIR/own.conf")
	b.get("/dead")
	b.get("/sock")
	got := b.kinds([]file{{name: "error.log", program: "lighttpd"}, {name: "access.log", program: "lighttpd", access: true}}, fact.LogUpstreamRefused, fact.LogStatus)
	if l := got[fact.LogUpstreamRefused]; l.Target == "" {
		t.Errorf("%+v", l)
	}
}

func TestRealPHP(t *testing.T) {
	bin := "php-fpm8.2"
	b := newBox(t, "nginx")
	if _, err := exec.LookPath(bin); err != nil {
		t.Skip(bin + " is not installed")
	}
	b.write("own.conf", `pid own.pid; worker_processes 1; error_log error.log info; events {}
http { access_log off; server { listen 127.0.0.1:@HTTP; location / { fastcgi_pass unix:DIR/fpm.sock; fastcgi_param SCRIPT_FILENAME DIR/slow.php; fastcgi_param REQUEST_METHOD GET; } } }
`)
	b.write("slow.php", "<?php sleep(2); echo 'x';")
	b.write("fpm.conf", `[global]
error_log = DIR/fpm.log
pid = DIR/fpm.pid
daemonize = no
[www]
listen = DIR/fpm.sock
listen.mode = 0666
user = nobody
group = nogroup
pm = dynamic
pm.max_children = 1
pm.start_servers = 1
pm.min_spare_servers = 1
pm.max_spare_servers = 1
request_terminate_timeout = 1s
`)
	fpm := exec.Command(bin, "-F", "-R", "-y", b.dir+"/fpm.conf")
	fpm.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := fpm.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { fpm.Wait(); close(done) }()
	t.Cleanup(func() { syscall.Kill(-fpm.Process.Pid, syscall.SIGKILL); <-done })
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("unix", b.dir+"/fpm.sock")
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.start("nginx", "-p", "DIR", "-c", "own.conf", "-e", "DIR/error.log", "-g", "daemon off;")
	answers := make(chan string, 3)
	for range 3 {
		go func() { answers <- b.get("/") }()
	}
	for range 3 {
		<-answers
	}
	b.kinds([]file{{name: "fpm.log", program: "php-fpm"}}, fact.LogWorkersFull)
	b.kinds([]file{{name: "error.log", program: "nginx"}}, fact.LogUpstreamClosed)
}
