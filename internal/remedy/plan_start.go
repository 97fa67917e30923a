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

// services are the host's services of the evidence.
func (s *site) services(match func(fact.Service) bool) []fact.Service {
	var out []fact.Service
	for _, it := range fact.All[fact.Services](s.b, originward.Host) {
		for _, svc := range it.Fact.Services {
			if match(svc) {
				out = append(out, svc)
			}
		}
	}
	return out
}

// webs are the configurations of web servers of the evidence.
func (s *site) webs() []fact.WebConfig {
	var out []fact.WebConfig
	for _, it := range fact.All[fact.WebConfig](s.b, originward.Host) {
		out = append(out, it.Fact)
	}
	return out
}

func isDead(s fact.Service) bool { return s.State == "stopped" || s.State == "failed" }

func isRunning(s fact.Service) bool { return s.State == "running" }

// planStart starts the web server that is configured for the port and does not
// run, and sees that it starts at boot.
func planStart(ctx context.Context, s *site, found []originward.Finding) ([]Step, error) {
	svc, err := s.deadServer(ports(found))
	if err != nil {
		return nil, err
	}
	return s.start(ctx, svc)
}

// deadServer is the one server that should serve the ports: one whose
// configuration says so, else the only one that is dead.
func (s *site) deadServer(ports []uint16) (fact.Service, error) {
	dead := s.services(func(v fact.Service) bool { return v.Role == "web" && isDead(v) })
	var meant []fact.Service
	for _, v := range dead {
		for _, w := range s.webs() {
			serves := func(l fact.Listen) bool { return slices.Contains(ports, l.Port) }
			if w.Server == v.Kind && (v.Config == "" || w.File == "" || v.Config == w.File) && slices.ContainsFunc(w.Listens, serves) {
				meant = append(meant, v)
				break
			}
		}
	}
	if len(meant) == 0 {
		meant = dead
	}
	// Where several could, it is the one that names the site, or the one that is
	// meant to run at boot.
	for _, is := range []func(fact.Service) bool{s.namesSite, func(v fact.Service) bool { return v.Enabled == fact.Yes || v.State == "failed" }} {
		if only := slices.DeleteFunc(slices.Clone(meant), func(v fact.Service) bool { return !is(v) }); len(only) == 1 {
			meant = only
		}
	}
	switch len(meant) {
	case 0:
		return fact.Service{}, errors.New("no stopped web server was found that would serve the port; start the site's server by hand")
	case 1:
		return meant[0], nil
	}
	var names []string
	for _, v := range meant {
		names = append(names, v.Kind)
	}
	return fact.Service{}, fmt.Errorf("several stopped servers are configured for the port (%s); start the right one by hand", strings.Join(names, ", "))
}

// namesSite reports whether a server's configuration names the site.
func (s *site) namesSite(v fact.Service) bool {
	return slices.ContainsFunc(s.webs(), func(w fact.WebConfig) bool {
		return w.Server == v.Kind && slices.ContainsFunc(w.Sites, func(x fact.Site) bool {
			return slices.ContainsFunc(x.Names, func(n string) bool { return strings.EqualFold(n, s.b.Host) })
		})
	})
}

// start makes the steps that start a service and keep it up after a boot.
func (s *site) start(ctx context.Context, svc fact.Service) ([]Step, error) {
	d := daemonOf(svc, s.manager)
	if t := testOf(d); t != nil {
		if _, err := s.m.Run(ctx, "", t[0], t[1:]...); err != nil {
			return nil, fmt.Errorf("%s would not start: %w", svc.Kind, err)
		}
	}
	steps := []Step{step("service", "start "+svc.Kind, &Service{Daemon: d, Op: opStart})}
	if svc.Enabled == fact.No && d.Manager == "systemd" {
		on := step("service", "start "+svc.Kind+" at every boot", &Service{Daemon: d, Op: opEnable})
		on.Persist = true
		steps = append(steps, on)
	}
	return steps, nil
}

// planBackend starts the backend that the host's proxy cannot reach, where it
// is a service of this host.
func planBackend(ctx context.Context, s *site, found []originward.Finding) ([]Step, error) {
	dead := s.services(func(v fact.Service) bool { return v.Role == "backend" && isDead(v) })
	for _, f := range found {
		named := slices.DeleteFunc(slices.Clone(dead), func(v fact.Service) bool {
			return f.Subject.Unit == "" || f.Subject.Unit != v.Unit && f.Subject.Unit != v.Name && f.Subject.Unit != v.Kind
		})
		if len(named) == 1 {
			return s.start(ctx, named[0])
		}
	}
	if len(dead) == 1 {
		return s.start(ctx, dead[0])
	}
	return nil, errors.New("the application behind the proxy is no service that this machine knows how to start; start it as it was started before")
}
