package edgeapi

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/originward/originward/internal/edge/events"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/store"
)

// How often security events go to the store, and how many of one turn: under a
// flood the store gets the newest, the edge's own log has all that are sampled.
const (
	keepEvery = 2 * time.Second
	keepMost  = 1000
)

// Run keeps the edge's security events in the store, and puts in force what other
// processes change there, until ctx ends.
func (l *Live) Run(ctx context.Context) {
	if l == nil {
		return
	}
	var follow sync.WaitGroup
	follow.Go(func() {
		l.store.Follow(ctx, func(err error) { l.log.Error("changes that others make are in force later", "error", err) })
	})
	defer follow.Wait()
	t := time.NewTicker(keepEvery)
	defer t.Stop()
	last := time.Time{}
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepEvery)
			defer cancel()
			l.keepEvents(end, last)
			return
		case <-t.C:
			last = l.keepEvents(ctx, last)
		}
	}
}

// keepEvents keeps what was decided since a time and gives the time of the newest.
func (l *Live) keepEvents(ctx context.Context, since time.Time) time.Time {
	list := l.edge.Events(events.Filter{Since: since, Limit: keepMost})
	if len(list) == 0 {
		return since
	}
	ids := map[string]string{}
	for _, z := range l.edge.Config().Zones {
		ids[z.Name] = idOf(&z)
	}
	var out []store.Event
	for _, e := range slices.Backward(list) {
		b, err := json.Marshal(e)
		if err != nil || ids[e.Zone] == "" {
			continue
		}
		out = append(out, store.Event{ID: eventID(e), Zone: ids[e.Zone], At: e.At, Ray: e.Ray, Body: b})
	}
	if err := l.store.AddEvents(ctx, out); err != nil {
		l.log.Error("security events are not kept", "error", err)
		return since
	}
	return list[0].At
}

// eventID is the same for the same event: the newest are looked at twice.
func eventID(e events.Event) string {
	return rules.ID("event", e.Ray, e.RuleID, e.Source, e.Action, e.At.UTC().Format(time.RFC3339Nano))
}

// zoneEvents are a zone's security events, newest first: those that the edge
// remembers, and those that the store has kept.
func (a *API) zoneEvents(c *call, id, name string) ([]events.Event, error) {
	out := a.edge.Events(events.Filter{Zone: name})
	if a.live == nil {
		return out, nil
	}
	seen := map[string]bool{}
	for _, e := range out {
		seen[eventID(e)] = true
	}
	err := a.view(c, func(t *store.Tx) error {
		kept, err := t.Events(store.EventQuery{Zone: id, Limit: maxEvents})
		for _, k := range kept {
			var e events.Event
			if err := json.Unmarshal(k.Body, &e); err != nil {
				return err
			}
			if !seen[k.ID] {
				out = append(out, e)
			}
		}
		return err
	})
	slices.SortStableFunc(out, func(a, b events.Event) int { return b.At.Compare(a.At) })
	return out, err
}
