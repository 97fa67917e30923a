package edge

import (
	"errors"
	"slices"

	"github.com/originward/originward/internal/config"
)

// SetStored puts zones and lists in force beside those of the configuration file,
// in place of what was stored before. A name that the file has too stays the
// file's. Requests under way keep what they began with; when a zone cannot be put
// in force, nothing changes and the error says why.
func (e *Edge) SetStored(zones []config.Zone, lists []config.List) error {
	e.apply.Lock()
	defer e.apply.Unlock()
	if e.draining.Load() {
		return errors.New("the edge is shutting down")
	}
	old := e.state.Load()
	st, err := newState(withStored(e.file, stored{zones, lists}), old, e.now)
	if err != nil {
		return err
	}
	e.stored = stored{zones, lists}
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

// stored is what is in force beside the configuration file.
type stored struct {
	zones []config.Zone
	lists []config.List
}

// withStored is a configuration with what is stored beside its own.
func withStored(cfg *config.Config, st stored) *config.Config {
	if len(st.zones)+len(st.lists) == 0 {
		return cfg
	}
	all := *cfg
	all.Zones, all.Lists = slices.Clone(cfg.Zones), slices.Clone(cfg.Lists)
	for _, z := range st.zones {
		if !slices.ContainsFunc(cfg.Zones, func(f config.Zone) bool { return f.Name == z.Name }) {
			all.Zones = append(all.Zones, z)
		}
	}
	for _, l := range st.lists {
		if !slices.ContainsFunc(cfg.Lists, func(f config.List) bool { return f.Name == l.Name }) {
			all.Lists = append(all.Lists, l)
		}
	}
	return &all
}
