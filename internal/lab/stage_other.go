//go:build !linux

package lab

import (
	"context"
	"errors"
	"runtime"
)

// families is empty where no world can stand.
var families []func() []*World

// Stage is a standing world; none can stand on this system.
type Stage struct{}

// Lacks says that worlds need Linux.
func Lacks(*World) string { return "worlds need Linux, this is " + runtime.GOOS }

// Run skips the world.
func Run(_ context.Context, w *World, _ string) Result { return Result{World: w, Skipped: Lacks(w)} }

// Up fails: worlds need Linux.
func Up(_ context.Context, w *World, _ string) (*Stage, error) { return nil, errors.New(Lacks(w)) }

// Guide says nothing.
func (*Stage) Guide() string { return "" }

// Down removes nothing.
func (*Stage) Down() error { return nil }
