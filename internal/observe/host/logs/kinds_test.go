package logs

import (
	"net/netip"
	"testing"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/procs"
)

// Lines as the programs write them.
var samples = []struct {
	program, line string
	kind, target  string
	client        string
	errno         int
}{
	{"nginx", `2026/11/22 08:00:00 [emerg] 1#1: bind() to 0.0.0.0:80 failed (98: Address already in use)`, fact.LogBindFailed, "0.0.0.0:80", "", 98},
	{"nginx", `2026/11/22 08:00:00 [emerg] 1#1: bind() to 203.0.113.10:443 failed (99: Cannot assign requested address)`, fact.LogBindFailed, "203.0.113.10:443", "", 99},
	{"nginx", `2026/11/22 08:00:00 [emerg] 1#1: socket() [::]:80 failed (97: Address family not supported by protocol)`, fact.LogBindFailed, "[::]:80", "", 97},
	{"nginx", `2026/11/22 08:00:00 [emerg] 1#1: host not found in upstream "app:3000" in /etc/nginx/conf.d/a.conf:3`, fact.LogUpstreamResolve, "app:3000", "", 0},
	{"nginx", `2026/11/22 08:00:00 [emerg] 1#1: unknown directive "sever" in /etc/nginx/nginx.conf:12`, fact.LogConfigError, "/etc/nginx/nginx.conf:12", "", 0},
	{"nginx", `2026/11/22 08:00:00 [error] 9#9: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 173.245.48.10, server: shop.example, request: "GET / HTTP/1.1", upstream: "http://127.0.0.1:3000/", host: "shop.example"`, fact.LogUpstreamRefused, "http://127.0.0.1:3000/", "173.245.48.10", 111},
	{"nginx", `2026/11/22 08:00:00 [crit] 9#9: *1 connect() to unix:/run/php/php-fpm.sock failed (2: No such file or directory) while connecting to upstream, client: 2400:cb00::10, server: _, request: "GET /", upstream: "fastcgi://unix:/run/php/php-fpm.sock:", host: "a"`, fact.LogUpstreamRefused, "fastcgi://unix:/run/php/php-fpm.sock:", "2400:cb00::10", 2},
	{"nginx", `2026/11/22 08:00:00 [crit] 9#9: *1 connect() to 127.0.0.1:3000 failed (13: Permission denied) while connecting to upstream, client: 1.2.3.4, server: _, request: "GET /", upstream: "http://127.0.0.1:3000/"`, fact.LogUpstreamDenied, "http://127.0.0.1:3000/", "1.2.3.4", 13},
	{"nginx", `2026/11/22 08:00:00 [crit] 9#9: *1 connect() to 10.0.0.2:80 failed (99: Cannot assign requested address) while connecting to upstream, client: 1.2.3.4, upstream: "http://10.0.0.2:80/"`, fact.LogUpstreamNoPort, "http://10.0.0.2:80/", "1.2.3.4", 99},
	{"nginx", `2026/11/22 08:00:00 [error] 9#9: *1 upstream timed out (110: Connection timed out) while reading response header from upstream, client: 1.2.3.4, upstream: "http://127.0.0.1:3000/x"`, fact.LogUpstreamTimeout, "http://127.0.0.1:3000/x", "1.2.3.4", 110},
	{"nginx", `2026/11/22 08:00:00 [error] 9#9: *1 connect() failed (113: No route to host) while connecting to upstream, client: 1.2.3.4, upstream: "http://172.17.0.9:80/"`, fact.LogUpstreamTimeout, "http://172.17.0.9:80/", "1.2.3.4", 113},
	{"nginx", `2026/11/22 08:00:00 [error] 9#9: *1 upstream sent too big header while reading response header from upstream, client: 1.2.3.4, upstream: "fastcgi://127.0.0.1:9000"`, fact.LogUpstreamHeader, "fastcgi://127.0.0.1:9000", "1.2.3.4", 0},
	{"nginx", `2026/11/22 08:00:00 [error] 9#9: *1 upstream prematurely closed connection while reading response header from upstream, client: 1.2.3.4, upstream: "http://127.0.0.1:3000/"`, fact.LogUpstreamClosed, "http://127.0.0.1:3000/", "1.2.3.4", 0},
	{"nginx", `2026/11/22 08:00:00 [error] 9#9: *1 SSL_do_handshake() failed (SSL: error:0A000410) while SSL handshaking to upstream, client: 1.2.3.4, upstream: "https://10.0.0.2:443/"`, fact.LogUpstreamTLS, "https://10.0.0.2:443/", "1.2.3.4", 0},
	{"nginx", `2026/11/22 08:00:00 [alert] 9#9: 256 worker_connections are not enough`, fact.LogWorkersFull, "", "", 0},
	{"nginx", `2026/11/22 08:00:00 [crit] 9#9: accept4() failed (24: Too many open files)`, fact.LogTooManyFiles, "", "", 24},
	{"nginx", `2026/11/22 08:00:00 [error] 9#9: *5 broken header: "` + "\x16\x03\x01" + `" while reading PROXY protocol, client: 173.245.48.10, server: 0.0.0.0:443`, fact.LogProxyProtocol, "", "173.245.48.10", 0},
	{"nginx", `2026/11/22 08:00:00 [error] 9#9: *5 limiting connections by zone "perip", client: 173.245.48.10, server: a`, fact.LogLimited, "", "173.245.48.10", 0},
	{"nginx", `2026/11/22 08:00:00 [error] 9#9: *5 access forbidden by rule, client: 198.51.100.7, server: a`, fact.LogDenied, "", "198.51.100.7", 0},
	{"apache", `[Sun Nov 22 08:00:00.1 2026] [mpm_event:error] [pid 1:tid 2] AH00484: server reached MaxRequestWorkers setting, consider raising the MaxRequestWorkers setting`, fact.LogWorkersFull, "", "", 0},
	{"apache", `(98)Address already in use: AH00072: make_sock: could not bind to address [::]:80`, fact.LogBindFailed, "[::]:80", "", 98},
	{"apache", `[Sun Nov 22 08:00:00.1 2026] [proxy:error] [pid 1] (111)Connection refused: AH00957: HTTP: attempt to connect to 127.0.0.1:3000 (127.0.0.1) failed`, fact.LogUpstreamRefused, "127.0.0.1:3000", "", 111},
	{"apache", `[Sun Nov 22 08:00:00.1 2026] [authz_core:error] [pid 1] [client 173.245.48.10:4711] AH01630: client denied by server configuration: /var/www/`, fact.LogDenied, "", "173.245.48.10", 0},
	{"apache", `[Sun Nov 22 08:00:00.1 2026] [core:notice] [pid 1] AH00052: child pid 77 exit signal Segmentation fault (11)`, fact.LogChildCrash, "Segmentation fault", "", 11},
	{"nginx", `2026/11/22 08:00:00 [error] 9#9: *1 FastCGI sent in stderr: "PHP message: PHP Warning:  file_put_contents(): Write of 8192 bytes failed with errno=28 No space left on device in /var/www/index.php on line 1" while reading response header from upstream, client: 173.245.48.10, server: shop.example, request: "GET / HTTP/1.1", upstream: "fastcgi://unix:/run/php/php8.2-fpm.sock:"`, fact.LogDiskFull, "", "173.245.48.10", 0},
	{"php-fpm", `[22-Nov-2026 08:00:00] WARNING: [pool www] child 7 said into stderr: "session_start(): write failed: No space left on device (28)"`, fact.LogDiskFull, "", "", 0},
	{"php-fpm", `[22-Nov-2026 08:00:00] WARNING: [pool www] server reached pm.max_children setting (5), consider raising it`, fact.LogWorkersFull, "", "", 0},
	{"haproxy", `Server app/app1 is DOWN, reason: Layer4 connection problem, info: "Connection refused"`, fact.LogUpstreamRefused, "app/app1", "", 0},
	{"fail2ban", `2026-11-22 08:00:00,123 fail2ban.actions        [7]: NOTICE  [nginx-botsearch] Ban 173.245.48.10`, fact.LogBan, "nginx-botsearch", "173.245.48.10", 0},
	{"kernel", `nf_conntrack: nf_conntrack: table full, dropping packet`, fact.LogConntrackFull, "", "", 0},
	{"kernel", `TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:443. Sending cookies.`, fact.LogSYNFlood, "443", "", 0},
	{"kernel", `Out of memory: Killed process 4711 (mysqld) total-vm:1kB`, fact.LogOOM, "mysqld", "", 0},
	{"kernel", `php-fpm8.2[812]: segfault at 0 ip 00 sp 00 error 4 in libc.so.6`, fact.LogSegfault, "php-fpm8.2", "", 0},
	{"cloudflared", `2026-11-22T08:00:00Z ERR Failed to dial a quic connection error="timeout: no recent network activity"`, fact.LogTunnel, "", "", 0},
	{"certbot", `Certbot failed to authenticate some domains. Challenge failed for domain shop.example`, fact.LogACME, "", "", 0},
}

func TestClassify(t *testing.T) {
	for _, s := range samples {
		m, ok := classify(s.program, s.line)
		client := ""
		if m.client.IsValid() {
			client = m.client.String()
		}
		if !ok || m.kind != s.kind || m.target != s.target || client != s.client || m.errno != s.errno {
			t.Errorf("%s\n  got %+v\n  want %s %q %q %d", s.line, m, s.kind, s.target, s.client, s.errno)
		}
	}
	for _, line := range []string{
		`2026/11/22 08:00:00 [notice] 1#1: start worker processes`,
		`2026/11/22 08:00:00 [warn] 1#1: conflicting server name "a" on 0.0.0.0:80, ignored`,
	} {
		if m, ok := classify("nginx", line); ok {
			t.Errorf("%s became %s", line, m.kind)
		}
	}
}

func TestEveryKindBelongsToAProgramThatIsRead(t *testing.T) {
	known := map[string]bool{}
	for _, p := range programNames {
		known[p.program] = true
	}
	for _, r := range rules {
		if re := r.re(); !known[r.program] { // compiling it shows that it can be
			t.Errorf("no process or tag is called %q, so its row %s never matches", r.program, re)
		}
	}
}

func TestOnlyASYNBlocksAConnection(t *testing.T) {
	const tail = "IN=eth0 OUT= MAC=00 SRC=173.245.48.10 DST=203.0.113.10 LEN=60 TTL=57 PROTO=TCP SPT=4711 DPT=443 WINDOW=64240 RES=0x00 "
	for flags, want := range map[string]string{
		"SYN URGP=0": fact.LogBlockedSYN, "RST URGP=0": fact.LogStrayRST, "ACK FIN URGP=0": fact.LogStrayRST, "ACK SYN URGP=0": fact.LogStrayRST, "RST SYN URGP=0": fact.LogStrayRST,
	} {
		m, dst, ok := packet("[UFW BLOCK] " + tail + flags)
		if !ok || m.kind != want || m.client.String() != "173.245.48.10" || dst.String() != "203.0.113.10" || m.target != "443" {
			t.Errorf("%s: %+v %v %v", flags, m, dst, ok)
		}
	}
	if _, _, ok := packet("[UFW ALLOW] " + tail + "SYN URGP=0"); ok {
		t.Error("a packet that was let in counts as blocked")
	}
}

func TestForeignPacketsDoNotCount(t *testing.T) {
	tl := newTally(nobody, "")
	ours := func(a netip.Addr) bool { return a.String() == "203.0.113.10" }
	for _, dst := range []string{"203.0.113.10", "203.0.113.99"} {
		kernelLine("kernel", time.Unix(0, 0), "IN=eth0 SRC=173.245.48.10 DST="+dst+" PROTO=TCP DPT=443 SYN URGP=0", tl, ours)
	}
	if got := tl.sorted(); len(got) != 1 || got[0].Count != 1 {
		t.Errorf("%+v", got)
	}
}

func TestWhatWasBeforeThisHostDoesNotCount(t *testing.T) {
	tl := newTally(nobody, "")
	tl.begun = begun(procs.Table{Processes: []procs.Process{{PID: 7, Started: time.Unix(5, 0)}, {PID: 1, Started: time.Unix(1000, 0)}}})
	for _, at := range []int64{900, 1100} {
		kernelLine("kernel", time.Unix(at, 0), "Out of memory: Killed process 7 (php-fpm8.2)", tl, nil)
	}
	if got := tl.sorted(); len(got) != 1 || got[0].Count != 1 || got[0].At.Unix() != 1100 {
		t.Errorf("%+v", got)
	}
}

func TestForeignTablesDoNotCount(t *testing.T) {
	for _, c := range []struct {
		line string
		n    int
	}{
		{"nf_conntrack: nf_conntrack: table full, dropping packet", 1},
		{"nf_conntrack: nf_conntrack: table full in netns 4026532265, dropping packet", 1},
		{"nf_conntrack: nf_conntrack: table full in netns 4026531840, dropping packet", 0},
	} {
		tl := newTally(nobody, "")
		tl.netns = "4026532265"
		kernelLine("kernel", time.Unix(0, 0), c.line, tl, nil)
		if got := tl.sorted(); len(got) != c.n {
			t.Errorf("%s: %+v", c.line, got)
		}
	}
}

func nobody(netip.Addr) (string, netip.Prefix, bool) { return "", netip.Prefix{}, false }

func TestParseAccess(t *testing.T) {
	for _, c := range []struct {
		line, client, ray string
		status            int
	}{
		{`173.245.48.10 - - [22/Nov/2026:08:00:00 +0000] "GET / HTTP/1.1" 502 157 "-" "curl/8"`, "173.245.48.10", "", 502},
		{`shop.example:443 2400:cb00::10 - - [22/Nov/2026:08:00:00 +0000] "GET / HTTP/1.1" 403 157 "-" "x"`, "2400:cb00::10", "", 403},
		{`1.2.3.4 - - [22/Nov/2026:08:00:00 +0000] "GET / HTTP/1.1" 444 0 "-" "-" 8f2a0000000000ab-FRA`, "1.2.3.4", "8f2a0000000000ab", 444},
		{`Nov 22 08:00:00 h haproxy[1]: 1.2.3.4:5555 [22/Nov/2026:08:00:00.123] web app/app1 0/0/-1/-1/3001 503 217 - - SC-- 1/1/0/0/3 0/0 "GET / HTTP/1.1"`, "1.2.3.4", "", 503},
		{`{"level":"info","ts":1.7e9,"request":{"remote_ip":"1.2.3.4","method":"GET","uri":"/","headers":{"Cf-Ray":["8f2a0000000000ab-FRA"]}},"status":502}`, "1.2.3.4", "8f2a0000000000ab", 502},
	} {
		a, ok := parseAccess([]byte(c.line))
		if !ok || a.client.String() != c.client || a.status != c.status || a.ray != c.ray {
			t.Errorf("%s\n  %+v %v", c.line, a, ok)
		}
	}
	for _, line := range []string{"", "hello", `{"msg":"started"}`, `1.2.3.4 "`} {
		if a, ok := parseAccess([]byte(line)); ok {
			t.Errorf("%q became %+v", line, a)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range samples {
		f.Add(s.program, s.line)
	}
	f.Add("kernel", "SRC=1 DST= PROTO=TCP SYN")
	f.Fuzz(func(t *testing.T, program, line string) {
		classify(program, line)
		packet(line)
		if a, ok := parseAccess([]byte(line)); ok && (a.status < 0 || a.status > 999) {
			t.Errorf("status %d", a.status)
		}
		tl := newTally(nobody, "")
		kernelLine("kernel", time.Unix(0, 0), line, tl, nil)
		for _, l := range tl.sorted() {
			if len(l.Text) > maxText {
				t.Errorf("%d bytes of text", len(l.Text))
			}
		}
	})
}
