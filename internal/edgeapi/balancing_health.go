package edgeapi

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/monitor"
	"github.com/originward/originward/internal/edge/pool"
	"github.com/originward/originward/internal/store"
)

// originHealth is what is known of one origin, in the original's form.
type originHealth struct {
	Healthy bool   `json:"healthy"`
	RTT     string `json:"rtt"`
	Reason  string `json:"failure_reason"`
	Code    int    `json:"response_code"`
}

// popHealth is the health of a pool as one place sees it.
type popHealth struct {
	Healthy bool                      `json:"healthy"`
	Origins []map[string]originHealth `json:"origins"` // by address
}

func healthOf(c pool.Check, healthy bool) originHealth {
	return originHealth{healthy, strconv.FormatFloat(float64(c.RTT.Microseconds())/1000, 'f', 1, 64) + "ms", c.Reason, c.Code}
}

// poolHealth gives what the monitor says of each origin of a pool, as this edge
// sees it. A pool without a monitor has no health.
func (a *API) poolHealth(c *call) (*reply, error) {
	p := a.edge.Pools()[c.PathValue("pool")]
	if p == nil {
		return nil, store.ErrNotFound
	}
	places := map[string]popHealth{}
	if p.Watch != nil {
		h := popHealth{p.Healthy(), []map[string]originHealth{}}
		for _, o := range p.Members {
			if last, ok := o.Health.Last(); ok && o.Enabled {
				h.Origins = append(h.Origins, map[string]originHealth{o.Address(): healthOf(last, o.Up())})
			}
		}
		places[a.edge.Config().Colo] = h
	}
	return &reply{result: map[string]any{"pool_id": p.ID, "pop_health": places}}, nil
}

// previews are the results of the last previews. It is safe for concurrent use.
type previews struct {
	mu   sync.Mutex
	list []preview // oldest first; guarded by mu
}

type preview struct {
	id     string
	result map[string]popHealth // by pool
}

const (
	maxPreviews = 50
	previewTime = 30 * time.Second // of the API's minute to answer
)

// previewPool checks the origins of a pool once with a monitor that is not kept;
// previewMonitor those of all pools that have the monitor.
func (a *API) previewPool(c *call) (*reply, error) {
	p := a.edge.Pools()[c.PathValue("pool")]
	if p == nil {
		return nil, store.ErrNotFound
	}
	return a.preview(c, []*pool.Pool{p})
}

func (a *API) previewMonitor(c *call) (*reply, error) {
	var list []*pool.Pool
	for _, p := range a.edge.Pools() {
		if p.Watch != nil && p.Watch.ID == c.PathValue("monitor") {
			list = append(list, p)
		}
	}
	return a.preview(c, list)
}

func (a *API) preview(c *call, pools []*pool.Pool) (*reply, error) {
	var in form
	if err := c.read(&in); err != nil {
		return nil, err
	}
	f, err := monitorKind.complete(in, nil, a.now())
	if err != nil {
		return nil, err
	}
	id := store.NewID(a.now())
	cfg, err := monitorKind.compile(id, "", f, config.Use{})
	if problems, ok := err.(config.Problems); ok { //nolint:errorlint // Parse gives them bare
		return nil, invalidObject(problems)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.Context(), previewTime)
	defer cancel()
	names, result := map[string]string{}, map[string]popHealth{}
	for _, p := range pools {
		names[p.ID] = p.Name
		checks := a.edge.PreviewHealth(ctx, p.Pool, cfg.Monitors[0])
		h := popHealth{Origins: []map[string]originHealth{}}
		up := 0
		for _, o := range p.Origins {
			k := checks[o.Name]
			if k.OK {
				up++
			}
			h.Origins = append(h.Origins, map[string]originHealth{o.Address(): healthOf(k, k.OK)})
		}
		h.Healthy = up >= p.Minimum
		result[p.ID] = h
	}
	a.previews.mu.Lock()
	defer a.previews.mu.Unlock()
	if len(a.previews.list) == maxPreviews {
		a.previews.list = slices.Delete(a.previews.list, 0, 1)
	}
	a.previews.list = append(a.previews.list, preview{id, result})
	return &reply{result: map[string]any{"preview_id": id, "pools": names}}, nil
}

func (a *API) previewResult(c *call) (*reply, error) {
	a.previews.mu.Lock()
	defer a.previews.mu.Unlock()
	for _, p := range a.previews.list {
		if p.id == c.PathValue("preview") {
			return &reply{result: p.result}, nil
		}
	}
	return nil, &failure{http.StatusNotFound, codeNoObject, "no preview has this id; the last 50 are kept"}
}

// healthEvent is a change of health in the original's form.
type healthEvent struct {
	ID        int64          `json:"id"`
	Timestamp time.Time      `json:"timestamp"`
	Pool      map[string]any `json:"pool"`
	Origins   []any          `json:"origins"`
}

// healthEvents gives recent changes of health, newest first: ?pool_id, ?pool_name,
// ?origin_name, ?origin_healthy, ?since, ?until.
func (a *API) healthEvents(c *call) (*reply, error) {
	since, err := timeOf(c.Request, "since")
	if err != nil {
		return nil, err
	}
	until, err := timeOf(c.Request, "until")
	if err != nil {
		return nil, err
	}
	q := c.URL.Query()
	takes := func(x monitor.Change) bool {
		for key, value := range map[string]string{
			"pool_id": x.Job.Key.Pool, "pool_name": x.Job.PoolName, "origin_name": x.Job.Subject.Origin.Name, "origin_healthy": strconv.FormatBool(x.Now == pool.Up),
		} {
			if want := q.Get(key); want != "" && want != value {
				return false
			}
		}
		return (since.IsZero() || !x.Check.At.Before(since)) && (until.IsZero() || x.Check.At.Before(until))
	}
	out := []healthEvent{}
	pools := a.edge.Pools()
	for _, x := range a.edge.HealthEvents() {
		if !takes(x) {
			continue
		}
		o, p := x.Job.Subject.Origin, pools[x.Job.Key.Pool]
		named := map[string]any{"id": x.Job.Key.Pool, "name": x.Job.PoolName}
		if p != nil {
			named["healthy"], named["minimum_origins"] = p.Healthy(), p.Minimum
		}
		out = append(out, healthEvent{x.Check.At.UnixNano(), x.Check.At.UTC(), named, []any{map[string]any{
			"name": o.Name, "address": o.Address(), "ip": x.Check.Addr, "enabled": o.Enabled, "healthy": x.Now == pool.Up, "changed": true,
			"failure_reason": x.Check.Reason,
		}}})
	}
	return page(c.Request, out)
}
