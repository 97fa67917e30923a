package remedy

import (
	"context"
	"slices"
	"strings"
	"time"
)

// banRules reads the chains that a jail fills, by fail2ban's names for them.
func banRules(ctx context.Context, m *Machine, jail string) (ruleState, error) {
	var st ruleState
	if jail == "" {
		return st, nil
	}
	for _, name := range []string{"iptables", "ip6tables"} {
		t := Iptables{Tool: name, Table: "filter"}
		if !has(name) || !has(t.program("save")) {
			continue
		}
		now, err := t.list(ctx, m)
		if err != nil {
			continue // no such engine in this kernel: nothing to keep in order
		}
		chain := "f2b-" + jail
		if rules, ok := now[chain]; ok {
			t.Chains = []IptablesChain{{Chain: chain, listEdit: listEdit{To: rules}}}
			st.Tables = append(st.Tables, t)
		}
	}
	return st, nil
}

// awaitOrder waits until the tool has put its rules back, and gives them the
// order that they had: a ban puts its rule first, whenever it comes.
func (st ruleState) awaitOrder(ctx context.Context, m *Machine) error {
	for i := range st.Tables {
		t := &st.Tables[i]
		want := t.Chains[0].To
		end := time.Now().Add(settleLimit)
		for {
			all, err := t.list(ctx, m)
			if err != nil {
				return err
			}
			now := all[t.Chains[0].Chain]
			if slices.Equal(now, want) {
				break
			}
			if sameRules(now, want) {
				if err := t.reorder(ctx, m, now, want); err != nil {
					return err
				}
				break
			}
			if time.Now().After(end) || ctx.Err() != nil {
				break // others banned or unbanned meanwhile: the order of before means nothing then
			}
			time.Sleep(50 * time.Millisecond) // another program's work: there is no event to wait for
		}
	}
	return nil
}

func sameRules(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// reorder writes a chain's rules anew in the wanted order, in one commit.
func (t *Iptables) reorder(ctx context.Context, m *Machine, _, want []string) error {
	name := t.Chains[0].Chain
	lines := []string{"*" + t.Table, ":" + name + " - [0:0]"}
	for _, r := range want {
		lines = append(lines, "-A "+name+" "+r)
	}
	_, err := m.Run(ctx, strings.Join(append(lines, "COMMIT"), "\n")+"\n", t.program("restore"), "--noflush")
	return err
}
