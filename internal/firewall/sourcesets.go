package firewall

import (
	"encoding/binary"

	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

// SourceSet is a named set in which a rule looks up who sends a packet.
type SourceSet struct {
	Engine   string // nft or ipset
	Family   string
	Table    string
	Name     string
	Elements int  // how many it holds, -1 = it could not be read
	Accepts  bool // the rule lets in what the set holds; false = it turns that away
	Text     string
}

// SourceSets lists the sets by which rules that concern a port admit or refuse
// sources. An empty set never decides about a packet, so no answer names it,
// and yet it can be why everybody is turned away. all is false where a rule
// may look sources up in a set that is not listed.
func (s *Snapshot) SourceSets(port uint16) (out []SourceSet, all bool) {
	if s.host == nil || s.host.Rules == nil {
		return nil, false
	}
	all = true
	for _, t := range s.host.Rules.Tables {
		if t.Dormant {
			continue
		}
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				set, ok, unsure := s.sourceSet(t, r, port)
				if ok {
					out = append(out, set)
				}
				all = all && !unsure
			}
		}
	}
	return out, all
}

// sourceSet is the set in which a rule looks up who sends. unsure rules may do
// so in a way that is not listed: by a map of verdicts, or on the way to
// another chain.
func (s *Snapshot) sourceSet(t *ruleset.Table, r *ruleset.Rule, port uint16) (set SourceSet, ok, unsure bool) {
	g := gate{port: port}
	for i := range r.Exprs {
		if !g.step(&r.Exprs[i]) {
			return SourceSet{}, false, false
		}
	}
	if g.in == g.away || g.set == nil && g.match == nil {
		return SourceSet{}, false, g.blind || g.set != nil || g.match != nil
	}
	out := SourceSet{Engine: "nft", Family: t.Family.String(), Table: t.Name, Accepts: g.in != g.inv, Text: s.text(r).Text}
	if g.set != nil {
		out.Name, out.Elements = g.set.Name, setSize(g.set)
		return out, true, g.blind
	}
	out.Engine, out.Name = "ipset", g.match.Name
	if out.Name == "" {
		out.Name = s.host.Rules.IPSetNames[g.match.Index]
	}
	out.Elements = s.ipsetSize(out.Name, 0)
	return out, out.Name != "", g.blind || out.Name == ""
}

// setSize counts what a set holds, -1 when that is not known.
func setSize(set *ruleset.Set) int {
	if set.Unread != "" {
		return set.Count
	}
	n := len(set.Keys) + len(set.Wide)
	if set.CatchAll != nil {
		n++
	}
	return n
}

// ipsetSize counts what an ipset holds, that of its members for a set of sets; -1 when it is not known.
func (s *Snapshot) ipsetSize(name string, depth int) int {
	set := s.host.Rules.IPSets[name]
	switch {
	case set == nil || set.Unread != "" || depth > 4:
		return -1
	case set.Plain():
		return len(set.Keys)
	case set.Type != "list:set":
		return len(set.Entries)
	}
	n := 0
	for _, e := range set.Entries {
		m := s.ipsetSize(e.Set, depth+1)
		if m < 0 {
			return -1
		}
		n += m
	}
	return n
}

// held is what a register word holds, as far as a gate cares.
type held uint8

const (
	heldOther held = iota
	heldSource
	heldPort
	heldProto
)

// gate follows one rule's expressions for a connection to a port, to find in which set it looks the source up and what
// it does then.
type gate struct {
	port     uint16
	regs     [32]held
	set      *ruleset.Set
	match    *xt.SetMatch
	inv      bool // the rule is about what the set does not hold
	in, away bool
	blind    bool // an expression that is not understood, or a named map of sources
}

// step takes one expression; false = the rule does not concern the port.
func (g *gate) step(e *ruleset.Expr) bool {
	switch e.Kind {
	case ruleset.KindUnknown:
		g.blind = true
	case ruleset.KindPayload:
		g.load(e.DReg, e.Len, payloadHeld(e))
	case ruleset.KindMeta:
		what := heldOther
		if e.Op == metaL4Proto {
			what = heldProto
		}
		g.load(e.DReg, 4, what)
	case ruleset.KindBitwise, ruleset.KindByteorder, ruleset.KindImmediate:
		g.load(e.DReg, max(e.Len, 4), heldOther)
	case ruleset.KindCmp:
		return g.cmp(e)
	case ruleset.KindRange:
		return g.within(e)
	case ruleset.KindLookup:
		return g.lookup(e)
	case ruleset.KindXtMatch:
		return g.xtMatch(e.X.Xt.Info)
	case ruleset.KindVerdict:
		code := e.Verdict().Code
		g.in = g.in || code == ruleset.VAccept || code == ruleset.VReturn
		g.away = g.away || code == ruleset.VDrop
	case ruleset.KindReject:
		g.away = true
	case ruleset.KindXtTarget:
		if _, ok := e.X.Xt.Info.(xt.Reject); ok {
			g.away = true
		}
	}
	return true
}

// Numbers of the kernel: NFT_META_L4PROTO, IPPROTO_TCP, NFT_PAYLOAD_NETWORK_HEADER and _TRANSPORT_HEADER, NFT_CMP_*.
const (
	metaL4Proto   = 16
	protoTCP      = 6
	baseNetwork   = 1
	baseTransport = 2
	cmpEq         = 0
	cmpNeq        = 1
)

func payloadHeld(e *ruleset.Expr) held {
	switch {
	case e.Base == baseNetwork && (e.Off == 12 && e.Len == 4 || e.Off == 8 && e.Len == 16):
		return heldSource
	case e.Base == baseTransport && e.Off == 2 && e.Len == 2:
		return heldPort
	case e.Base == baseNetwork && e.Off == 9 && e.Len == 1:
		return heldProto
	}
	return heldOther
}

func (g *gate) load(reg, n uint8, what held) {
	for w := int(reg); w < int(reg)+(int(n)+3)/4 && w < len(g.regs); w++ {
		g.regs[w] = what
	}
}

func (g *gate) at(reg uint8) held {
	if int(reg) < len(g.regs) {
		return g.regs[reg]
	}
	return heldOther
}

// cmp decides equality with a protocol or port; an order of ports is left open.
func (g *gate) cmp(e *ruleset.Expr) bool {
	v := e.Value()
	if e.Op != cmpEq && e.Op != cmpNeq {
		return true
	}
	switch {
	case g.at(e.SReg) == heldProto && len(v) >= 1:
		return (v[0] == protoTCP) == (e.Op == cmpEq)
	case g.at(e.SReg) == heldPort && len(v) == 2:
		return (binary.BigEndian.Uint16(v) == g.port) == (e.Op == cmpEq)
	}
	return true
}

func (g *gate) within(e *ruleset.Expr) bool {
	if g.at(e.SReg) != heldPort || e.X == nil || len(e.X.From) != 2 || len(e.X.To) != 2 {
		return true
	}
	in := binary.BigEndian.Uint16(e.X.From) <= g.port && g.port <= binary.BigEndian.Uint16(e.X.To)
	return in != e.Inv
}

func (g *gate) lookup(e *ruleset.Expr) bool {
	set := e.X.Set
	if set == nil {
		return true
	}
	if g.at(e.SReg) == heldPort && set.KeyLen == 2 && set.Unread == "" && set.CatchAll == nil {
		return portIn(set, g.port) != e.Inv
	}
	if set.Flags&ruleset.SetAnonymous != 0 {
		return true
	}
	for w := int(e.SReg); w < int(e.SReg)+(set.KeyLen+3)/4 && w < len(g.regs); w++ {
		switch {
		case g.regs[w] == heldSource && set.IsMap():
			g.blind = true
		case g.regs[w] == heldSource:
			g.set, g.inv = set, e.Inv
		}
	}
	return true
}

func portIn(set *ruleset.Set, port uint16) bool {
	at := interval.U128{Lo: uint64(port)}
	for _, k := range set.Keys {
		if !at.Less(k.Lo) && !k.Hi.Less(at) {
			return true
		}
	}
	return false
}

func (g *gate) xtMatch(info any) bool {
	holds := func(p xt.PortRange) bool { return p.Lo <= g.port && g.port <= p.Hi }
	switch m := info.(type) {
	case xt.NeverTCP:
		return false
	case xt.TCP:
		return holds(m.Dst) != (m.Inv&xt.InvDstPort != 0)
	case xt.Multiport:
		if m.Mode == 0 {
			return true
		}
		found := false
		for _, p := range m.Ports {
			found = found || holds(p)
		}
		return found != m.Inv || m.Mode == 2
	case xt.SetMatch:
		if m.Src[0] {
			g.match, g.inv = &m, m.Inv
		}
	}
	return true
}
