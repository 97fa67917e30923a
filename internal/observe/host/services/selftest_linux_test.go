package services

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/sandbox"
)

// TestSelftests breaks the configuration of each real server that is here, and
// wants its own test to name file and line.
func TestSelftests(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: the servers read files of root")
	}
	for _, tt := range []struct {
		kind, exe, good, bad string
		line                 int
		says                 string
	}{
		{"nginx", "/usr/sbin/nginx", "pid DIR/pid; error_log DIR/log;\nevents {}\n", "http {\n server {\n  listn 80;\n }\n}\n", 5, "listn"},
		{"haproxy", "/usr/sbin/haproxy", "defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\nfrontend f\n  bind 127.0.0.1:8099\n  default_backend b\nbackend b\n  server s 127.0.0.1:8098\n", "  serverr x\n", 11, "serverr"},
		{"lighttpd", "/usr/sbin/lighttpd", "server.document-root = \"DIR\"\nserver.port = 8097\n", "server.errorlog = \n", 4, "parser failed"},
		{"php-fpm", "/usr/sbin/php-fpm8.2", "[global]\nerror_log = DIR/fpm.log\n[www]\nuser = www-data\ngroup = www-data\nlisten = DIR/fpm.sock\npm = ondemand\npm.max_children = 2\n", "pm.max_childs = 3\n", 9, "pm.max_childs"},
		{"apache", "/usr/sbin/apache2", "ServerName x\nListen 8096\nPidFile DIR/pid\nErrorLog DIR/log\nServerRoot /usr/lib/apache2\nLoadModule mpm_event_module modules/mod_mpm_event.so\nLoadModule authz_core_module modules/mod_authz_core.so\n", "Lissten 1\n", 8, "Lissten"},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			if _, err := os.Stat(tt.exe); err != nil {
				t.Skipf("needs %s", tt.exe)
			}
			dir := t.TempDir()
			file := filepath.Join(dir, "main.conf")
			k := kindOf(tt.kind, filepath.Base(tt.exe))
			check := func(conf string) fact.Test {
				t.Helper()
				if err := os.WriteFile(file, []byte(strings.ReplaceAll(conf, "DIR", dir)), 0o644); err != nil {
					t.Fatal(err)
				}
				words := []string{tt.exe, k.conf[0], file}
				cmd := k.test.command(tt.exe, words, file)
				out, err := sandbox.Run(t.Context(), sandbox.Command{Path: cmd[0], Args: cmd[1:], Env: base})
				if err != nil {
					t.Fatal(err)
				}
				res, why := k.test.judge(cmd, out, true)
				if why != "" {
					t.Errorf("%s\n%s", why, out.Text)
				}
				return res
			}
			if res := check(tt.good); res.OK != fact.Yes {
				t.Errorf("good configuration: %+v", res)
			}
			res := check(tt.good + tt.bad)
			if res.OK != fact.No || len(res.Errors) == 0 || res.Errors[0].File != file || res.Errors[0].Line != tt.line || !strings.Contains(res.Output, tt.says) {
				t.Errorf("want %s:%d, got %+v", file, tt.line, res)
			}
			if left, _ := os.ReadDir(dir); len(left) != 1 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		name string
		test *selftest
		out  sandbox.Output
		root bool
		ok   fact.Tri
		file string
		line int
		why  string
	}{
		{"syntax is ok, then our own refusal", &nginxTest, sandbox.Output{Code: 1, Faked: true, Text: "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\nnginx: [emerg] mkdir() \"/var/lib/nginx/body\" failed (30: Read-only file system)\nnginx: configuration file /etc/nginx/nginx.conf test failed\n"}, true, fact.Yes, "", 0, ""},
		{"our own refusal only", &fpmTest, sandbox.Output{Code: 78, Faked: true, Text: "[22-Nov-2026 11:00:00] ERROR: failed to open error_log (/x.log): Read-only file system (30)\n"}, true, fact.Unknown, "", 0, "wants to write"},
		{"a real read-only disk", &nginxTest, sandbox.Output{Code: 1, Text: "nginx: [emerg] open() \"/var/log/nginx/error.log\" failed (30: Read-only file system)\n"}, true, fact.No, "", 0, ""},
		{"key not readable to nobody", &nginxTest, sandbox.Output{Code: 1, Text: "nginx: [emerg] cannot load certificate key \"/k.pem\": BIO_new_file() failed (SSL: Permission denied)\n"}, false, fact.Unknown, "", 0, "files of root"},
		{"key not readable to root", &nginxTest, sandbox.Output{Code: 1, Text: "nginx: [emerg] cannot load certificate key \"/k.pem\": BIO_new_file() failed (SSL: Permission denied)\n"}, true, fact.No, "/k.pem", 0, ""},
		{"name does not resolve", &nginxTest, sandbox.Output{Code: 1, Text: "nginx: [emerg] host not found in upstream \"app\" in /etc/nginx/conf.d/a.conf:12\n"}, true, fact.No, "/etc/nginx/conf.d/a.conf", 12, ""},
		{"warnings beside", &nginxTest, sandbox.Output{Code: 1, Text: "nginx: [warn] conflicting server name \"x\" on 0.0.0.0:80, ignored\nnginx: [emerg] unexpected \"}\" in /n.conf:3\n"}, true, fact.No, "/n.conf", 3, ""},
		{"message on the next line", &apacheTest, sandbox.Output{Code: 1, Text: "AH00526: Syntax error on line 5 of /etc/apache2/sites-enabled/x.conf:\nSSLCertificateFile: file '/none' does not exist or is empty\n"}, true, fact.No, "/etc/apache2/sites-enabled/x.conf", 5, ""},
		{"killed", &haproxyTest, sandbox.Output{Code: -1}, true, fact.Unknown, "", 0, "signal"},
		{"caddy", &caddyTest, sandbox.Output{Code: 1, Text: "Error: adapting config using caddyfile: /etc/caddy/Caddyfile:5: unrecognized directive: foo\n"}, true, fact.No, "/etc/caddy/Caddyfile", 5, ""},
		{"passes", &haproxyTest, sandbox.Output{Text: "Configuration file is valid\n"}, true, fact.Yes, "", 0, ""},
	} {
		res, why := tt.test.judge([]string{"prog", "-t"}, tt.out, tt.root)
		var p fact.Place
		if len(res.Errors) > 0 {
			p = res.Errors[0]
		}
		if res.OK != tt.ok || p.File != tt.file || p.Line != tt.line || (tt.why == "") != (why == "") || !strings.Contains(why, tt.why) {
			t.Errorf("%s: %+v, %q", tt.name, res, why)
		}
	}
}

func TestCommand(t *testing.T) {
	for _, tt := range []struct {
		test   *selftest
		words  string
		config string
		want   string
	}{
		{&nginxTest, "nginx|-g|daemon on;|-c|/n.conf|-p|/x", "/n.conf", "EXE|-t|-g|daemon on;|-c|/n.conf|-p|/x"},
		{&nginxTest, "nginx|-s|reload", "/etc/nginx/nginx.conf", "EXE|-t"},
		{&haproxyTest, "haproxy|-Ws|-f|/a.cfg|-f|/b.d|-p|/run/h.pid|-S|/s.sock", "/a.cfg", "EXE|-c|-f|/a.cfg|-f|/b.d"},
		{&haproxyTest, "haproxy|-Ws|-f|$CONFIG", "/etc/haproxy/haproxy.cfg", "EXE|-c|-f|/etc/haproxy/haproxy.cfg"},
		{&apacheTest, "apache2|-k|start|-DFOREGROUND|-f|/a.conf", "/a.conf", "EXE|-t|-DFOREGROUND|-f|/a.conf"},
		{&caddyTest, "caddy|run|--environ|--config=/C", "/C", "EXE|validate|--config=/C"},
		{&caddyTest, "caddy|run", "/etc/caddy/Caddyfile", "EXE|validate|--config|/etc/caddy/Caddyfile"},
		{&fpmTest, "php-fpm|-y|/f.conf|-R", "/f.conf", "EXE|-t|-y|/f.conf|-R"},
		{&lighttpdTest, "lighttpd|-D|-f|/l.conf", "/l.conf", "EXE|-tt|-f|/l.conf"},
	} {
		if got := strings.Join(tt.test.command("EXE", strings.Split(tt.words, "|"), tt.config), "|"); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.words, got, tt.want)
		}
	}
}

func TestKinds(t *testing.T) {
	for name, want := range map[string]string{
		"nginx": "nginx", "openresty": "nginx", "apache2": "apache", "httpd": "apache", "php-fpm8.2": "php-fpm", "php-fpm": "php-fpm",
		"haproxy": "haproxy", "dockerd": "docker", "cloudflared": "cloudflared", "lshttpd": "litespeed", "sshd": "", "mysqld": "", "phpunit": "",
	} {
		got := ""
		if k := kindOf(name); k != nil {
			got = k.name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]bool{"python3.11": true, "node": true, "gunicorn": true, "php8.2": true, "php-cgi": false, "sshd": false} {
		if app.matches(name) != want {
			t.Errorf("%s: application server %v", name, !want)
		}
	}
}

// TestRunning groups processes: a master with its workers is one service, two
// masters are two, and other namespaces' are none.
func TestRunning(t *testing.T) {
	table := procs.Table{Processes: []procs.Process{
		{PID: 10, PPID: 1, Comm: "nginx", Exe: "/usr/sbin/nginx", Net: fact.Yes, Unit: "nginx.service"},
		{PID: 11, PPID: 10, Comm: "nginx", Net: fact.Yes}, {PID: 12, PPID: 10, Comm: "nginx", Net: fact.Yes},
		{PID: 20, PPID: 1, Comm: "nginx", Exe: "/opt/nginx", Net: fact.Yes},
		{PID: 30, PPID: 1, Comm: "nginx", Net: fact.No},
		{PID: 40, PPID: 1, Comm: "node", Net: fact.Yes}, {PID: 41, PPID: 1, Comm: "node", Net: fact.Yes},
		{PID: 50, PPID: 1, Comm: "weird", Net: fact.Yes}, {PID: 60, PPID: 1, Comm: "nginx", State: 'Z', Net: fact.Yes},
		{PID: 70, PPID: 1, Args: []string{"php-fpm: master process (/x.conf)"}, Comm: "php-fpm8.2", Net: fact.Yes},
	}}
	got := map[string]string{}
	for _, f := range running(table, map[int]bool{10: true, 40: false, 50: true}) {
		got[f.Kind+" "+f.Role+" "+f.Unit] += " " + strings.Trim(strings.Join(strings.Fields(strings.Trim(intsOf(f.PIDs), "[]")), ","), " ")
	}
	want := map[string]string{"nginx web nginx.service": " 10,11,12", "nginx web ": " 20", "app backend ": " 40", "app web ": " 50", "php-fpm backend ": " 70"}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: %q, want %q", k, got[k], v)
		}
	}
}

func intsOf(n []int) string {
	var b strings.Builder
	for _, v := range n {
		b.WriteString(" " + strconv.Itoa(v))
	}
	return b.String()
}

func TestPickReason(t *testing.T) {
	lines := []string{
		"Starting nginx...", "nginx: [emerg] bind() to 203.0.113.9:80 failed (99: Cannot assign requested address)", "nginx: configuration file /etc/nginx/nginx.conf test failed",
		"nginx.service: Control process exited, code=exited, status=1/FAILURE", "nginx.service: Failed with result 'exit-code'.", "Failed to start nginx.service.", "",
	}
	if p := pickReason(lines, "nginx.service"); p == nil || !strings.Contains(p.Text, "99: Cannot assign") {
		t.Errorf("%+v", p)
	}
	if p := pickReason(lines[3:], "nginx.service"); p != nil {
		t.Errorf("systemd's own words are no reason: %+v", p)
	}
}

func TestEnvvars(t *testing.T) {
	got := strings.Join(envvars("# c\nif [ x ]; then\n\tSUFFIX=\"-x\"\nfi\nexport APACHE_RUN_USER=www-data\nexport APACHE_PID_FILE=/var/run/apache2$SUFFIX/apache2.pid\nAPACHE_LOG_DIR=\"/var/log/apache2$SUFFIX\"\nexport LANG=C\nexport APACHE_ULIMIT_MAX_FILES=\"ulimit -n $(x)\"\n"), " ")
	if want := "APACHE_RUN_USER=www-data APACHE_PID_FILE=/var/run/apache2/apache2.pid APACHE_LOG_DIR=/var/log/apache2"; got != want {
		t.Errorf("got %s", got)
	}
}

func FuzzJudge(f *testing.F) {
	f.Add("nginx: [emerg] unexpected \"}\" in /n.conf:3\n", 1, true)
	f.Add("AH00526: Syntax error on line 5 of /x.conf:\nmessage\n", 1, false)
	f.Add("[ALERT] (1) : config : parsing [/h.cfg:12] : x\n\x1b[31m", 1, true)
	f.Add("2026: (configfile.c.1) source: /l.conf line: 99999999999999999999 pos: 1\n", 255, true)
	f.Fuzz(func(t *testing.T, text string, code int, root bool) {
		for _, k := range kinds {
			if k.test == nil {
				continue
			}
			res, _ := k.test.judge([]string{"x"}, sandbox.Output{Text: text, Code: code, Faked: true}, root)
			if len(res.Errors) > maxErrors || (code == 0) != (res.OK == fact.Yes) && k.test.passed == "" {
				t.Errorf("%+v", res)
			}
			for _, p := range res.Errors {
				if strings.ContainsAny(p.Text+p.File, "\x1b\n\r") {
					t.Errorf("not escaped: %+v", p)
				}
			}
		}
	})
}
