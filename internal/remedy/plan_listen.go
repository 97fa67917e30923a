package remedy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// wildcard writes the listen address for every address of a family.
func wildcard(server, host string, port uint16) string {
	six := strings.Contains(host, ":")
	switch {
	case server == "haproxy" && six:
		return fmt.Sprintf(":::%d", port)
	case server == "haproxy":
		return fmt.Sprintf(":%d", port)
	case six:
		return fmt.Sprintf("[::]:%d", port)
	}
	return fmt.Sprint(port)
}

// planPublic has a server that listens on loopback alone listen on every
// address.
func planPublic(_ context.Context, s *site, found []originward.Finding) ([]Step, error) {
	return s.relisten(found, "listen on every address", opRestart, func(host string) bool {
		a, err := netip.ParseAddr(host)
		return err == nil && a.IsLoopback()
	})
}

// planBind has a server listen on every address instead of one that the host
// does not have.
func planBind(_ context.Context, s *site, found []originward.Finding) ([]Step, error) {
	steps, err := s.relisten(found, "listen on every address instead of one that the host does not have", opStart, func(host string) bool {
		a, err := netip.ParseAddr(host)
		return err == nil && !a.IsUnspecified() && !a.IsLoopback() && !s.hasAddr(host) && !(a.Is6() && s.noIP6())
	})
	if err == nil {
		return steps, nil
	}
	if s.noIP6() {
		return s.dropIP6(found)
	}
	return nil, errors.New("another program holds the port, or the address comes later than the server; which to end is for a person to decide (ss -ltnp)")
}

// noIP6 reports whether IPv6 is switched off on the host.
func (s *site) noIP6() bool {
	v, err := readSysctl(s.m, "net/ipv6/conf/all/disable_ipv6")
	return err == nil && v == "1"
}

// relisten rewrites listen lines of the site's servers.
func (s *site) relisten(found []originward.Finding, title, then string, wrong func(host string) bool) ([]Step, error) {
	for _, w := range s.candidates(found) {
		e := newWebEdit(w.Server)
		for _, l := range w.Listens {
			host := hostPart(l.Addr)
			if host == "" || !wrong(host) || !slices.Contains(append(ports(found), 80, 443), l.Port) {
				continue
			}
			err := e.listen(l, func(word, _, rest string) string { return word + wildcard(w.Server, host, l.Port) + rest })
			if err != nil {
				return nil, err
			}
		}
		if e.done > 0 {
			return e.step(s, w.Server+": "+title, then)
		}
	}
	return nil, errUnknownForm
}

// dropIP6 takes the IPv6 listeners out where the family is off.
func (s *site) dropIP6(found []originward.Finding) ([]Step, error) {
	for _, w := range s.candidates(found) {
		if w.Server != "nginx" {
			continue
		}
		e := newWebEdit(w.Server)
		for _, l := range w.Listens {
			if !strings.Contains(hostPart(l.Addr), ":") {
				continue
			}
			if err := e.listen(l, func(word, addr, rest string) string { return "# off with IPv6: " + word + addr + rest }); err != nil {
				return nil, err
			}
		}
		if e.done > 0 {
			for _, path := range e.order {
				if err := e.ownLines(path); err != nil {
					return nil, err
				}
			}
			steps, err := e.step(s, "nginx: take out its IPv6 listeners, for IPv6 is switched off", opStart)
			if err == nil {
				steps[0].Risk = "when IPv6 is switched on again, these lines have to come back"
			}
			return steps, err
		}
	}
	return nil, errUnknownForm
}

// ownLines makes sure that a comment swallows nothing but its own directive.
func (e *webEdit) ownLines(path string) error {
	for _, l := range e.lines[path] {
		if i := strings.Index(l, "# off with IPv6: "); i >= 0 && strings.Count(l[i:], ";") > 1 {
			return errUnknownForm
		}
	}
	return nil
}

// candidates are the configurations that could serve the ports, those of the
// server that the findings name first.
func (s *site) candidates(found []originward.Finding) []fact.WebConfig {
	all := s.live()
	unit := ""
	for _, f := range found {
		if f.Subject.Unit != "" {
			unit = f.Subject.Unit
		}
	}
	slices.SortStableFunc(all, func(a, b fact.WebConfig) int {
		named := func(w fact.WebConfig) int {
			if unit != "" && (strings.Contains(unit, w.Server) || w.Server == "apache" && strings.Contains(unit, "http")) {
				return 0
			}
			return 1
		}
		return named(a) - named(b)
	})
	return all
}

// planFamily adds the listener of the missing family beside that of the other.
func planFamily(_ context.Context, s *site, found []originward.Finding) ([]Step, error) {
	six := missesSix(found)
	for _, w := range s.live() {
		e := newWebEdit(w.Server)
		switch w.Server {
		case "haproxy":
			if err := haproxyFamily(e, w, six); err != nil {
				return nil, err
			}
		case "apache":
			if err := apacheFamily(e, w, six); err != nil {
				return nil, err
			}
		case "nginx":
			if err := nginxFamily(e, w, six); err != nil {
				return nil, err
			}
		}
		if e.done > 0 {
			return e.step(s, w.Server+": listen on "+map[bool]string{true: "IPv6", false: "IPv4"}[six]+" too", opReload)
		}
	}
	return nil, errors.New("which server should serve the missing family is not known; add its listener by hand, or delete the record")
}

// apacheFamily has Apache listen on every address, where it names one family's.
func apacheFamily(e *webEdit, w fact.WebConfig, six bool) error {
	other := map[bool]string{true: "0.0.0.0", false: "::"}[six]
	for _, l := range w.Listens {
		if hostPart(l.Addr) != other {
			continue
		}
		if err := e.listen(l, func(word, _, rest string) string { return word + fmt.Sprint(l.Port) + rest }); err != nil {
			return err
		}
	}
	return nil
}

// nginxFamily adds the listeners of one family beside those of the other.
func nginxFamily(e *webEdit, w fact.WebConfig, six bool) error {
	seen := map[string]bool{}
	for _, l := range w.Listens {
		host := hostPart(l.Addr)
		is6 := strings.Contains(host, ":")
		at := fmt.Sprint(l.Place.File, l.Place.Line, l.Addr)
		if is6 == six || host != "" && host != "*" && host != "0.0.0.0" && host != "::" || seen[at] {
			continue
		}
		seen[at] = true
		other := fmt.Sprint(l.Port)
		if six {
			other = fmt.Sprintf("[::]:%d", l.Port)
		}
		err := e.listen(l, func(word, addr, rest string) string {
			return word + addr + rest + "; " + word + other + strings.ReplaceAll(rest, " ipv6only=on", "")
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// planPort has the site's server listen on the port that the CDN contacts too.
func planPort(_ context.Context, s *site, found []originward.Finding) ([]Step, error) {
	for _, w := range s.live() {
		e := newWebEdit(w.Server)
		for _, port := range ports(found) {
			if w.Server == "haproxy" {
				if err := haproxyPort(e, w, port); err != nil {
					return nil, err
				}
			}
			if w.Server != "nginx" {
				continue
			}
			for _, site := range w.Sites {
				if !s.isHost(site.Names) {
					continue
				}
				i := slices.IndexFunc(site.Listens, func(l fact.Listen) bool { return l.TLS == (port == 443) && anyAddr(l.Addr) })
				if i < 0 {
					continue
				}
				l := site.Listens[i]
				if err := e.listen(l, func(word, addr, rest string) string {
					return word + addr + rest + fmt.Sprintf("; %s%d%s", word, port, rest)
				}); err != nil {
					return nil, err
				}
				break
			}
		}
		if e.done > 0 {
			return e.step(s, w.Server+": have the site listen on the port that the CDN contacts too", opReload)
		}
	}
	return nil, errors.New("no server that could also serve the port was found; put a reverse proxy on it, or set an origin-port rule at the CDN")
}
