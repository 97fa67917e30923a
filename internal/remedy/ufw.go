package remedy

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// UFW adds or deletes rules of ufw, which keeps them in files and in force.
type UFW struct {
	Allow  []UFWRule `json:"allow,omitempty"`
	Delete []UFWRule `json:"delete,omitempty"`
}

// UFWRule is a rule for a source, for TCP ports.
type UFWRule struct {
	Action string       `json:"action"` // allow, deny, reject
	From   netip.Prefix `json:"from"`
	Ports  string       `json:"ports,omitempty"` // 443 or 80,443; empty = every port and protocol
	Number int          `json:"number,omitempty"`
}

func (r UFWRule) words() []string {
	if r.Ports == "" {
		return []string{r.Action, "from", r.From.String()}
	}
	return []string{r.Action, "proto", "tcp", "from", r.From.String(), "to", "any", "port", r.Ports}
}

// ufwFiles are where ufw keeps the user's rules.
var ufwFiles = []string{"/etc/ufw/user.rules", "/etc/ufw/user6.rules"}

// ufwState is what ufw kept, and had in force.
type ufwState struct {
	Files []file           `json:"files"`
	Rules map[string]table `json:"rules"` // of the filter table, by tool
}

func ufwTools() []*Iptables {
	return []*Iptables{{Tool: "iptables", Table: "filter"}, {Tool: "ip6tables", Table: "filter"}}
}

func (u *UFW) look(ctx context.Context, m *Machine) (ufwState, error) {
	st := ufwState{Rules: map[string]table{}}
	for _, p := range ufwFiles {
		f, err := readFile(p)
		if err != nil {
			return st, err
		}
		st.Files = append(st.Files, f)
	}
	for _, t := range ufwTools() {
		now, err := t.list(ctx, m)
		if err != nil {
			return st, err
		}
		st.Rules[t.Tool] = now
	}
	return st, nil
}

// Plan shows the commands.
func (u *UFW) Plan(ctx context.Context, m *Machine) (Change, error) {
	st, err := u.look(ctx, m)
	if err != nil {
		return Change{}, err
	}
	ch := Change{Before: encode(st), None: len(u.Allow)+len(u.Delete) == 0}
	for _, r := range u.Delete {
		ch.Show = append(ch.Show, command("ufw", append([]string{"delete"}, r.words()...)...))
	}
	for _, r := range u.Allow {
		ch.Show = append(ch.Show, command("ufw", append([]string{"prepend"}, r.words()...)...))
	}
	return ch, nil
}

// Apply changes the rules. New ones go before all others: a rule that denies
// may stand among them.
func (u *UFW) Apply(ctx context.Context, m *Machine) error {
	for _, r := range u.Delete {
		if _, err := m.Run(ctx, "", "ufw", append([]string{"--force", "delete"}, r.words()...)...); err != nil {
			return err
		}
	}
	for _, r := range u.Allow {
		if _, err := m.Run(ctx, "", "ufw", append([]string{"prepend"}, r.words()...)...); err != nil {
			return err
		}
	}
	return nil
}

// Undo writes ufw's files back, and brings the chains that it keeps to what
// they were: rules of others in other chains are not touched.
func (u *UFW) Undo(ctx context.Context, m *Machine, before json.RawMessage) error {
	var was ufwState
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	if _, err := putBack(was.Files); err != nil {
		return err
	}
	for _, t := range ufwTools() {
		now, err := t.list(ctx, m)
		if err != nil {
			return err
		}
		var names []string
		for name := range was.Rules[t.Tool] {
			if strings.HasPrefix(name, "ufw-user") || strings.HasPrefix(name, "ufw6-user") {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			if !slices.Equal(now[name], was.Rules[t.Tool][name]) {
				t.Chains = append(t.Chains, IptablesChain{Chain: name, listEdit: listEdit{now[name], was.Rules[t.Tool][name]}})
			}
		}
		if err := t.run(ctx, m, false); err != nil {
			return err
		}
	}
	return nil
}

// ufwActive reports whether ufw keeps the firewall.
func ufwActive() bool {
	raw, err := os.ReadFile("/etc/ufw/ufw.conf")
	return err == nil && strings.Contains(string(raw), "\nENABLED=yes") && has("ufw")
}

// admitTool admits the CDN by the tool that keeps the firewall; none = no tool
// does, or the one that does is not known how to be asked.
func (s *site) admitTool(ctx context.Context, found []originward.Finding) ([]Step, error) {
	if k := s.keeper(found); k != "ufw" && k != "" || !ufwActive() {
		return nil, nil
	}
	var ps []string
	for _, p := range ports(found) {
		ps = append(ps, fmt.Sprint(p))
	}
	if len(ps) == 0 {
		return nil, nil
	}
	u := &UFW{}
	for _, r := range slices.Backward(cdnRanges()) {
		u.Allow = append(u.Allow, UFWRule{Action: "allow", From: r, Ports: strings.Join(ps, ",")})
	}
	st := step("ufw", "allow the CDN's ranges in ufw on port "+strings.Join(ps, " and "), u)
	sim, err := s.through(ctx, found, admit)
	if err != nil {
		return nil, err
	}
	st.Sim = networked(sim)
	return []Step{st}, nil
}

// keeper is the tool whose rule or policy turns the CDN away, as the evidence
// says.
func (s *site) keeper(found []originward.Finding) string {
	for r := range s.turnedAwayBy(found) {
		if r.Owner != "" {
			return r.Owner
		}
	}
	return ""
}

// turnedAwayBy are the rules of the packet filter that turn the CDN away from the ports
// of the findings.
func (s *site) turnedAwayBy(found []originward.Finding) iter.Seq[*fact.FirewallRule] {
	want := ports(found)
	return func(yield func(*fact.FirewallRule) bool) {
		for _, it := range fact.All[fact.Firewall](s.b, originward.Host) {
			for _, a := range it.Fact.Answers {
				if len(want) > 0 && !slices.Contains(want, a.Port) {
					continue
				}
				for _, seg := range a.CDN {
					if (seg.Verdict == fact.VerdictDrop || seg.Verdict == fact.VerdictReject) && seg.Rule != nil && !yield(seg.Rule) {
						return
					}
				}
			}
		}
	}
}
