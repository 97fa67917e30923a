package remedy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/firewall"
)

// ErrLockOut says that a fix would cut the operator's own connection.
var ErrLockOut = errors.New("refused: it would cut your own connection")

// netKinds are the kinds of steps that can be tried in a copy of the network.
var netKinds = map[string]bool{"nft": true, "iptables": true, "ipset": true, "route": true, "table": true}

// networked are the steps that change the network, as they are tried.
func networked(steps []Step) []Step {
	var out []Step
	for _, s := range steps {
		switch {
		case s.Sim != nil:
			out = append(out, s.Sim...)
		case netKinds[s.Kind]:
			out = append(out, s)
		}
	}
	return out
}

// established finds rules by connection state, in the words of both engines.
var established = regexp.MustCompile(`(?i)\bestablished\b`)

// trial is a copy of the host's network, before and after the steps.
type trial struct {
	copy          *firewall.Copy
	before, after *firewall.Snapshot
}

// Simulate makes the plan's changes of the network in a throw-away copy, and
// asks the firewall model, and the kernel in a copy of the copy, what becomes
// of the CDN's connections and of the operator's. What it finds goes into
// p.Checks; a plan that would lock the operator out is refused.
func Simulate(ctx context.Context, p *Plan, b *originward.Bundle) error {
	return simulate(ctx, p, destinations(b), logins())
}

func simulate(ctx context.Context, p *Plan, ask []firewall.Question, operators []login) error {
	steps := networked(p.Steps)
	if len(steps) == 0 {
		return nil
	}
	t := &trial{}
	var err error
	if t.before, err = firewall.Collect(ctx, firewall.Options{}); err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	if t.copy, err = t.before.Copy(ctx); err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	defer t.copy.Close()
	m := &Machine{within: t.copy.Do}
	routes := t.routes(ctx, operators)
	for _, s := range steps {
		if err := s.Do.Apply(ctx, m); err != nil {
			return fmt.Errorf("simulate %q: %w", s.Title, err)
		}
	}
	if t.after, err = t.copy.Collect(ctx); err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	if err := t.lockOut(ctx, operators, routes, steps); err != nil {
		return err
	}
	if len(operators) > 0 {
		p.Checks = append(p.Checks, fmt.Sprintf("your SSH connection (%s) stays open", operators[0]))
	}
	p.Checks = append(p.Checks, t.gateChecks(ctx, ask)...)
	return nil
}

// gateChecks tells what becomes of the CDN's connections, one line for all
// ports of an address that fare alike.
func (t *trial) gateChecks(ctx context.Context, ask []firewall.Question) (out []string) {
	type alike struct {
		dst  netip.Addr
		text string
	}
	var order []alike
	ports := map[alike][]string{}
	for _, q := range ask {
		k := alike{q.Dst, t.gateCheck(ctx, q)}
		if ports[k] == nil {
			order = append(order, k)
		}
		ports[k] = append(ports[k], fmt.Sprint(q.Port))
	}
	for _, k := range order {
		word := "port "
		if len(ports[k]) > 1 {
			word = "ports "
		}
		out = append(out, fmt.Sprintf("%s %s%s: %s", k.dst, word, strings.Join(ports[k], ", "), k.text))
	}
	return out
}

// routes are the routes to the operators, as the copy takes them now.
func (t *trial) routes(ctx context.Context, operators []login) []string {
	m := &Machine{within: t.copy.Do}
	var out []string
	for _, l := range operators {
		text, err := m.Run(ctx, "", "ip", "-o", "route", "get", l.Client.String(), "from", l.Server.Addr().String())
		if err != nil {
			text = ""
		}
		out = append(out, text)
	}
	return out
}

// lockOut refuses steps after which a new connection of an operator would not
// get through, where it did before, or its route would be another.
func (t *trial) lockOut(ctx context.Context, operators []login, routes []string, steps []Step) error {
	now := t.routes(ctx, operators)
	for i, l := range operators {
		was, is := verdictFor(t.before, l), verdictFor(t.after, l)
		switch {
		case was == firewall.Accept && is != firewall.Accept:
			return fmt.Errorf("%w: SSH from %s would meet %s", ErrLockOut, l, is)
		case was != firewall.Accept && dropsEstablished(steps):
			return fmt.Errorf("%w: SSH from %s lives by the rule for established connections, which would go", ErrLockOut, l)
		case routes[i] != "" && now[i] != routes[i]:
			return fmt.Errorf("%w: replies to %s would take another way", ErrLockOut, l.Client)
		}
	}
	return nil
}

// verdictFor is what becomes of a new connection like the operator's.
func verdictFor(s *firewall.Snapshot, l login) firewall.Verdict {
	a := s.Ask(firewall.Question{Dst: l.Server.Addr(), Port: l.Server.Port(), Ranges: []netip.Prefix{netip.PrefixFrom(l.Client, l.Client.BitLen())}})
	if len(a.CDN.Segments) == 0 {
		return firewall.Unknown
	}
	return a.CDN.Segments[0].Verdict
}

// dropsEstablished reports whether steps take out a rule that lets established
// connections go on.
func dropsEstablished(steps []Step) bool {
	gone := func(e listEdit) bool {
		ops := e.against(e.From)
		return slices.ContainsFunc(ops.Delete, func(i int) bool { return established.MatchString(e.From[i]) })
	}
	for _, s := range steps {
		switch do := s.Do.(type) {
		case *NFT:
			if slices.ContainsFunc(do.Chains, func(c NFTChain) bool { return gone(c.listEdit) }) {
				return true
			}
		case *Iptables:
			if slices.ContainsFunc(do.Chains, func(c IptablesChain) bool { return gone(c.listEdit) }) {
				return true
			}
		}
	}
	return false
}

// gateCheck tells what becomes of the CDN's connections to one destination,
// and lets the kernel confirm it.
func (t *trial) gateCheck(ctx context.Context, q firewall.Question) string {
	was, a := t.before.Ask(q), t.after.Ask(q)
	now, then := percent(a.CDN.Shares.Accept), percent(was.CDN.Shares.Accept)
	text := now + " of the CDN's addresses get in, " + then + " did before"
	if now == then {
		text = now + " of the CDN's addresses get in, as before"
	}
	if a.Others.Public.Accept-was.Others.Public.Accept > 0.001 {
		text += fmt.Sprintf("; of other addresses %s, before %s", percent(a.Others.Public.Accept), percent(was.Others.Public.Accept))
	}
	proof, err := t.copy.Prove(ctx, t.after, a)
	switch {
	case err != nil || !proof.Done:
		return text + " (by the model)"
	case len(proof.Disagree) > 0:
		return text + fmt.Sprintf(" (the kernel disagrees for %s)", proof.Disagree[0].Src)
	}
	return text + " (the kernel agrees)"
}

func percent(share float64) string {
	switch {
	case share == 1:
		return "all"
	case share > 0.99:
		return "nearly all"
	case share == 0:
		return "none"
	case share < 0.01:
		return "under 1 %"
	}
	return fmt.Sprintf("%.0f %%", share*100)
}

// destinations are the addresses and ports that the packet filter was asked
// about, those with a listener or a failure of the site: at most a few.
func destinations(b *originward.Bundle) []firewall.Question {
	var out []firewall.Question
	for _, it := range fact.All[fact.Firewall](b, originward.Host) {
		for _, a := range it.Fact.Answers {
			same := func(q firewall.Question) bool { return q.Dst == a.Dst && q.Port == a.Port }
			if a.Dst.IsValid() && !slices.ContainsFunc(out, same) && len(out) < 8 {
				out = append(out, firewall.Question{Dst: a.Dst, Port: a.Port, Ranges: cdnRanges()})
			}
		}
	}
	return out
}
