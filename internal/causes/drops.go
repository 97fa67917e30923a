package causes

import (
	"fmt"
	"slices"
	"time"

	"github.com/originward/originward/fact"
)

// The kernel's reasons for drops that a cause may cite (enum skb_drop_reason).
const (
	dropFilter = "NETFILTER_DROP" // a rule of the packet filter
	dropSocket = "SOCKET_FILTER"  // a program on the socket or its cgroup: IPAddressDeny=
	dropReturn = "IP_RPFILTER"    // the reverse-path filter
)

// dropped answers whether, while somebody watched, the kernel dropped packets
// of the leg from the edge for a reason. Where nobody watched, or none came in
// the window, nothing is known.
func (v *View) dropped(l *Leg, reason string) Ans {
	for _, it := range v.drops {
		for _, g := range it.Fact.Groups {
			edge := g.CDN != "" || slices.Contains(v.Egress, g.Example.Unmap())
			if !edge || g.Reason != reason || g.Port != l.Port || l.Addr().IsValid() && g.Dst.Unmap() != l.Addr() && v.HostIs(l.Addr()).IsYes() {
				continue
			}
			return Yes(fmt.Sprintf("in %v the kernel dropped %d packets of handshakes with %s on port %d: %s", it.Fact.Window.Round(time.Millisecond), g.Packets, g.From, g.Port, g.Reason), it.ID)
		}
	}
	return Ans{}
}

// citesDrop adds the kernel's own drops to a case whose mechanism they show. It
// costs nothing where there are none: nobody may have knocked.
func (v *View) citesDrop(c *Case, l *Leg, reason string) {
	if a := v.dropped(l, reason); a.IsYes() {
		c.Backs("Does the kernel drop the edge's packets for this reason, while it is watched?", a)
	}
}

// trimDrops bounds what a bundle says of drops.
func (v *View) trimDrops() {
	for i := range v.drops {
		v.drops[i].Fact.Groups = prefer(v.drops[i].Fact.Groups, maxItems, func(g fact.DropGroup) bool { return g.CDN != "" })
	}
}
