package edge

import (
	"crypto/x509"
	"errors"
	"slices"

	"github.com/originward/originward/internal/config"
)

// Stored is what is in force beside the configuration file.
type Stored struct {
	Zones    []config.Zone
	Lists    []config.List
	OriginCA []*x509.Certificate // authorities that the strict modes trust, too
	Revoked  []config.Revoked    // certificates that the strict modes refuse
	Monitors []config.Monitor
	Pools    []config.Pool
}

// SetStored puts zones and lists in force beside those of the configuration file,
// in place of what was stored before. A name that the file has too stays the
// file's. Requests under way keep what they began with; when a zone cannot be put
// in force, nothing changes and the error says why.
func (e *Edge) SetStored(s Stored) error {
	e.apply.Lock()
	defer e.apply.Unlock()
	if e.draining.Load() {
		return errors.New("the edge is shutting down")
	}
	old := e.state.Load()
	st, err := e.newState(withStored(e.file, s), old)
	if err != nil {
		return err
	}
	e.stored = s
	e.state.Store(st)
	old.retire(st)
	e.poolsInForce(st)
	e.tell()
	if e.serving.Load() {
		e.askForCertificates()
	}
	return nil
}

// OnConfig has f called with the configuration in force, now and after each change
// of it, one call at a time and before the change is reported as made.
func (e *Edge) OnConfig(f func(*config.Config)) {
	e.apply.Lock()
	defer e.apply.Unlock()
	e.watchers = append(e.watchers, f)
	f(e.proofs.in(e.Config()))
}

// tell tells everybody who asked of the configuration in force; apply is held.
func (e *Edge) tell() {
	cfg := e.proofs.in(e.Config())
	for _, f := range e.watchers {
		f(cfg)
	}
}

// tellLater is tell for those who do not hold apply.
func (e *Edge) tellLater() {
	e.apply.Lock()
	defer e.apply.Unlock()
	e.tell()
}

// withStored is a configuration with what is stored beside its own.
func withStored(cfg *config.Config, st Stored) *config.Config {
	if len(st.Zones)+len(st.Lists)+len(st.OriginCA)+len(st.Revoked)+len(st.Monitors)+len(st.Pools) == 0 {
		return cfg
	}
	all := *cfg
	all.Trust.OriginCA = append(slices.Clone(cfg.Trust.OriginCA), st.OriginCA...)
	all.Trust.Revoked = append(slices.Clone(cfg.Trust.Revoked), st.Revoked...)
	all.Zones, all.Lists = slices.Clone(cfg.Zones), slices.Clone(cfg.Lists)
	all.Monitors = append(slices.Clone(cfg.Monitors), st.Monitors...)
	all.Pools = append(slices.Clone(cfg.Pools), st.Pools...)
	for _, z := range st.Zones {
		if !slices.ContainsFunc(cfg.Zones, func(f config.Zone) bool { return f.Name == z.Name }) {
			all.Zones = append(all.Zones, z)
		}
	}
	for _, l := range st.Lists {
		if !slices.ContainsFunc(cfg.Lists, func(f config.List) bool { return f.Name == l.Name }) {
			all.Lists = append(all.Lists, l)
		}
	}
	return &all
}
