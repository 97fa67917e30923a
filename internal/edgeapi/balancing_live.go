package edgeapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/store"
)

// loadPools reads monitors and pools; one that cannot be served is left out, and said.
func (l *Live) loadPools(t *store.Tx) error {
	use := config.Use{Monitors: fileMonitors(l.edge.Config())}
	l.monitors, l.pools = nil, nil
	for _, kind := range []*balancing{&monitorKind, &poolKind} {
		all, err := t.Objects(kind.kind, "")
		if err != nil {
			return err
		}
		for _, o := range all {
			f, err := formOf(o)
			if err != nil {
				return err
			}
			c, err := kind.compile(o.ID, "", f, use)
			if err != nil {
				l.log.Error("an object of the store cannot be served", "kind", kind.kind, "id", o.ID, "error", err)
				continue
			}
			for _, p := range c.Pools {
				p.Line = 0
				l.pools = append(l.pools, p)
			}
			for _, m := range c.Monitors {
				m.Line = 0
				l.monitors = append(l.monitors, m)
			}
		}
		use.Monitors = append(use.Monitors, l.monitors...)
	}
	return nil
}

func fileMonitors(c *config.Config) []config.Monitor {
	return slices.DeleteFunc(slices.Clone(c.Monitors), func(m config.Monitor) bool { return m.Line == 0 })
}

func filePools(c *config.Config) []config.Pool {
	return slices.DeleteFunc(slices.Clone(c.Pools), func(p config.Pool) bool { return p.Line == 0 })
}

// usePools adds what load balancers and pools may refer to: what the file has, and
// what the store has.
func usePools(t *store.Tx, cfg *config.Config, use *config.Use) error {
	use.Monitors, use.Pools = fileMonitors(cfg), filePools(cfg)
	all, err := t.Objects(kindMonitor, "")
	if err != nil {
		return err
	}
	for _, o := range all {
		use.Monitors = append(use.Monitors, config.Monitor{ID: o.ID})
	}
	if all, err = t.Objects(kindPool, ""); err != nil {
		return err
	}
	for _, o := range all {
		use.Pools = append(use.Pools, config.Pool{ID: o.ID, Name: o.Name})
	}
	return nil
}

// balancersForConfig are a zone's load balancers in the configuration's form.
func balancersForConfig(objects []store.Object) ([]form, error) {
	out := []form{}
	for _, o := range objects {
		if o.Kind != kindBalancer {
			continue
		}
		f, err := formOf(o)
		if err != nil {
			return nil, err
		}
		if f, err = balancerKind.forConfig(o.ID, f); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// Objects of the configuration file, as the API shows them.

func monitorForm(m config.Monitor) map[string]any {
	header := map[string][]string{}
	for _, h := range m.Header {
		header[h[0]] = append(header[h[0]], h[1])
	}
	out := map[string]any{
		"id": m.ID, "description": m.Name, "type": m.Type, "port": m.Port, "interval": int(m.Interval.Seconds()), "timeout": int(m.Timeout.Seconds()),
		"retries": m.Retries, "consecutive_up": m.Up, "consecutive_down": m.Down, "method": "connection_established", "path": m.Path, "header": header,
		"expected_codes": "", "expected_body": m.Body, "follow_redirects": m.FollowRedirects, "allow_insecure": m.AllowInsecure,
	}
	if m.Type != "tcp" {
		out["method"], out["expected_codes"] = m.Method, codesText(m.Codes)
	}
	return out
}

// codesText are expected codes as they are written.
func codesText(codes []config.CodeRange) string {
	var out []string
	for _, r := range codes {
		if r.Low == r.High {
			out = append(out, strconv.Itoa(r.Low))
		} else {
			out = append(out, fmt.Sprintf("%d-%d", r.Low, r.High))
		}
	}
	return strings.Join(out, ",")
}

func poolForm(p config.Pool) map[string]any {
	origins := []map[string]any{}
	for _, o := range p.Origins {
		x := map[string]any{"name": o.Name, "address": o.Address(), "enabled": o.Enabled, "weight": o.Weight, "port": o.Port, "header": map[string]any{}}
		if o.Host != "" {
			x["header"] = map[string][]string{"Host": {o.Host}}
		}
		if !o.DisabledAt.IsZero() {
			x["disabled_at"] = o.DisabledAt
		}
		origins = append(origins, x)
	}
	return map[string]any{
		"id": p.ID, "name": p.Name, "description": "", "enabled": p.Enabled, "minimum_origins": p.Minimum, "monitor": p.Monitor,
		"origin_steering": map[string]string{"policy": p.Steering}, "origins": origins,
	}
}

func balancerForm(b config.LoadBalancer) map[string]any {
	a := b.Affinity
	attributes := map[string]any{"samesite": a.SameSite, "secure": a.Secure, "drain_duration": int(a.Drain.Seconds()), "zero_downtime_failover": a.Failover}
	if len(a.Headers) > 0 {
		attributes["headers"], attributes["require_all_headers"] = a.Headers, a.RequireAll
	}
	weights := map[string]float64{}
	for i, w := range b.Weights {
		weights[b.Pools[i]] = w
	}
	return map[string]any{
		"id": b.ID, "name": b.Name, "description": "", "enabled": b.Enabled, "proxied": true, "default_pools": b.Pools, "fallback_pool": b.Fallback,
		"steering_policy": b.Steering, "random_steering": map[string]any{"default_weight": 1, "pool_weights": weights},
		"session_affinity": a.Kind, "session_affinity_ttl": int(a.TTL.Seconds()), "session_affinity_attributes": attributes,
		"adaptive_routing": map[string]bool{"failover_across_pools": b.AcrossPools},
	}
}

// fileObjects are the objects of a kind that the configuration file has.
func (a *API) fileObjects(b *balancing, z zoneRef) []form {
	var all []map[string]any
	cfg := a.edge.Config()
	switch b.kind {
	case kindMonitor:
		for _, m := range fileMonitors(cfg) {
			all = append(all, monitorForm(m))
		}
	case kindPool:
		for _, p := range filePools(cfg) {
			all = append(all, poolForm(p))
		}
	case kindBalancer:
		if z.file != nil {
			for _, x := range z.file.LoadBalancers {
				all = append(all, balancerForm(x))
			}
		}
	}
	out := []form{}
	for _, m := range all {
		m["originward_file"] = true // it is changed there
		raw, err := json.Marshal(m)
		var f form
		if err == nil && json.Unmarshal(raw, &f) == nil {
			out = append(out, f)
		}
	}
	return out
}
