package lab

import (
	"context"
	"fmt"
	"net/netip"
	"sort"

	"github.com/originward/originward"
)

// World is one way to break the hop between an edge and an origin, or one way
// to look broken and not be.
type World struct {
	Name  string // stable, for the command line: cause's family and means
	Title string // what is broken, one sentence

	// Expected while broken.
	Code   int                  // status the edge answers; 0 = no single one
	Causes []originward.CauseID // root causes, in any order; empty = healthy, or undecided
	Stands originward.Standing  // least standing of each; empty = proved
	Also   []originward.CauseID // may be named beside Causes: as true, and not what was broken

	// Latent causes must stand possible at least, and are not to be named: what
	// they break is not what this edge does.
	Latent []originward.CauseID

	// Undecided worlds are broken in a way that no vantage of this machine can
	// tell: the right answer names no cause and says what is missing.
	Undecided bool

	// Decides are the vantages that decide: with any of them taken away nothing
	// may stand proved, and it must be named as missing.
	Decides []originward.Vantage

	// Front is where visitors meet the edge, when that is not the edge of this
	// program; the zone of the site is the same.
	Front netip.Addr

	// The site as the CDN has it.
	SSL       originward.SSLMode // empty = full
	URL       string             // what the visitor asks for; empty = https://shop.example/
	Records   []originward.Record
	Zone      map[string]any // more keys of the zone in the edge's configuration
	Edge      map[string]any // more keys of the edge's configuration
	EdgeNames []string       // names of the edge's own certificate; empty = one of its own authority
	Names     []Name         // more names that the world's DNS answers
	Needs     []string       // programs
	Args      []string       // more arguments of diagnose

	// Shared puts the origin into a network namespace alone: it shares this
	// machine's file system and processes, as a test bench's origin would.
	Shared bool

	// Systemd gives the origin a booted systemd, and its services units.
	Systemd bool

	// Warm worlds are looked at through an edge that still holds connections
	// and answers from before Break. All others begin with a new edge, which has
	// to connect: what it answers does not depend on what it happened to keep.
	Warm bool

	// Slow worlds need minutes or much memory: they are left out of short runs.
	Slow bool

	// Setup brings the origin up healthy, Break breaks it, Cure mends it.
	// A nil Cure means that the cure is not on this machine.
	Setup func(context.Context, *Stage) error
	Break func(context.Context, *Stage) error
	Cure  func(context.Context, *Stage) error

	// Local worlds need neither root nor namespaces: edge and origin stand on
	// loopback addresses, the origin is this program's own, and it is broken
	// from the start. Setup, Break and Cure do not apply.
	Local func(*LocalStage) error

	// Unhealthy says why the world cannot be healthy before it is broken; empty
	// = it answers below 400 through the edge first.
	Unhealthy string

	// Noisy worlds are healthy and look broken somewhere: they are expected to
	// be called healthy after Break.
	Noisy bool
}

// Name is a further name of a world's DNS.
type Name struct {
	Name    string
	Content string // address, or a name for a CNAME
}

// standing is the least standing that each expected cause must have.
func (w *World) standing() originward.Standing {
	if w.Stands == "" {
		return originward.Proved
	}
	return w.Stands
}

// with changes a copy of a world; worlds that differ in little are written so.
func (w World) with(change func(*World)) *World {
	change(&w)
	return &w
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
