package remedy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// planFreshUpstream has the proxy resolve its backends anew.
func planFreshUpstream(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	proxies := s.services(func(v fact.Service) bool { return v.Role == "web" && isRunning(v) })
	if len(proxies) == 0 {
		return nil, errors.New("no running proxy was found")
	}
	svc := proxies[0]
	return []Step{step("service", "have "+svc.Kind+" resolve its backends again", &Service{Daemon: daemonOf(svc, s.manager), Op: opReload})}, nil
}

// planWedged lets stopped processes run on; a proxy that hangs otherwise is
// restarted.
func planWedged(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	proxies := s.services(func(v fact.Service) bool { return v.Role == "web" && isRunning(v) })
	if len(proxies) == 0 {
		return nil, errors.New("no running proxy was found")
	}
	kind, d := proxies[0].Kind, daemonOf(proxies[0], s.manager)
	if len(d.stopped()) > 0 {
		return []Step{step("service", "let the stopped processes of "+kind+" run on", &Service{Daemon: d, Op: opResume})}, nil
	}
	st := step("service", "restart "+kind, &Service{Daemon: d, Op: opRestart})
	st.Risk = "requests in flight are cut; a restart cannot be taken back"
	return []Step{st}, nil
}

// planUpstream points the proxy at the port or scheme at which the backend
// answers.
func planUpstream(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	for _, w := range s.live() {
		e := newWebEdit(w.Server)
		scheme := func(u fact.Upstream) bool { return u.Scheme == "http" && u.Speaks == "tls" }
		if w.Server == "haproxy" && slices.ContainsFunc(w.Upstreams, scheme) {
			return s.haproxyServers(w, "speak TLS to the backend, as it does", scheme)
		}
		for _, u := range w.Upstreams {
			switch {
			case u.Scheme == "http" && u.Speaks == "tls" && w.Server == "nginx":
				err := e.at(u.Place, func(l string) (string, bool) {
					return strings.Replace(l, "http://", "https://", 1), strings.Contains(l, "http://")
				})
				if err != nil {
					return nil, err
				}
			case u.Answers == fact.No && u.Addr.IsValid():
				port, ok := s.onlyApp(u.Addr.Port())
				if !ok {
					continue
				}
				from, to := fmt.Sprintf(":%d", u.Addr.Port()), fmt.Sprintf(":%d", port)
				err := e.at(u.Place, func(l string) (string, bool) { return strings.Replace(l, from, to, 1), strings.Contains(l, from) })
				if err != nil {
					return nil, err
				}
			}
		}
		if e.done > 0 {
			return e.step(s, w.Server+": forward to where the backend answers", opReload)
		}
	}
	return nil, errors.New("where the backend answers is not certain; correct the port by hand")
}

// onlyApp is the one port of this host on which an application that is no web
// server listens on loopback or every address, other than the configured one.
func (s *site) onlyApp(not uint16) (uint16, bool) {
	var found []uint16
	for _, it := range fact.All[fact.Listeners](s.b, originward.Host) {
		for _, k := range it.Fact.Sockets {
			p := k.Port
			busy := p == 22 || p == 25 || p == 53 || p == 80 || p == 443 || p == not || p == 3306 || p == 5432 || p == 6379
			if !busy && !slices.Contains(found, p) && (k.Addr.IsLoopback() || k.Addr.IsUnspecified()) && !slices.Contains(webPrograms, k.Program) {
				found = append(found, p)
			}
		}
	}
	if len(found) != 1 {
		return 0, false
	}
	return found[0], true
}

// webPrograms are names of processes that are proxies, not applications.
var webPrograms = []string{"nginx", "apache2", "httpd", "haproxy", "caddy", "lighttpd", "sshd", "systemd-resolve", "fail2ban-server"}
