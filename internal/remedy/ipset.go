package remedy

import (
	"context"
	"encoding/json"
	"strings"
)

// IPSet changes the entries of one ipset.
type IPSet struct {
	Set    string   `json:"set"`
	Delete []string `json:"delete,omitempty"` // entries without options
	Add    []string `json:"add,omitempty"`
}

// entries lists a set: entry to its whole line in the form of ipset save.
func (s *IPSet) entries(ctx context.Context, m *Machine) (map[string]string, error) {
	out, err := m.Run(ctx, "", "ipset", "save", s.Set)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, l := range strings.Split(out, "\n") {
		if rest, ok := strings.CutPrefix(l, "add "+s.Set+" "); ok {
			key, _, _ := strings.Cut(rest, " ")
			all[key] = rest
		}
	}
	return all, nil
}

// lines are what is still to be done, in the form of ipset restore.
func (s *IPSet) lines(now map[string]string, del, add []string) []string {
	var out []string
	for _, e := range del {
		key, _, _ := strings.Cut(e, " ")
		if _, ok := now[key]; ok {
			out = append(out, "del "+s.Set+" "+key)
		}
	}
	for _, e := range add {
		key, _, _ := strings.Cut(e, " ")
		if _, ok := now[key]; !ok {
			out = append(out, "add "+s.Set+" "+e)
		}
	}
	return out
}

// Plan shows the entries that go and come.
func (s *IPSet) Plan(ctx context.Context, m *Machine) (Change, error) {
	now, err := s.entries(ctx, m)
	if err != nil {
		return Change{}, err
	}
	var was []string
	for _, e := range s.Delete {
		if line, ok := now[e]; ok {
			was = append(was, line)
		}
	}
	lines := s.lines(now, s.Delete, s.Add)
	ch := Change{Before: encode(was), None: len(lines) == 0}
	for _, l := range lines {
		ch.Show = append(ch.Show, "ipset "+l)
	}
	return ch, nil
}

// Apply takes entries out and puts others in.
func (s *IPSet) Apply(ctx context.Context, m *Machine) error {
	now, err := s.entries(ctx, m)
	if err != nil {
		return err
	}
	return s.restore(ctx, m, s.lines(now, s.Delete, s.Add))
}

// Undo puts the former entries back with their timeouts and comments.
func (s *IPSet) Undo(ctx context.Context, m *Machine, before json.RawMessage) error {
	var was []string
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	now, err := s.entries(ctx, m)
	if err != nil {
		return err
	}
	return s.restore(ctx, m, s.lines(now, s.Add, was))
}

func (s *IPSet) restore(ctx context.Context, m *Machine, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := m.Run(ctx, strings.Join(lines, "\n")+"\n", "ipset", "restore", "-exist")
	return err
}
