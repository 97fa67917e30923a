package firewall

import (
	"fmt"
	"strings"

	"github.com/originward/originward/internal/firewall/eval"
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/render"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// outcome converts one possible end. at is an address of the segment, which tells elements and paths.
func (s *Snapshot) outcome(r *eval.Result, o *eval.Outcome, set *interval.Set, at interval.U128) Outcome {
	out := Outcome{
		End: [...]End{EndAccept, EndDrop, EndReject, EndStolen}[o.End], RejectWith: RejectKind(o.With), DependsOn: tags(o.Tags),
		Reply: o.Reply, Rule: s.ref(o.Place, set, at),
	}
	if o.Hook != ruleset.HookUnknown {
		out.Hook = o.Hook.String()
	}
	if rule, kind, to, port, addrKnown, portKnown := o.Redirect(); rule != nil {
		out.Redirect = &Redirect{Kind: kind, Rule: s.ref(eval.Place{Chain: rule.Chain, Rule: rule}, set, at)}
		if addrKnown {
			out.Redirect.To = to.Addr(o.Width)
		}
		if portKnown {
			out.Redirect.ToPort = port
		}
		if !addrKnown || !portKnown {
			out.Redirect.ToText = s.text(rule).Text
		}
	}
	for _, st := range r.Path(o, at) {
		out.Path = append(out.Path, s.step(st))
	}
	return out
}

func tags(in []eval.Tag) []Tag {
	var out []Tag
	for _, t := range in {
		out = append(out, Tag{TagKind(t.Kind), t.Name, t.Text})
	}
	return out
}

func engineOf(c *ruleset.Chain) Engine {
	switch {
	case c.Table.Legacy:
		return IptablesLegacy
	case render.IsIptables(c):
		return IptablesNFT
	}
	return NFT
}

// text renders a rule, once.
func (s *Snapshot) text(r *ruleset.Rule) render.Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.texts[r]; ok {
		return t
	}
	var t render.Rule
	if engineOf(r.Chain) == IptablesNFT {
		t = render.Iptables(r, s.host.Rules.IPSetNames)
	} else {
		t = render.Text(r)
	}
	if s.texts == nil {
		s.texts = map[*ruleset.Rule]render.Rule{}
	}
	s.texts[r] = t
	return t
}

func (s *Snapshot) step(st eval.Station) Step {
	c := st.Chain
	out := Step{Engine: engineOf(c), Family: c.Table.Family.String(), Table: c.Table.Name, Chain: c.Name, Verdict: st.Verdict, Reply: st.Reply}
	if st.First {
		out.Hook = st.Hook.String()
	}
	if st.Rule != nil {
		out.Handle, out.Position, out.Text = st.Rule.Handle, st.Rule.Position, s.text(st.Rule).Text
	}
	return out
}

// ref names the place that decided.
func (s *Snapshot) ref(p eval.Place, set *interval.Set, at interval.U128) *RuleRef {
	if p.Chain == nil {
		return nil
	}
	c := p.Chain
	ref := &RuleRef{Engine: engineOf(c), Family: c.Table.Family.String(), Table: c.Table.Name, Chain: c.Name}
	if p.Rule == nil {
		s.policyRef(ref, c)
		return ref
	}
	r := p.Rule
	ref.Chain = r.Chain.Name
	ref.Handle, ref.Position, ref.Comment = r.Handle, r.Position, ruleComment(r)
	t := s.text(r)
	ref.Text = t.Text
	if packets, bytes, ok := r.Counter(); ok {
		ref.Packets, ref.Bytes = &packets, &bytes
	}
	s.commands(ref, r, t)
	switch {
	case p.Set != nil:
		s.elementRef(ref, p.Set, set, at)
	case p.IPSet != nil:
		s.ipsetRef(ref, p.IPSet, set, at)
	}
	return ref
}

func (s *Snapshot) policyRef(ref *RuleRef, c *ruleset.Chain) {
	ref.Policy = true
	word := "accept"
	if c.Base != nil && c.Base.Drop {
		word = "drop"
	}
	if c.Base == nil {
		ref.Text = "end of chain"
	} else {
		ref.Text = "policy " + word
	}
	if c.Base != nil && c.Base.HasCounter {
		packets, bytes := c.Base.Packets, c.Base.Bytes
		ref.Packets, ref.Bytes = &packets, &bytes
	}
	switch ref.Engine {
	case NFT:
		ref.Show = fmt.Sprintf("nft -a list chain %s %s %s", ref.Family, arg(ref.Table), arg(ref.Chain))
	default:
		ref.Show = fmt.Sprintf("%s -t %s -S %s", s.tool(ref), ref.Table, arg(ref.Chain))
	}
}

// tool is the command that manages a rule's engine and family.
func (s *Snapshot) tool(ref *RuleRef) string {
	base := "iptables"
	if ref.Family == "ip6" {
		base = "ip6tables"
	}
	if ref.Engine == IptablesLegacy {
		if s.legacyTool != "" {
			return strings.Replace(s.legacyTool, "iptables", base, 1)
		}
		return base + "-legacy"
	}
	return base + "-nft"
}

// commands writes how to see, remove and restore a rule.
func (s *Snapshot) commands(ref *RuleRef, r *ruleset.Rule, t render.Rule) {
	if ref.Engine == NFT {
		at := fmt.Sprintf("%s %s %s", ref.Family, arg(ref.Table), arg(ref.Chain))
		ref.Show = "nft -a list chain " + at
		ref.Remove = fmt.Sprintf("nft delete rule %s handle %d", at, ref.Handle)
		if t.Exact {
			if prev := previous(r); prev != nil {
				ref.RemoveUndo = fmt.Sprintf("nft add rule %s position %d %s", at, prev.Handle, shell(t.Text))
			} else {
				ref.RemoveUndo = fmt.Sprintf("nft insert rule %s %s", at, shell(t.Text))
			}
		}
		return
	}
	tool := s.tool(ref)
	ref.Show = fmt.Sprintf("%s -t %s -S %s", tool, ref.Table, arg(ref.Chain))
	switch {
	case t.Exact:
		ref.Remove = fmt.Sprintf("%s -t %s -D %s %s", tool, ref.Table, arg(ref.Chain), t.Text)
		ref.RemoveUndo = fmt.Sprintf("%s -t %s -I %s %d %s", tool, ref.Table, arg(ref.Chain), ref.Position, t.Text)
	default:
		ref.Remove = fmt.Sprintf("%s -t %s -D %s %d", tool, ref.Table, arg(ref.Chain), ref.Position)
	}
}

func previous(r *ruleset.Rule) *ruleset.Rule {
	if r.Position < 2 || r.Position > len(r.Chain.Rules) {
		return nil
	}
	return r.Chain.Rules[r.Position-2]
}

// arg quotes a name for the shell when it needs it.
func arg(s string) string {
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_-.:/@+", c)) {
			return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
	}
	return s
}

// shell quotes a whole rule, which holds braces, quotes and stars.
func shell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// ruleComment is the rule's own comment, or that of its xt comment match.
func ruleComment(r *ruleset.Rule) string {
	if r.Comment != "" {
		return r.Comment
	}
	for i := range r.Exprs {
		if e := &r.Exprs[i]; e.Kind == ruleset.KindXtMatch && e.X.Xt.Name == "comment" {
			return render.CommentOf(e.X.Xt)
		}
	}
	return ""
}
