// Package legacy parses what `iptables-legacy-save -c` prints into the neutral model. The old xtables keep their rules
// where nf_tables does not show them, and run on the same hooks.
package legacy

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// maxLine bounds one line of a save file; the longest rule iptables accepts is far below.
const maxLine = 1 << 20

// Error says where a save file is not understood.
type Error struct {
	Line int
	Text string
	Why  string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s: %.80q", e.Line, e.Why, e.Text) }

// Parse reads the tables of one family. Rules that use matches or targets this package does not know are kept, with the
// unknown named; only text that is no save file at all is an error.
func Parse(r io.Reader, fam ruleset.Family) ([]*ruleset.Table, error) {
	p := &parser{fam: fam}
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), maxLine)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if why := p.line(line); why != "" {
			return nil, &Error{Line: n, Text: line, Why: why}
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read save output: %w", err)
	}
	if p.table != nil {
		return nil, &Error{Text: "*" + p.table.Name, Why: "the table is cut off before COMMIT"}
	}
	for _, t := range p.tables {
		resolve(t)
	}
	return p.tables, nil
}

type parser struct {
	fam    ruleset.Family
	tables []*ruleset.Table
	table  *ruleset.Table
}

// line handles one line; it returns what is wrong with it.
func (p *parser) line(s string) (why string) {
	switch {
	case s == "" || s[0] == '#':
	case s[0] == '*':
		if p.table != nil {
			return "a table begins inside another"
		}
		p.table = &ruleset.Table{Family: p.fam, Name: s[1:], Legacy: true}
	case p.table == nil:
		return "outside any table"
	case s == "COMMIT":
		p.tables = append(p.tables, p.table)
		p.table = nil
	case s[0] == ':':
		return p.chain(s[1:])
	case s[0] == '[' || strings.HasPrefix(s, "-A "):
		return p.rule(s)
	default:
		return "neither a chain nor a rule"
	}
	return ""
}

// prios are the priorities of the legacy tables (NF_IP_PRI_*); nat's depends on the hook.
var prios = map[string]int32{"raw": -300, "mangle": -150, "filter": 0, "security": 50}

var hooks = map[string]ruleset.Hook{
	"PREROUTING": ruleset.Prerouting, "INPUT": ruleset.Input, "FORWARD": ruleset.Forward, "OUTPUT": ruleset.Output,
	"POSTROUTING": ruleset.Postrouting,
}

// chain reads ":INPUT ACCEPT [12:345]" or ":name - [0:0]".
func (p *parser) chain(s string) string {
	f := strings.Fields(s)
	if len(f) < 2 {
		return "a chain without a policy"
	}
	c := &ruleset.Chain{Table: p.table, Name: f[0]}
	if f[1] != "-" {
		hook, ok := hooks[f[0]]
		if !ok {
			return "a policy on a chain that is not built in"
		}
		c.Base = &ruleset.Base{Type: "filter", Hook: hook, Drop: f[1] == "DROP"}
		if p.table.Name == "nat" {
			c.Base.Type, c.Base.Priority = "nat", -100
			if hook == ruleset.Input || hook == ruleset.Postrouting {
				c.Base.Priority = 100
			}
		} else if prio, ok := prios[p.table.Name]; ok {
			c.Base.Priority = prio
		} else {
			return "table " + p.table.Name + " is not known"
		}
		if len(f) > 2 {
			c.Base.Packets, c.Base.Bytes, c.Base.HasCounter = counters(f[2])
		}
	}
	p.table.Chains = append(p.table.Chains, c)
	return ""
}

// counters reads "[12:345]".
func counters(s string) (packets, bytes uint64, ok bool) {
	a, b, found := strings.Cut(strings.Trim(s, "[]"), ":")
	if !found {
		return 0, 0, false
	}
	packets, err1 := strconv.ParseUint(a, 10, 64)
	bytes, err2 := strconv.ParseUint(b, 10, 64)
	return packets, bytes, err1 == nil && err2 == nil
}

// rule reads "[12:345] -A CHAIN …".
func (p *parser) rule(s string) string {
	r := &ruleset.Rule{}
	if s[0] == '[' {
		head, rest, ok := strings.Cut(s, "] ")
		if !ok {
			return "counters without a rule"
		}
		if packets, bytes, ok := counters(head); ok {
			e := ruleset.Expr{Kind: ruleset.KindCounter}
			e.SetCounter(packets, bytes)
			r.Exprs = append(r.Exprs, e)
		}
		s = rest
	}
	s, ok := strings.CutPrefix(s, "-A ")
	if !ok {
		return "not an appended rule"
	}
	name, spec, _ := strings.Cut(s, " ")
	c := p.table.Chain(name)
	if c == nil {
		return "a rule of a chain that was not declared"
	}
	words, err := split(spec)
	if err != nil {
		return err.Error()
	}
	r.Chain, r.Line = c, spec
	b := &builder{fam: p.fam, table: p.table, rule: r}
	b.spec(words)
	c.Rules = append(c.Rules, r)
	r.Position = len(c.Rules)
	return ""
}

// word is one argument; quoted ones are never options.
type word struct {
	text   string
	quoted bool
}

// split cuts a rule into arguments. iptables-save quotes with " and escapes with a backslash.
func split(s string) ([]word, error) {
	var out []word
	for i := 0; i < len(s); {
		if s[i] == ' ' {
			i++
			continue
		}
		if s[i] != '"' {
			j := strings.IndexByte(s[i:], ' ')
			if j < 0 {
				j = len(s) - i
			}
			out = append(out, word{text: s[i : i+j]})
			i += j
			continue
		}
		var b strings.Builder
		for i++; ; i++ {
			if i >= len(s) {
				return nil, fmt.Errorf("a quote that is not closed")
			}
			if s[i] == '\\' && i+1 < len(s) {
				i++
			} else if s[i] == '"' {
				break
			}
			b.WriteByte(s[i])
		}
		i++
		out = append(out, word{b.String(), true})
	}
	return out, nil
}

// resolve links jumps to chains.
func resolve(t *ruleset.Table) {
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			for i := range r.Exprs {
				if e := &r.Exprs[i]; e.Kind == ruleset.KindVerdict && e.X != nil {
					e.X.Verdict.To = t.Chain(e.X.Verdict.Chain)
				}
			}
		}
	}
}
