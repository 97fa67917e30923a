package eval

import (
	"slices"
	"strings"

	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

// Priorities at which the kernel's own hooks run (NF_IP_PRI_*).
const (
	prioConntrack = -200
	prioNatDst    = -100
	prioNatSrc    = 100
	prioLast      = 1<<31 - 1
)

// station is what runs at one priority of a hook: a base chain, or a step of the kernel itself.
type station struct {
	prio  int32
	chain *ruleset.Chain // nil for the kernel's own
	what  stationKind
	nats  []*ruleset.Chain
}

type stationKind uint8

const (
	atChain stationKind = iota
	atConntrack
	atNat
)

// stations lists what a packet of this family meets at a hook, in order.
func (e *engine) stations(hook ruleset.Hook, dev string) []station {
	var out []station
	var nats []*ruleset.Chain
	for _, t := range e.h.Rules.Tables {
		if t.Dormant || !e.sees(t.Family, hook) {
			continue
		}
		for _, c := range t.Chains {
			if c.Base == nil || c.Base.Hook != hook || !onDevice(c, hook, dev) {
				continue
			}
			if c.Base.Type == "nat" {
				nats = append(nats, c)
				continue
			}
			out = append(out, station{prio: c.Base.Priority, chain: c})
		}
	}
	// Of two chains at the same priority the one registered later runs first (nf_hook_entries_grow).
	slices.Reverse(out)
	slices.Reverse(nats)
	if e.flip {
		legacyLast(out, nats)
	}
	if e.conntrackOn() && (hook == ruleset.Prerouting || hook == ruleset.Output) {
		out = append(out, station{prio: prioConntrack, what: atConntrack})
	}
	if e.natOn() {
		slices.SortStableFunc(nats, func(a, b *ruleset.Chain) int { return comparePrio(a.Base.Priority, b.Base.Priority) })
		prio := int32(prioNatDst)
		if hook == ruleset.Input || hook == ruleset.Postrouting {
			prio = prioNatSrc
		}
		if hook >= ruleset.Prerouting && hook <= ruleset.Postrouting && hook != ruleset.Forward {
			out = append(out, station{prio: prio, what: atNat, nats: nats})
		}
	}
	slices.SortStableFunc(out, func(a, b station) int { return comparePrio(a.prio, b.prio) })
	return out
}

// legacyLast moves legacy chains behind those of nf_tables; the sort by priority that follows is stable.
func legacyLast(out []station, nats []*ruleset.Chain) {
	slices.SortStableFunc(out, func(a, b station) int { return legacyRank(a.chain) - legacyRank(b.chain) })
	slices.SortStableFunc(nats, func(a, b *ruleset.Chain) int { return legacyRank(a) - legacyRank(b) })
}

func legacyRank(c *ruleset.Chain) int {
	if c.Table.Legacy {
		return 1
	}
	return 0
}

func comparePrio(a, b int32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// sees reports whether tables of a family run at a hook for this packet.
func (e *engine) sees(f ruleset.Family, hook ruleset.Hook) bool {
	switch f {
	case ruleset.INET:
		return hook != ruleset.Egress
	case ruleset.NETDEV:
		return hook == ruleset.Ingress || hook == ruleset.Egress
	}
	return f == e.fam && hook != ruleset.Ingress && hook != ruleset.Egress
}

// onDevice reports whether a device-bound chain covers the interface; others cover all.
func onDevice(c *ruleset.Chain, hook ruleset.Hook, dev string) bool {
	if hook != ruleset.Ingress && hook != ruleset.Egress {
		return true
	}
	for _, d := range c.Base.Devices {
		if d == dev || strings.HasSuffix(d, "*") && strings.HasPrefix(dev, strings.TrimSuffix(d, "*")) {
			return true
		}
	}
	return false
}

// conntrackOn reports whether connection tracking runs for the family: some rule has to ask for it.
func (e *engine) conntrackOn() bool { return e.h.feature(e.fam).conntrack }

// natOn reports whether the nat core is registered for the family.
func (e *engine) natOn() bool { return e.h.feature(e.fam).nat }

type features struct{ conntrack, nat bool }

// feature finds what the ruleset makes the kernel turn on for a family.
func (h *Host) feature(fam ruleset.Family) features {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f, ok := h.on[fam]; ok {
		return f
	}
	var f features
	for _, t := range h.Rules.Tables {
		if t.Family != fam && t.Family != ruleset.INET {
			continue
		}
		for k := range t.Objects {
			if k.Type == ruleset.ObjectConnlimit || k.Type == ruleset.ObjectSynproxy {
				f.conntrack = true
			}
		}
		for _, c := range t.Chains {
			// A dormant table's hooks are gone, but its expressions keep conntrack on.
			if c.Base != nil && c.Base.Type == "nat" && !t.Dormant {
				f.nat = true
			}
			for _, r := range c.Rules {
				for i := range r.Exprs {
					f.conntrack = f.conntrack || needsConntrack(&r.Exprs[i])
				}
			}
		}
	}
	if h.on == nil {
		h.on = map[ruleset.Family]features{}
	}
	h.on[fam] = f
	return f
}

// needsConntrack reports whether loading an expression turns connection tracking on (nf_ct_netns_get).
func needsConntrack(ex *ruleset.Expr) bool {
	switch ex.Kind {
	case ruleset.KindCt, ruleset.KindCtSet, ruleset.KindConnlimit, ruleset.KindNat, ruleset.KindMasq, ruleset.KindRedir,
		ruleset.KindSynproxy, ruleset.KindFlowOffload:
		return true
	case ruleset.KindDynset:
		for i := range ex.X.Inner {
			if needsConntrack(&ex.X.Inner[i]) {
				return true
			}
		}
	case ruleset.KindXtMatch, ruleset.KindXtTarget:
		switch m := ex.X.Xt.Info.(type) {
		case xt.Conntrack, xt.NAT, xt.ConnmarkSet, xt.Synproxy, xt.Helper:
			return true
		case xt.CT:
			return !m.NoTrack
		case xt.MarkMatch:
			return m.Conn
		case xt.Stateful:
			return m.Name == "connlimit" || m.Name == "connbytes"
		}
		return ex.X.Xt.Name == "CONNSECMARK"
	}
	return false
}
