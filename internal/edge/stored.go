package edge

import (
	"errors"
	"slices"

	"github.com/originward/originward/internal/config"
)

// SetStored puts zones in force beside those of the configuration file, in place
// of the stored zones before. A name that the file has too stays the file's.
// Requests under way keep what they began with; when a zone cannot be put in
// force, nothing changes and the error says why.
func (e *Edge) SetStored(zones []config.Zone) error {
	e.apply.Lock()
	defer e.apply.Unlock()
	if e.draining.Load() {
		return errors.New("the edge is shutting down")
	}
	old := e.state.Load()
	st, err := newState(withStored(e.file, zones), old, e.now)
	if err != nil {
		return err
	}
	e.stored = zones
	e.state.Store(st)
	old.retire(st)
	e.tell()
	return nil
}

// OnConfig has f called with the configuration in force, now and after each change
// of it, one call at a time and before the change is reported as made.
func (e *Edge) OnConfig(f func(*config.Config)) {
	e.apply.Lock()
	defer e.apply.Unlock()
	e.watchers = append(e.watchers, f)
	f(e.Config())
}

// tell tells everybody who asked of the configuration in force; apply is held.
func (e *Edge) tell() {
	for _, f := range e.watchers {
		f(e.Config())
	}
}

// withStored is a configuration with stored zones beside its own.
func withStored(cfg *config.Config, zones []config.Zone) *config.Config {
	if len(zones) == 0 {
		return cfg
	}
	all := *cfg
	all.Zones = slices.Clone(cfg.Zones)
	for _, z := range zones {
		if !slices.ContainsFunc(cfg.Zones, func(f config.Zone) bool { return f.Name == z.Name }) {
			all.Zones = append(all.Zones, z)
		}
	}
	return &all
}
