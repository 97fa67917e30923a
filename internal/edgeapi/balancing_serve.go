package edgeapi

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/store"
)

// poolRoutes are the calls for load balancers, pools and monitors.
func (a *API) poolRoutes() []route {
	const account = "/accounts/{account}/load_balancers"
	return slices.Concat(
		a.balancingRoutes(&monitorKind, account+"/monitors", poolsRead, poolsWrite, "health monitor"),
		a.balancingRoutes(&poolKind, account+"/pools", poolsRead, poolsWrite, "pool of origins"),
		a.balancingRoutes(&balancerKind, "/zones/{zone}/load_balancers", lbRead, lbWrite, "load balancer"),
		[]route{
			{"GET", account + "/monitors/{monitor}/references", poolsRead, monitorKind.serve(a.references), "what refers to a health monitor", nil, false},
			{"POST", account + "/monitors/{monitor}/preview", poolsWrite, a.previewMonitor, "check all pools of a monitor once, with the settings given", map[string]any{}, true},
			{"GET", account + "/pools/{pool}/references", poolsRead, poolKind.serve(a.references), "what refers to a pool", nil, false},
			{"GET", account + "/pools/{pool}/health", poolsRead, a.poolHealth, "what the monitor says of a pool's origins", nil, false},
			{"POST", account + "/pools/{pool}/preview", poolsWrite, a.previewPool, "check a pool once, with the settings given", map[string]any{}, true},
			{"GET", account + "/preview/{preview}", poolsRead, a.previewResult, "the result of a preview", nil, false},
			{"GET", "/user/load_balancing_analytics/events", poolsRead, a.healthEvents, "recent changes of the health of origins", nil, false},
		},
	)
}

// balancingRoutes are the calls for one kind of object.
func (a *API) balancingRoutes(b *balancing, base string, read, write need, what string) []route {
	one := base + "/{" + b.param + "}"
	return []route{
		{"GET", base, read, b.serve(a.listBalancing), "list " + what + "s", nil, false},
		{"POST", base, write, b.serve(a.createBalancing), "make a " + what, map[string]any{}, false},
		{"GET", one, read, b.serve(a.oneBalancing), "one " + what, nil, false},
		{"PUT", one, write, b.serve(a.replaceBalancing), "replace a " + what, map[string]any{}, false},
		{"PATCH", one, write, b.serve(a.patchBalancing), "change fields of a " + what, map[string]any{}, false},
		{"DELETE", one, write, b.serve(a.deleteBalancing), "delete a " + what + " that nothing refers to", nil, false},
	}
}

func (b *balancing) serve(f func(*call, *balancing) (*reply, error)) func(*call) (*reply, error) {
	return func(c *call) (*reply, error) { return f(c, b) }
}

// zoneOf is the zone in which objects of the kind are kept; empty = the account.
func (b *balancing) zoneOf(c *call) string {
	if b.kind == kindBalancer {
		return c.zone.id
	}
	return ""
}

// all gives every object, those of the file first.
func (a *API) allBalancing(c *call, b *balancing) ([]form, error) {
	out := a.fileObjects(b, c.zone)
	if a.live == nil || c.zone.file != nil {
		return out, nil
	}
	err := a.view(c, func(t *store.Tx) error {
		objects, err := t.Objects(b.kind, b.zoneOf(c))
		for _, o := range objects {
			f, err := b.show(o)
			if err != nil {
				return err
			}
			out = append(out, f)
		}
		return err
	})
	return out, err
}

func (a *API) listBalancing(c *call, b *balancing) (*reply, error) {
	all, err := a.allBalancing(c, b)
	if err != nil {
		return nil, err
	}
	out := []form{}
	for _, f := range all {
		if m := c.URL.Query().Get("monitor"); b.kind == kindPool && m != "" && f.text("monitor") != m {
			continue
		}
		out = append(out, f)
	}
	// The original gives these lists whole, and clients rely on it.
	return &reply{result: out, info: &resultInfo{Page: 1, PerPage: len(out), Count: len(out), TotalCount: len(out), TotalPages: 1}}, nil
}

func (a *API) oneBalancing(c *call, b *balancing) (*reply, error) {
	id := c.PathValue(b.param)
	for _, f := range a.fileObjects(b, c.zone) {
		if f.text("id") == id {
			return &reply{result: f}, nil
		}
	}
	if a.live == nil {
		return nil, store.ErrNotFound
	}
	var o store.Object
	if err := a.view(c, func(t *store.Tx) (err error) { o, err = t.Object(b.kind, b.zoneOf(c), id); return err }); err != nil {
		return nil, err
	}
	return b.reply(o)
}

// checkBalancing compiles an object as a transaction leaves it.
func (a *API) checkBalancing(t *store.Tx, b *balancing, id, zone string, f form) error {
	cfg := a.edge.Config()
	var use config.Use
	if err := usePools(t, cfg, &use); err != nil {
		return err
	}
	_, err := b.compile(id, zone, f, use)
	var problems config.Problems
	if errors.As(err, &problems) {
		return invalidObject(problems)
	}
	if err != nil || b.kind != kindPool {
		return err
	}
	for _, p := range filePools(cfg) {
		if p.Name == f.text("name") {
			return store.ErrExists
		}
	}
	return nil
}

// notUnique gives the original's answer to a name that is taken.
func notUnique(err error) error {
	if errors.Is(err, store.ErrExists) {
		return invalid(codeNotUnique, "/name", "value not unique")
	}
	return err
}

func (a *API) createBalancing(c *call, b *balancing) (*reply, error) {
	var in form
	if err := c.read(&in); err != nil {
		return nil, err
	}
	f, err := b.complete(in, nil, a.now())
	if err != nil {
		return nil, err
	}
	o := store.Object{Kind: b.kind, Zone: b.zoneOf(c)}
	if b.named {
		o.Name = f.text("name")
	}
	if o.Body, err = json.Marshal(f); err != nil {
		return nil, err
	}
	err = a.change(c, func(t *store.Tx) error {
		if err := lock(t, o.Zone); err != nil {
			return err
		}
		o.ID = "" // made by each try
		if err := t.AddObject(&o, nil); err != nil {
			return err
		}
		return a.checkBalancing(t, b, o.ID, c.zone.name, f)
	})
	if err != nil {
		return nil, notUnique(err)
	}
	return b.reply(o)
}

func lock(t *store.Tx, zone string) error {
	if zone == "" {
		return nil
	}
	return t.Lock(zone)
}

func (b *balancing) reply(o store.Object) (*reply, error) {
	f, err := b.show(o)
	return &reply{result: f, tag: versionTag(o.Version)}, err
}

// replaceBalancing takes every field from the client, patchBalancing those it gives.
func (a *API) replaceBalancing(c *call, b *balancing) (*reply, error) {
	return a.putBalancing(c, b, false)
}
func (a *API) patchBalancing(c *call, b *balancing) (*reply, error) {
	return a.putBalancing(c, b, true)
}

func (a *API) putBalancing(c *call, b *balancing, merge bool) (*reply, error) {
	var in form
	if err := c.read(&in); err != nil {
		return nil, err
	}
	id := c.PathValue(b.param)
	if a.ofFile(c, b, id) {
		return nil, &failure{http.StatusForbidden, codeReadOnly, "this object is part of the edge's configuration file and is changed there"}
	}
	var o store.Object
	err := a.change(c, func(t *store.Tx) (err error) {
		if err = lock(t, b.zoneOf(c)); err != nil {
			return err
		}
		if o, err = t.Object(b.kind, b.zoneOf(c), id); err != nil {
			return err
		}
		if o.Version, err = c.version(o.Version); err != nil {
			return err
		}
		old, err := formOf(o)
		if err != nil {
			return err
		}
		next := in
		if merge {
			next = maps.Clone(old)
			maps.Copy(next, in)
		}
		f, err := b.complete(next, old, a.now())
		if err != nil {
			return err
		}
		if b.named {
			o.Name = f.text("name")
		}
		if o.Body, err = json.Marshal(f); err != nil {
			return err
		}
		if err = t.PutObject(&o, nil, nil); err != nil {
			return err
		}
		return a.checkBalancing(t, b, id, c.zone.name, f)
	})
	if err != nil {
		return nil, notUnique(err)
	}
	return b.reply(o)
}

// ofFile tells an object of the configuration file.
func (a *API) ofFile(c *call, b *balancing, id string) bool {
	for _, f := range a.fileObjects(b, c.zone) {
		if f.text("id") == id {
			return true
		}
	}
	return false
}

func (a *API) deleteBalancing(c *call, b *balancing) (*reply, error) {
	id := c.PathValue(b.param)
	if a.ofFile(c, b, id) {
		return nil, &failure{http.StatusForbidden, codeReadOnly, "this object is part of the edge's configuration file and is changed there"}
	}
	err := a.change(c, func(t *store.Tx) error {
		if err := lock(t, b.zoneOf(c)); err != nil {
			return err
		}
		if err := t.DeleteObject(b.kind, b.zoneOf(c), id, 0, nil); err != nil {
			return err
		}
		refs, err := referrers(t, b.kind, id)
		if err == nil && len(refs) > 0 {
			err = &failure{http.StatusPreconditionFailed, codeReferenced, "This object is referenced by other objects, delete them first."}
		}
		return err
	})
	return &reply{result: map[string]string{"id": id}}, err
}

// reference is an object that refers to another one.
type reference struct {
	Type     string `json:"reference_type"`
	ID       string `json:"resource_id"`
	Name     string `json:"resource_name"`
	Resource string `json:"resource_type"`
}

// referrers are the objects of the store that refer to one.
func referrers(t *store.Tx, kind, id string) ([]reference, error) {
	out := []reference{}
	switch kind {
	case kindMonitor:
		pools, err := t.Objects(kindPool, "")
		if err != nil {
			return nil, err
		}
		for _, o := range pools {
			f, err := formOf(o)
			if err != nil {
				return nil, err
			}
			if f.text("monitor") == id {
				out = append(out, reference{"referrer", o.ID, o.Name, "pool"})
			}
		}
	case kindPool:
		zones, err := t.Zones()
		if err != nil {
			return nil, err
		}
		for _, z := range zones {
			balancers, err := t.Objects(kindBalancer, z.ID)
			if err != nil {
				return nil, err
			}
			for _, o := range balancers {
				f, err := formOf(o)
				if err != nil {
					return nil, err
				}
				var pools []string
				_ = json.Unmarshal(f["default_pools"], &pools) // checked before it was kept
				for _, p := range append(pools, f.text("fallback_pool")) {
					if p == id {
						out = append(out, reference{"referrer", o.ID, o.Name, "load_balancer"})
						break
					}
				}
			}
		}
	}
	return out, nil
}

// references lists what refers to a monitor or pool.
func (a *API) references(c *call, b *balancing) (*reply, error) {
	out := []reference{}
	if a.live == nil {
		return &reply{result: out}, nil
	}
	err := a.view(c, func(t *store.Tx) (err error) { out, err = referrers(t, b.kind, c.PathValue(b.param)); return err })
	return &reply{result: out}, err
}
