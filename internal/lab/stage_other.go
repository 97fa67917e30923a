//go:build !linux

package lab

import (
	"context"
	"errors"
	"runtime"
	"time"
)

// families is empty where no world can stand.
var families []func() []*World

// LocalStage is a world on loopback addresses; none can stand on this system.
type LocalStage struct{}

// Stage is a standing world; none can stand on this system.
type Stage struct{}

// Lacks says that worlds need Linux.
func Lacks(*World) string { return "worlds need Linux, this is " + runtime.GOOS }

// Run skips the world.
func Run(_ context.Context, w *World, _ Options) Result { return Result{World: w, Skipped: Lacks(w)} }

// Up fails: worlds need Linux.
func Up(_ context.Context, w *World, _ string) (*Stage, error) { return nil, errors.New(Lacks(w)) }

// UpWith fails: worlds need Linux.
func UpWith(ctx context.Context, w *World, _ Options) (*Stage, error) { return Up(ctx, w, "") }

// Guide says nothing.
func (*Stage) Guide() string { return "" }

// Down removes nothing.
func (*Stage) Down() error { return nil }

// Standing is a world that is left standing; there are none here.
type Standing struct {
	World, Title, Guide string
	Since               time.Time
	Broken              bool
}

// StandingWorlds lists none.
func StandingWorlds() ([]Standing, error) { return nil, nil }

// Keep fails: worlds need Linux.
func Keep(_ context.Context, w *World, _ Options, _ bool, _ func(Standing)) error {
	return errors.New(Lacks(w))
}

// Remove removes nothing.
func (Standing) Remove(context.Context) error { return nil }

// Fix skips the world.
func Fix(_ context.Context, w *World, _ Options) FixResult {
	return FixResult{World: w, Skipped: Lacks(w)}
}
