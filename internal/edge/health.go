package edge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/monitor"
	"github.com/originward/originward/internal/edge/pool"
	"github.com/originward/originward/internal/exchange"
)

// secretSize is the size of the key that signs sessions, in bytes.
const secretSize = 32

// sessionSecret is the key that signs sessions: kept in the data folder, so that
// they outlive the program.
func sessionSecret(dir string) ([]byte, error) {
	b := make([]byte, secretSize)
	_, _ = rand.Read(b) // never fails
	if dir == "" {
		return b, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "session.key")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(b)
		return b, errors.Join(err, f.Close())
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if b, err = os.ReadFile(path); err == nil && len(b) != secretSize {
		err = fmt.Errorf("%s holds %d bytes, not %d: delete it, and sessions begin anew", path, len(b), secretSize)
	}
	return b, err
}

// maxHealthEvents bounds the changes of health that are remembered.
const maxHealthEvents = 1000

// healthEvents remembers changes of health. It is safe for concurrent use.
type healthEvents struct {
	mu   sync.Mutex
	list []monitor.Change // oldest first; guarded by mu
}

func (h *healthEvents) add(c monitor.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.list) == maxHealthEvents {
		h.list = slices.Delete(h.list, 0, 1)
	}
	h.list = append(h.list, c)
}

// HealthEvents are recent changes of the health of origins, newest first.
func (e *Edge) HealthEvents() []monitor.Change {
	e.health.mu.Lock()
	defer e.health.mu.Unlock()
	out := slices.Clone(e.health.list)
	slices.Reverse(out)
	return out
}

// Pools are the pools in force, by id. They must not be changed.
func (e *Edge) Pools() map[string]*pool.Pool { return maps.Clone(e.state.Load().pools) }

// healthChanged notes and tells a change of health.
func (e *Edge) healthChanged(c monitor.Change) {
	e.health.add(c)
	o := c.Job.Subject.Origin
	args := []any{"pool", c.Job.PoolName, "origin", o.Name, "address", o.Address(), "health", c.Now.String(), "reason", c.Check.Reason}
	if c.Now == pool.Up {
		e.log.Info("origin is healthy", args...)
		return
	}
	e.log.Warn("origin is not healthy", append(args, "detail", c.Check.Detail)...)
}

// checkHealth does one health check as the configuration in force has it.
func (e *Edge) checkHealth(ctx context.Context, s monitor.Subject) pool.Check {
	return e.prober(e.state.Load()).Check(ctx, s)
}

// prober checks origins the way the edge would reach them.
func (e *Edge) prober(st *state) *monitor.Prober {
	return &monitor.Prober{
		Resolver: st.resolver, Trust: st.trust, Profile: monitorProfile(st.cfg), Now: e.now,
		Source: func(to netip.Addr) netip.Addr { return st.egress(e.turn.Add(1), to) },
		Prohibited: func(a netip.Addr, port uint16) error {
			if p := e.prohibited(a, port); p != nil {
				return p
			}
			return nil
		},
	}
}

func monitorProfile(c *config.Config) exchange.Profile {
	p := profile(c.Timers, c.Timers.Read)
	p.Name = "monitor"
	return p
}

// PreviewHealth checks every origin of a pool once, now, with a monitor that need
// not be in force.
func (e *Edge) PreviewHealth(ctx context.Context, p config.Pool, m config.Monitor) map[string]pool.Check {
	out := map[string]pool.Check{}
	prober := e.prober(e.state.Load())
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, o := range p.Origins {
		wg.Go(func() {
			c := prober.Check(ctx, monitor.Subject{Origin: o, Monitor: m})
			mu.Lock()
			defer mu.Unlock()
			out[o.Name] = c
		})
	}
	wg.Wait()
	return out
}

// poolsInForce tells registry and watch of the pools of a state that serves now.
func (e *Edge) poolsInForce(st *state) {
	e.registry.InForce(st.pools, e.now())
	if e.watch == nil { // not started yet
		return
	}
	var jobs []monitor.Job
	for _, p := range st.pools {
		if p.Watch == nil || !p.Enabled {
			continue
		}
		for _, o := range p.Members {
			if o.Enabled {
				jobs = append(jobs, monitor.Job{
					Key: pool.KeyOf(p.ID, &o.PoolOrigin), PoolName: p.Name, Health: o.Health,
					Subject: monitor.Subject{Origin: o.PoolOrigin, Monitor: *p.Watch},
				})
			}
		}
	}
	e.watch.Set(jobs)
}

// firstChecks bounds how long listening waits for the first checks of health: until
// they are done, monitored origins count as down.
const firstChecks = time.Second

// startWatch begins to check health; apply is held.
func (e *Edge) startWatch() {
	e.watch = monitor.NewWatch(e.checkHealth, e.healthChanged)
	e.poolsInForce(e.state.Load())
	ctx, cancel := context.WithTimeout(context.Background(), firstChecks)
	defer cancel()
	e.watch.Checked(ctx)
}

// endWatch ends health checks.
func (e *Edge) endWatch() {
	e.apply.Lock()
	defer e.apply.Unlock()
	if e.watch != nil {
		e.watch.Close()
	}
}
