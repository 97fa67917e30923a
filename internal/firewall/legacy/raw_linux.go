package legacy

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// Saved is the text of a family's legacy tables, to be restored elsewhere.
type Saved struct {
	Family ruleset.Family
	Text   []byte
	// Tool is the save program it came from.
	Tool string
}

// Save reads the text of the legacy tables of one family; nil when there are none.
func Save(ctx context.Context, proc string, fam ruleset.Family, tool string) (*Saved, error) {
	names, err := existing(proc, fam)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	if tool == "" {
		if tool = find(ctx, fam); tool == "" {
			return nil, ErrNoTool
		}
	}
	s := &Saved{Family: fam, Tool: tool}
	for _, n := range names {
		out, err := save(ctx, tool, n)
		if err != nil {
			return nil, err
		}
		s.Text = append(s.Text, out...)
	}
	return s, nil
}

// Restore loads the text into the thread's namespace, with the restore program that belongs to the save program.
func (s *Saved) Restore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, toolTimeout)
	defer cancel()
	tool := strings.TrimSuffix(s.Tool, "-save") + "-restore"
	cmd := exec.CommandContext(ctx, tool, "-c")
	cmd.Stdin = bytes.NewReader(s.Text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", tool, err, bytes.TrimSpace(out))
	}
	return nil
}
