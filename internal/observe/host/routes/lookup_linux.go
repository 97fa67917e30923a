package routes

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// asker asks the kernel for routes between one address of the host and the
// edge's ranges.
type asker struct {
	h      *netlink.Handle
	local  netip.Addr // the host's own address that the edge connects to
	in     int        // interface its packets arrive on; 0 = not known
	inName string
	ifname func(int) string
	kinds  map[int]string // kind of each interface
	cidr   map[int][]netip.Prefix
	neigh  map[netip.Addr]string
}

// answer is everything that parts one group of ranges from another.
type answer struct {
	Type, Errno, Iface string
	Gateway            netip.Addr
	Private, Default   bool
	InOK               fact.Tri
	InErrno            string
}

// maxPieces bounds the look-ups of one address: two for each end of a piece,
// about 20 µs each.
const maxPieces = 2000

// groups looks up every range and puts those with the same answer together.
func (q *asker) groups(ctx context.Context, ranges, cuts []netip.Prefix, cdn bool) (out []fact.RouteGroup, whole bool) {
	whole = true
	byAnswer := map[answer][]netip.Prefix{}
	var order []answer
	put := func(a answer, p netip.Prefix) {
		if _, ok := byAnswer[a]; !ok {
			order = append(order, a)
		}
		byAnswer[a] = append(byAnswer[a], p)
	}
	left := maxPieces
	for _, r := range ranges {
		if ctx.Err() != nil {
			whole = false
			break
		}
		pieces, ok := split(r, cuts, max(left, 1))
		left -= len(pieces)
		whole = whole && ok
		for _, p := range pieces {
			first := q.ask(p.Masked().Addr())
			put(first, p)
			if end := q.ask(last(p)); end != first {
				put(end, p)
			}
		}
	}
	for _, a := range order {
		out = append(out, q.group(a, byAnswer[a], cdn))
	}
	return out, whole
}

func (q *asker) group(a answer, ps []netip.Prefix, cdn bool) fact.RouteGroup {
	return fact.RouteGroup{
		Ranges: join(ps), CDN: cdn, Family: originward.FamilyOf(ps[0].Addr()),
		Type: a.Type, Errno: a.Errno, Iface: a.Iface, Gateway: a.Gateway, Private: a.Private, Default: a.Default,
		InOK: a.InOK, InIface: q.inName, InErrno: a.InErrno, Neighbor: q.neigh[a.Gateway],
	}
}

// ask looks up the reply's route to one address, and whether a packet from
// there would be taken in.
func (q *asker) ask(remote netip.Addr) answer {
	a := q.reply(remote)
	if q.in == 0 {
		return a
	}
	rs, err := q.h.RouteGetWithOptions(ip(q.local), &netlink.RouteGetOptions{SrcAddr: ip(remote), IifIndex: q.in})
	switch {
	case err != nil && errnoName(err) == "":
	case err != nil:
		a.InOK, a.InErrno = fact.No, errnoName(err)
	case len(rs) > 0:
		a.InOK = fact.TriOf(rs[0].Type == unix.RTN_LOCAL)
	}
	return a
}

// failures are the look-up errors that stand for a kind of route
// (net/ipv4/fib_semantics.c fib_props).
var failures = map[string]string{
	"EINVAL": "blackhole", "EHOSTUNREACH": "unreachable", "EACCES": "prohibit", "ENETUNREACH": "none",
}

func (q *asker) reply(remote netip.Addr) answer {
	opts := &netlink.RouteGetOptions{SrcAddr: ip(q.local)}
	rs, err := q.h.RouteGetWithOptions(ip(remote), opts)
	if err != nil || len(rs) == 0 {
		n := errnoName(err)
		return answer{Type: failures[n], Errno: n}
	}
	r := rs[0]
	a := answer{Type: typeName(r.Type), Gateway: gateway(r)}
	if r.LinkIndex > 0 {
		a.Iface = q.ifname(r.LinkIndex)
	}
	opts.FIBMatch = true
	if m, err := q.h.RouteGetWithOptions(ip(remote), opts); err == nil && len(m) > 0 {
		a.Default = m[0].Dst == nil || prefixOf(m[0].Dst, familyOf(originward.FamilyOf(remote))).Bits() == 0
	}
	a.Private = a.Type == "unicast" && q.private(r.LinkIndex, a.Gateway)
	return a
}

// tunnels are the kinds of interfaces behind which a private network lies.
var tunnels = map[string]bool{
	"wireguard": true, "tuntap": true, "tun": true, "ipip": true, "gre": true, "gretap": true, "ip6gre": true, "ip6tnl": true,
	"sit": true, "vxlan": true, "geneve": true, "vti": true, "vti6": true, "xfrm": true, "ppp": true, "bridge": true, "ipvlan": true, "macvlan": true,
}

// private reports whether a next hop leads to a private network: a tunnel or
// bridge, a private gateway, or an interface with private addresses only.
func (q *asker) private(index int, gw netip.Addr) bool {
	if tunnels[q.kinds[index]] || (gw.IsValid() && gw.IsPrivate()) {
		return true
	}
	if gw.IsValid() && !gw.IsLinkLocalUnicast() {
		return false
	}
	global := 0
	for _, p := range q.cidr[index] {
		switch {
		case p.Addr().Is4() != q.local.Is4() || !p.Addr().IsGlobalUnicast():
		case !p.Addr().IsPrivate():
			return false
		default:
			global++
		}
	}
	return global > 0
}

func ip(a netip.Addr) net.IP { return net.IP(a.AsSlice()) }

// String names the answer in a sentence.
func describe(g fact.RouteGroup) string {
	s := g.Type
	switch {
	case g.Type == "unicast" && g.Gateway.IsValid():
		s = fmt.Sprintf("via %s on %s", g.Gateway, g.Iface)
	case g.Type == "unicast":
		s = "directly on " + g.Iface
	case g.Type == "none":
		s = "no route"
	case g.Type == "":
		s = "not known"
	}
	if g.InOK == fact.No {
		s += fmt.Sprintf(" (a packet from there is refused on %s: %s)", g.InIface, g.InErrno)
	}
	return s
}
