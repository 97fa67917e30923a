package causes

import (
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// unheard is a leg on which nothing seems to answer, with what the listener
// family's causes ask about it.
type unheard struct {
	leg       *Leg
	listening Ans
	refused   Ans      // the refusal as it was observed, outside, by the edge or on the host
	keys      []string // failures it would explain
	servers   []Service
	taken     Ans  // yes where a program that is not the port's own server holds it and answers
	byWeb     bool // taken by a web server or an application, which may be meant to
}

// unheardLegs lists the legs that refuse, or that no socket of the host serves.
func (v *View) unheardLegs() []unheard { return v.silent }

// webServers are the web servers that are installed on the host.
func (v *View) webServers() []Service {
	return first(v.Services(func(s fact.Service) bool { return isWeb(s) && installed(s) && !v.edgeService(s) }), maxServers)
}

func (v *View) readUnheard() []unheard {
	var out []unheard
	servers := v.webServers()
	for _, l := range v.Legs {
		if l.Used == fact.No {
			continue
		}
		u := unheard{leg: l, listening: v.Listening(l)}
		u.refused, u.keys = v.refusal(l)
		if through := directReaches(l); through.IsYes() {
			if !u.listening.IsNo() {
				continue // others get through: something listens
			}
			// The host and the outside contradict each other.
			u.refused, u.keys = No(through.Says, through.By...), nil
		}
		if !u.refused.IsYes() && (!u.listening.IsNo() || !l.Main || l.Used != fact.Yes) {
			continue
		}
		u.servers = servers
		out = append(out, u)
	}
	return out
}

// refusal is the observed refusal of a leg. Where the path is cut before the
// host, its own exchange with itself is an observation too.
func (v *View) refusal(l *Leg) (Ans, []string) {
	a, keys := v.Fails(l, 521)
	if a.IsYes() {
		return a, keys
	}
	if !l.Addr().IsValid() || l.Origin.Published != fact.Yes || !l.Main || l.Used != fact.Yes || v.edgeReaches(l).IsYes() {
		return a, nil // nobody needs the port, or the edge gets through
	}
	for _, x := range l.Local {
		if OutcomeOf(x.Fact) == OutRefused && (x.Fact.Target.Addr().Unmap() == l.Addr() || v.Listening(l).IsNo()) {
			return Yes("the host itself is refused at "+x.Fact.Target.String(), x.ID), []string{"local|" + l.Target().String() + "|521"}
		}
	}
	return a, nil
}

// slowRefusal reports whether the direct refusal took as long as a packet
// filter's ICMP answer takes and a socket's RST does not (about one second,
// measured on Linux).
func slowRefusal(l *Leg) bool {
	for _, x := range l.Direct {
		if OutcomeOf(x.Fact) == OutRefused && x.Fact.Fault != nil && x.Fact.Fault.AfterMS >= 900 {
			return true
		}
	}
	return false
}

// unserved asks whether the host has no socket for the leg, which alone is not
// enough: a packet filter can hand the port on to a container, and where it was
// not read nothing says that it does not.
func (v *View) unserved(c *Case, u unheard, asks string, unseen originward.Standing) *Case {
	c.Ask(asks, u.listening.Not(), originward.RuledOut, unseen)
	if !u.listening.IsNo() {
		return c // what was not looked at is asked for above
	}
	if u.leg.Used == fact.Unknown && slices.ContainsFunc(v.Legs, func(l *Leg) bool { return l != u.leg && len(l.Exact) > 0 }) {
		c.Ask("Is it the port that the edge contacts?", Unseen(lookMode), originward.RuledOut, originward.Possible)
	}
	return c.Apart("Is the port handed on to no other address?", v.Forwarded(u.leg).Not())
}

// directRefused reports whether a source that is not the CDN's was refused.
func directRefused(l *Leg) Ans {
	return directIs(l, "is refused at once from outside, by a source that is not the CDN's", OutRefused)
}

// directIs answers whether every plain direct exchange of the leg ended so.
func directIs(l *Leg, says string, outs ...Outcome) Ans {
	if len(l.Direct) == 0 {
		return Unseen(lookDirect)
	}
	var by []string
	for _, x := range l.Direct {
		if o := OutcomeOf(x.Fact); !slices.Contains(outs, o) {
			return No(l.String()+" ends otherwise directly: "+string(o), x.ID)
		}
		by = append(by, x.ID)
	}
	return Yes(l.String()+" "+says, by...)
}

// directWorks answers whether the leg answers a source that is not the CDN's
// with any HTTP response.
func directWorks(l *Leg) Ans {
	return directIs(l, "answers from outside, to a source that is not the CDN's", OutOK, OutBody)
}

// directReaches answers whether a direct connect gets through, whatever comes
// after it.
func directReaches(l *Leg) Ans {
	return directIs(l, "accepts connections from outside, of a source that is not the CDN's",
		OutOK, OutBody, OutTLS, OutCert, OutEmpty, OutHead, OutBadHTTP, OutSlow, OutNoAck)
}

// wouldServe says whether a service's configuration has a listener on a port,
// and no other server of the host is the one that names the site.
func (v *View) wouldServe(s fact.Service, port uint16) fact.Tri {
	answer := v.listensAt(s, port)
	if answer == fact.Yes && v.outclaimed(s) {
		return fact.No
	}
	return answer
}

// outclaimed reports whether a stopped server's configuration says nothing of
// the site while another server's names it: several servers may be installed
// side by side, and all want port 80 as they come.
func (v *View) outclaimed(s fact.Service) bool {
	if s.State != "stopped" {
		return false // in use, or somebody tried to start it
	}
	if v.namesSite(s) != fact.No {
		return false
	}
	return slices.ContainsFunc(v.web, func(it fact.Item[fact.WebConfig]) bool {
		return it.Fact.Server != s.Kind && v.namesHost(it.Fact)
	})
}

// namesSite says whether a service's configuration names the site, or forwards
// what comes for any name.
func (v *View) namesSite(s fact.Service) fact.Tri {
	answer := fact.Unknown
	for _, it := range v.web {
		switch w := it.Fact; {
		case w.Server != s.Kind:
		case v.namesHost(w) || slices.ContainsFunc(w.Sites, func(x fact.Site) bool { return x.Upstream != "" || len(x.Names) == 0 && w.Server == "haproxy" }):
			return fact.Yes
		case w.Parsed == fact.Yes:
			answer = fact.No
		}
	}
	return answer
}

func (v *View) namesHost(w fact.WebConfig) bool {
	return slices.ContainsFunc(w.Sites, func(x fact.Site) bool {
		return slices.ContainsFunc(x.Names, func(n string) bool { return nameMatches(n, v.Host) })
	})
}

// listensAt says whether a service's configuration has a listener on a port.
func (v *View) listensAt(s fact.Service, port uint16) fact.Tri {
	if len(s.Ports) > 0 {
		return fact.TriOf(slices.Contains(s.Ports, port))
	}
	answer := fact.Unknown
	for _, it := range v.web {
		w := it.Fact
		if w.Server != s.Kind || s.Config != "" && w.File != "" && s.Config != w.File || w.Parsed == fact.No {
			continue
		}
		if listensOn(w.Listens, port) || slices.ContainsFunc(w.Sites, func(x fact.Site) bool { return listensOn(x.Listens, port) }) {
			return fact.Yes
		}
		if w.Parsed == fact.Yes {
			answer = fact.No
		}
	}
	return answer
}

// testFault says why a configuration's own test fails: "bind", "denied" when
// it could not read what the server itself can, or "config".
func testFault(t *fact.Test) string {
	if t == nil || t.OK != fact.No {
		return ""
	}
	text := t.Output
	for _, e := range t.Errors {
		text += "\n" + e.Text
	}
	switch {
	case bindText(text):
		return "bind"
	case hasAny(text, "permission denied", "operation not permitted", "(13:"):
		return "denied"
	}
	return "config"
}

func bindText(s string) bool {
	return hasAny(s, "bind() to", "could not bind", "cannot bind", "cannot assign requested address",
		"address already in use", "address family not supported", "make_sock:", "starting frontend", "can't bind", "listen tcp")
}

// bindErrno is the errno that a bind failure's text names: 98 in use, 99 no
// such address, 97 family, 13 denied; 0 = not told.
func bindErrno(s string) int {
	switch {
	case hasAny(s, "(98:", "(98)", "address already in use"):
		return 98
	case hasAny(s, "(99:", "(99)", "cannot assign requested address"):
		return 99
	case hasAny(s, "(97:", "(97)", "address family not supported"):
		return 97
	case hasAny(s, "(13:", "(13)", "permission denied"):
		return 13
	}
	return 0
}

// serverFor picks the web server that should serve the port: one whose
// configuration says so, else one that failed, else the only one there is.
func (v *View) serverFor(u unheard) (Service, bool) {
	best, score := Service{}, -1
	for _, s := range u.servers {
		n := 0
		switch v.wouldServe(s.Service, u.leg.Port) {
		case fact.Yes:
			n += 8
		case fact.No:
			n -= 8
		}
		if s.Enabled == fact.Yes {
			n += 2
		}
		if s.State == "failed" {
			n += 3
		}
		if running(s.Service) {
			n++
		}
		if n > score {
			best, score = s, n
		}
	}
	// For a server of which nothing is known but that it is stopped nothing speaks,
	// unless it is the only one.
	return best, score > 0 || score == 0 && len(u.servers) == 1
}

// nameOf is a service's name for a sentence.
func nameOf(s fact.Service) string {
	return strings.TrimSuffix(firstOf(s.Unit, s.Name, s.Kind), ".service")
}
