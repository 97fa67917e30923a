package remedy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// Iptables changes the rules of one table of iptables or ip6tables, of either
// engine, in one commit of its restore tool.
type Iptables struct {
	Tool   string          `json:"tool"` // iptables-nft, ip6tables-legacy …
	Table  string          `json:"table"`
	Chains []IptablesChain `json:"chains"`
}

// IptablesChain is an edit of one chain, as the save tool writes its rules,
// without "-A CHAIN".
type IptablesChain struct {
	Chain string `json:"chain"`
	Make  bool   `json:"make,omitempty"` // made by this step
	listEdit
}

// program is a tool of the same engine: iptables-nft, save → iptables-nft-save,
// or iptables-save where engines have no names of their own.
func (t *Iptables) program(what string) string {
	if name := t.Tool + "-" + what; has(name) {
		return name
	}
	family, _, _ := strings.Cut(t.Tool, "-")
	return family + "-" + what
}

// table is a listing of one table.
type table map[string][]string // rules by chain

func (t *Iptables) list(ctx context.Context, m *Machine) (table, error) {
	out, err := m.Run(ctx, "", t.program("save"), "-t", t.Table)
	if err != nil {
		return nil, err
	}
	return savedTable(out), nil
}

// savedTable reads what iptables-save prints of one table.
func savedTable(saved string) table {
	t := table{}
	for _, l := range strings.Split(saved, "\n") {
		l = strings.TrimSpace(l)
		switch {
		case strings.HasPrefix(l, ":"):
			name, _, _ := strings.Cut(l[1:], " ")
			if _, ok := t[name]; !ok {
				t[name] = nil
			}
		case strings.HasPrefix(l, "-A "):
			name, rule, _ := strings.Cut(l[3:], " ")
			t[name] = append(t[name], rule)
		}
	}
	return t
}

// commit is the restore tool's input for edits of chains.
func (t *Iptables) commit(now table, back bool) []string {
	var head, body, tail []string
	for _, c := range t.Chains {
		rules, there := now[c.Chain]
		e := c.listEdit
		switch {
		case c.Make && !back:
			if there && len(rules) == len(e.To) && e.against(rules).none() {
				continue
			}
			head = append(head, ":"+c.Chain+" - [0:0]") // made, or emptied
			for _, r := range e.To {
				body = append(body, "-A "+c.Chain+" "+r)
			}
			continue
		case c.Make:
			if there {
				tail = append(tail, "-F "+c.Chain, "-X "+c.Chain)
			}
			continue
		case back:
			e = e.inverse()
		}
		ops := e.against(rules)
		for _, i := range ops.Delete {
			body = append(body, fmt.Sprintf("-D %s %d", c.Chain, i+1))
		}
		for _, in := range ops.Insert {
			body = append(body, fmt.Sprintf("-I %s %d %s", c.Chain, in.At+1, in.Text))
		}
	}
	lines := append(append(head, body...), tail...)
	if len(lines) == 0 {
		return nil
	}
	return append(append([]string{"*" + t.Table}, lines...), "COMMIT")
}

// Plan shows the commit.
func (t *Iptables) Plan(ctx context.Context, m *Machine) (Change, error) {
	now, err := t.list(ctx, m)
	if err != nil {
		return Change{}, err
	}
	lines := t.commit(now, false)
	ch := Change{Before: encode(struct{}{}), None: len(lines) == 0}
	for _, l := range lines {
		if l == "COMMIT" || l[0] == '*' {
			continue
		}
		if l[0] == ':' {
			name, _, _ := strings.Cut(l[1:], " ")
			l = "-N " + name
		}
		ch.Show = append(ch.Show, t.Tool+" -t "+t.Table+" "+l+deleted(l, now))
	}
	return ch, nil
}

// deleted is the rule that a deletion by number takes, as a remark: from the
// highest number down, the numbers are those of now.
func deleted(line string, now table) string {
	var chain string
	var n int
	if _, err := fmt.Sscanf(line, "-D %s %d", &chain, &n); err != nil || n < 1 || n > len(now[chain]) {
		return ""
	}
	return "   # " + now[chain][n-1]
}

// Apply commits the edits.
func (t *Iptables) Apply(ctx context.Context, m *Machine) error { return t.run(ctx, m, false) }

// Undo commits the opposite edits.
func (t *Iptables) Undo(ctx context.Context, m *Machine, _ json.RawMessage) error {
	return t.run(ctx, m, true)
}

func (t *Iptables) run(ctx context.Context, m *Machine, back bool) error {
	now, err := t.list(ctx, m)
	if err != nil {
		return err
	}
	lines := t.commit(now, back)
	if len(lines) == 0 {
		return nil
	}
	_, err = m.Run(ctx, strings.Join(lines, "\n")+"\n", t.program("restore"), "--noflush")
	return err
}
