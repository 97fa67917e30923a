package lab

import "time"

// FixResult is the outcome of fixing one world and taking the fix back.
type FixResult struct {
	World   *World
	Skipped string // what this machine lacks; the world was not run
	Not     string // why it cannot be cured on the origin; empty = it must be
	Steps   []string
	Broken  int      // status the edge answered while broken
	Cured   int      // after the fix
	Undone  int      // after the undo
	Wrong   []string // everything that was not as it must be
	Took    time.Duration
}

// OK reports whether the world was cured and undone.
func (r FixResult) OK() bool { return r.Skipped == "" && r.Not == "" && len(r.Wrong) == 0 }
