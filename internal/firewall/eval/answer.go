package eval

import (
	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// answer follows the SYN-ACK of packets that arrived. via is the interface a forwarded SYN left by, nil when it was for
// this host. What passes both ways is accepted.
func (e *engine) answer(s *state, via *fib.Link) {
	if !e.seesAnswers(via != nil) {
		e.pass(s)
		return
	}
	v := s.env
	v.reply = true
	v.mark, v.prio, v.pkttype, v.rewritten = val{}, val{}, 0, 0
	switch v.ct {
	case ctNew:
		v.ct = ctNone
	default:
		// Not tracked on the way in: conntrack does not know the connection a SYN-ACK belongs to.
		if e.conntrackOn() {
			v.ct = ctInvalid
		}
	}
	untracked := v.ct == ctInvalid
	back := &state{a: s.a, p: s.p, env: v, tags: s.tags}
	if untracked {
		back.env.ct = ctNone
	}
	if e.looped() {
		e.comeBack(back, untracked)
		return
	}
	if via != nil {
		e.answerForwarded(back, via, untracked)
		return
	}
	for _, part := range e.byRoute(back) {
		e.answerLocal(part.state, part.oif, untracked)
	}
}

// seesAnswers reports whether any rule runs on the way back: where none does there is nothing to follow.
func (e *engine) seesAnswers(forwarded bool) bool {
	hooks := []ruleset.Hook{ruleset.Output, ruleset.Postrouting, ruleset.Egress}
	switch {
	case e.looped():
		hooks = loop
	case forwarded:
		hooks = []ruleset.Hook{ruleset.Ingress, ruleset.Prerouting, ruleset.Forward, ruleset.Postrouting, ruleset.Egress}
	}
	return e.h.hooked(e.fam, hooks...)
}

type routed struct {
	state *state
	oif   *fib.Link
}

// byRoute splits packets by the interface a reply to their source leaves by. Sources without a route are accepted here:
// routing is somebody else's finding.
func (e *engine) byRoute(s *state) []routed {
	q := fib.Query{Width: e.width, Iif: "lo"}
	if s.env.unkDst == 0 {
		q.Src = e.addr(s.env.dst)
	}
	parts, err := e.partition(q)
	if err != nil {
		e.limit("reply route", err.Error())
		return []routed{{s, nil}}
	}
	if s.env.hasSnat == 1 {
		p, _ := fib.Lookup(parts, s.env.snat)
		return []routed{{s, e.firstLink(p)}}
	}
	var out []routed
	for _, p := range parts {
		in := s.a.Intersect(p.Set)
		if in.Empty() {
			continue
		}
		st := &state{a: in, p: s.p, env: s.env, tags: s.tags}
		if p.Type != fib.Unicast || len(p.Oifs) == 0 {
			// A martian source, this host itself, or no route: no answer to evaluate.
			e.pass(st)
			continue
		}
		out = append(out, routed{st, e.firstLink(p)})
	}
	return mergeRouted(out)
}

func mergeRouted(in []routed) []routed {
	var out []routed
next:
	for _, r := range in {
		for i := range out {
			if out[i].oif == r.oif {
				out[i].state.a.Add(r.state.a)
				continue next
			}
		}
		out = append(out, r)
	}
	return out
}

func (e *engine) firstLink(p fib.Part) *fib.Link {
	if len(p.Oifs) == 0 {
		return nil
	}
	return e.h.Net.Link(p.Oifs[0])
}

func (e *engine) limit(what, why string) {
	for _, l := range e.limits {
		if l.What == what && l.Why == why {
			return
		}
	}
	e.limits = append(e.limits, Limit{What: what, Why: why})
}

// answerLocal is the SYN-ACK a listener on this host sends.
func (e *engine) answerLocal(s *state, oif *fib.Link, untracked bool) {
	states := e.replyHook(ruleset.Output, []*state{s}, nil, oif, untracked)
	states = e.replyHook(ruleset.Postrouting, states, nil, oif, untracked)
	for _, p := range e.hook(ruleset.Egress, states, nil, oif) {
		e.pass(p)
	}
}

// answerForwarded is the SYN-ACK of a container or machine behind this host.
func (e *engine) answerForwarded(s *state, in *fib.Link, untracked bool) {
	states := e.hook(ruleset.Ingress, []*state{s}, in, nil)
	states = e.replyHook(ruleset.Prerouting, states, in, nil, untracked)
	for _, p := range states {
		for _, part := range e.byRoute(p) {
			out := e.hook(ruleset.Forward, []*state{part.state}, in, part.oif)
			out = e.replyHook(ruleset.Postrouting, out, in, part.oif, untracked)
			for _, q := range e.hook(ruleset.Egress, out, in, part.oif) {
				e.pass(q)
			}
		}
	}
}

// replyHook runs a hook where connection tracking and nat act on replies.
func (e *engine) replyHook(hook ruleset.Hook, states []*state, iif, oif *fib.Link, untracked bool) []*state {
	pf := e.fam
	name := ""
	for _, st := range e.stations(hook, name) {
		e.hk = hookCtx{hook: hook, pf: pf, iif: iif, oif: oif}
		switch st.what {
		case atConntrack:
			for _, s := range states {
				if untracked && s.env.ct == ctNone {
					s.env.ct = ctInvalid
				}
				e.track(s)
			}
		case atNat:
			for _, s := range states {
				e.unmap(s)
			}
		default:
			e.hk.atConntrack = st.prio == prioConntrack && st.chain != nil && hook != ruleset.Postrouting && e.conntrackOn()
			states = e.baseChain(st.chain, states)
		}
		if len(states) == 0 {
			return nil
		}
	}
	e.hk = hookCtx{hook: hook, pf: pf, iif: iif, oif: oif}
	return states
}

// unmap undoes the connection's rewrites on a reply: the source NAT's where destinations are mapped, the destination
// NAT's where sources are (nf_nat_packet).
func (e *engine) unmap(s *state) {
	if s.env.ct != ctReply && s.env.ct != ctRelated {
		return
	}
	if e.hk.hook == ruleset.Prerouting || e.hk.hook == ruleset.Output {
		if s.env.status&ipsSrcNat != 0 {
			s.env.hasSnat, s.env.snat = 0, interval.U128{}
		}
		return
	}
	if s.env.status&ipsDstNat != 0 {
		s.env.dst, s.env.dport = s.env.origDst, s.env.origPort
		s.env.unkDst, s.env.unkPort = 0, 0
	}
}

// pass records packets that made it both ways.
func (e *engine) pass(s *state) { e.record(s, EndAccept, "", Place{}) }
