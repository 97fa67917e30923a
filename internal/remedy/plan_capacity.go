package remedy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// Limits that hold for most hosts; what a site really needs is for its owner to
// measure.
const (
	wantConnections = 4096          // worker_connections; nginx's own default is 512
	wantFiles       = 16384         // worker_rlimit_nofile: two a connection, and logs
	wantPorts       = "32768 60999" // the kernel's default range (ip-sysctl, ip_local_port_range)
)

// planPorts gives the proxy the kernel's usual range of source ports back.
func planPorts(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	const key = "net/ipv4/ip_local_port_range"
	now, err := readSysctl(s.m, key)
	if err != nil {
		return nil, err
	}
	var lo, hi int
	if _, err := fmt.Sscan(now, &lo, &hi); err != nil || hi-lo >= 20000 {
		return nil, errors.New("the range of source ports is wide; keep connections to the backend alive, or give the proxy more source addresses")
	}
	set := map[string]string{key: wantPorts}
	st := step("sysctl", "give outgoing connections the kernel's usual range of ports", &Sysctl{Set: set})
	keep := step("config", "keep it", &Config{Edits: []Edit{{Path: "/etc/sysctl.d/60-originward.conf", Content: sysctlFile(set)}}})
	keep.Persist = true
	return []Step{st, keep}, nil
}

// planWorkers raises nginx's limit of connections.
func planWorkers(_ context.Context, s *site, found []originward.Finding) ([]Step, error) {
	return s.raise("worker_connections", wantConnections, found)
}

// planFiles raises nginx's limit of open files.
func planFiles(_ context.Context, s *site, found []originward.Finding) ([]Step, error) {
	if !s.nginxOutOfFiles() {
		return nil, errors.New("the program that is at its limit is not nginx: raise LimitNOFILE of its unit, or of what starts it")
	}
	return s.raise("worker_rlimit_nofile", wantFiles, found)
}

// nginxOutOfFiles reports that it is nginx that has no descriptor left: it says so, or
// holds as many as it may.
func (s *site) nginxOutOfFiles() bool {
	for _, it := range fact.All[fact.Logs](s.b, originward.Host) {
		if slices.ContainsFunc(it.Fact.Lines, func(l fact.LogLine) bool { return l.Kind == fact.LogTooManyFiles && l.Program == "nginx" }) {
			return true
		}
	}
	for _, it := range fact.All[fact.Listeners](s.b, originward.Host) {
		if slices.ContainsFunc(it.Fact.Sockets, func(x fact.Socket) bool {
			return x.Program == "nginx" && x.FDLimit > 0 && uint64(x.FDs)*100 >= x.FDLimit*98 //nolint:gosec // positive
		}) {
			return true
		}
	}
	return false
}

// raise sets one of nginx's limits to what is usual, where it is lower.
func (s *site) raise(name string, want int, _ []originward.Finding) ([]Step, error) {
	for _, w := range s.live() {
		if w.Server != "nginx" || w.File == "" {
			continue
		}
		e := newWebEdit("nginx")
		lines, err := e.file(w.File)
		if err != nil {
			return nil, err
		}
		set := regexp.MustCompile(`\b` + name + `\s+(\d+)\s*;`)
		for i, l := range lines {
			m := set.FindStringSubmatch(l)
			if m == nil {
				continue
			}
			if n, _ := strconv.Atoi(m[1]); n >= want {
				return nil, fmt.Errorf("%s is %d already; find what holds the connections", name, n)
			}
			lines[i] = set.ReplaceAllString(l, fmt.Sprintf("%s %d;", name, want))
			e.done++
		}
		if e.done == 0 && name == "worker_rlimit_nofile" {
			lines[0] = fmt.Sprintf("%s %d;\n%s", name, want, lines[0])
			e.done++
		}
		steps, err := e.step(s, fmt.Sprintf("nginx: raise %s to %d", name, want), opReload)
		if err == nil {
			steps[0].Risk = "what holds the connections still holds them; each costs memory"
		}
		return steps, err
	}
	return nil, errors.New("the limit of this server is a trade against its memory, which a person has to weigh")
}

// planUpstreamSNI has nginx send its backends the server name.
func planUpstreamSNI(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	nameless := func(u fact.Upstream) bool { return u.Scheme == "https" && u.SNI == fact.No }
	for _, w := range s.live() {
		if w.Server == "haproxy" && slices.ContainsFunc(w.Upstreams, nameless) {
			return s.haproxyServers(w, "send the backend its server name", nameless)
		}
		if w.Server != "nginx" {
			continue
		}
		e := newWebEdit("nginx")
		for _, u := range w.Upstreams {
			if !nameless(u) {
				continue
			}
			err := e.at(u.Place, func(l string) (string, bool) {
				return strings.Replace(l, "proxy_pass", "proxy_ssl_server_name on; proxy_pass", 1), strings.Contains(l, "proxy_pass")
			})
			if err != nil {
				return nil, err
			}
		}
		if e.done > 0 {
			return e.step(s, "nginx: send the backend its server name", opReload)
		}
	}
	return nil, errUnknownForm
}
