package causes

import (
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// poolOrigin is an origin of a load balancer at the CDN that is in use.
type poolOrigin struct {
	fact.CDNPoolOrigin
	pool *fact.CDNPool
	by   string
}

// balanced reports whether a load balancer at the CDN is known to take the name, so
// that its records do not count; its pools may not have been read.
func (v *View) balanced() bool {
	return len(v.balancer) > 0 || slices.ContainsFunc(v.cdnRecs, func(it fact.Item[fact.CDNRecords]) bool {
		return it.Fact.Covered == fact.Yes && hasAny(it.Fact.CoveredBy, "load balancer")
	})
}

// Bounds of a bundle's load balancer: more than any has.
const (
	maxPools       = 64
	maxPoolOrigins = 200
)

// poolOrigins are the origins that the load balancer may ask.
func (v *View) poolOrigins() iter.Seq[poolOrigin] {
	return func(yield func(poolOrigin) bool) {
		for _, b := range v.balancer {
			for i := range first(b.Fact.Pools, maxPools) {
				p := &b.Fact.Pools[i]
				for _, m := range first(p.Origins, maxPoolOrigins) {
					if p.Enabled != fact.No && m.Enabled != fact.No && !yield(poolOrigin{m, p, b.ID}) {
						return
					}
				}
			}
		}
	}
}

// pooled answers whether the load balancer's pools hold an address. A pool that
// could not be read may hold any, and so may one whose origins are names.
func (v *View) pooled(a netip.Addr) Ans {
	open := len(v.balancer) == 0
	for m := range v.poolOrigins() {
		c, err := netip.ParseAddr(m.Address)
		if err == nil && c.Unmap() == a {
			return Yes("the load balancer's pool "+m.pool.Name+" holds "+a.String(), m.by)
		}
		open = open || err != nil
	}
	for _, b := range v.balancer {
		for _, p := range b.Fact.Pools {
			open = open || p.Unread
		}
	}
	if open {
		return Unseen(lookPools)
	}
	return No("no pool of the CDN's load balancer holds "+a.String(), v.balancer[0].ID)
}

// portsAt are the ports at which the edge asks an address where it would ask port:
// an origin of a pool can have its own.
func (v *View) portsAt(a netip.Addr, port uint16) []uint16 {
	var out []uint16
	for m := range v.poolOrigins() {
		if c, err := netip.ParseAddr(m.Address); err != nil || c.Unmap() != a {
			continue
		}
		p := port
		if m.Port > 0 && m.Port < 1<<16 {
			p = uint16(m.Port) //nolint:gosec // checked where it was read
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	if out == nil {
		return []uint16{port}
	}
	return out
}

// writtenAt says where at the CDN an address is written.
func (v *View) writtenAt(a netip.Addr) string {
	if w, in := v.forwardsTo(a.String()); in {
		return w
	}
	return "the " + recordType(a) + " record of " + v.Host
}

// inPool reports whether a name is an origin's in a pool.
func (v *View) inPool(name string) bool {
	_, in := v.forwardsTo(strings.TrimSuffix(lower(name), "."))
	return in && name != ""
}

// withdraw is the step that has the CDN use an address no more.
func (v *View) withdraw(a netip.Addr, more string) originward.Step {
	for m := range v.poolOrigins() {
		if m.Address == a.String() {
			return onCDN("disable origin "+firstOf(m.Name, m.Address)+" in the pool "+firstOf(m.pool.Name, m.pool.ID)+more, "enable it again")
		}
	}
	return onCDN("delete the "+recordType(a)+" record "+a.String()+" of "+v.Host+more, "add the record again")
}

// forwardsTo says where at the CDN a name of an origin is written.
func (v *View) forwardsTo(name string) (where string, is bool) {
	for m := range v.poolOrigins() {
		if lower(m.Address) == name {
			return "the address of origin " + firstOf(m.Name, name) + " in the pool " + firstOf(m.pool.Name, m.pool.ID), true
		}
	}
	return "", false
}
