// Package render writes decoded rules the way their own tools print them: nft for native rules, iptables for those
// iptables wrote. A rendering says whether it is complete, so that nobody pastes a command that means something else.
package render

import (
	"fmt"
	"strings"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// Rule is a rendered rule.
type Rule struct {
	// Text is the rule without its chain.
	Text string
	// Exact is true when the text, given back to the tool, makes the same rule.
	Exact bool
}

// IsIptables reports whether a chain was made by iptables-nft: its table has one of iptables' names and its base chains
// carry the built-in names.
func IsIptables(c *ruleset.Chain) bool {
	t := c.Table
	if t.Legacy || t.Family != ruleset.IP && t.Family != ruleset.IP6 {
		return false
	}
	switch t.Name {
	case "filter", "nat", "mangle", "raw", "security":
	default:
		return false
	}
	for _, have := range t.Chains {
		if have.Base != nil && have.Name != strings.ToUpper(have.Base.Hook.String()) {
			return false
		}
	}
	return true
}

// Text renders a rule in the language of its engine.
func Text(r *ruleset.Rule) Rule {
	switch {
	case r.Line != "":
		return Rule{Text: r.Line, Exact: true}
	case IsIptables(r.Chain):
		return iptables(r)
	}
	return native(r)
}

// quote writes a string the way nft and iptables read it back.
func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

// safe makes bytes that came from the host printable.
func safe(s string) string {
	for _, c := range s {
		if c < 0x20 || c == 0x7f {
			return fmt.Sprintf("%q", s)
		}
	}
	return s
}
