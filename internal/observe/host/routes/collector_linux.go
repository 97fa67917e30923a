// Package routes asks the kernel which way a reply to the edge would leave
// this host, and whether a packet from the edge passes the reverse-path
// filter. Look-ups only: no packet is sent.
package routes

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
)

// Comparison addresses: well-known resolvers and root servers that no CDN
// forwards visitors' requests from. They are only looked up in the routing
// table.
var comparison = []netip.Addr{
	netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("9.9.9.9"), netip.MustParseAddr("193.0.14.129"),
	netip.MustParseAddr("2001:4860:4860::8888"), netip.MustParseAddr("2620:fe::fe"), netip.MustParseAddr("2001:7fd::1"),
}

// Collector answers which way replies to the edge's ranges leave.
func Collector() collect.Collector {
	return collect.Collector{Name: "routes", Question: fact.QRoutes, Budget: 2 * time.Second, Run: run}
}

func run(ctx context.Context, env *collect.Env) (seen []originward.Evidence, missing []originward.NotObserved) {
	if len(env.Ranges) == 0 {
		return nil, []originward.NotObserved{collect.Missing(fact.QRoutes, originward.Subject{}, "the edge's address ranges are not known", "name the edge or CDN")}
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, []originward.NotObserved{collect.Missing(fact.QRoutes, originward.Subject{}, "the routing tables are not readable: "+escape.Line(err.Error(), 200), "allow netlink (AF_NETLINK) for this process")}
	}
	defer h.Close()
	_ = h.SetSocketTimeout(time.Second)
	s := survey{env: env, h: h, addrs: env.Addresses(ctx), names: map[int]string{}, tables: map[originward.Family]tables{}}
	families := []originward.Family{originward.IP4, originward.IP6}
	for _, f := range families {
		entries, cut, err := table(h, familyOf(f))
		s.tables[f] = tables{entries, cut, err}
	}
	for _, f := range families {
		e, m := s.family(ctx, f)
		seen, missing = append(seen, e...), append(missing, m...)
	}
	return seen, missing
}

// survey is one run.
type survey struct {
	env    *collect.Env
	h      *netlink.Handle
	addrs  fact.Addresses
	names  map[int]string
	tables map[originward.Family]tables
}

// tables are all routing tables of a family.
type tables struct {
	entries []entry
	cut     bool // there are more entries than were kept
	err     error
}

// hasDefault reports whether a family has a default route; unknown when the
// tables were not readable.
func (t tables) hasDefault() fact.Tri {
	if t.err != nil {
		return fact.Unknown
	}
	for _, e := range t.entries {
		if e.prefix.Bits() == 0 && e.Type == unix.RTN_UNICAST && e.Table != unix.RT_TABLE_LOCAL {
			return fact.Yes
		}
	}
	if t.cut {
		return fact.Unknown
	}
	return fact.No
}

func (s *survey) ifname(i int) string {
	if n, ok := s.names[i]; ok {
		return n
	}
	n := "if" + strconv.Itoa(i)
	if ifi, err := net.InterfaceByIndex(i); err == nil {
		n = escape.Line(ifi.Name, 32)
	}
	s.names[i] = n
	return n
}

func (s *survey) family(ctx context.Context, f originward.Family) (seen []originward.Evidence, missing []originward.NotObserved) {
	subject := originward.Subject{Family: f}
	t := s.tables[f]
	if t.err != nil {
		return nil, []originward.NotObserved{collect.Missing(fact.QRoutes, subject, "the routing tables are not readable: "+escape.Line(t.err.Error(), 200), "run again")}
	}
	text, to, err := rules(s.h, familyOf(f))
	if err != nil {
		missing = append(missing, collect.Missing(fact.QRoutes, subject, "the policy rules are not readable: "+escape.Line(err.Error(), 200), "run again"))
	}
	ranges := s.env.RangesOf(f)
	base := fact.Routes{
		Default4: s.tables[originward.IP4].hasDefault(), Default6: s.tables[originward.IP6].hasDefault(),
		Groups: []fact.RouteGroup{}, Special: s.special(t.entries, ranges), Rules: text, Silent: silent(s.h, familyOf(f), s.ifname),
	}
	cuts := to
	for _, e := range t.entries {
		if e.prefix.Bits() > 0 {
			cuts = append(cuts, e.prefix)
		}
	}
	cuts = touching(cuts, ranges)
	locals := s.env.Locals(ctx, f)
	for _, local := range locals {
		q := s.asker(local)
		r := base
		groups, whole := q.groups(ctx, ranges, cuts, true)
		others, _ := q.groups(ctx, s.others(f), nil, false)
		r.Groups = append(append(r.Groups, groups...), others...)
		subject.Addr = local
		seen = append(seen, s.env.Item(subject, r, summary(local, r), fmt.Sprintf("ip route get %s from %s", example(r, ranges), local)))
		if !whole || t.cut {
			missing = append(missing, collect.Missing(fact.QRoutes, subject, "the routing tables split the edge's ranges into more pieces than are looked up", "ip route get EDGE_ADDRESS"))
		}
	}
	if slices.ContainsFunc(text, func(r string) bool { return strings.Contains(r, " fwmark ") }) {
		missing = append(missing, collect.Missing(fact.QRoutes, subject, "policy rules choose routes by firewall mark: a reply that is marked may leave another way than the look-up says",
			"look at the mark rules: nft list ruleset | grep mark; then ip route get ADDRESS mark MARK"))
	}
	if len(locals) == 0 && len(ranges) > 0 {
		// Without an address of the family nothing can be answered from here,
		// but what the tables say is still worth knowing.
		seen = append(seen, s.env.Item(subject, base, fmt.Sprintf("The host has no global %s address.", name(f)), "ip -"+version(f)+" route show table all"))
	}
	return seen, missing
}

// asker prepares look-ups for one of the host's addresses. Packets to it
// arrive on the interface that carries it, or, where that is a virtual one,
// on the one the default route leaves by.
func (s *survey) asker(local netip.Addr) *asker {
	f := originward.FamilyOf(local)
	q := &asker{h: s.h, local: local, ifname: s.ifname, kinds: map[int]string{}, cidr: map[int][]netip.Prefix{}, neigh: neighbors(s.h, familyOf(f))}
	for _, i := range s.addrs.Interfaces {
		q.kinds[i.Index], q.cidr[i.Index] = i.Kind, i.Addrs
		for _, p := range i.Addrs {
			if p.Addr() == local && i.Kind != "loopback" && i.Kind != "dummy" {
				q.in, q.inName = i.Index, i.Name
			}
		}
	}
	if q.in != 0 {
		return q
	}
	for _, o := range s.others(f) {
		rs, err := s.h.RouteGetWithOptions(ip(o.Addr()), &netlink.RouteGetOptions{SrcAddr: ip(local)})
		if err == nil && len(rs) > 0 && rs[0].LinkIndex > 0 {
			q.in, q.inName = rs[0].LinkIndex, s.ifname(rs[0].LinkIndex)
			break
		}
	}
	return q
}

// others are comparison addresses of a family that are nobody's edge.
func (s *survey) others(f originward.Family) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range comparison {
		if originward.FamilyOf(a) != f {
			continue
		}
		if _, _, edge := s.env.CDN(a); !edge && len(touching([]netip.Prefix{netip.PrefixFrom(a, a.BitLen())}, s.env.Ranges)) == 0 {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return out
}

// touching keeps the prefixes that overlap one of the ranges.
func touching(ps, ranges []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range ps {
		for _, r := range ranges {
			if p.Overlaps(r) {
				out = append(out, p)
				break
			}
		}
	}
	return out
}

// maxSpecial bounds the table entries in evidence.
const maxSpecial = 256

// special gives the table entries, other than default routes, that capture
// part of the edge's ranges.
func (s *survey) special(entries []entry, ranges []netip.Prefix) []fact.SpecialRoute {
	out := []fact.SpecialRoute{}
	for _, e := range entries {
		plain := e.Type == unix.RTN_UNICAST || e.Type == unix.RTN_LOCAL
		if e.prefix.Bits() == 0 || (e.Table == unix.RT_TABLE_LOCAL && !plain) || e.Type == unix.RTN_MULTICAST || e.Type == unix.RTN_BROADCAST || e.Type == unix.RTN_ANYCAST {
			continue
		}
		covers := touching(ranges, []netip.Prefix{e.prefix})
		if len(covers) == 0 || len(out) >= maxSpecial {
			continue
		}
		sp := fact.SpecialRoute{Prefix: e.prefix, Type: typeName(e.Type), Table: tableName(e.Table), Gateway: gateway(e.Route), Covers: covers, Text: e.text(s.ifname)}
		if e.Type == unix.RTN_UNICAST && e.LinkIndex > 0 {
			sp.Iface = s.ifname(e.LinkIndex)
		}
		out = append(out, sp)
	}
	return out
}

func name(f originward.Family) string {
	if f == originward.IP4 {
		return "IPv4"
	}
	return "IPv6"
}

func version(f originward.Family) string { return strings.TrimPrefix(string(f), "ip") }

// example is an address of the edge whose route is worth looking at first.
func example(r fact.Routes, ranges []netip.Prefix) netip.Addr {
	for _, g := range r.Groups {
		if g.CDN && odd(g) {
			return g.Ranges[0].Addr().Next()
		}
	}
	return ranges[0].Addr().Next()
}

// odd reports whether a group's route differs from what a host usually has.
func odd(g fact.RouteGroup) bool { return g.Type != "unicast" || g.InOK == fact.No || !g.Default }

// summary tells the ways replies take, the odd ones first.
func summary(local netip.Addr, r fact.Routes) string {
	var first, rest []string
	for _, g := range r.Groups {
		if !g.CDN {
			continue
		}
		names := make([]string, 0, 3)
		for _, p := range g.Ranges[:min(len(g.Ranges), 3)] {
			names = append(names, p.String())
		}
		what := strings.Join(names, ", ")
		if n := len(g.Ranges) - len(names); n > 0 {
			what += fmt.Sprintf(" and %d more", n)
		}
		line := what + ": " + describe(g)
		if odd(g) {
			first = append(first, line)
		} else {
			rest = append(rest, line)
		}
	}
	return escape.Line(fmt.Sprintf("Replies from %s to the edge's ranges: %s.", local, strings.Join(append(first, rest...), "; ")), 800)
}
