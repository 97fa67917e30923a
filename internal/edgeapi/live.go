package edgeapi

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge"
	"github.com/originward/originward/internal/store"
)

// Live keeps in force what the store holds: its zones at the edge, its tokens at
// the API. A change is in force when the call that made it is answered.
type Live struct {
	store  *store.Store
	edge   *edge.Edge
	log    *slog.Logger
	tokens atomic.Pointer[map[string]*token] // by hash

	mu    sync.Mutex
	zones map[string]config.Zone // by id; guarded by mu
	lists []config.List          // guarded by mu
	// monitors and pools are those of the store; guarded by mu.
	monitors []config.Monitor
	pools    []config.Pool
	pages    map[string]string // the account's error pages; guarded by mu
	// authorities are the origin CA's certificates by their PEM text: the same one
	// stays the same value, so that connections that it vouches for stay usable.
	authorities map[string]*x509.Certificate // guarded by mu
	revoked     []config.Revoked             // guarded by mu
}

// reloadTime bounds reading what has changed.
const reloadTime = 30 * time.Second

// NewLive puts in force what a store holds, and what it will hold.
func NewLive(ctx context.Context, s *store.Store, e *edge.Edge, log *slog.Logger) (*Live, error) {
	l := &Live{store: s, edge: e, log: log, zones: map[string]config.Zone{}, authorities: map[string]*x509.Certificate{}}
	s.OnCommit(l.committed)
	l.mu.Lock()
	defer l.mu.Unlock()
	err := s.View(ctx, l.loadAll)
	if err != nil {
		return nil, err
	}
	return l, l.apply()
}

// loadAll reads everything anew.
func (l *Live) loadAll(t *store.Tx) error {
	zones, err := t.Zones()
	if err != nil {
		return err
	}
	if err := errors.Join(l.loadLists(t), l.loadPages(t), l.loadPools(t), l.loadAuthorities(t), l.loadRevoked(t)); err != nil {
		return err
	}
	clear(l.zones)
	for _, z := range zones {
		if err := l.load(t, z.ID); err != nil {
			return err
		}
	}
	return l.loadTokens(t)
}

// committed is told of each change of the store.
func (l *Live) committed(c store.Changed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The caller may have gone away; what is committed has to be in force all the same.
	ctx, cancel := context.WithTimeout(context.Background(), reloadTime)
	defer cancel()
	err := l.store.View(ctx, func(t *store.Tx) error {
		if c.All {
			return l.loadAll(t)
		}
		for _, id := range c.Zones {
			if err := l.load(t, id); err != nil {
				return err
			}
		}
		if c.Global {
			return errors.Join(l.loadTokens(t), l.loadLists(t), l.loadPages(t), l.loadPools(t), l.loadAuthorities(t), l.loadRevoked(t))
		}
		return nil
	})
	if err == nil {
		err = l.apply()
	}
	if err != nil {
		l.log.Error("a change of the store is not in force yet", "error", err)
	}
}

// load reads one zone; a zone that cannot be served is left out, and said.
func (l *Live) load(t *store.Tx, id string) error {
	z, err := compileZone(t, id, l.edge.Config())
	switch {
	case isStoreRefusal(err): // deleted
		delete(l.zones, id)
		return nil
	case err != nil:
		delete(l.zones, id)
		l.log.Error("a zone of the store cannot be served", "zone", id, "error", err)
		return nil
	}
	l.zones[id] = z
	return nil
}

func (l *Live) loadLists(t *store.Tx) (err error) {
	l.lists, err = storedLists(t)
	return err
}

func (l *Live) loadPages(t *store.Tx) error {
	all, err := t.Objects(kindPage, "")
	if err != nil {
		return err
	}
	l.pages, err = pagesOf(all)
	return err
}

func (l *Live) loadTokens(t *store.Tx) error {
	all, err := t.Tokens()
	if err != nil {
		return err
	}
	byHash := map[string]*token{}
	for _, x := range all {
		k := &token{Token: x}
		if err := json.Unmarshal(x.Policies, &k.policies); err != nil {
			l.log.Error("a token of the store cannot be read", "token", x.ID, "error", err)
			continue
		}
		if x.Conditions != nil {
			if err := json.Unmarshal(x.Conditions, &k.from); err != nil {
				l.log.Error("a token of the store cannot be read", "token", x.ID, "error", err)
				continue
			}
		}
		byHash[x.Hash] = k
	}
	l.tokens.Store(&byHash)
	return nil
}

// apply hands the zones to the edge.
func (l *Live) apply() error {
	all := make([]config.Zone, 0, len(l.zones))
	for _, z := range l.zones {
		if len(l.pages) > 0 { // the zone's own go before the account's (custom-errors)
			own := z.ErrorPages
			z.ErrorPages = maps.Clone(l.pages)
			maps.Copy(z.ErrorPages, own)
		}
		all = append(all, z)
	}
	slices.SortFunc(all, func(a, b config.Zone) int { return cmp.Compare(a.Name, b.Name) })
	return l.edge.SetStored(edge.Stored{
		Zones: all, Lists: l.lists, OriginCA: slices.Collect(maps.Values(l.authorities)), Revoked: l.revoked, Monitors: l.monitors, Pools: l.pools,
	})
}

// token finds a token by the hash of its value; nil = there is none.
func (l *Live) token(hash string) *token {
	if l == nil {
		return nil
	}
	return (*l.tokens.Load())[hash]
}

func (l *Live) hasTokens() bool { return l != nil && len(*l.tokens.Load()) > 0 }

// change runs f in a transaction of the store, in the name of the caller.
func (a *API) change(c *call, f func(*store.Tx) error) error {
	return a.live.store.Change(c.Context(), c.who.actor, f)
}

// view runs f in a transaction that only reads.
func (a *API) view(c *call, f func(*store.Tx) error) error {
	return a.live.store.View(c.Context(), f)
}
