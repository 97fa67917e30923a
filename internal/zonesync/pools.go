package zonesync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Object is a pool or load balancer in the API's form. Pools stand in load balancers
// by their names, and the monitor of a pool stands in it whole: ids are an edge's own.
type Object map[string]any

// madeObject are fields that the API makes.
var madeObject = []string{"id", "created_on", "modified_on", "disabled_at", "originward_file"}

// plain is an object without what the API makes, and without what says nothing.
func (o Object) plain() Object {
	out := Object{}
	for k, v := range o {
		if slices.Contains(madeObject, k) || v == nil || v == "" {
			continue
		}
		if list, ok := v.([]any); ok {
			v = slices.Clone(list)
			for i, x := range list {
				if m := asObject(x); m != nil {
					v.([]any)[i] = map[string]any(m.plain())
				}
			}
		}
		out[k] = v
	}
	return out
}

// asObject is a mapping, read from YAML or from JSON; nil = it is none.
func asObject(v any) Object {
	switch m := v.(type) {
	case Object:
		return m
	case map[string]any:
		return m
	}
	return nil
}

func (o Object) str(key string) string {
	s, _ := o[key].(string)
	return s
}

// covers tells whether an object is as another one wants it: what that does not
// mention may be anything.
func covers(have, want any) bool {
	if w := asObject(want); w != nil {
		h := asObject(have)
		for k, v := range w {
			if h == nil || !covers(h[k], v) {
				return false
			}
		}
		return true
	}
	if list, ok := want.([]any); ok {
		h, is := have.([]any)
		return (is || have == nil && len(list) == 0) && len(h) == len(list) && !slices.ContainsFunc(indexes(list), func(i int) bool { return !covers(h[i], list[i]) })
	}
	return text(have) == text(want)
}

func indexes(list []any) []int {
	out := make([]int, len(list))
	for i := range out {
		out[i] = i
	}
	return out
}

// account is the path of the edge's one account.
func (c *Client) account(ctx context.Context) (string, error) {
	var list []struct{ ID string }
	if err := c.do(ctx, http.MethodGet, "/accounts", nil, &list); err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "", errors.New("the token sees no account")
	}
	return "/accounts/" + url.PathEscape(list[0].ID), nil
}

// balancing is the path of the account's pools and monitors.
func (c *Client) balancing(ctx context.Context) (string, error) {
	account, err := c.account(ctx)
	return account + "/load_balancers", err
}

// closed tells an answer to a token that may not see something: the document then
// says nothing of it.
func closed(err error) bool {
	var r *refused
	return errors.As(err, &r) && r.status == http.StatusForbidden
}

// readPools reads the pools; names are all of them by id, those of the configuration
// file too.
func (c *Client) readPools(ctx context.Context) (pools []Object, names map[string]string, err error) {
	base, err := c.balancing(ctx)
	if err != nil {
		return nil, nil, err
	}
	var all, monitors []Object
	err = errors.Join(c.do(ctx, http.MethodGet, base+"/pools", nil, &all), c.do(ctx, http.MethodGet, base+"/monitors", nil, &monitors))
	if closed(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	names = map[string]string{}
	for _, p := range all {
		names[p.str("id")] = p.str("name")
		if p["originward_file"] == true {
			continue
		}
		x := p.plain()
		for _, m := range monitors {
			if m.str("id") == p.str("monitor") {
				x["monitor"] = map[string]any(m.plain())
			}
		}
		x["id"] = p["id"]
		pools = append(pools, x)
	}
	return pools, names, nil
}

// readBalancers reads a zone's load balancers, with pools by name.
func (c *Client) readBalancers(ctx context.Context, zone string, names map[string]string) ([]Object, error) {
	var all []Object
	err := c.do(ctx, http.MethodGet, "/zones/"+url.PathEscape(zone)+"/load_balancers", nil, &all)
	if closed(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Object
	for _, b := range all {
		x := b.plain().renamed(names)
		x["id"] = b["id"]
		out = append(out, x)
	}
	return out, nil
}

// renamed is a load balancer with its pools called otherwise; what names does not
// hold keeps its name.
func (o Object) renamed(names map[string]string) Object {
	out := maps.Clone(o)
	name := func(v any) any {
		if s, ok := v.(string); ok && names[s] != "" {
			return names[s]
		}
		return v
	}
	if list, ok := o["default_pools"].([]any); ok {
		pools := make([]any, len(list))
		for i, v := range list {
			pools[i] = name(v)
		}
		out["default_pools"] = pools
	}
	if v, ok := o["fallback_pool"]; ok {
		out["fallback_pool"] = name(v)
	}
	steering := asObject(o["random_steering"])
	if weights := asObject(steering["pool_weights"]); weights != nil {
		s, w := maps.Clone(steering), map[string]any{}
		for k, v := range weights {
			n, _ := name(k).(string)
			w[n] = v
		}
		s["pool_weights"], out["random_steering"] = w, s
	}
	return out
}

// compareObjects gives the steps for named objects; drop tells whether those that
// are not wanted go.
func compareObjects(zone, what string, have, want []Object, put, del stepKind, drop bool) (out, last []Step) {
	there := map[string]Object{}
	for _, h := range have {
		there[h.str("name")] = h
	}
	wanted := map[string]bool{}
	for _, w := range want {
		n := w.str("name")
		wanted[n] = true
		h, ok := there[n]
		x := maps.Clone(w)
		switch {
		case !ok:
			out = append(out, Step{zone, fmt.Sprintf("+ %s %s", what, n), put, x})
		case !covers(h, w):
			x["id"] = h["id"]
			out = append(out, Step{zone, fmt.Sprintf("~ %s %s: %s", what, n, differing(h, w)), put, x})
		}
	}
	for _, h := range have {
		if drop && !wanted[h.str("name")] {
			last = append(last, Step{zone, fmt.Sprintf("- %s %s", what, h.str("name")), del, h})
		}
	}
	return out, last
}

// differing names the fields that are not as wanted.
func differing(have, want Object) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if !covers(have[k], want[k]) {
			out = append(out, fmt.Sprintf("%s %s -> %s", k, text(have[k]), text(want[k])))
		}
	}
	return strings.Join(out, "; ")
}

// applyPool adds or changes a pool. Its monitor is one that is there and as wanted,
// or a new one; the one it had goes when nothing else uses it.
func (c *Client) applyPool(ctx context.Context, p Object) error {
	base, err := c.balancing(ctx)
	if err != nil {
		return err
	}
	id := p.str("id")
	body := maps.Clone(p)
	delete(body, "id")
	old := ""
	if want := asObject(p["monitor"]); want != nil {
		var monitors []Object
		if err := c.do(ctx, http.MethodGet, base+"/monitors", nil, &monitors); err != nil {
			return err
		}
		if i := slices.IndexFunc(monitors, func(m Object) bool { return covers(m, want) }); i >= 0 {
			body["monitor"] = monitors[i].str("id")
		} else {
			var made Object
			if err := c.do(ctx, http.MethodPost, base+"/monitors", want, &made); err != nil {
				return err
			}
			body["monitor"] = made.str("id")
		}
	}
	if id == "" {
		return c.do(ctx, http.MethodPost, base+"/pools", body, nil)
	}
	path := base + "/pools/" + url.PathEscape(id)
	var was Object
	if err := c.do(ctx, http.MethodGet, path, nil, &was); err != nil {
		return err
	}
	if old = was.str("monitor"); old == body["monitor"] {
		old = ""
	}
	if err := c.do(ctx, http.MethodPatch, path, body, nil); err != nil {
		return err
	}
	return c.dropMonitor(ctx, base, old)
}

// dropMonitor deletes a monitor unless something uses it.
func (c *Client) dropMonitor(ctx context.Context, base, id string) error {
	if id == "" {
		return nil
	}
	err := c.do(ctx, http.MethodDelete, base+"/monitors/"+url.PathEscape(id), nil, nil)
	var r *refused
	if errors.As(err, &r) && (r.status == http.StatusPreconditionFailed || r.status == http.StatusForbidden || r.status == http.StatusNotFound) {
		return nil // in use, of the configuration file, or gone already
	}
	return err
}

func (c *Client) deletePool(ctx context.Context, p Object) error {
	base, err := c.balancing(ctx)
	if err != nil {
		return err
	}
	path := base + "/pools/" + url.PathEscape(p.str("id"))
	var was Object
	if err := errors.Join(c.do(ctx, http.MethodGet, path, nil, &was), c.do(ctx, http.MethodDelete, path, nil, nil)); err != nil {
		return err
	}
	return c.dropMonitor(ctx, base, was.str("monitor"))
}

// applyBalancer adds or changes a load balancer.
func (c *Client) applyBalancer(ctx context.Context, zone string, b Object) error {
	_, names, err := c.readPools(ctx)
	if err != nil {
		return err
	}
	ids := map[string]string{}
	for id, n := range names {
		ids[n] = id
	}
	body := b.renamed(ids)
	delete(body, "id")
	path := zone + "/load_balancers"
	if id := b.str("id"); id != "" {
		return c.do(ctx, http.MethodPatch, path+"/"+url.PathEscape(id), body, nil)
	}
	return c.do(ctx, http.MethodPost, path, body, nil)
}
