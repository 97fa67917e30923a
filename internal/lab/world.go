package lab

import (
	"context"
	"fmt"
	"sort"

	"github.com/originward/originward"
)

// World is one way to break the hop between an edge and an origin.
type World struct {
	Name  string // stable, for the command line: cause's family and means
	Title string // what is broken, one sentence

	// Expected while broken.
	Code   int                  // status the edge answers; 0 = no single one
	Causes []originward.CauseID // root causes, in any order; empty = healthy
	Stands originward.Standing  // least standing of each; empty = proved
	Ruled  []originward.CauseID // must not be named, beside everything not in Causes

	// Decides are the vantages without which nothing may stand proved.
	Decides []originward.Vantage

	// The site as the CDN has it.
	SSL     originward.SSLMode // empty = full
	URL     string             // what the visitor asks for; empty = https://shop.example/
	Records []originward.Record
	Zone    map[string]any // more keys of the zone in the edge's configuration
	Needs   []string       // programs
	Args    []string       // more arguments of diagnose

	// Setup brings the origin up healthy, Break breaks it, Cure mends it.
	// A nil Cure means that the cure is not on this machine.
	Setup func(context.Context, *Stage) error
	Break func(context.Context, *Stage) error
	Cure  func(context.Context, *Stage) error

	// Unhealthy says why the world cannot be healthy before it is broken; empty
	// = it answers 200 through the edge first.
	Unhealthy string
}

// standing is the least standing that each expected cause must have.
func (w *World) standing() originward.Standing {
	if w.Stands == "" {
		return originward.Proved
	}
	return w.Stands
}

// Worlds lists every world, by name.
func Worlds() []*World {
	var all []*World
	for _, f := range families {
		all = append(all, f()...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

// Find finds a world by name.
func Find(name string) (*World, error) {
	for _, w := range Worlds() {
		if w.Name == name {
			return w, nil
		}
	}
	return nil, fmt.Errorf("no world is named %q; `originward lab list` shows them all", name)
}
