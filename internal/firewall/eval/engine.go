package eval

import (
	"sync"

	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// Host is what a packet meets: rules and routing. It is read only and may serve several evaluations at once.
type Host struct {
	Rules *ruleset.Ruleset
	Net   *fib.Net
	// BridgeCalls says that bridged packets are passed to ip tables (br_netfilter).
	BridgeCalls bool
	// Blind says what could not be read and may hold rules: every end is then possible.
	Blind []Tag
	// Outside are programs beside the rules that may take any packet.
	Outside []Tag

	mu   sync.Mutex
	sets map[*ruleset.Set]*interval.Set
	ips  map[*ruleset.IPSet]*ipsetIndex
	on   map[ruleset.Family]features
}

// Query is one question: a destination, and the interface its packets arrive on.
type Query struct {
	// Width is 32 or 128 and fixes the family.
	Width int
	Dst   interval.U128
	Port  uint16
	In    *fib.Link
}

// engine is one evaluation.
type engine struct {
	h     *Host
	q     Query
	width int
	fam   ruleset.Family

	slots   []slot
	hdr     *headers
	hdrKey  hdrKey
	scratch [1]piece

	hk       hookCtx
	base     *baseRun
	stack    []*cursor
	free     []*cursor
	outcomes []Outcome
	layers   []*layer
	limits   []Limit
	feeding  []Feed
	nats     []*natRef
	dynsets  map[any]uint64
	fibs     map[fib.Query][]fib.Part
	steps    int
	// flip runs the old xtables after nf_tables where they stand at the same priority, instead of before.
	flip bool
}

// Limit is something this evaluation could not model; Hides is true when it may change a verdict.
type Limit struct {
	What, Why string
	Hides     bool
}

// hookCtx is where in the packet's path the evaluation is.
type hookCtx struct {
	hook     ruleset.Hook
	pf       ruleset.Family // what nf_tables sees as the protocol family: ip, ip6 or netdev
	iif, oif *fib.Link
	// atConntrack is true in a chain at conntrack's own priority, whose order against it is not known.
	atConntrack bool
}

// maxSteps bounds the work of one evaluation (rule visits): 50,000 rules take 50,000; a ruleset that needs more is
// hostile or hopeless, and what is not finished becomes unknown.
const maxSteps = 30_000_000

// End is how an outcome ends.
type End uint8

// The ends. Stolen means that the packet leaves the modelled path.
const (
	EndAccept End = iota
	EndDrop
	EndReject
	EndStolen
)

// Outcome is a possible end for a set of sources.
type Outcome struct {
	Set   *interval.Set
	Ports *interval.Set // nil means every source port
	End   End
	// With is what a reject answers.
	With string
	Tags []Tag
	Place
	Hook  ruleset.Hook
	Reply bool
	// Layers is how many base chains had been passed.
	Layers int
	// Width is 32 or 128.
	Width int
	run   *engine
	nat   *natRef
}

// Place is where something was decided.
type Place struct {
	Chain *ruleset.Chain
	// Rule is nil when the chain's policy decided.
	Rule *ruleset.Rule
	// Set or IPSet is the set whose element selected the rule.
	Set   *ruleset.Set
	IPSet *ruleset.IPSet
	stack *frame
}

// frame is one jump on the way to a rule.
type frame struct {
	parent *frame
	rule   *ruleset.Rule
	goTo   bool
}

// layer is what one base chain let pass, and by which rules.
type layer struct {
	chain   *ruleset.Chain
	hook    ruleset.Hook
	reply   bool
	entries []passed
	index   []indexed
}

// passed is a set of sources one rule, or the policy, accepted.
type passed struct {
	a, p *interval.Set
	tags []Tag
	Place
	nat *natRef
}

// baseRun collects what happens in one base chain.
type baseRun struct {
	chain    *ruleset.Chain
	accepted []*state
	entries  []passed
}

func (b *baseRun) accept(s *state, pl Place) {
	b.accepted = append(b.accepted, s)
	b.entries = append(b.entries, passed{a: s.a.Clone(), p: s.p, tags: s.tags, Place: pl, nat: s.env.nat})
}

// record files an outcome.
func (e *engine) record(s *state, end End, with string, pl Place) {
	if s.empty() {
		return
	}
	hook := e.hk.hook
	if end == EndAccept {
		hook = ruleset.HookUnknown // it passed everything
	}
	e.outcomes = append(e.outcomes, Outcome{
		Set: s.a, Ports: s.p, End: end, With: with, Tags: s.tags, Place: pl, Hook: hook, Reply: s.env.reply && end != EndAccept,
		Layers: len(e.layers), Width: e.width, run: e, nat: s.env.nat,
	})
}
