package remedy

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
)

// Firewalld changes what one zone of firewalld turns away or lets in, in force
// and for good.
type Firewalld struct {
	Zone string `json:"zone"`
	// Remove and Add are rich rules (firewalld.richlanguage(5)).
	Remove []string `json:"remove,omitempty"`
	Add    []string `json:"add,omitempty"`
	// Sources are networks that are bound to the zone, and go.
	Sources []string `json:"sources,omitempty"`
}

// zoneState is a zone as far as it is changed.
type zoneState struct {
	Rich      []string `json:"rich"`
	Sources   []string `json:"sources"`
	ForGood   []string `json:"for_good"` // rich rules of the permanent configuration
	GoodBound []string `json:"good_bound"`
	Files     []file   `json:"files"`
}

// zoneDir is where firewalld keeps the zones that differ from its own.
const zoneDir = "/etc/firewalld/zones"

func (f *Firewalld) list(ctx context.Context, m *Machine, what string, more ...string) ([]string, error) {
	out, err := m.Run(ctx, "", "firewall-cmd", append(more, "--zone="+f.Zone, "--list-"+what)...)
	if err != nil {
		return nil, err
	}
	if what == "sources" {
		return strings.Fields(out), nil
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return slices.DeleteFunc(lines, func(l string) bool { return l == "" }), nil
}

func (f *Firewalld) look(ctx context.Context, m *Machine) (st zoneState, err error) {
	for _, l := range []struct {
		to   *[]string
		what string
		more []string
	}{{&st.Rich, "rich-rules", nil}, {&st.Sources, "sources", nil}, {&st.ForGood, "rich-rules", []string{"--permanent"}}, {&st.GoodBound, "sources", []string{"--permanent"}}} {
		if *l.to, err = f.list(ctx, m, l.what, l.more...); err != nil {
			return st, err
		}
	}
	f.inForceOrder(ctx, m, st.Rich)
	for _, end := range []string{".xml", ".xml.old"} {
		was, err := readFile(filepath.Join(zoneDir, f.Zone+end))
		if err != nil {
			return st, err
		}
		st.Files = append(st.Files, was)
	}
	return st, nil
}

// inForceOrder sorts rich rules as they stand in the packet filter, where
// firewalld appends: listed, they are in no order.
func (f *Firewalld) inForceOrder(ctx context.Context, m *Machine, rich []string) {
	text, err := m.Run(ctx, "", "nft", "list", "chain", "inet", "firewalld", "filter_IN_"+f.Zone+"_deny")
	if err != nil {
		return // another backend: the order that firewalld lists is all there is
	}
	at := func(rule string) int {
		src := richSource.FindStringSubmatch(rule)
		if src == nil {
			return -1
		}
		return strings.Index(text, " saddr "+src[1]+" ")
	}
	slices.SortStableFunc(rich, func(a, b string) int { return at(a) - at(b) })
}

// flags are the changes that bring one list of rules and sources from has to
// what is wanted.
func (f *Firewalld) flags(rich, sources []string) []string {
	var out []string
	for _, r := range f.Remove {
		if slices.Contains(rich, r) {
			out = append(out, "--remove-rich-rule="+r)
		}
	}
	for _, s := range f.Sources {
		if slices.Contains(sources, s) {
			out = append(out, "--remove-source="+s)
		}
	}
	for _, r := range f.Add {
		if !slices.Contains(rich, r) {
			out = append(out, "--add-rich-rule="+r)
		}
	}
	return out
}

// Plan shows firewalld's own commands, in force and for good.
func (f *Firewalld) Plan(ctx context.Context, m *Machine) (Change, error) {
	st, err := f.look(ctx, m)
	if err != nil {
		return Change{}, err
	}
	ch := Change{Before: encode(st)}
	for _, x := range f.flags(st.Rich, st.Sources) {
		ch.Show = append(ch.Show, command("firewall-cmd", "--zone="+f.Zone, x))
	}
	for _, x := range f.flags(st.ForGood, st.GoodBound) {
		ch.Show = append(ch.Show, command("firewall-cmd", "--permanent", "--zone="+f.Zone, x))
	}
	ch.None = len(ch.Show) == 0
	return ch, nil
}

// Apply makes both changes. What is for good is not loaded: what else stands
// there and is not in force is not this fix's to bring in.
func (f *Firewalld) Apply(ctx context.Context, m *Machine) error {
	st, err := f.look(ctx, m)
	if err != nil {
		return err
	}
	if err := f.run(ctx, m, f.flags(st.Rich, st.Sources)); err != nil {
		return err
	}
	return f.run(ctx, m, f.flags(st.ForGood, st.GoodBound), "--permanent")
}

func (f *Firewalld) run(ctx context.Context, m *Machine, flags []string, more ...string) error {
	if len(flags) == 0 {
		return nil
	}
	_, err := m.Run(ctx, "", "firewall-cmd", append(append(more, "--zone="+f.Zone), flags...)...)
	return err
}

// Undo brings the zone back in force, and writes its files back, which
// firewalld reads by itself.
func (f *Firewalld) Undo(ctx context.Context, m *Machine, before json.RawMessage) error {
	var was zoneState
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	now, err := f.look(ctx, m)
	if err != nil {
		return err
	}
	var flags []string
	for _, r := range f.Add {
		if slices.Contains(now.Rich, r) && !slices.Contains(was.Rich, r) {
			flags = append(flags, "--remove-rich-rule="+r)
		}
	}
	for _, r := range was.Rich {
		if slices.Contains(f.Remove, r) && !slices.Contains(now.Rich, r) {
			flags = append(flags, "--add-rich-rule="+r)
		}
	}
	for _, s := range was.Sources {
		if slices.Contains(f.Sources, s) && !slices.Contains(now.Sources, s) {
			flags = append(flags, "--add-source="+s)
		}
	}
	if err := f.run(ctx, m, flags); err != nil {
		return err
	}
	_, err = putBack(was.Files)
	return err
}
