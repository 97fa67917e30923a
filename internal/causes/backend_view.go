package causes

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// inner is a backend of the origin's own proxy, seen from a leg.
type inner struct {
	leg  *Leg
	item fact.Item[fact.WebConfig]
	up   fact.Upstream
}

func (u inner) subject() originward.Subject {
	s := u.leg.Subject()
	s.File, s.Line, s.Name = u.up.Place.File, u.up.Place.Line, u.up.Name
	return s
}

// upstreams lists the backends to which the site's virtual host forwards.
func (v *View) upstreams() []inner {
	var out []inner
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) {
			continue
		}
		for _, it := range v.Live() {
			if !servesPort(it.Fact, l.Port) {
				continue
			}
			for _, u := range it.Fact.Upstreams {
				if v.forwards(it.Fact, u, l.Port) && len(out) < maxItems {
					out = append(out, inner{l, it, u})
				}
			}
		}
	}
	return out
}

// forwards reports whether the site's virtual host uses an upstream: by its
// name, else every one counts.
func (v *View) forwards(w fact.WebConfig, u fact.Upstream, port uint16) bool {
	return u.Site == "" || v.siteIs(w, u.Site, port)
}

// proxyFails is the failure of the origin's own proxy: 502, 503 or 504 that
// the origin wrote, seen through the edge, directly or on the host.
func (v *View) proxyFails(l *Leg, codes ...int) (Ans, []string) {
	a, keys := v.Fails(l, codes...)
	if a.IsYes() || l.Origin.Published != fact.Yes {
		return a, keys // an address that nobody is known to use fails nobody
	}
	for _, x := range l.Local {
		if r := x.Fact.Response; r != nil && r.Status != cutShort && slices.Contains(codes, r.Status) {
			return Yes("on the host itself the server answers "+itoa(r.Status), x.ID), []string{"local|" + l.Target().String() + "|" + itoa(r.Status)}
		}
	}
	return a, nil
}

// written answers whether the origin itself wrote the 5xx, and not the edge.
func (v *View) written(l *Leg) Ans {
	for _, x := range slices.Concat(l.Direct, l.Local) {
		if r := x.Fact.Response; r != nil && r.Status >= 500 {
			return Yes("the origin itself answers "+itoa(r.Status), x.ID)
		}
	}
	for _, x := range slices.Concat(l.Direct, l.Local) {
		if OutcomeOf(x.Fact) == OutSlow {
			return Yes("the origin itself does not answer in time", x.ID)
		}
	}
	for h := range l.hits() {
		if h.Code >= 500 && h.Code < 520 && h.Made == fact.No {
			return Yes("the edge passes the origin's "+itoa(h.Code)+" on", h.By...)
		}
	}
	return Unseen(lookDirect)
}

// dialled answers whether connects to the backend are refused: tried now, or
// by the proxy's log.
func (v *View) refusedBackend(u fact.Upstream, id string) Ans {
	if u.Answers == fact.No && slices.Contains([]string{"ECONNREFUSED", "ENOENT", "ENXIO"}, u.Errno) {
		return Yes("a connect to "+u.Name+" ends with "+u.Errno, id)
	}
	if u.Errno == queueIsFull {
		return No(u.Name+" is there, and its queue is full", id)
	}
	lines, by := v.Lines(func(l fact.LogLine) bool { return targets(l, u) && l.Errno != eagain }, fact.LogUpstreamRefused)
	if len(lines) > 0 && u.Answers != fact.Yes {
		return Yes("the proxy's log: "+lines[0].Text, by...)
	}
	if u.Answers == fact.Yes {
		return No(u.Name+" takes connections now", id)
	}
	return Unseen(lookLocal)
}

// A connect to a unix socket whose queue is full ends with EAGAIN (unix(7)).
const (
	queueIsFull = "EAGAIN"
	eagain      = 11
)

// backlogged answers whether a backend of the leg takes no more connections,
// because those that wait for it fill its queue.
func (v *View) backlogged(l *Leg) (Ans, fact.Upstream) {
	for _, u := range v.upstreams() {
		if u.leg != l || u.up.Socket == "" {
			continue
		}
		if u.up.Errno == queueIsFull {
			return Yes("the queue of "+u.up.Name+" is full", u.item.ID), u.up
		}
		lines, by := v.Lines(func(x fact.LogLine) bool { return targets(x, u.up) && x.Errno == eagain }, fact.LogUpstreamRefused)
		if len(lines) > 0 {
			return Yes("the queue of "+u.up.Name+" was full: "+lines[0].Text, by...), u.up
		}
	}
	return Ans{}, fact.Upstream{}
}

// targets reports whether a log line speaks of an upstream, or of none by name.
func targets(l fact.LogLine, u fact.Upstream) bool {
	if l.Target == "" {
		return true
	}
	t := l.Target
	if u.Addr.IsValid() && strings.Contains(t, u.Addr.String()) || u.Socket != "" && strings.Contains(t, u.Socket) {
		return true
	}
	if strings.Contains(t, u.Name) || strings.Contains(u.Name, t) {
		return true
	}
	if group, server, ok := strings.Cut(t, "/"); ok && group != "" && group == u.Group {
		return slices.Contains(strings.Fields(u.Place.Text), server) // haproxy's backend/server
	}
	port := portOf(u)
	for _, a := range u.Resolved {
		// Several backends may share an address, and differ in the port only.
		if port == 0 && strings.Contains(t, a.String()) || port != 0 && strings.Contains(t, netip.AddrPortFrom(a, port).String()) {
			return true
		}
	}
	return false
}

// portOf is the port of an upstream; zero where it is not written.
func portOf(u fact.Upstream) uint16 {
	if u.Addr.IsValid() {
		return u.Addr.Port()
	}
	_, after, _ := strings.Cut(u.Name, "]")
	if i := strings.LastIndexByte(u.Name, ':'); i >= 0 && !strings.HasPrefix(u.Name, "[") {
		after = u.Name[i:]
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(after, ":"), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// backendSocket answers whether a socket of the host serves the backend.
func (v *View) backendSocket(u fact.Upstream, id string) Ans {
	if u.Listener != fact.Unknown {
		return tri(u.Listener, "a socket for "+u.Name+" on this host: "+string(u.Listener), lookListeners, id)
	}
	if u.Socket != "" || !u.Addr.IsValid() || len(v.listeners) == 0 {
		return Unseen(lookListeners)
	}
	if !u.Addr.Addr().IsLoopback() && !v.HostIs(u.Addr.Addr()).IsYes() {
		return Unseen(lookListeners)
	}
	socks, by := v.Sockets(func(s fact.Socket) bool { return s.Port == u.Addr.Port() && s.Serves(u.Addr.Addr()) })
	if len(socks) > 0 {
		return Yes(socketText(socks[0]), by...)
	}
	if v.listeners[0].Fact.Complete != fact.Yes {
		return Unseen(lookListeners)
	}
	return No("no socket serves "+u.Addr.String(), v.listeners[0].ID)
}

// backendService is the service that should stand behind an upstream, by the
// kind of its scheme or its socket's name.
func (v *View) backendService(u fact.Upstream) (Service, bool) {
	fpm := hasAny(u.Scheme+u.Socket, "fastcgi", "php", "fpm")
	all := v.Services(func(s fact.Service) bool {
		return s.Role == "backend" && installed(s) && fpm == hasAny(s.Kind, "php") && // php-fpm speaks FastCGI alone
			(len(s.Ports) == 0 || slices.Contains(s.Ports, u.Addr.Port())) && !v.servesAnother(s, u)
	})
	for _, s := range all {
		if dead(s.Service) {
			return s, true
		}
	}
	if len(all) == 1 {
		return all[0], true
	}
	return Service{}, false
}

// servesAnother reports whether a service listens where another upstream leads.
func (v *View) servesAnother(s fact.Service, u fact.Upstream) bool {
	if !running(s) || !u.Addr.IsValid() {
		return false
	}
	socks, _ := v.Sockets(func(k fact.Socket) bool {
		return k.PID > 0 && k.Port != u.Addr.Port() && v.upPorts[k.Port] && containsInt(s.PIDs, k.PID)
	})
	return len(socks) > 0
}
