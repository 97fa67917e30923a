package eval

import (
	"fmt"

	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// Run evaluates one question over the whole address space.
func (h *Host) Run(q Query) *Result {
	res := h.run(q, false)
	if !h.unordered(res.engine.fam) {
		return res
	}
	// Chains of the old xtables and of nf_tables stand at the same priority. Which was registered first cannot be read,
	// so both orders are possible.
	other := h.run(q, true)
	for i := range other.Outcomes {
		o := &other.Outcomes[i]
		o.Tags = addTag(o.Tags, Tag{TagExternal, "hook order", "legacy iptables and nf_tables chains at the same priority run in the order they were registered, which cannot be read"})
	}
	res.Outcomes = append(res.Outcomes, other.Outcomes...)
	res.Feeds = append(res.Feeds, other.Feeds...)
	return res
}

func (h *Host) run(q Query, flip bool) *Result {
	e := &engine{h: h, q: q, width: q.Width, fam: ruleset.IP, dynsets: map[any]uint64{}, fibs: map[fib.Query][]fib.Part{}, flip: flip}
	if q.Width == 128 {
		e.fam = ruleset.IP6
	}
	start := &state{a: e.space(), env: env{dst: q.Dst, dport: q.Port, origDst: q.Dst, origPort: q.Port}}
	states := e.early([]*state{start})
	if e.looped() {
		states = e.depart(states)
	}
	states = e.hook(ruleset.Ingress, states, q.In, nil)
	states = e.hook(ruleset.Prerouting, states, q.In, nil)
	res := &Result{}
	for _, s := range states {
		e.deliver(s, res)
	}
	res.engine = e
	res.Outcomes, res.Limits, res.Feeds = e.outcomes, e.limits, e.feeding
	return res
}

// unordered reports whether legacy and nf_tables chains that both can refuse stand at the same priority of a hook.
func (h *Host) unordered(fam ruleset.Family) bool {
	type at struct {
		hook ruleset.Hook
		prio int32
		nat  bool
	}
	old := map[at]bool{}
	each := func(legacy bool, f func(at)) {
		for _, t := range h.Rules.Tables {
			if t.Legacy != legacy || t.Dormant || t.Family != fam && t.Family != ruleset.INET {
				continue
			}
			for _, c := range t.Chains {
				if c.Base != nil && (len(c.Rules) > 0 || c.Base.Drop) {
					f(at{c.Base.Hook, c.Base.Priority, c.Base.Type == "nat"})
				}
			}
		}
	}
	each(true, func(a at) { old[a] = true })
	found := false
	each(false, func(a at) { found = found || old[a] })
	return found
}

// early tags packets that a program outside netfilter may take first.
func (e *engine) early(states []*state) []*state {
	var tags []Tag
	tags = append(tags, e.h.Outside...)
	for i := range e.h.Net.Links {
		l := &e.h.Net.Links[i]
		if !e.passes(l) {
			continue
		}
		if l.XDP {
			tags = append(tags, Tag{TagExternal, "XDP", "a program on " + l.Name})
		}
		if l.TC {
			tags = append(tags, Tag{TagExternal, "tc", "an ingress filter on " + l.Name})
		}
	}
	for _, t := range e.h.Blind {
		e.record(&state{a: e.space(), env: states[0].env, tags: []Tag{t}}, EndDrop, "", Place{})
		e.record(&state{a: e.space(), env: states[0].env, tags: []Tag{t}}, EndAccept, "", Place{})
	}
	for _, t := range tags {
		// The program may drop or rewrite; what it does is not modelled, so both ends stay possible.
		e.hk = hookCtx{hook: ruleset.Ingress, iif: e.q.In}
		for _, s := range states {
			e.record(&state{a: s.a.Clone(), env: s.env, tags: []Tag{t}}, EndDrop, "", Place{})
		}
	}
	return states
}

// passes reports whether the packet comes in over a link: the one of the question, one that is part of it, or the one
// a VLAN is on.
func (e *engine) passes(l *fib.Link) bool {
	in := e.q.In
	return in != nil && (l.Index == in.Index || l.Master == in.Index || in.Parent != 0 && l.Index == in.Parent)
}

// hook runs everything at a hook in order and returns what passes.
func (e *engine) hook(hook ruleset.Hook, states []*state, iif, oif *fib.Link) []*state {
	dev := iif
	if hook == ruleset.Egress {
		dev = oif
	}
	name := ""
	if dev != nil {
		name = dev.Name
	}
	pf := e.fam
	for _, st := range e.stations(hook, name) {
		e.hk = hookCtx{hook: hook, pf: pf, iif: iif, oif: oif}
		switch st.what {
		case atConntrack:
			for _, s := range states {
				e.track(s)
			}
		case atNat:
			states = e.nat(states, st.nats)
		default:
			if st.chain.Table.Family == ruleset.NETDEV {
				e.hk.pf = ruleset.NETDEV
			}
			e.hk.atConntrack = st.prio == prioConntrack && (hook == ruleset.Prerouting || hook == ruleset.Output) && e.conntrackOn()
			states = e.baseChain(st.chain, states)
		}
		if len(states) == 0 {
			return nil
		}
	}
	e.hk = hookCtx{hook: hook, pf: pf, iif: iif, oif: oif}
	return states
}

// baseChain runs one base chain and its policy.
func (e *engine) baseChain(c *ruleset.Chain, states []*state) []*state {
	run := &baseRun{chain: c}
	e.base = run
	left := e.chain(c, states, nil, 0)
	for _, s := range left {
		if c.Base.Drop {
			e.record(s, EndDrop, "", Place{Chain: c})
			continue
		}
		run.accept(s, Place{Chain: c})
	}
	reply := len(run.accepted) > 0 && run.accepted[0].env.reply
	e.layers = append(e.layers, &layer{chain: c, hook: e.hk.hook, reply: reply, entries: run.entries})
	return merge(run.accepted)
}

// track is the conntrack hook.
func (e *engine) track(s *state) {
	switch {
	case s.env.ct == ctUntracked, s.env.ct == ctRelated:
	case s.env.reply && s.env.ct == ctInvalid:
	case s.env.reply:
		s.env.ct = ctReply
		s.env.status |= ipsSeenReply | ipsConfirmed
	default:
		s.env.ct = ctNew
	}
}

// nat is the nat core: on a new connection the nat chains run in order until one has set a mapping.
func (e *engine) nat(states []*state, chains []*ruleset.Chain) []*state {
	done := uint32(ipsDstNatDone)
	src := e.hk.hook == ruleset.Input || e.hk.hook == ruleset.Postrouting
	if src {
		done = ipsSrcNatDone
	}
	var out, open []*state
	for _, s := range states {
		if s.env.ct == ctNew && !s.env.reply && s.env.status&done == 0 {
			open = append(open, s)
			continue
		}
		out = append(out, s)
	}
	for _, c := range chains {
		if len(open) == 0 {
			break
		}
		var next []*state
		for _, s := range e.baseChain(c, open) {
			if s.env.status&done != 0 {
				out = append(out, s)
			} else {
				next = append(next, s)
			}
		}
		open = next
	}
	for _, s := range open {
		s.env.status |= done
		out = append(out, s)
	}
	return merge(out)
}

// deliver routes the packet and runs the hooks behind the routing decision.
func (e *engine) deliver(s *state, res *Result) {
	switch {
	case s.env.tproxy, s.env.unkDst != 0:
		t := Tag{TagUnknown, "destination", "rewritten to an address that is not known"}
		if s.env.tproxy {
			t = Tag{TagSocket, "tproxy", "handed to a transparent proxy"}
		}
		s.tags = addTag(s.tags, t)
		e.record(s, EndStolen, "", Place{})
	case e.deliverable(s.env.dst):
		res.Delivery = "local"
		for _, p := range e.hook(ruleset.Input, []*state{s}, e.q.In, nil) {
			e.answer(p, nil)
		}
	default:
		e.forward(s, res)
	}
}

// forward routes a packet that is not for this host.
func (e *engine) forward(s *state, res *Result) {
	fam := e.h.Net.Family(e.width)
	e.hk = hookCtx{hook: ruleset.Forward, pf: e.fam, iif: e.q.In}
	if !fam.Forward {
		res.Delivery = "none"
		s.tags = addTag(s.tags, Tag{TagRoute, "destination", fmt.Sprintf("%s is not an address of this host, and it does not forward", e.addr(s.env.dst))})
		e.record(s, EndStolen, "", Place{})
		return
	}
	res.Delivery = "forward"
	oif, err := e.routeTo(s.env)
	if err != nil {
		s.tags = addTag(s.tags, Tag{TagRoute, "destination", err.Error()})
		e.record(s, EndStolen, "", Place{})
		return
	}
	if s.env.prio.unk == 0 && s.env.prio.v == 0 {
		s.env.prio = val{unk: e.unknown(field("DSCP"), 4, 0, 6) + 1}
	}
	states := e.hook(ruleset.Forward, []*state{s}, e.q.In, oif)
	states = e.hook(ruleset.Postrouting, states, e.q.In, oif)
	for _, p := range states {
		e.answer(p, oif)
	}
}

// routeTo returns the interface a forwarded packet leaves by.
func (e *engine) routeTo(v env) (*fib.Link, error) {
	q := fib.Query{Width: e.width}
	if e.q.In != nil {
		q.Iif = e.q.In.Name
	}
	if v.mark.unk != 0 {
		return nil, errUnknownMark
	}
	q.Mark = v.mark.v
	parts, err := e.partition(q)
	if err != nil {
		return nil, err
	}
	p, ok := fib.Lookup(parts, v.dst)
	if !ok || p.Type != fib.Unicast || len(p.Oifs) == 0 {
		return nil, fmt.Errorf("no route to %s", e.addr(v.dst))
	}
	return e.h.Net.Link(p.Oifs[0]), nil
}
