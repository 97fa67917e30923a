package eval

import (
	"slices"
	"strings"

	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// refuse ends packets with a reject. Its answer is a packet like any other: a rule on the way out may drop it, and the
// client then sees silence. A reject of the answer to the SYN goes to whoever sent that, never to the client.
func (e *engine) refuse(m *state, with string, pl Place) {
	if m.env.reply {
		e.record(m, EndDrop, "", pl)
		return
	}
	if e.hk.pf == ruleset.NETDEV || !e.wayOut() {
		e.record(m, EndReject, with, pl)
		return
	}
	sub := e.beside()
	for _, s := range sub.states(m, with) {
		sub.out(s)
	}
	for i := range sub.e.outcomes {
		o := &sub.e.outcomes[i]
		got := &state{a: o.Set, p: o.Ports, env: m.env, tags: o.Tags}
		if o.End == EndAccept {
			e.record(got, EndReject, with, pl)
		} else {
			e.record(got, EndDrop, "", pl)
		}
	}
	e.slots, e.steps = sub.e.slots, sub.e.steps
}

// wayOut reports whether any rule sees packets this host sends.
func (e *engine) wayOut() bool {
	if e.looped() {
		return e.h.hooked(e.fam, loop...)
	}
	return e.h.hooked(e.fam, ruleset.Output, ruleset.Postrouting, ruleset.Egress)
}

// hooked reports whether a base chain that can do anything stands on one of the hooks for a family.
func (h *Host) hooked(fam ruleset.Family, hooks ...ruleset.Hook) bool {
	for _, t := range h.Rules.Tables {
		if t.Dormant || t.Family != fam && t.Family != ruleset.INET && t.Family != ruleset.NETDEV {
			continue
		}
		for _, c := range t.Chains {
			if c.Base != nil && (len(c.Rules) > 0 || c.Base.Drop || c.Unknown != "") && slices.Contains(hooks, c.Base.Hook) {
				return true
			}
		}
	}
	return false
}

// sideRun evaluates a packet beside the main one.
type sideRun struct{ e *engine }

func (e *engine) beside() sideRun {
	sub := *e
	sub.outcomes, sub.layers, sub.base, sub.stack, sub.free, sub.hdr = nil, nil, nil, nil, nil, nil
	return sideRun{&sub}
}

// states are the refusals of some packets, split by the interface they leave by.
func (r sideRun) states(m *state, with string) []routed {
	v := m.env
	v.reply, v.mark, v.prio, v.pkttype, v.rewritten = true, val{}, val{}, 0, 0
	v.refusal = r.e.refusalOf(with)
	if v.ct == ctNew {
		v.ct = ctRelated
	} else {
		v.ct = ctNone
	}
	s := &state{a: m.a.Clone(), p: m.p, env: v, tags: m.tags}
	if r.e.looped() {
		return []routed{{s, r.e.q.In}}
	}
	return r.e.byRoute(s)
}

// out takes one refusal through the hooks of packets made here.
func (r sideRun) out(s routed) {
	e := r.e
	if e.looped() {
		e.comeBack(s.state, true)
		return
	}
	states := e.refusalHook(ruleset.Output, []*state{s.state}, s.oif)
	states = e.refusalHook(ruleset.Postrouting, states, s.oif)
	for _, p := range e.hook(ruleset.Egress, states, nil, s.oif) {
		e.pass(p)
	}
}

// refusalHook is a hook for a refusal: conntrack finds nothing where it is not attached already.
func (e *engine) refusalHook(hook ruleset.Hook, states []*state, oif *fib.Link) []*state {
	return e.replyHook(hook, states, nil, oif, true)
}

// refusalOf turns the name of a reject into its packet.
func (e *engine) refusalOf(with string) refusal {
	if with == "tcp-reset" {
		return refusal{rst: true}
	}
	kind, name, _ := strings.Cut(with, " ")
	if e.width == 128 {
		code := map[string]uint8{
			"no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "host-unreachable": 3, "port-unreachable": 4,
			"policy-fail": 5, "reject-route": 6,
		}[name]
		return refusal{typ: 1, code: code}
	}
	code := map[string]uint8{
		"net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3, "net-prohibited": 9,
		"host-prohibited": 10, "admin-prohibited": 13,
	}[name]
	if kind == "icmpx" && name == "no-route" {
		code = 0
	}
	return refusal{typ: 3, code: code}
}
