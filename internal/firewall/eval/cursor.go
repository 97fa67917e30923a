package eval

import (
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// cursor is a walk through one rule's expressions for some of a state's packets.
type cursor struct {
	i    int
	env  env
	regs regs
	// f are the filters collected so far, all of which apply; p the ports, nil for all.
	f    []filter
	p    *interval.Set
	tags []Tag
	from *source
	// mayDrop is set by an expression that might end the packet by itself.
	mayDrop bool
}

func (e *engine) newCursor() *cursor {
	if n := len(e.free); n > 0 {
		c := e.free[n-1]
		e.free = e.free[:n-1]
		return c
	}
	return &cursor{}
}

func (c *cursor) reset(v env) {
	f := c.f[:0]
	*c = cursor{env: v, f: f}
}

func (e *engine) fork(c *cursor) *cursor {
	n := e.newCursor()
	f := append(n.f[:0], c.f...)
	*n = *c
	n.f = f
	return n
}

// chainRun is one pass of states through a chain.
type chainRun struct {
	chain *ruleset.Chain
	frame *frame
	depth int
	// next are states that join the live ones after the current rule; returned are those that left the chain.
	next, returned []*state
}

// maxDepth is the kernel's jump stack (NFT_JUMP_STACK_SIZE).
const maxDepth = 16

// chain runs states through a chain and returns those that reach its end or return.
func (e *engine) chain(c *ruleset.Chain, live []*state, f *frame, depth int) []*state {
	cr := &chainRun{chain: c, frame: f, depth: depth}
	if c.Unknown != "" {
		e.doubt(live, cr, Tag{TagUnknown, "chain " + c.Name, c.Unknown})
	}
	for _, r := range c.Rules {
		n := len(live)
		gone := false
		for i := 0; i < n; i++ {
			e.exec(r, live[i], cr)
			gone = gone || live[i].empty()
		}
		e.steps += n
		if gone || len(cr.next) > 0 {
			live = merge(append(live, cr.next...))
			cr.next = cr.next[:0]
			if len(live) == 0 {
				break
			}
		}
		if e.steps > maxSteps {
			e.doubt(live, cr, Tag{TagUnknown, "size", "the ruleset is too large to evaluate"})
			break
		}
	}
	return merge(append(live, cr.returned...))
}

// doubt records that live states may be dropped here for a reason that is not known.
func (e *engine) doubt(live []*state, cr *chainRun, t Tag) {
	for _, s := range live {
		d := &state{a: s.a.Clone(), p: s.p, env: s.env, tags: addTag(s.tags, t)}
		e.record(d, EndDrop, "", Place{Chain: cr.chain, stack: cr.frame})
	}
}

// exec runs one rule on a state. What matches is taken out of the state and goes where the rule sends it.
func (e *engine) exec(r *ruleset.Rule, st *state, cr *chainRun) {
	if st.empty() {
		return
	}
	c := e.newCursor()
	c.reset(st.env)
	e.stack = append(e.stack[:0], c)
	// Jumps recurse into exec, which uses the stack itself: work on a private window.
	stack := e.stack
	e.stack = nil
	for len(stack) > 0 {
		c = stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		stack = e.walk(r, st, c, cr, stack)
		e.free = append(e.free, c)
	}
	e.stack = stack[:0]
}

// walk takes one cursor through the rest of the rule; what it splits off is pushed on the stack.
func (e *engine) walk(r *ruleset.Rule, st *state, c *cursor, cr *chainRun, stack []*cursor) []*cursor {
	for c.i < len(r.Exprs) {
		ex := &r.Exprs[c.i]
		c.i++
		if int(ex.Kind) < len(effects) && effects[ex.Kind] {
			e.feed(ex, st, c)
		}
		d, pieces, v := e.step(ex, c, r)
		switch d {
		case didBreak:
			return stack
		case didVerdict:
			e.finish(r, st, c, cr, v)
			return stack
		case didSplit:
			for k := len(pieces) - 1; k >= 1; k-- {
				n := e.fork(c)
				if e.narrow(n, &pieces[k], ex, st) {
					if pieces[k].verdict != nil {
						e.finish(r, st, n, cr, verdict{Verdict: *pieces[k].verdict})
						e.free = append(e.free, n)
						continue
					}
					stack = append(stack, n)
				} else {
					e.free = append(e.free, n)
				}
			}
			if len(pieces) == 0 || !e.narrow(c, &pieces[0], ex, st) {
				return stack
			}
			if v := pieces[0].verdict; v != nil {
				e.finish(r, st, c, cr, verdict{Verdict: *v})
				return stack
			}
		}
	}
	e.finish(r, st, c, cr, code(ruleset.VContinue))
	return stack
}

// narrow applies a piece to a cursor; false when nothing of the state is left.
func (e *engine) narrow(c *cursor, p *piece, ex *ruleset.Expr, st *state) bool {
	if p.f != nil {
		if p.f.set == nil && !p.f.inv && !st.a.Overlaps(p.f.iv) {
			return false
		}
		c.f = append(c.f, *p.f)
	}
	if p.p != nil {
		if c.p == nil {
			c.p = p.p
		} else {
			c.p = c.p.Intersect(p.p)
		}
		if portSet(st.p).Intersect(c.p).Empty() {
			return false
		}
	}
	c.tags = addTags(c.tags, p.tags)
	if p.from != nil {
		c.from = p.from
	}
	if p.data != nil {
		store(c, ex.DReg, p.data)
	}
	return true
}

// store writes bytes into the register file, zeroing the rest of the last word as the kernel does.
func store(c *cursor, word uint8, b []sym) {
	at := int(word) * 4
	end := min(at+(len(b)+3)&^3, regBytes)
	if at > regBytes {
		return
	}
	n := copy(c.regs[at:end], b)
	for i := at + n; i < end; i++ {
		c.regs[i] = sym{}
	}
}

// load returns n bytes of the register file; nil when that is out of bounds.
func load(c *cursor, word uint8, n int) []sym {
	at := int(word) * 4
	if at+n > regBytes {
		return nil
	}
	return c.regs[at : at+n]
}

// take moves what the cursor holds out of the state; a cursor with tags leaves the state as it is, since its packets
// may also go on. Ports that are cut off stay behind in a state of their own.
func (e *engine) take(st *state, c *cursor, cr *chainRun) *state {
	out := &state{env: c.env, tags: addTags(st.tags, c.tags), p: st.p}
	if c.p != nil {
		out.p = portSet(st.p).Intersect(c.p)
	}
	if len(c.tags) > 0 {
		out.a = e.keep(st.a, c.f)
		return out
	}
	in, rest := e.divide(st.a, c.f)
	out.a = in
	st.a = rest
	if c.p != nil && !in.Empty() {
		if left := portSet(st.p).Subtract(c.p); !left.Empty() {
			cr.next = append(cr.next, &state{a: in.Clone(), p: left, env: st.env, tags: st.tags})
		}
	}
	return out
}

// keep returns what passes all filters, leaving a as it is.
func (e *engine) keep(a *interval.Set, fs []filter) *interval.Set {
	out := a
	for _, f := range fs {
		switch {
		case f.set == nil && !f.inv:
			out = out.Intersect(interval.Of(f.iv))
		case f.set == nil:
			out = out.Subtract(interval.Of(f.iv))
		case f.inv:
			out = out.Subtract(f.set)
		default:
			out = out.Intersect(f.set)
		}
	}
	if out == a {
		return a.Clone()
	}
	return out
}

// divide splits a, which it takes over, into what passes all filters and the rest.
func (e *engine) divide(a *interval.Set, fs []filter) (in, rest *interval.Set) {
	in, rest = a, &interval.Set{}
	for _, f := range fs {
		var hit *interval.Set
		if f.set != nil {
			hit = in.Extract(f.set)
		} else {
			hit = interval.FromSorted(in.Carve(f.iv, nil))
		}
		out := in
		if f.inv {
			hit, out = out, hit
		}
		if rest.Empty() {
			rest = out
		} else {
			rest.Add(out)
		}
		in = hit
		if in.Empty() {
			break
		}
	}
	return in, rest
}

// merge joins states that are alike, and drops empty ones and those that are only possible where the same packets
// already go on for certain.
func merge(ss []*state) []*state {
	out := ss[:0]
next:
	for _, s := range ss {
		if s.empty() {
			continue
		}
		for _, o := range out {
			if o.env != s.env || !samePorts(o.p, s.p) {
				continue
			}
			if sameTags(o.tags, s.tags) {
				o.a.Add(s.a)
				continue next
			}
			if within(o.tags, s.tags) {
				if s.a.Extract(o.a); s.a.Empty() {
					continue next
				}
			} else if within(s.tags, o.tags) {
				o.a.Extract(s.a)
			}
		}
		out = append(out, s)
	}
	for i := len(out); i < len(ss); i++ {
		ss[i] = nil
	}
	return out
}

// within reports that every tag of a is also in b.
func within(a, b []Tag) bool {
	if len(a) > len(b) {
		return false
	}
next:
	for _, t := range a {
		for _, u := range b {
			if t == u {
				continue next
			}
		}
		return false
	}
	return true
}
