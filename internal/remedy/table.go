package remedy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// Table is a table of nf_tables that is ours whole.
type Table struct {
	Family string `json:"family"`
	Name   string `json:"name"`
	Text   string `json:"text"` // what stands between the braces
}

// listing gives the table as nft lists it; empty = it is not there.
func (t *Table) listing(ctx context.Context, m *Machine) (string, error) {
	out, err := m.Run(ctx, "", "nft", "list", "table", t.Family, t.Name)
	if err != nil && strings.Contains(err.Error(), "No such file or directory") {
		return "", nil
	}
	return out, err
}

func (t *Table) script() string {
	return fmt.Sprintf("table %s %s\ndelete table %s %s\ntable %s %s {\n%s}\n", t.Family, t.Name, t.Family, t.Name, t.Family, t.Name, t.Text)
}

// Plan shows the table.
func (t *Table) Plan(ctx context.Context, m *Machine) (Change, error) {
	was, err := t.listing(ctx, m)
	if err != nil {
		return Change{}, err
	}
	return Change{Before: encode(was), Show: append([]string{"nft -f - :"}, splitLines(t.script())...)}, nil
}

// Apply puts the table in place, in one transaction.
func (t *Table) Apply(ctx context.Context, m *Machine) error {
	_, err := m.Run(ctx, t.script(), "nft", "-f", "-")
	return err
}

// Undo takes it out, or puts back the one of that name that was there.
func (t *Table) Undo(ctx context.Context, m *Machine, before json.RawMessage) error {
	var was string
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	now, err := t.listing(ctx, m)
	if err != nil || now == was {
		return err
	}
	_, err = m.Run(ctx, fmt.Sprintf("table %s %s\ndelete table %s %s\n%s", t.Family, t.Name, t.Family, t.Name, was), "nft", "-f", "-")
	return err
}
