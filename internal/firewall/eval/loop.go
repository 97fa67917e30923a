package eval

import (
	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// looped reports a connection the host makes to itself: its packets leave through the hooks of locally made ones and
// come back over the loopback interface, in both directions, with their connection already known.
func (e *engine) looped() bool { return e.q.In != nil && e.q.In.Loopback }

// loop is every hook such a packet meets.
var loop = []ruleset.Hook{ruleset.Output, ruleset.Postrouting, ruleset.Egress, ruleset.Ingress, ruleset.Prerouting, ruleset.Input}

// depart takes a SYN made on this host to the loopback interface.
func (e *engine) depart(states []*state) []*state {
	lo := e.q.In
	for _, h := range []ruleset.Hook{ruleset.Output, ruleset.Postrouting, ruleset.Egress} {
		states = e.hook(h, states, nil, lo)
	}
	var out []*state
	for _, s := range states {
		if s.env.unkDst != 0 || !e.deliverable(s.env.dst) {
			s.tags = addTag(s.tags, Tag{TagUnknown, "destination", "a rule sends the host's own connection elsewhere"})
			e.record(s, EndStolen, "", Place{})
			continue
		}
		if s.env.ct == ctNew {
			s.env.status |= ipsConfirmed
		}
		out = append(out, s)
	}
	return out
}

// comeBack takes an answer made on this host over the loopback interface to the socket that asked.
func (e *engine) comeBack(s *state, untracked bool) {
	lo := e.q.In
	states := e.replyHook(ruleset.Output, []*state{s}, nil, lo, untracked)
	states = e.replyHook(ruleset.Postrouting, states, nil, lo, untracked)
	states = e.hook(ruleset.Egress, states, nil, lo)
	states = e.hook(ruleset.Ingress, states, lo, nil)
	states = e.replyHook(ruleset.Prerouting, states, lo, nil, untracked)
	for _, p := range e.replyHook(ruleset.Input, states, lo, nil, untracked) {
		e.pass(p)
	}
}

// overLoop reports a hook at which the kernel takes the incoming loopback interface for the way back, whatever the
// routing says (nft_fib_can_skip).
func (e *engine) overLoop(iif *fib.Link) bool {
	switch e.hk.hook {
	case ruleset.Ingress, ruleset.Prerouting, ruleset.Input:
		return iif != nil && iif.Loopback
	}
	return false
}
