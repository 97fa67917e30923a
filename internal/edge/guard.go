package edge

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/challenge"
	"github.com/originward/originward/internal/edge/events"
	"github.com/originward/originward/internal/edge/logfile"
)

// guard is what security rules keep over reloads: events, the key of challenges,
// and the files of logs.
type guard struct {
	events *events.Log
	keeper *challenge.Keeper
	stdout io.Writer // of the access log, when no file is named

	mu     sync.Mutex
	access *logfile.File // guarded by mu; nil = none
	event  *logfile.File // guarded by mu; nil = none
}

func newGuard(cfg *config.Config, stdout io.Writer) (*guard, error) {
	k, err := keeperOf(cfg.Data)
	if err != nil {
		return nil, err
	}
	return &guard{events: events.New(events.DefaultMemory), keeper: k, stdout: stdout}, nil
}

// keeperOf reads the key of challenges from the edge's folder, or puts one there, so
// that a restart does not challenge everybody again.
func keeperOf(data string) (*challenge.Keeper, error) {
	if data == "" {
		return challenge.New(), nil
	}
	path := filepath.Join(data, "challenge.key")
	raw, err := os.ReadFile(path)
	if err == nil {
		if k, ok := challenge.FromKey(raw); ok {
			return k, nil
		}
		return nil, fmt.Errorf("key of challenges %s: has %d bytes, not 32; remove the file to get another", path, len(raw))
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("key of challenges: %w", err)
	}
	k := challenge.New()
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("key of challenges: %w", err)
	}
	if err := os.WriteFile(path, k.Key(), 0o600); err != nil {
		return nil, fmt.Errorf("key of challenges: %w", err)
	}
	return k, nil
}

// policyOf is how one kind of line is kept.
func policyOf(l config.Log) events.Policy {
	if !l.Given {
		return events.Everything
	}
	return events.Policy{Sample: l.Sample, Client: l.Client, Query: l.Query}
}

// apply opens the logs that a configuration names and gives the access log's writer,
// nil for none. A file that stays is opened again: a reload is also what follows when
// another program has moved it.
func (g *guard) apply(cfg *config.Config) (io.Writer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	access, err := change(g.access, cfg.Access)
	if err != nil {
		return nil, err
	}
	g.access = access
	event, err := change(g.event, cfg.Events)
	if err != nil {
		return nil, err
	}
	g.event = event
	memory := cfg.Events.Memory
	if !cfg.Events.Given {
		memory = events.DefaultMemory
	}
	var out io.Writer
	switch {
	case g.event != nil:
		out = g.event
	case cfg.Events.Given && !cfg.Events.Off:
		out = g.stdout
	}
	g.events.Set(out, policyOf(cfg.Events), memory)
	switch {
	case cfg.Access.Off:
		return nil, nil
	case g.access != nil:
		return g.access, nil
	}
	return g.stdout, nil
}

// change brings a log's file in line with the configuration.
func change(f *logfile.File, l config.Log) (*logfile.File, error) {
	if f != nil && f.Path() == l.File && !l.Off && f.Same(l.MaxSize, l.Keep) {
		return f, f.Reopen()
	}
	var next *logfile.File
	if l.File != "" && !l.Off {
		var err error
		if next, err = logfile.Open(l.File, l.MaxSize, l.Keep); err != nil {
			return nil, err
		}
	}
	if f != nil {
		return next, f.Close()
	}
	return next, nil
}

// reopen opens the logs' files again.
func (g *guard) reopen() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var errs []error
	for _, f := range []*logfile.File{g.access, g.event} {
		if f != nil {
			errs = append(errs, f.Reopen())
		}
	}
	return errors.Join(errs...)
}

func (g *guard) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	errs := []error{g.events.Flush()}
	for _, f := range []*logfile.File{g.access, g.event} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// Events gives recent security events, newest first.
func (e *Edge) Events(f events.Filter) []events.Event { return e.guard.events.Find(f) }

// openLogs puts the logs of a configuration in force.
func (e *Edge) openLogs(cfg *config.Config) error {
	w, err := e.guard.apply(cfg)
	if err != nil {
		return err
	}
	e.access.redirect(w)
	return nil
}
