package counters

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/sockets"
)

// Bounds of the census: distinct tuples and networks that are counted, and
// those that evidence keeps.
const (
	maxKeys   = 50_000
	keptPeers = 10
	// minTuple is the smallest number of sockets towards one remote tuple that
	// is kept; ephemeral ports run out at about 28,000 (32768–60999, the
	// kernel's default range).
	minTuple = 50
)

// tuple is what an ephemeral port has to be unique for.
type tuple struct {
	local  netip.Addr
	remote netip.AddrPort
}

// census counts the sockets of the namespace that are not listening.
type census struct {
	timeWait, established, synRecv int
	tuples                         map[tuple]int
	peers                          map[netip.Prefix]int
}

// count walks all sockets once. listening are the ports that listen here: a
// socket on one of them was opened by the other side. web are the ports whose
// clients are grouped.
func count(ctx context.Context, proc string, listening, web map[uint16]bool) (*census, error) {
	c := &census{tuples: map[tuple]int{}, peers: map[netip.Prefix]int{}}
	_, err := sockets.Each(ctx, proc, sockets.Established|sockets.SynRecv|sockets.TimeWait, func(d *sockets.Diag) bool {
		c.add(d, listening, web)
		return true
	})
	return c, err
}

func (c *census) add(d *sockets.Diag, listening, web map[uint16]bool) {
	switch 1 << d.State {
	case sockets.TimeWait:
		c.timeWait++
	case sockets.Established:
		c.established++
	case sockets.SynRecv, sockets.NewSynRecv:
		c.synRecv++
	}
	local := netip.AddrPortFrom(d.Local.Addr().Unmap(), d.Local.Port())
	remote := netip.AddrPortFrom(d.Remote.Addr().Unmap(), d.Remote.Port())
	if web[local.Port()] && !remote.Addr().IsLoopback() {
		bump(c.peers, network(remote.Addr()))
	}
	if !listening[local.Port()] {
		bump(c.tuples, tuple{local.Addr(), remote})
	}
}

func bump[K comparable](m map[K]int, k K) {
	if _, ok := m[k]; ok || len(m) < maxKeys {
		m[k]++
	}
}

// network is the block in which one client usually sits: /24 and /48.
func network(a netip.Addr) netip.Prefix {
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, _ := a.WithZone("").Prefix(bits)
	return p
}

// busiestTuples are the tuples with many sockets, or with most of the span ports
// there are; 0 = not known.
func (c *census) busiestTuples(span int) []fact.TupleUse {
	var out []fact.TupleUse
	for t, n := range c.tuples {
		if n >= minTuple || span > 1 && n*10 >= span*9 {
			out = append(out, fact.TupleUse{Local: t.local, Remote: t.remote, Count: n})
		}
	}
	slices.SortFunc(out, func(a, b fact.TupleUse) int {
		return cmp.Or(b.Count-a.Count, a.Remote.Addr().Compare(b.Remote.Addr()), int(a.Remote.Port())-int(b.Remote.Port()), a.Local.Compare(b.Local))
	})
	return out[:min(len(out), keptPeers)]
}

func (c *census) busiestPeers(env *collect.Env) []fact.PeerUse {
	var out []fact.PeerUse
	for p, n := range c.peers {
		out = append(out, fact.PeerUse{Net: p, Count: n})
	}
	slices.SortFunc(out, func(a, b fact.PeerUse) int {
		return cmp.Or(b.Count-a.Count, a.Net.Addr().Compare(b.Net.Addr()))
	})
	out = out[:min(len(out), keptPeers)]
	for i := range out {
		out[i].CDN, _, _ = env.CDN(out[i].Net.Addr())
	}
	return out
}
