package eval

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

// ipsetIndex is a single-address ipset as one set.
type ipsetIndex struct{ set *interval.Set }

// ipset finds an ipset by name, or by the index a blob carries.
func (e *engine) ipset(index uint16, name string) *ruleset.IPSet {
	if name == "" {
		name = e.h.Rules.IPSetNames[index]
	}
	return e.h.Rules.IPSets[name]
}

// xtSet evaluates `-m set`.
func (e *engine) xtSet(m xt.SetMatch, c *cursor) (did, []piece) {
	s := e.ipset(m.Index, m.Name)
	label := m.Name
	if label == "" {
		label = fmt.Sprintf("index %d", m.Index)
	}
	if s == nil {
		return didSplit, e.one(piece{tags: []Tag{{TagUnknown, "ipset " + label, "it could not be read"}}})
	}
	d, p := e.ipsetTest(s, m, c, 0)
	if m.Counters && d != didBreak {
		d, p = e.both(d, p, didSplit, []piece{{tags: []Tag{{TagStateful, "ipset " + s.Name, "counters of the entry"}}}})
	}
	p = append([]piece(nil), p...)
	if m.Inv {
		d, p = e.not(d, p)
	}
	for i := range p {
		p[i].from = &source{ips: s}
	}
	return d, p
}

// maxNesting bounds sets of sets.
const maxNesting = 4

func (e *engine) ipsetTest(s *ruleset.IPSet, m xt.SetMatch, c *cursor, depth int) (did, []piece) {
	switch {
	case s.Unread != "":
		return didSplit, []piece{{tags: []Tag{{TagUnknown, "ipset " + s.Name, s.Unread}}}}
	case c.env.touched&e.dynsets[s] != 0:
		return didSplit, []piece{{tags: []Tag{{TagStateful, "ipset " + s.Name, "an earlier rule changes it for this packet"}}}}
	case s.Family != 0 && s.Family != e.fam:
		return didBreak, nil
	case s.Type == "list:set":
		return e.ipsetList(s, m, c, depth)
	}
	dims, ok := ipsetDims[s.Type]
	if !ok {
		return didSplit, []piece{{tags: []Tag{{TagUnknown, "ipset " + s.Name, "type " + s.Type + " is not known"}}}}
	}
	if int(m.Dim) < len(dims) {
		return didBreak, nil
	}
	if len(dims) == 1 && dims[0] == dimIP {
		return e.ipsetAddr(s, m, c)
	}
	return e.ipsetScan(s, dims, m, c)
}

// dim is what one dimension of an ipset compares.
type dim uint8

const (
	dimIP    dim = iota // first address
	dimIP2              // second address
	dimPort             // protocol and port
	dimOnlyP            // port alone
	dimMAC
	dimIface
	dimMark
)

// ipsetDims lists the set types that can be evaluated. To add one: a line here, and its entries in the reader.
var ipsetDims = map[string][]dim{
	"hash:ip":           {dimIP},
	"hash:net":          {dimIP},
	"bitmap:ip":         {dimIP},
	"bitmap:port":       {dimOnlyP},
	"hash:ip,port":      {dimIP, dimPort},
	"hash:net,port":     {dimIP, dimPort},
	"hash:ip,port,ip":   {dimIP, dimPort, dimIP2},
	"hash:ip,port,net":  {dimIP, dimPort, dimIP2},
	"hash:net,port,net": {dimIP, dimPort, dimIP2},
	"hash:net,net":      {dimIP, dimIP2},
	"hash:net,iface":    {dimIP, dimIface},
	"hash:mac":          {dimMAC},
	"hash:ip,mac":       {dimIP, dimMAC},
	"bitmap:ip,mac":     {dimIP, dimMAC},
	"hash:ip,mark":      {dimIP, dimMark},
}

func (e *engine) ipsetList(s *ruleset.IPSet, m xt.SetMatch, c *cursor, depth int) (did, []piece) {
	if depth >= maxNesting {
		return didSplit, []piece{{tags: []Tag{{TagUnknown, "ipset " + s.Name, "nested too deep"}}}}
	}
	d, sum := didBreak, []piece(nil)
	for _, en := range s.Entries {
		member := e.h.Rules.IPSets[en.Set]
		if member == nil {
			sum, d = append(sum, piece{tags: []Tag{{TagUnknown, "ipset " + en.Set, "it could not be read"}}}), didSplit
			continue
		}
		md, mp := e.ipsetTest(member, m, c, depth+1)
		if md == didMatch {
			return didMatch, nil
		}
		if md == didSplit {
			sum, d = append(sum, mp...), didSplit
		}
	}
	return d, e.disjoint(sum)
}

// disjoint makes the certain pieces of a union disjoint, as pieces have to be.
func (e *engine) disjoint(ps []piece) []piece {
	if len(ps) < 2 {
		return ps
	}
	sure := &interval.Set{}
	var out []piece
	for _, p := range ps {
		if len(p.tags) == 0 && p.p == nil {
			sure.Add(e.filterSet(p.f))
			continue
		}
		out = append(out, p)
	}
	if !sure.Empty() {
		out = append([]piece{{f: &filter{set: sure}}}, out...)
	}
	for i := 1; i < len(out); i++ {
		if len(out[i].tags) == 0 {
			// Two certain pieces on different ports: only possible, which is less than is known but never wrong.
			out[i].tags = []Tag{field("source port")}
		}
	}
	return out
}

// ipsetAddr tests a set of plain addresses.
func (e *engine) ipsetAddr(s *ruleset.IPSet, m xt.SetMatch, c *cursor) (did, []piece) {
	ix := e.h.ipsetIndex(s)
	side := e.side(e.headersOf(&c.env), !m.Src[0])
	var buf [16]byte
	if b, ok := constants(side, buf[:]); ok {
		return yes(ix.Contains(number(b))), nil
	}
	if !fullAddr(side, e.width) {
		return e.tagged(side)
	}
	if ix.Empty() {
		return didBreak, nil
	}
	return didSplit, []piece{{f: &filter{set: ix}}}
}

// ipsetIndex folds a set's entries into one set; it is made once per snapshot.
func (h *Host) ipsetIndex(s *ruleset.IPSet) *interval.Set {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ix := h.ips[s]; ix != nil {
		return ix.set
	}
	if h.ips == nil {
		h.ips = map[*ruleset.IPSet]*ipsetIndex{}
	}
	ix := &ipsetIndex{set: foldEntries(s)}
	h.ips[s] = ix
	return ix.set
}

func foldEntries(s *ruleset.IPSet) *interval.Set {
	if s.Except == nil {
		return interval.FromSorted(interval.Joined(s.Keys))
	}
	// The most specific entry decides, and nomatch entries cut holes.
	order := make([]int, len(s.Keys))
	for i := range order {
		order[i] = i
	}
	size := func(i int) interval.U128 { return s.Keys[i].Hi.Sub(s.Keys[i].Lo) }
	slices.SortStableFunc(order, func(a, b int) int { return size(a).Cmp(size(b)) })
	match, seen := &interval.Set{}, &interval.Set{}
	for _, i := range order {
		part := interval.Of(s.Keys[i]).Subtract(seen)
		if !s.Except[i] {
			match.Add(part)
		}
		seen.Add(part)
	}
	return match
}

// bySpecificity orders entries the way the kernel tries them: longest first prefix, then longest second.
func bySpecificity(s *ruleset.IPSet) []int {
	order := make([]int, len(s.Entries))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := &s.Entries[a], &s.Entries[b]
		if d := int(y.CIDR) - int(x.CIDR); d != 0 {
			return d
		}
		return int(y.CIDR2) - int(x.CIDR2)
	})
	return order
}

// entryRange is the range of an entry's first address.
func entryRange(s *ruleset.IPSet, en *ruleset.IPSetEntry, width int) interval.Iv {
	return addrRange(en.IP, en.IPTo, en.CIDR, s.Netmask, width)
}

func addrRange(lo, hi netip.Addr, cidr, netmask uint8, width int) interval.Iv {
	if hi.IsValid() {
		return interval.Iv{Lo: interval.FromAddr(lo), Hi: interval.FromAddr(hi)}
	}
	bits := width
	if cidr > 0 {
		bits = int(cidr)
	}
	if netmask > 0 && int(netmask) < bits {
		bits = int(netmask)
	}
	if !lo.IsValid() {
		return interval.Iv{Hi: interval.Max(width)} // 0.0.0.0/0 in types that allow it
	}
	return interval.FromPrefix(netip.PrefixFrom(lo.Unmap(), min(bits, width)))
}

// ipsetScan tests a set of several dimensions entry by entry.
func (e *engine) ipsetScan(s *ruleset.IPSet, dims []dim, m xt.SetMatch, c *cursor) (did, []piece) {
	match, seen := &interval.Set{}, &interval.Set{}
	var loose []piece
	for _, i := range bySpecificity(s) {
		en := &s.Entries[i]
		d, p := e.ipsetEntry(s, en, dims, m, c)
		if d == didBreak {
			continue
		}
		if d == didSplit && (p.p != nil || len(p.tags) > 0) {
			if en.NoMatch || slices.ContainsFunc(s.Entries, func(x ruleset.IPSetEntry) bool { return x.NoMatch }) {
				p.tags = addTag(p.tags, Tag{TagUnknown, "ipset " + s.Name, "exceptions that depend on more than the address"})
			}
			loose = append(loose, p)
			continue
		}
		part := e.filterSet(p.f).Subtract(seen)
		if !en.NoMatch {
			match.Add(part)
		}
		seen.Add(part)
	}
	out := loose
	if !match.Empty() {
		if match.Equal(e.space()) {
			return didMatch, nil
		}
		out = append([]piece{{f: &filter{set: match}}}, out...)
	}
	if len(out) == 0 {
		return didBreak, nil
	}
	return didSplit, e.disjoint(out)
}

// ipsetEntry compares one entry in all dimensions.
func (e *engine) ipsetEntry(s *ruleset.IPSet, en *ruleset.IPSetEntry, dims []dim, m xt.SetMatch, c *cursor) (did, piece) {
	h := e.headersOf(&c.env)
	sum := piece{}
	for i, dm := range dims {
		d, p := e.ipsetDim(s, en, dm, m.Src[i], h, c)
		if d == didBreak {
			return didBreak, sum
		}
		if d == didSplit {
			e.conjoin(&sum, p[0])
		}
	}
	if sum.f == nil && sum.p == nil && len(sum.tags) == 0 {
		return didMatch, sum
	}
	return didSplit, sum
}

func (e *engine) ipsetDim(s *ruleset.IPSet, en *ruleset.IPSetEntry, dm dim, src bool, h *headers, c *cursor) (did, []piece) {
	n := e.width / 8
	switch dm {
	case dimIP, dimIP2:
		iv := entryRange(s, en, e.width)
		if dm == dimIP2 {
			iv = addrRange(en.IP2, en.IP2To, en.CIDR2, 0, e.width)
		}
		return e.ordered(e.side(h, !src), iv.Lo.Bytes(n), iv.Hi.Bytes(n))
	case dimPort, dimOnlyP:
		if dm == dimPort && en.Proto != 6 {
			return didBreak, nil
		}
		at := 2
		if src {
			at = 0
		}
		hi := max(en.PTo, en.Port)
		return e.portPiece(h.tcp[at:at+2], []xt.PortRange{{Lo: en.Port, Hi: hi}}, false)
	case dimMAC:
		if !en.HasMAC {
			return didMatch, nil // an address without a MAC takes the first that comes
		}
		return didSplit, e.one(piece{tags: []Tag{field("source MAC")}})
	case dimIface:
		return e.ipsetIface(en, src)
	case dimMark:
		if c.env.mark.unk != 0 {
			return didSplit, e.one(piece{tags: []Tag{e.slots[c.env.mark.unk-1].tag}})
		}
		mask := s.MarkMask
		if mask == 0 {
			mask = 0xffffffff
		}
		return yes(c.env.mark.v&mask == en.Mark), nil
	}
	return didSplit, e.one(piece{tags: []Tag{{TagUnknown, "ipset " + s.Name, ""}}})
}

func (e *engine) ipsetIface(en *ruleset.IPSetEntry, src bool) (did, []piece) {
	var l *fib.Link = e.hk.oif
	if src {
		l = e.hk.iif
	}
	switch {
	case en.PhysDev:
		return didSplit, e.one(piece{tags: []Tag{{TagExternal, "physdev", "the bridge port it came by"}}})
	case l == nil:
		return didBreak, nil
	case en.IfaceWild:
		return yes(strings.HasPrefix(l.Name, en.Iface)), nil
	}
	return yes(l.Name == en.Iface), nil
}
