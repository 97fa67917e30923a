package tunnel

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/hosttest"
	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/webconfig"
)

const id = "6ff42ae2-765d-4adf-8112-31c55c1551ef"

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func environment(t *testing.T, archive string, sockets []fact.Socket, list ...procs.Process) *collect.Env {
	t.Helper()
	fs := hosttest.Tree(t, "/", archive)
	return collect.NewEnv(collect.Ask{Root: fs.Root, Now: func() time.Time { return now }}, collect.Sources{
		Processes: func(context.Context, *collect.Env) procs.Table {
			return procs.Table{Processes: list, Complete: fact.Yes}
		},
		Listeners: func(context.Context, *collect.Env) collect.Listening {
			return collect.Listening{Listeners: fact.Listeners{Complete: fact.Yes, Sockets: sockets}}
		},
	})
}

func token(t string) string {
	b, _ := json.Marshal(map[string]string{"a": "account", "t": t, "s": "c2VjcmV0"})
	return base64.StdEncoding.EncodeToString(b)
}

func TestRunningConnector(t *testing.T) {
	ready := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/ready" {
			fmt.Fprint(w, `{"status":200,"readyConnections":3,"connectorId":"x"}`)
			return
		}
		w.WriteHeader(404)
	}))
	t.Cleanup(ready.Close)
	metrics := netip.MustParseAddrPort(ready.Listener.Addr().String())
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }))
	t.Cleanup(service.Close)
	_, port, _ := net.SplitHostPort(service.Listener.Addr().String())

	env := environment(t, `-- /etc/hosts --
127.0.0.1 localhost
-- /etc/cloudflared/own.yml --
tunnel: `+id+`
credentials-file: /etc/cloudflared/x.json
logfile: /var/log/cf.log
ingress:
  - hostname: shop.example
    service: http://localhost:`+port+`
  - hostname: tls.example
    service: https://127.0.0.1:`+port+`
  - service: http_status:404
-- /var/log/cf.log --
2026-11-22T09:00:00Z ERR failed to dial to edge with quic: old line
2026-11-22T11:30:00Z INF Version 2026.8.1
2026-11-22T11:40:00Z ERR  error="Unable to reach the origin service: dial tcp [::1]:8080: connect: connection refused"
2026-11-22T11:41:00Z INF fine
`, []fact.Socket{{Addr: metrics.Addr(), Port: metrics.Port(), PID: 7}},
		procs.Process{PID: 7, Comm: "cloudflared", Exe: "/usr/bin/cloudflared", Args: []string{"cloudflared", "--no-autoupdate", "--config", "/etc/cloudflared/own.yml", "tunnel", "run"}, Net: fact.Yes})
	seen, gone := run(t.Context(), env, webconfig.New())
	if len(seen) != 1 || len(gone) != 0 {
		t.Fatalf("%+v %+v", seen, gone)
	}
	k := seen[0].Fact.(fact.Tunnel)
	if k.Running != fact.Yes || k.ID != id || k.Ready != fact.Yes || k.Conns != 3 || k.Version != "2026.8.1" || k.Container != fact.No {
		t.Errorf("%+v", k)
	}
	if len(k.Errors) != 1 || !strings.Contains(k.Errors[0].Text, "[::1]:8080") {
		t.Errorf("errors: %+v", k.Errors)
	}
	if len(k.Ingress) != 3 || k.Ingress[0].Upstream.Answers != fact.Yes || k.Ingress[0].Upstream.Speaks != "http" || k.Ingress[0].Upstream.Place.Line != 5 {
		t.Errorf("rules: %+v", k.Ingress)
	}
	if k.Ingress[1].Upstream.Speaks != "http" { // TLS is spoken to a plain service
		t.Errorf("rules: %+v", k.Ingress[1].Upstream)
	}
	if k.Ingress[2].Upstream.Scheme != "" {
		t.Errorf("a service of the connector's own: %+v", k.Ingress[2])
	}
}

func TestContainerAndToken(t *testing.T) {
	secret := token(id)
	env := environment(t, "-- /etc/hosts --\n127.0.0.1 localhost\n", nil,
		procs.Process{PID: 8, Comm: "cloudflared", Container: "0123456789ab", Net: fact.No, Args: []string{"cloudflared", "tunnel", "run", "--token", secret, "--url", "http://localhost:1"}},
		procs.Process{PID: 9, Comm: "cloudflared", Net: fact.No, Args: []string{"cloudflared", "tunnel"}}) // another machine's namespace
	seen, gone := run(t.Context(), env, webconfig.New())
	if len(seen) != 1 || len(gone) != 1 {
		t.Fatalf("%+v %+v", seen, gone)
	}
	k := seen[0].Fact.(fact.Tunnel)
	if k.ID != id || k.Container != fact.Yes || k.Ready != fact.Unknown {
		t.Errorf("%+v", k)
	}
	if len(k.Ingress) != 1 || k.Ingress[0].Upstream.Answers != fact.Unknown || k.Ingress[0].Upstream.Listener != fact.No {
		t.Errorf("%+v", k.Ingress)
	}
	b, _ := json.Marshal(seen)
	if strings.Contains(string(b), secret) || strings.Contains(string(b), "c2VjcmV0") {
		t.Error("the token is in the evidence")
	}
}

func TestNotRunning(t *testing.T) {
	seen, _ := run(t.Context(), environment(t, "-- /etc/cloudflared/config.yml --\ntunnel: "+id+"\n", nil), webconfig.New())
	if len(seen) != 1 || seen[0].Fact.(fact.Tunnel).Running != fact.No {
		t.Errorf("%+v", seen)
	}
	if seen, gone := run(t.Context(), environment(t, "-- /etc/hostname --\n", nil), webconfig.New()); len(seen)+len(gone) != 0 {
		t.Errorf("a host without a connector: %+v %+v", seen, gone)
	}
	seen, _ = run(t.Context(), environment(t, "-- /etc/cloudflared/config.yml --\ntunnel: [\n", nil), webconfig.New())
	if len(seen) != 1 || len(seen[0].Fact.(fact.Tunnel).Errors) != 1 {
		t.Errorf("a broken configuration: %+v", seen)
	}
}

func TestPushed(t *testing.T) {
	for _, line := range []string{
		`2026-11-22T10:00:00Z INF Updated to new configuration config="{\"ingress\":[{\"hostname\":\"a.example\",\"service\":\"http://localhost:8080\"},{\"service\":\"http_status:404\"}],\"warp-routing\":{\"enabled\":false}}" version=3`,
		`{"level":"info","version":3,"config":"{\"ingress\":[{\"hostname\":\"a.example\",\"service\":\"http://localhost:8080\"},{\"service\":\"x\"}]}","time":"2026-11-22T10:00:00Z","message":"Updated to new configuration"}`,
	} {
		r, ok := pushedConfig(line)
		if !ok || len(r) != 2 || r[0].Hostname != "a.example" || r[0].Service != "http://localhost:8080" {
			t.Errorf("%s: %+v, %v", line, r, ok)
		}
	}
}

func TestUpstreamOf(t *testing.T) {
	for service, want := range map[string]string{
		"http://localhost:8080": "http localhost:8080", "https://[::1]": "https [::1]:443 [::1]:443", "tcp://10.0.0.1:22": "tcp 10.0.0.1:22 10.0.0.1:22",
		"unix:/run/app.sock": "http /run/app.sock", "http_status:404": "", "hello_world": "", "http://app": "http app:80", "://": "",
	} {
		u, ok := upstreamOf(service, fact.Place{})
		got := ""
		if ok {
			got = strings.TrimSpace(u.Scheme + " " + u.Socket + map[bool]string{true: "", false: u.Name}[u.Socket != ""])
			if u.Addr.IsValid() {
				got += " " + u.Addr.String()
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", service, got, want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, s := range []string{"tunnel: x\ningress:\n  - service: http://a\n", "ingress: {}", "a: &a [*a]", "[", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseConfig(b)
		if err == nil && len(c.Ingress) > maxRules {
			t.Error("unbounded")
		}
	})
}

func FuzzLog(f *testing.F) {
	f.Add(`2026-11-22T10:00:00Z INF Updated to new configuration config="{\"ingress\":[{\"service\":\"http://localhost\"}]}"`)
	f.Add(`{"time":"2026-11-22T10:00:00Z","level":"error","message":"x"}`)
	f.Add(token(id))
	f.Fuzz(func(t *testing.T, s string) {
		parseLine(s)
		rules, _ := pushedConfig(s)
		for _, r := range rules {
			upstreamOf(r.Service, fact.Place{})
		}
		upstreamOf(s, fact.Place{})
		if got := tokenID(s); got != "" && !uuid.MatchString(got) {
			t.Errorf("%q gave %q", s, got)
		}
	})
}
