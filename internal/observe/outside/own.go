package outside

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
	"github.com/originward/originward/internal/escape"
)

// routed is what our own network says of one target, without a packet sent.
type routed struct {
	source netip.Addr
	err    error
}

// reach finds out whether our own network can send to a goal at all. If it
// cannot, that is said, and the goal is left alone.
func (r *run) reach(g goal) (netip.Addr, bool) {
	port := g.port
	if port == 0 {
		port = 443
	}
	src, err := r.route(netip.AddrPortFrom(g.addr, port))
	if err == nil && linkLocalOnly(src, g.addr) {
		err = errLinkLocal
	}
	r.mu.Lock()
	r.routes[g.addr] = routed{src, err}
	r.mu.Unlock()
	if err == nil {
		return src, true
	}
	f := originward.FamilyOf(g.addr)
	r.lack(originward.NotObserved{
		Question: fact.QExchange, Subject: originward.Subject{Host: r.ask.Host, Addr: g.addr, Family: f},
		Why: fmt.Sprintf("this machine cannot send to %s: %s", g.addr, reasonOf(err)),
		How: fmt.Sprintf("run from a machine with %s, or let a probe look with --from", familyName(f)),
	})
	return netip.Addr{}, false
}

// errLinkLocal means that the only source address reaches the own link only.
var errLinkLocal = errors.New("only a link-local source address")

// linkLocalOnly reports a source that cannot get an answer from another link.
func linkLocalOnly(src, target netip.Addr) bool {
	return src.IsLinkLocalUnicast() && !target.IsLinkLocalUnicast()
}

// ownNetwork says of each family whether this machine can use it: towards the
// targets, or, where there are none of the family, towards a CDN.
func (r *run) ownNetwork() {
	own := fact.OwnNetwork{}
	for _, f := range []originward.Family{originward.IP4, originward.IP6} {
		own.Families = append(own.Families, r.family(f))
	}
	r.add(originward.Evidence{
		Vantage: originward.Outside, Question: fact.QOwnNetwork, At: r.now(),
		Subject: originward.Subject{Host: r.ask.Host}, Fact: own, Text: textOwn(own), Reproduce: "ip route get 1.1.1.1; ip -6 route get 2606:4700:4700::1111",
	})
}

func (r *run) family(f originward.Family) fact.FamilyState {
	st := fact.FamilyState{Family: f}
	var addrs []netip.Addr
	for a := range r.routes {
		if originward.FamilyOf(a) == f {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 {
		ranges, _ := cdn.Ranges(cdn.Cloudflare, f)
		if len(ranges) == 0 {
			return st
		}
		a := ranges[0].Addr().Next()
		src, err := r.route(netip.AddrPortFrom(a, 443))
		if err == nil && linkLocalOnly(src, a) {
			err = errLinkLocal
		}
		r.routes[a] = routed{src, err}
		addrs = []netip.Addr{a}
	}
	for _, a := range sortAddrs(addrs) {
		ro := r.routes[a]
		if ro.err == nil {
			return fact.FamilyState{Family: f, Usable: usable(ro.source, a), Source: ro.source}
		}
		st.Usable, st.Reason = fact.No, reasonOf(ro.err)
	}
	return st
}

// usable is unknown for a private IPv6 source towards a public target: only a
// translating router would make it work.
func usable(src, target netip.Addr) fact.Tri {
	if src.Is6() && src.IsPrivate() && !target.IsPrivate() {
		if _, special := cdn.SpecialOf(target); !special {
			return fact.Unknown
		}
	}
	return fact.Yes
}

// reasonOf is the errno's name, or a short text.
func reasonOf(err error) string {
	for _, e := range []struct {
		errno syscall.Errno
		name  string
	}{
		{syscall.ENETUNREACH, "ENETUNREACH"}, {syscall.EHOSTUNREACH, "EHOSTUNREACH"}, {syscall.EACCES, "EACCES"},
		{syscall.EADDRNOTAVAIL, "EADDRNOTAVAIL"}, {syscall.EAFNOSUPPORT, "EAFNOSUPPORT"}, {syscall.EINVAL, "EINVAL"}, {syscall.EPERM, "EPERM"},
	} {
		if errors.Is(err, e.errno) {
			return e.name
		}
	}
	return escape.Line(err.Error(), 120)
}

func textOwn(own fact.OwnNetwork) string {
	var parts []string
	for _, f := range own.Families {
		switch f.Usable {
		case fact.Yes:
			parts = append(parts, fmt.Sprintf("%s from %s", familyName(f.Family), f.Source))
		case fact.No:
			parts = append(parts, fmt.Sprintf("no %s (%s)", familyName(f.Family), f.Reason))
		default:
			parts = append(parts, familyName(f.Family)+" perhaps")
		}
	}
	return escape.Line("this machine has "+strings.Join(parts, ", "), maxText)
}

func familyName(f originward.Family) string {
	if f == originward.IP6 {
		return "IPv6"
	}
	return "IPv4"
}
