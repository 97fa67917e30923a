package collect

import (
	"context"
	"net/netip"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// maxLocals bounds the host's own addresses that a question is asked for.
const maxLocals = 4

// Locals are the host's own addresses of a family that the edge may connect
// to: those asked about, else the public ones, else any global one (behind
// NAT the edge's packets arrive at a private address).
func (e *Env) Locals(ctx context.Context, f originward.Family) []netip.Addr {
	a := e.Addresses(ctx)
	var asked, public, global []netip.Addr
	for _, q := range a.Asked {
		if q.Here == fact.Yes && originward.FamilyOf(q.Addr) == f {
			asked = append(asked, q.Addr)
		}
	}
	for _, addr := range a.Public {
		if originward.FamilyOf(addr) == f {
			public = append(public, addr)
		}
	}
	for _, i := range a.Interfaces {
		for _, p := range i.Addrs {
			if originward.FamilyOf(p.Addr()) == f && p.Addr().IsGlobalUnicast() && !strings.HasPrefix(i.Kind, "bridge") {
				global = append(global, p.Addr())
			}
		}
	}
	for _, list := range [][]netip.Addr{asked, public, global} {
		if len(list) > 0 {
			return list[:min(len(list), maxLocals)]
		}
	}
	return nil
}
