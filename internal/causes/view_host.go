package causes

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// HostIs reports whether the host that was looked at has the origin address.
// Behind NAT it cannot be told from the host, which is not a no.
func (v *View) HostIs(a netip.Addr) Ans {
	if len(v.addresses) == 0 {
		return Unseen(lookAddresses)
	}
	if !a.IsValid() {
		return Yes("the host evidence is of the origin", v.addresses[0].ID)
	}
	behindNAT := false
	var by []string
	for _, it := range v.addresses {
		by = append(by, it.ID)
		if it.Fact.Has(a) {
			return Yes("the host has "+a.String(), it.ID)
		}
		for _, x := range it.Fact.Asked {
			if x.Addr.Unmap() == a && x.Here == fact.Yes {
				return Yes("the host has "+a.String(), it.ID)
			}
			behindNAT = behindNAT || x.Addr.Unmap() == a && x.NAT == fact.Yes
		}
		behindNAT = behindNAT || onlyPrivate(it.Fact, a) && !private(a)
	}
	if behindNAT {
		return Ans{By: by, Says: "the host has private addresses only, so it may stand behind NAT", Look: &lookAddresses}
	}
	return No("the host does not have "+a.String(), by...)
}

// onlyPrivate reports whether all non-loopback addresses of a's family are
// private, and there is one.
func onlyPrivate(f fact.Addresses, a netip.Addr) bool {
	some := false
	for _, i := range f.Interfaces {
		for _, p := range i.Addrs {
			b := p.Addr().Unmap()
			if b.IsLoopback() || b.IsLinkLocalUnicast() || b.Is4() != a.Is4() {
				continue
			}
			if !private(b) {
				return false
			}
			some = true
		}
	}
	return some
}

var cgnat = netip.MustParsePrefix("100.64.0.0/10")

func private(a netip.Addr) bool { return a.IsPrivate() || a.IsLoopback() || cgnat.Contains(a) }

// Here reports whether host evidence speaks of this leg.
func (v *View) Here(l *Leg) bool {
	return v.Has(originward.Host) && !v.HostIs(l.Addr()).IsNo()
}

// serves reports whether a socket takes connections of the leg.
func (v *View) serves(s fact.Socket, l *Leg) bool {
	if s.Port != l.Port {
		return false
	}
	a := l.Addr()
	if a.IsValid() && s.Serves(a) {
		return true
	}
	if a.IsValid() && v.HostIs(a).IsYes() {
		return false
	}
	// Behind NAT, or with no address known: any socket that is not loopback's
	// and speaks the family.
	if s.Addr.IsLoopback() {
		return false
	}
	return !a.IsValid() || s.Addr.Is4() == a.Is4() || s.Addr.IsUnspecified() && a.Is4() && s.V6Only == fact.No
}

// Listening says whether a socket of the host serves the leg.
func (v *View) Listening(l *Leg) Ans {
	if len(v.listeners) == 0 || !v.Here(l) {
		return Unseen(lookListeners)
	}
	complete := true
	var by []string
	for _, it := range v.listeners {
		by = append(by, it.ID)
		for _, s := range it.Fact.Sockets {
			if v.serves(s, l) {
				return Yes(socketText(s)+" serves "+l.String(), it.ID)
			}
		}
		complete = complete && it.Fact.Complete == fact.Yes
	}
	if to := v.Forwarded(l); to.IsYes() {
		return Ans{By: to.By, Says: to.Says, Look: &lookFirewall}
	}
	if !complete {
		return Unseen(Look{originward.Host, fact.QListeners, "let the whole list of listening sockets be read (`ss -ltn`)"})
	}
	return No("no socket of the host serves "+l.String(), by...)
}

func socketText(s fact.Socket) string {
	who := s.Program
	if who == "" {
		who = "a socket"
	}
	return who + " on " + netip.AddrPortFrom(s.Addr, s.Port).String()
}

// Sockets are the sockets that pass keep, with the id of their list.
func (v *View) Sockets(keep func(fact.Socket) bool) (out []fact.Socket, by []string) {
	for _, it := range v.listeners {
		for _, s := range it.Fact.Sockets {
			if keep(s) && len(out) < maxItems {
				out = append(out, s)
				by = addIDs(by, []string{it.ID})
			}
		}
	}
	return out, by
}

// SocketsOf are the sockets that serve the leg.
func (v *View) SocketsOf(l *Leg) ([]fact.Socket, []string) {
	return v.Sockets(func(s fact.Socket) bool { return v.serves(s, l) })
}

// OnPort are the sockets on the leg's port that do not serve it. An edge on the
// same machine, at an address of its own, is not the origin's server.
func (v *View) OnPort(l *Leg) ([]fact.Socket, []string) {
	return v.Sockets(func(s fact.Socket) bool { return s.Port == l.Port && !v.serves(s, l) && !v.edgeSocket(s) })
}

// edgeSocket reports whether a socket is the one at which the edge was visited.
func (v *View) edgeSocket(s fact.Socket) bool {
	return v.fronts[netip.AddrPortFrom(s.Addr.Unmap(), s.Port)]
}

// edgeService reports whether a service is the edge that was visited.
func (v *View) edgeService(s fact.Service) bool {
	return slices.ContainsFunc(s.PIDs, func(p int) bool { return v.edgePIDs[p] })
}

// readFronts notes where the edge was visited, and which processes of the host
// hold those sockets: an edge may run on the same machine.
func (v *View) readFronts() {
	for _, a := range v.answers {
		v.fronts[unmap(a.Fact.Target)] = true
	}
	held, _ := v.Sockets(v.edgeSocket)
	for _, k := range held {
		if k.PID != 0 {
			v.edgePIDs[k.PID] = true
		}
	}
}

// Service is one service with the evidence it stands in.
type Service struct {
	fact.Service
	By string
}

// Services lists the services that pass keep.
func (v *View) Services(keep func(fact.Service) bool) []Service {
	var out []Service
	for _, it := range v.services {
		for _, s := range it.Fact.Services {
			if keep(s) && len(out) < maxItems {
				out = append(out, Service{s, it.ID})
			}
		}
	}
	return out
}

// isWeb reports whether a service can answer on a public port.
func isWeb(s fact.Service) bool { return s.Role == "web" || s.Role == "" && webKinds[s.Kind] }

var webKinds = map[string]bool{
	"nginx": true, "apache": true, "caddy": true, "lighttpd": true, "haproxy": true,
	"varnish": true, "traefik": true, "envoy": true, "litespeed": true, "openlitespeed": true,
}

// running, dead and installed speak of a service's state.
func running(s fact.Service) bool   { return s.State == "running" }
func dead(s fact.Service) bool      { return s.State == "stopped" || s.State == "failed" }
func installed(s fact.Service) bool { return s.State != "not_installed" }

// Web lists the configurations that pass keep; those whose server runs come
// first.
func (v *View) Web(keep func(fact.WebConfig) bool) []fact.Item[fact.WebConfig] {
	var out []fact.Item[fact.WebConfig]
	for _, it := range v.web {
		if keep == nil || keep(it.Fact) {
			out = append(out, it)
		}
	}
	slices.SortStableFunc(out, func(a, b fact.Item[fact.WebConfig]) int {
		return boolCmp(b.Fact.Running == fact.Yes, a.Fact.Running == fact.Yes)
	})
	return out
}

// Live lists the configurations of servers that are not known to be stopped.
func (v *View) Live() []fact.Item[fact.WebConfig] {
	return v.Web(func(w fact.WebConfig) bool { return w.Running != fact.No })
}

func boolCmp(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// siteFor is the virtual host that answers for the view's host on a port; ok
// is false when the configuration does not tell. Where no site has the name it
// is the default of the port's IPv4 listener, which may not be that of IPv6.
func siteFor(w fact.WebConfig, host string, port uint16) (site fact.Site, named, ok bool) {
	return siteAt(w, host, netip.AddrPortFrom(netip.IPv4Unspecified(), port))
}

// siteAt is siteFor on one address of the host.
func siteAt(w fact.WebConfig, host string, at netip.AddrPort) (site fact.Site, named, ok bool) {
	port, six := at.Port(), at.Addr().Is6() && !at.Addr().Is4In6()
	var fallback *fact.Site
	best := 0
	for i := range w.Sites {
		s := &w.Sites[i]
		if !slices.ContainsFunc(s.Listens, func(l fact.Listen) bool { return l.Port == port && takes(l, at.Addr()) }) {
			continue
		}
		if slices.ContainsFunc(s.Names, func(n string) bool { return nameMatches(n, host) }) {
			return *s, true, true
		}
		rank := 1
		for _, l := range s.Listens {
			if l.Port == port && l.Default {
				rank = max(rank, 2)
				if strings.HasPrefix(l.Addr, "[") == six {
					rank = 3
				}
			}
		}
		if rank > best {
			fallback, best = s, rank
		}
	}
	if fallback == nil {
		return fact.Site{}, false, false
	}
	return *fallback, false, true
}

// takes reports whether a listener may take connections to an address; an
// address that is not said is taken by all.
func takes(l fact.Listen, a netip.Addr) bool {
	own, err := netip.ParseAddrPort(l.Addr)
	if err != nil || !a.IsValid() || a.IsUnspecified() || own.Addr().IsUnspecified() {
		return true
	}
	return own.Addr().Unmap() == a.Unmap()
}

func listensOn(ls []fact.Listen, port uint16) bool {
	return slices.ContainsFunc(ls, func(l fact.Listen) bool { return l.Port == port })
}

// nameMatches matches a server name, with a leading or trailing wildcard,
// against a host.
func nameMatches(name, host string) bool {
	name, host = lower(name), lower(host)
	switch {
	case name == "" || host == "":
		return false
	case name == host:
		return true
	case len(name) > 2 && name[:2] == "*.":
		return len(host) > len(name)-1 && host[len(host)-len(name)+1:] == name[1:]
	case name[0] == '.':
		return host == name[1:] || len(host) > len(name) && host[len(host)-len(name):] == name
	}
	return false
}
