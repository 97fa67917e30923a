package eval

import (
	"fmt"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// verdict is how a rule ends: a verdict of nf_tables, or one of the ends it has no code for.
type verdict struct {
	ruleset.Verdict
	reject string // what a reject answers
	stolen *Tag   // the packet leaves the modelled path
	queue  *Tag   // user space decides
}

func code(c ruleset.VerdictCode) verdict { return verdict{Verdict: ruleset.Verdict{Code: c}} }

// finish sends what a cursor holds where its verdict says.
func (e *engine) finish(r *ruleset.Rule, st *state, c *cursor, cr *chainRun, v verdict) {
	if v.Code == ruleset.VBreak {
		return
	}
	if v.Code == ruleset.VContinue && !c.mayDrop && c.env == st.env {
		return // nothing changed: the state simply goes on
	}
	pl := Place{Chain: cr.chain, Rule: r, stack: cr.frame}
	if c.from != nil {
		pl.Set, pl.IPSet = c.from.set, c.from.ips
	}
	if c.mayDrop {
		d := &state{a: e.keep(st.a, c.f), p: st.p, env: c.env, tags: addTags(st.tags, c.tags)}
		e.record(d, EndDrop, "", pl)
		if v.Code == ruleset.VContinue && c.env == st.env {
			return
		}
	}
	m := e.take(st, c, cr)
	if m.empty() {
		return
	}
	e.dispatch(m, r, cr, v, pl)
}

func (e *engine) dispatch(m *state, r *ruleset.Rule, cr *chainRun, v verdict, pl Place) {
	switch {
	case v.reject != "":
		e.refuse(m, v.reject, pl)
	case v.stolen != nil:
		m.tags = addTag(m.tags, *v.stolen)
		e.record(m, EndStolen, "", pl)
	case v.queue != nil:
		e.queue(m, pl, *v.queue)
	case v.Code == ruleset.VContinue:
		cr.next = append(cr.next, m)
	case v.Code == ruleset.VReturn:
		cr.returned = append(cr.returned, m)
	case v.Code == ruleset.VJump || v.Code == ruleset.VGoto:
		e.jump(m, r, cr, v.Verdict, pl)
	case v.Code&0xff == ruleset.VAccept:
		e.base.accept(m, pl)
	case v.Code&0xff == ruleset.VDrop:
		e.record(m, EndDrop, "", pl)
	case v.Code&0xff == ruleset.VQueue:
		e.queue(m, pl, Tag{TagExternal, "queue", fmt.Sprintf("queue %d to user space", uint32(v.Code)>>16)})
	case v.Code&0xff == ruleset.VStolen:
		e.record(m, EndStolen, "", pl)
	default:
		m.tags = addTag(m.tags, Tag{TagUnknown, fmt.Sprintf("verdict %d", v.Code), ""})
		e.record(m, EndDrop, "", pl)
		cr.next = append(cr.next, &state{a: m.a.Clone(), p: m.p, env: m.env, tags: m.tags})
	}
}

// jump runs the target chain; what comes back joins the caller (jump) or leaves the current chain too (goto).
func (e *engine) jump(m *state, r *ruleset.Rule, cr *chainRun, v ruleset.Verdict, pl Place) {
	if v.To == nil || cr.depth >= maxDepth {
		m.tags = addTag(m.tags, Tag{TagUnknown, "jump to " + v.Chain, "the chain is missing or nested too deep"})
		e.record(&state{a: m.a.Clone(), p: m.p, env: m.env, tags: m.tags}, EndDrop, "", pl)
		cr.next = append(cr.next, m)
		return
	}
	goTo := v.Code == ruleset.VGoto
	back := e.chain(v.To, []*state{m}, &frame{parent: cr.frame, rule: r, goTo: goTo}, cr.depth+1)
	if goTo {
		cr.returned = append(cr.returned, back...)
	} else {
		cr.next = append(cr.next, back...)
	}
}

// queue hands packets to user space, which may accept or drop them, or not be there at all.
func (e *engine) queue(m *state, pl Place, t Tag) {
	m.tags = addTag(m.tags, t)
	e.record(&state{a: m.a.Clone(), p: m.p, env: m.env, tags: m.tags}, EndDrop, "", pl)
	e.base.accept(m, pl)
}
