package firewall

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// SourceSet is a named set in which a rule looks up who sends a packet.
type SourceSet struct {
	Engine   string // nft or ipset
	Family   string
	Table    string
	Name     string
	Elements int  // how many it holds
	Accepts  bool // the rule lets in what the set holds; false = it turns that away
	Text     string
}

var (
	nftSource  = regexp.MustCompile(`\bsaddr (!= )?@([\w.-]+)`)
	xtSource   = regexp.MustCompile(`(! )?--match-set (\S+) src\b`)
	nftPort    = regexp.MustCompile(`\bdport (?:!= )?(\{[^}]*\}|\S+)|--dports? (\S+)`)
	portNumber = regexp.MustCompile(`\d+`)
	letsIn     = regexp.MustCompile(`(?:^| )(?:accept|return)\b|-j (?:ACCEPT|RETURN)\b`)
	turnsAway  = regexp.MustCompile(`(?:^| )(?:drop|reject)\b|-j (?:DROP|REJECT)\b`)
)

// SourceSets lists the sets by which rules that concern a port admit or refuse
// sources. An empty set never decides about a packet, so no answer names it,
// and yet it can be why everybody is turned away.
func (s *Snapshot) SourceSets(port uint16) []SourceSet {
	if s.host == nil || s.host.Rules == nil {
		return nil
	}
	var out []SourceSet
	for _, t := range s.host.Rules.Tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				if set, ok := s.sourceSet(t, r, port); ok {
					out = append(out, set)
				}
			}
		}
	}
	return out
}

func (s *Snapshot) sourceSet(t *ruleset.Table, r *ruleset.Rule, port uint16) (SourceSet, bool) {
	text := s.text(r).Text
	if !concerns(text, port) {
		return SourceSet{}, false
	}
	out := SourceSet{Family: t.Family.String(), Table: t.Name, Elements: -1, Text: text}
	in, away := letsIn.MatchString(text), turnsAway.MatchString(text)
	if in == away {
		return SourceSet{}, false
	}
	if g := nftSource.FindStringSubmatch(text); g != nil {
		out.Engine, out.Name, out.Accepts = "nft", g[2], in != (g[1] != "")
		for _, set := range t.Sets {
			if set.Name == out.Name {
				out.Elements = len(set.Keys) + len(set.Wide)
			}
		}
		return out, true
	}
	if g := xtSource.FindStringSubmatch(text); g != nil {
		out.Engine, out.Name, out.Accepts = "ipset", g[2], in != (g[1] != "")
		for _, set := range s.host.Rules.IPSets {
			if set.Name == out.Name {
				out.Elements = len(set.Keys) + len(set.Entries)
			}
		}
		return out, true
	}
	return SourceSet{}, false
}

// concerns reports whether a rule names the port, or no port at all, or may.
func concerns(text string, port uint16) bool {
	g := nftPort.FindStringSubmatch(text)
	if g == nil {
		return true
	}
	want := strconv.Itoa(int(port))
	for _, n := range portNumber.FindAllString(g[1]+g[2], -1) {
		if n == want {
			return true
		}
	}
	return strings.ContainsAny(g[1]+g[2], "-:") // a range of ports: may be
}
