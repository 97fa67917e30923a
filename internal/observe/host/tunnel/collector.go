package tunnel

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig"
)

// maxConnectors bounds how many connectors of a host are read.
const maxConnectors = 16

// Collector answers what the tunnel connectors of this host do, one item for
// each. A host without any trace of one gives nothing.
func Collector(c *webconfig.Configs) collect.Collector {
	return collect.Collector{
		Name: "tunnel", Question: fact.QTunnel, Budget: 4 * time.Second,
		Run: func(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
			return run(ctx, env, c)
		},
	}
}

// connector is one cloudflared, running or only configured.
type connector struct {
	fact.Tunnel
	fs      rootfs.FS
	proc    procs.Process // zero = none runs
	conf    config
	logFile string
}

func run(ctx context.Context, env *collect.Env, c *webconfig.Configs) ([]originward.Evidence, []originward.NotObserved) {
	list, gone := find(ctx, env)
	var out []originward.Evidence
	for i := range list {
		k := &list[i]
		k.readLog(env)
		k.rules()
		if k.Running == fact.Yes {
			gone = append(gone, k.metrics(ctx, env)...)
		}
		k.tryServices(ctx, env, c)
		s := originward.Subject{Unit: "cloudflared", Name: k.ID, File: k.Config}
		out = append(out, env.Item(s, k.Tunnel, describe(k.Tunnel), reproduce(k)))
	}
	return out, gone
}

// isConnector reports whether a process is a connector that runs a tunnel.
func isConnector(p procs.Process) bool {
	return (p.Name() == "cloudflared" || p.Comm == "cloudflared") && !slices.Contains(p.Args, "access") && !slices.Contains(p.Args, "proxy-dns")
}

// defaults are where cloudflared looks for its configuration.
var defaults = []string{
	"/etc/cloudflared/config.yml", "/etc/cloudflared/config.yaml", "/usr/local/etc/cloudflared/config.yml", "/root/.cloudflared/config.yml", "/root/.cloudflared/config.yaml",
}

// find gives the connectors: those of this network namespace, those in
// containers of this host, and a configured one that does not run.
func find(ctx context.Context, env *collect.Env) ([]connector, []originward.NotObserved) {
	table := env.Processes(ctx)
	var out []connector
	var gone []originward.NotObserved
	for _, p := range table.Processes {
		if !isConnector(p) || p.Foreign() && p.Container == "" || len(out) >= maxConnectors {
			continue
		}
		k := connector{fs: rootfs.For(env, p), proc: p}
		k.Running = fact.Yes
		k.Container = container(p)
		gone = append(gone, k.fromProcess()...)
		out = append(out, k)
	}
	if len(out) > 0 {
		return out, gone
	}
	k := connector{fs: rootfs.FS{Root: env.Root}}
	for _, f := range defaults {
		if k.fs.Exists(f) == fact.Yes {
			k.Config = f
			break
		}
	}
	if k.Config == "" {
		return nil, nil
	}
	if table.Complete == fact.Yes {
		k.Running = fact.No
	}
	gone = append(gone, k.readConfig()...)
	return []connector{k}, gone
}

// container says whether the connector lives in a network namespace of its
// own, so that its localhost is not this host's.
func container(p procs.Process) fact.Tri {
	switch p.Net {
	case fact.Yes:
		return fact.No
	case fact.No:
		return fact.Yes
	}
	return fact.Unknown
}

// fromProcess reads the command line and environment of a running connector.
func (k *connector) fromProcess() []originward.NotObserved {
	w := k.proc.Args
	env := environ(k.proc)
	flag := func(name, variable string) string {
		if v, ok := procs.Flag(w, "--"+name, "-"+name); ok {
			return v
		}
		return env[variable]
	}
	k.ID = tokenID(flag("token", "TUNNEL_TOKEN"))
	if file := flag("token-file", "TUNNEL_TOKEN_FILE"); k.ID == "" && file != "" {
		b, _ := k.fs.Read(k.abs(file), 4096)
		k.ID = tokenID(string(b))
	}
	k.conf.URL = flag("url", "TUNNEL_URL")
	k.Config = k.abs(flag("config", "TUNNEL_CONFIG"))
	if k.Config == "" {
		files := defaults
		if home := env["HOME"]; home != "" {
			files = append([]string{filepath.Join(home, ".cloudflared/config.yml"), filepath.Join(home, ".cloudflared/config.yaml")}, files...)
		}
		for _, f := range files {
			if k.fs.Exists(f) == fact.Yes {
				k.Config = f
				break
			}
		}
	}
	url := k.conf.URL
	gone := k.readConfig()
	for _, set := range []struct {
		v    string
		into *string
	}{{flag("metrics", "TUNNEL_METRICS"), &k.conf.Metrics}, {k.abs(flag("logfile", "TUNNEL_LOGFILE")), &k.conf.LogFile}, {url, &k.conf.URL}} {
		if set.v != "" {
			*set.into = set.v
		}
	}
	if f := flag("credentials-file", "TUNNEL_CRED_FILE"); f != "" && k.ID == "" {
		b, _ := k.fs.Read(k.abs(f), 1<<16)
		k.ID = credentialsID(b)
	}
	if last := w[len(w)-1]; len(w) > 1 && k.ID == "" && uuid.MatchString(last) { // tunnel run ID
		k.ID = strings.ToLower(last)
	}
	return gone
}

func (k *connector) abs(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join("/", k.proc.Cwd, path)
}

// environ is a process's environment; empty when it may not be read.
func environ(p procs.Process) map[string]string {
	out := map[string]string{}
	if p.Dir() == "" {
		return out
	}
	b, _ := os.ReadFile(filepath.Join(p.Dir(), "environ"))
	for _, kv := range strings.Split(string(b), "\x00") {
		if name, v, ok := strings.Cut(kv, "="); ok && (strings.HasPrefix(name, "TUNNEL_") || name == "HOME") {
			out[name] = v
		}
	}
	return out
}

func (k *connector) readConfig() []originward.NotObserved {
	if k.Config == "" {
		return nil
	}
	b, err := k.fs.Read(k.Config, maxConfig)
	if err != nil {
		return []originward.NotObserved{collect.Missing(fact.QTunnel, originward.Subject{File: k.Config}, escape.Line("the connector's configuration could not be read: "+err.Error(), 300), "run as root")}
	}
	c, err := parseConfig(b)
	if err != nil {
		k.Errors = append(k.Errors, fact.Place{File: k.Config, Text: escape.Line("configuration: "+err.Error(), 300)})
		return nil
	}
	k.conf = c
	if uuid.MatchString(c.Tunnel) && k.ID == "" {
		k.ID = strings.ToLower(c.Tunnel)
	}
	if c.Credentials != "" && k.ID == "" {
		cred, _ := k.fs.Read(c.Credentials, 1<<16)
		k.ID = credentialsID(cred)
	}
	return nil
}

// rules turns the configuration into ingress rules; those that the CDN pushed
// replace those of the file.
func (k *connector) rules() {
	if len(k.Ingress) > 0 {
		return
	}
	for i, r := range k.conf.Ingress {
		place := fact.Place{File: k.Config}
		if i < len(k.conf.lines) {
			place.Line = k.conf.lines[i]
		}
		k.addRule(r, place)
	}
	if len(k.conf.Ingress) == 0 && k.conf.URL != "" {
		k.addRule(rule{Service: k.conf.URL}, fact.Place{File: k.Config, Text: "url"})
	}
}

func (k *connector) addRule(r rule, place fact.Place) {
	place.Text = escape.Line(strings.TrimSpace(r.Hostname+r.Path+" → "+r.Service), 240)
	u, _ := upstreamOf(r.Service, place)
	k.Ingress = append(k.Ingress, fact.TunnelRule{Hostname: escape.Line(r.Hostname, 253), Service: escape.Line(r.Service, 240), Upstream: u})
}

// tryServices asks the services of the rules, where the connector stands in
// this network namespace; from another one the answer would be another.
func (k *connector) tryServices(ctx context.Context, env *collect.Env, c *webconfig.Configs) {
	var list []fact.Upstream
	var at []int
	for i, r := range k.Ingress {
		if r.Upstream.Scheme != "" {
			list, at = append(list, r.Upstream), append(at, i)
		}
	}
	if len(list) == 0 {
		return
	}
	for j, u := range webconfig.Try(ctx, env, c.Book(env), list) {
		if k.Container == fact.Yes {
			// Only what this host itself listens on is true from here.
			u.Answers, u.Speaks, u.Errno, u.MS, u.Status = fact.Unknown, "", "", 0, 0
		}
		k.Ingress[at[j]].Upstream = u
	}
}

// metricsTime bounds the question to the connector's own status page.
const metricsTime = 600 * time.Millisecond

// metrics asks the connector whether it is connected. Only loopback is asked.
func (k *connector) metrics(ctx context.Context, env *collect.Env) []originward.NotObserved {
	if k.Container == fact.Yes {
		return []originward.NotObserved{collect.Missing(fact.QTunnel, originward.Subject{Unit: "cloudflared"}, "the connector runs in its own network namespace, where its status page cannot be asked from here", "docker exec CONTAINER cloudflared tunnel ready, or read its log")}
	}
	for _, ap := range k.metricsAt(ctx, env) {
		x := exchange.Probe(ctx, exchange.ProbeSpec{
			Target: exchange.Target{Addr: ap, Host: "localhost"}, Path: "/ready", Host: "localhost", Variant: fact.VariantHTTP1, Budget: metricsTime, MaxBody: 2048,
		})
		if x.Response == nil {
			continue
		}
		if n, ok := readyConnections(x.Response.Body); ok {
			k.Conns, k.Ready = n, fact.TriOf(n > 0)
			return nil
		}
	}
	return []originward.NotObserved{collect.Missing(fact.QTunnel, originward.Subject{Unit: "cloudflared"}, "the connector's status page did not answer on loopback", "start it with --metrics 127.0.0.1:20241, then curl http://127.0.0.1:20241/ready")}
}

// readyConnections reads {"status":200,"readyConnections":4,…}.
func readyConnections(body string) (int, bool) {
	var r struct {
		Conns *int `json:"readyConnections"`
	}
	if json.Unmarshal([]byte(body), &r) != nil || r.Conns == nil || *r.Conns < 0 {
		return 0, false
	}
	return *r.Conns, true
}

// metricsAt lists where the status page can be: as configured, where the
// process listens, and on the ports that cloudflared tries by itself.
func (k *connector) metricsAt(ctx context.Context, env *collect.Env) []netip.AddrPort {
	var out []netip.AddrPort
	add := func(ap netip.AddrPort) {
		if ap.Addr().IsUnspecified() {
			ap = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), ap.Port())
		}
		if ap.Addr().IsLoopback() && ap.Port() != 0 && !slices.Contains(out, ap) && len(out) < 6 {
			out = append(out, ap)
		}
	}
	m := strings.Replace(k.conf.Metrics, "localhost", "127.0.0.1", 1)
	if strings.HasPrefix(m, ":") {
		m = "127.0.0.1" + m
	}
	if ap, err := netip.ParseAddrPort(m); err == nil {
		add(ap)
	}
	l := env.Listeners(ctx)
	for _, s := range l.Sockets {
		if s.PID == k.proc.PID {
			add(netip.AddrPortFrom(s.Addr, s.Port))
		}
	}
	if len(out) == 0 {
		for _, s := range l.Sockets { // the ports it tries in turn
			if s.Port >= 20241 && s.Port <= 20245 {
				add(netip.AddrPortFrom(s.Addr, s.Port))
			}
		}
	}
	return out
}

func describe(t fact.Tunnel) string {
	s := "A tunnel connector (cloudflared) is configured here"
	switch t.Running {
	case fact.Yes:
		s = "A tunnel connector (cloudflared) runs here"
		if t.Container == fact.Yes {
			s = "A tunnel connector (cloudflared) runs in a container of this host"
		}
	case fact.No:
		s += " and does not run"
	}
	if t.ID != "" {
		s += ", tunnel " + t.ID
	}
	switch t.Ready {
	case fact.Yes:
		s += fmt.Sprintf(", with %d connections to the CDN", t.Conns)
	case fact.No:
		s += ", without any connection to the CDN"
	}
	s += fmt.Sprintf(", %d rules", len(t.Ingress))
	if len(t.Errors) > 0 {
		s += "; its log: " + escape.Line(t.Errors[0].Text, 200)
	}
	return s + "."
}

func reproduce(k *connector) string {
	switch {
	case k.Ready != fact.Unknown && k.conf.Metrics != "":
		return escape.Shell("curl", "-s", "http://"+k.conf.Metrics+"/ready")
	case k.Config != "":
		return escape.Shell("cloudflared", "--config", k.Config, "tunnel", "info", k.ID)
	}
	return "ps -C cloudflared -o pid,args | sed 's/--token [^ ]*/--token …/'"
}
