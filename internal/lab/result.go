package lab

import (
	"time"

	"github.com/originward/originward"
)

// Result is the outcome of running one world.
type Result struct {
	World      *World
	Skipped    string // what this machine lacks; the world was not run
	Documented bool   // the edge waited as long as documented
	Code       int    // status the edge answered while broken
	Found      []originward.CauseID
	Wrong      []string // everything that was not as expected; empty = the world holds
	Took       time.Duration
	Again      bool                  // it is of the second run, alone
	Broken     *originward.Diagnosis // of the broken world, with every vantage
	Bundle     []byte                // its evidence, as diagnose saved it
}

// OK reports whether the world was run and held.
func (r Result) OK() bool { return r.Skipped == "" && len(r.Wrong) == 0 }
