package zonesync

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// Apply carries steps out, zone by zone; done is told of each zone that is.
// A zone's records change all at once or not at all. When a step fails, what was
// done before stays, and the error names the zone.
func (c *Client) Apply(ctx context.Context, have *Document, steps []Step, done func(zone string, steps int)) error {
	ids := map[string]string{}
	for _, z := range have.Zones {
		ids[z.Name] = z.id
	}
	for len(steps) > 0 {
		n := slices.IndexFunc(steps, func(s Step) bool { return s.Zone != steps[0].Zone })
		if n < 0 {
			n = len(steps)
		}
		zone := steps[0].Zone
		if err := c.applyZone(ctx, ids, zone, steps[:n]); err != nil {
			return fmt.Errorf("%s: %w", place(zone), err)
		}
		done(zone, n)
		steps = steps[n:]
	}
	return nil
}

// batch is the form of many changes of records.
type batch struct {
	Deletes []apiRecord `json:"deletes,omitempty"`
	Puts    []apiRecord `json:"puts,omitempty"`
	Posts   []apiRecord `json:"posts,omitempty"`
}

// batchSize is how many changes one batch holds (Cloudflare: 3,500 at most).
const batchSize = 3500

func (b *batch) size() int { return len(b.Deletes) + len(b.Puts) + len(b.Posts) }

func forAPI(r Record) apiRecord {
	return apiRecord{r.id, r.Name, r.Type, r.Content, r.Priority, r.Proxied, r.TTL, r.Comment, append([]string{}, r.Tags...)}
}

func (c *Client) applyZone(ctx context.Context, ids map[string]string, zone string, steps []Step) error {
	base := func() string { return "/zones/" + url.PathEscape(ids[zone]) }
	var b batch
	flush := func() error {
		if b.size() == 0 {
			return nil
		}
		err := c.do(ctx, http.MethodPost, base()+"/dns_records/batch", b, nil)
		b = batch{}
		return err
	}
	for _, s := range steps {
		var err error
		switch v := s.value.(type) {
		case settingValue:
			err = c.do(ctx, http.MethodPatch, base()+"/settings/"+url.PathEscape(v.name), map[string]any{"value": v.value}, nil)
		case rulesetValue:
			err = c.do(ctx, http.MethodPut, base()+"/rulesets/phases/"+url.PathEscape(v.phase)+"/entrypoint", map[string]any{"rules": v.rules}, nil)
		case entryValue:
			err = c.applyEntry(ctx, base(), s.kind, v)
		case List:
			err = c.applyList(ctx, v)
		case bool:
			err = c.do(ctx, http.MethodPatch, base(), map[string]any{"paused": v}, nil)
		case Record:
			switch s.kind {
			case dropRecord:
				b.Deletes = append(b.Deletes, forAPI(v))
			case putRecord:
				b.Puts = append(b.Puts, forAPI(v))
			default:
				b.Posts = append(b.Posts, forAPI(v))
			}
			if b.size() == batchSize {
				err = flush()
			}
		case Object:
			// Records come first: their batch goes before what stands behind them.
			if err = flush(); err == nil {
				err = c.applyObject(ctx, base(), s.kind, v)
			}
		default:
			err = c.applyWhole(ctx, ids, zone, s)
		}
		if err != nil {
			return err
		}
	}
	return flush()
}

// applyObject adds, changes or takes out a pool or load balancer.
func (c *Client) applyObject(ctx context.Context, zone string, kind stepKind, o Object) error {
	switch kind {
	case putPool:
		return c.applyPool(ctx, o)
	case dropPool:
		return c.deletePool(ctx, o)
	case dropBalancer:
		return c.do(ctx, http.MethodDelete, zone+"/load_balancers/"+url.PathEscape(o.str("id")), nil, nil)
	}
	return c.applyBalancer(ctx, zone, o)
}

// applyWhole adds or takes out a zone.
func (c *Client) applyWhole(ctx context.Context, ids map[string]string, zone string, s Step) error {
	if s.kind == dropZone {
		return c.do(ctx, http.MethodDelete, "/zones/"+url.PathEscape(ids[zone]), nil, nil)
	}
	var z apiZone
	if err := c.do(ctx, http.MethodPost, "/zones", map[string]any{"name": zone, "type": "full"}, &z); err != nil {
		return err
	}
	ids[zone] = z.ID
	return nil
}

// place is what a step is about, for people; an empty zone is the account.
func place(zone string) string {
	if zone == "" {
		return "lists and pools"
	}
	return "zone " + zone
}
