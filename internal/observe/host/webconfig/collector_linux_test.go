package webconfig

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/hosttest"
	"github.com/originward/originward/internal/observe/host/procs"
)

// env is an environment over the real process table.
func env(t *testing.T) *collect.Env {
	t.Helper()
	return collect.NewEnv(collect.Ask{Ranges: []netip.Prefix{netip.MustParsePrefix("173.245.48.0/20")}}, collect.Sources{
		Processes: func(ctx context.Context, e *collect.Env) procs.Table { return procs.Read(ctx, e.Proc) },
	})
}

// startNginx runs a real nginx with a configuration and waits until it
// listens.
func startNginx(t *testing.T, conf string, port int) (dir string, stop func()) {
	t.Helper()
	bin, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	dir = t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "own.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-p", dir, "-c", "own.conf", "-e", filepath.Join(dir, "error.log"), "-g", "daemon off;")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	stop = func() { cmd.Process.Signal(os.Interrupt); <-done }
	t.Cleanup(stop)
	deadline := time.Now().Add(10 * time.Second)
	for {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
			return dir, stop
		}
		select {
		case <-done:
			b, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Fatalf("nginx ended: %s", b)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("nginx does not listen")
		}
	}
}

func TestRunningNginx(t *testing.T) {
	port, dead := hosttest.Port(t), hosttest.Port(t)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }))
	t.Cleanup(backend.Close)
	tls := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	t.Cleanup(tls.Close)
	dir, _ := startNginx(t, fmt.Sprintf(`pid own.pid;
worker_processes 1;
error_log error.log;
events {}
http {
	access_log off;
	server {
		listen 127.0.0.1:%d;
		server_name shop.example;
		location / { proxy_pass %s; }
		location /dead { proxy_pass http://127.0.0.1:%d; }
		location /tls { proxy_pass http://%s; }
		location /far { proxy_pass http://203.0.113.9:80; }
		location /sock { fastcgi_pass unix:%s; }
	}
}
`, port, backend.URL, dead, tls.Listener.Addr(), "/run/originward-none.sock"), port)

	e := env(t)
	c := New()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	list, _, err := c.All(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	var mine *Instance
	for i := range list {
		if list[i].File == filepath.Join(dir, "own.conf") {
			mine = &list[i]
		}
	}
	if mine == nil {
		t.Fatalf("the running nginx was not found among %d", len(list))
	}
	if mine.Running != fact.Yes || len(mine.PIDs) < 2 || mine.Parsed != fact.Yes || mine.Newer != fact.No {
		t.Errorf("running %q, pids %v, parsed %q, newer %q, loaded %v, newest %v", mine.Running, mine.PIDs, mine.Parsed, mine.Newer, mine.Loaded, mine.Newest)
	}
	if len(mine.Logs) != 1 || mine.Logs[0].File != filepath.Join(dir, "error.log") {
		t.Errorf("logs %+v", mine.Logs)
	}

	ups := Try(ctx, e, c.Book(e), mine.Upstreams)
	by := map[string]fact.Upstream{}
	for _, u := range ups {
		by[u.Name] = u
	}
	if u := by[strings.TrimPrefix(backend.URL, "http://")]; u.Answers != fact.Yes || u.Speaks != "http" || u.Status != 204 || u.Local != fact.Yes {
		t.Errorf("backend: %+v", u)
	}
	if u := by[fmt.Sprintf("127.0.0.1:%d", dead)]; u.Answers != fact.No || u.Errno != "ECONNREFUSED" {
		t.Errorf("dead: %+v", u)
	}
	if u := by[tls.Listener.Addr().String()]; u.Answers != fact.Yes || u.Speaks != "tls" {
		t.Errorf("http to a TLS port: %+v", u)
	}
	if u := by["203.0.113.9:80"]; u.Answers != fact.Unknown || u.Local != fact.No {
		t.Errorf("a foreign address was tried: %+v", u)
	}
	if u := by["unix:/run/originward-none.sock"]; u.Answers != fact.No || u.Errno != "ENOENT" {
		t.Errorf("socket: %+v", u)
	}
}

func TestEvidence(t *testing.T) {
	seen, missing := run(t.Context(), env(t), New())
	for _, e := range seen {
		if e.Text == "" || e.Reproduce == "" || e.Subject.File == "" {
			t.Errorf("item without text, command or file: %+v", e)
		}
	}
	for _, m := range missing {
		if m.Why == "" {
			t.Errorf("%+v", m)
		}
	}
}

func TestBuiltIn(t *testing.T) {
	bin := strings.Repeat("\x00junk", 500_000) + "\x00 --with-cc-opt='-g -O2' --prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf --http-log-path=/var/log/nginx/access.log\x00more"
	got := configureArguments(strings.NewReader(bin))
	if got["prefix"] != "/usr/share/nginx" || got["conf-path"] != "/etc/nginx/nginx.conf" || got["http-log-path"] != "/var/log/nginx/access.log" {
		t.Errorf("%v", got)
	}
	if got := configureArguments(strings.NewReader("nothing here")); got != nil {
		t.Errorf("%v", got)
	}
}

func TestGroups(t *testing.T) {
	s := &servers[0]
	list := []procs.Process{
		{PID: 10, PPID: 1, Exe: "/usr/sbin/nginx"}, {PID: 11, PPID: 10, Exe: "/usr/sbin/nginx"}, {PID: 12, PPID: 11, Exe: "/usr/sbin/nginx"},
		{PID: 20, PPID: 1, Exe: "/usr/sbin/nginx"}, {PID: 30, PPID: 1, Exe: "/usr/bin/other", Comm: "nginx"}, {PID: 40, PPID: 1, Comm: "nginx", State: 'Z'},
	}
	g := groups(list, s)
	if len(g) != 2 || len(g[0]) != 3 || g[1][0].PID != 20 {
		t.Errorf("groups: %+v", g)
	}
}
