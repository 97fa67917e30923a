// Package packetfilter asks the host's packet filters what becomes of a new
// connection from the edge, and from anyone else, to each port the edge
// contacts. It gives the answer of package firewall as evidence and names the
// tool whose layout the deciding rule has.
package packetfilter

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/firewall"
	"github.com/originward/originward/internal/observe/host/collect"
)

// budget lets a set of half a million intervals be dumped, which the kernel
// alone takes up to 25 s for.
const budget = 30 * time.Second

// setTime is how long one set may take: the rest of the answer is worth more than a set that never ends.
const setTime = 20 * time.Second

// Collector answers what the packet filters do with the edge's connections.
func Collector() collect.Collector {
	return collect.Collector{Name: "firewall", Question: fact.QFirewall, Budget: budget, Bytes: 16 << 20, Run: run}
}

func run(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
	snap, err := firewall.Collect(ctx, firewall.Options{Now: env.Now, Proc: env.Proc, SetTime: setTime})
	if err != nil {
		return nil, []originward.NotObserved{collect.Missing(fact.QFirewall, originward.Subject{}, "the packet filters were not read: "+escape.Line(err.Error(), 300), permission(err))}
	}
	s := survey{env: env, snap: snap}
	f := fact.Firewall{Answers: []fact.FirewallAnswer{}, Limits: []string{}}
	for _, dst := range append(env.Locals(ctx, originward.IP4), env.Locals(ctx, originward.IP6)...) {
		for _, port := range env.Ports {
			if ctx.Err() != nil {
				s.limit(firewall.Limit{What: fmt.Sprintf("what the packet filters do with connections to %s", netip.AddrPortFrom(dst, port)), Why: "the time was over", How: "run again"})
				continue
			}
			f.Answers = append(f.Answers, s.ask(ctx, dst, port))
		}
	}
	f.Answers = append(f.Answers, s.bridges(ctx)...)
	for _, l := range snap.Unread {
		s.limit(l)
	}
	f.Limits, f.Proof, f.Engines = append(f.Limits, s.limits...), s.proof(), engines(snap, f.Answers)
	f.Probes, f.Agreed, f.Live = s.probes, s.agreed, s.live
	if len(f.Answers) == 0 {
		return nil, append(s.missing, collect.Missing(fact.QFirewall, originward.Subject{}, "the host has no address to ask the packet filters about", "name the origin's address"))
	}
	return []originward.Evidence{env.Item(originward.Subject{}, f, summary(f), show(f.Engines))}, s.missing
}

// Bounds of asking for backends on the host: an ordinary one has a bridge or
// two and a handful of applications.
const (
	maxBridges = 4
	maxBackend = 12
)

// bridges asks what becomes of connections that come in over a bridge, from
// containers, to applications that listen on the host itself. The edge's own
// ports are asked for already.
func (s *survey) bridges(ctx context.Context) []fact.FirewallAnswer {
	var out []fact.FirewallAnswer
	asked := 0
	for _, i := range s.env.Addresses(ctx).Interfaces {
		if i.Kind != "bridge" || len(i.Addrs) == 0 || asked == maxBridges {
			continue
		}
		asked++
		dst := i.Addrs[0].Addr().Unmap()
		for _, port := range s.applications(ctx, dst) {
			if ctx.Err() != nil {
				return out
			}
			a := answer(s.snap.Ask(firewall.Question{Dst: dst, Port: port, Interface: i.Name}))
			a.Iface = escape.Line(i.Name, 32)
			out = append(out, a)
		}
	}
	return out
}

// applications are the ports beside the edge's on which something takes
// connections at an address.
func (s *survey) applications(ctx context.Context, dst netip.Addr) []uint16 {
	var out []uint16
	for _, sock := range s.env.Listeners(ctx).Sockets {
		if sock.Serves(dst) && !slices.Contains(s.env.Ports, sock.Port) && !slices.Contains(out, sock.Port) && len(out) < maxBackend {
			out = append(out, sock.Port)
		}
	}
	return out
}

func permission(err error) string {
	if errors.Is(err, os.ErrPermission) || os.Geteuid() != 0 {
		return "run as root, or with CAP_NET_ADMIN"
	}
	return "nft list ruleset; iptables-save"
}

// survey is one run.
type survey struct {
	env     *collect.Env
	snap    *firewall.Snapshot
	limits  []string
	missing []originward.NotObserved

	asked, proven                   int // answers the kernel was to confirm, and those it was asked about
	probes, agreed, disagreed, live int
}

func (s *survey) ask(ctx context.Context, dst netip.Addr, port uint16) fact.FirewallAnswer {
	a := s.snap.Ask(firewall.Question{Dst: dst, Port: port, Ranges: s.env.RangesOf(originward.FamilyOf(dst))})
	for _, l := range a.Limits {
		s.limit(l)
	}
	if s.env.Prove {
		s.prove(ctx, &a)
	}
	out := answer(a)
	sets, all := s.snap.SourceSets(port)
	out.SetsAll = fact.TriOf(all)
	for _, set := range sets {
		out.Sets = append(out.Sets, fact.FirewallSet{
			Engine: set.Engine, Family: set.Family, Table: set.Table, Name: escape.Line(set.Name, 100),
			Elements: set.Elements, Accepts: fact.TriOf(set.Accepts), Rule: &fact.FirewallRule{Text: escape.Line(set.Text, 500)},
		})
	}
	return out
}

// prove lets the kernel confirm an answer in a copy of the ruleset, and in the host's own interfaces when asked to. Where
// it does otherwise the answer is unknown, and holds both ways.
func (s *survey) prove(ctx context.Context, a *firewall.Answer) {
	s.asked++
	ways := []func(context.Context, firewall.Answer) (firewall.Proof, error){s.snap.Prove}
	if s.env.Live {
		ways = append(ways, s.snap.ProveLive)
	}
	for i, way := range ways {
		p, err := way(ctx, *a)
		if err != nil {
			s.limit(firewall.Limit{What: "the kernel's own word on the packet filters", Why: err.Error(), How: "run as root"})
			continue
		}
		for _, l := range p.Limits {
			s.limit(l)
		}
		s.probes, s.agreed, s.disagreed = s.probes+p.Probes, s.agreed+p.Agreed, s.disagreed+len(p.Disagree)
		if i > 0 {
			s.live += p.Probes
		} else if p.Done {
			s.proven++
		}
		if p.Done {
			p.Apply(a)
		}
	}
}

// proof says how far the answers are confirmed; nothing short of all of them counts.
func (s *survey) proof() string {
	switch {
	case s.disagreed > 0:
		return "disagreement"
	case s.asked > 0 && s.proven == s.asked:
		return "kernel"
	}
	return "model"
}

// limit notes something that was not read or modelled, once.
func (s *survey) limit(l firewall.Limit) {
	text := l.What
	if l.Why != "" {
		text += ": " + l.Why
	}
	text = escape.Line(text, 300)
	if slices.Contains(s.limits, text) {
		return
	}
	s.limits = append(s.limits, text)
	if l.Hides || l.How != "" {
		s.missing = append(s.missing, collect.Missing(fact.QFirewall, originward.Subject{}, text, escape.Line(l.How, 300)))
	}
}

// engines lists those that hold rules.
func engines(snap *firewall.Snapshot, answers []fact.FirewallAnswer) []string {
	out := []string{}
	add := func(e string) {
		if e != "" && !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	for _, a := range answers {
		for _, g := range slices.Concat(a.CDN, a.Others) {
			if g.Rule != nil {
				add(g.Rule.Engine)
			}
		}
	}
	if snap.Count.LegacyRules > 0 {
		add(string(firewall.IptablesLegacy))
	}
	if snap.Count.Rules > 0 && !slices.Contains(out, string(firewall.IptablesNFT)) {
		add(string(firewall.NFT))
	}
	slices.Sort(out)
	return out
}

func show(engines []string) string {
	cmd := "nft -a list ruleset"
	if slices.Contains(engines, string(firewall.IptablesLegacy)) {
		cmd += "; iptables-legacy-save; ip6tables-legacy-save"
	}
	return cmd
}

// summary tells the answer for each port, the blocked ones with their rule.
func summary(f fact.Firewall) string {
	var parts []string
	for _, a := range f.Answers {
		parts = append(parts, fmt.Sprintf("%s: the edge's ranges %s, others %s", netip.AddrPortFrom(a.Dst, a.Port), side(a.CDN), side(a.Others)))
	}
	text := "New connections to " + strings.Join(parts, "; ") + "."
	if f.Probes > 0 {
		text = fmt.Sprintf("The kernel agreed on %d of %d probes. %s", f.Agreed, f.Probes, text)
	}
	return escape.Line(text, 1000)
}

func side(segs []fact.FirewallSegment) string {
	if len(segs) == 0 {
		return "not known"
	}
	var parts []string
	for _, s := range segs[:min(len(segs), 3)] {
		p := s.Verdict
		if s.With != "" {
			p += " with " + s.With
		}
		if !s.All && len(s.Ranges) > 0 {
			p += fmt.Sprintf(" (%s", s.Ranges[0])
			if n := len(s.Ranges) - 1; n > 0 {
				p += fmt.Sprintf(" and %d more", n)
			}
			p += ")"
		}
		if s.Rule != nil && s.Verdict != fact.VerdictAccept {
			p += " by " + s.Rule.Chain + " “" + s.Rule.Text + "”"
		}
		parts = append(parts, p)
	}
	if n := len(segs) - 3; n > 0 {
		parts = append(parts, fmt.Sprintf("%d more groups", n))
	}
	return strings.Join(parts, ", ")
}
