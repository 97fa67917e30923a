package edgeapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/dnsrec"
	"github.com/originward/originward/internal/edge/cache"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/store"
)

// zoneID is stable: of the file's zones 32 hexadecimal digits made from the name.
func zoneID(name string) string { return rules.ID("zone", name) }

func idOf(z *config.Zone) string {
	if z.ID != "" {
		return z.ID
	}
	return zoneID(z.Name)
}

// zoneRef is the zone that a call is about.
type zoneRef struct {
	id, name string
	file     *config.Zone // nil = the zone is the store's
}

type zoneOut struct {
	ID                  string            `json:"id"`
	Name                string            `json:"name"`
	Status              string            `json:"status"`
	Paused              bool              `json:"paused"`
	Type                string            `json:"type"`
	DevelopmentMode     int               `json:"development_mode"`
	NameServers         []string          `json:"name_servers"`
	OriginalNameServers []string          `json:"original_name_servers"`
	OriginalRegistrar   *string           `json:"original_registrar"`
	OriginalDNSHost     *string           `json:"original_dnshost"`
	ModifiedOn          *time.Time        `json:"modified_on"`
	CreatedOn           *time.Time        `json:"created_on"`
	ActivatedOn         *time.Time        `json:"activated_on"`
	Meta                map[string]any    `json:"meta"`
	Owner               map[string]any    `json:"owner"`
	Account             map[string]string `json:"account"`
	Permissions         []string          `json:"permissions"`
	Plan                map[string]any    `json:"plan"`
}

func (a *API) newZone(z *config.Zone) zoneOut {
	servers := []string{}
	if cfg := a.edge.Config(); len(cfg.DNS.NameServers) > 0 {
		servers = append(servers, cfg.DNS.NameServers...)
	} else if len(cfg.Listen.DNS) > 0 {
		servers = append(servers, "ns1."+z.Name)
	}
	return zoneOut{
		ID: idOf(z), Name: z.Name, Status: "active", Type: "full", NameServers: servers, OriginalNameServers: []string{},
		Meta:    map[string]any{"phishing_detected": false, "page_rule_quota": 0, "custom_certificate_quota": 10, "multiple_railguns_allowed": false, "originward_file": z.ID == ""},
		Owner:   map[string]any{"id": accountID, "type": "user", "email": ""},
		Account: map[string]string{"id": accountID, "name": theAccount().Name},
		Plan:    map[string]any{"id": rules.ID("plan"), "name": "Originward", "price": 0, "currency": "USD", "is_subscribed": false, "can_subscribe": false, "externally_managed": false, "legacy_id": "free"},
	}
}

// withStore adds what only the store knows.
func (z zoneOut) withStore(s store.Zone) zoneOut {
	z.Paused, z.Type, z.CreatedOn, z.ModifiedOn, z.ActivatedOn = s.Paused, s.Kind, &s.Created, &s.Modified, &s.Created
	return z
}

// ips gives the source addresses that origins see.
func (a *API) ips(*http.Request) (*reply, error) {
	v4, v6 := []string{}, []string{}
	for _, e := range a.edge.Config().Egress {
		p := netip.PrefixFrom(e, e.BitLen()).String()
		if e.Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	return &reply{result: map[string]any{"ipv4_cidrs": v4, "ipv6_cidrs": v6, "etag": rules.ID(append(v4, v6...)...)}}, nil
}

// zones lists the zones that the caller may see: ?name, ?name.contains and
// such, ?status, ?order, ?direction, ?match.
func (a *API) zones(c *call) (*reply, error) {
	stored := map[string]store.Zone{}
	if a.live != nil {
		if err := a.view(c, func(t *store.Tx) error {
			all, err := t.Zones()
			for _, z := range all {
				stored[z.ID] = z
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	q := c.URL.Query()
	name, status := newTextFilter(q, "name"), q.Get("status")
	out := []zoneOut{}
	for _, z := range a.edge.Config().Zones {
		x := a.newZone(&z)
		if s, ok := stored[z.ID]; ok {
			x = x.withStore(s)
		}
		if c.who.may(zoneRead, x.ID) && name.match(x.Name) && (status == "" || status == x.Status) {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b zoneOut) int { return strings.Compare(a.Name, b.Name) })
	if q.Get("direction") == "desc" {
		slices.Reverse(out)
	}
	return page(c.Request, out)
}

func (a *API) zoneByID(c *call) (*reply, error) {
	z, err := a.findZone(c.Request)
	if err != nil {
		return nil, err
	}
	if z.ID == "" {
		return &reply{result: a.newZone(z)}, nil
	}
	var s store.Zone
	err = a.view(c, func(t *store.Tx) (err error) { s, err = t.Zone(z.ID); return err })
	return &reply{result: a.newZone(z).withStore(s), tag: versionTag(s.Version)}, err
}

// findZone finds the zone of a path as it is in force.
func (a *API) findZone(r *http.Request) (*config.Zone, error) {
	id := r.PathValue("zone")
	zones := a.edge.Config().Zones
	for i := range zones {
		if idOf(&zones[i]) == id {
			return &zones[i], nil
		}
	}
	return nil, &failure{http.StatusNotFound, codeNoObject, "no zone has this id: find it with GET " + Prefix + "/zones?name=NAME"}
}

func (a *API) zoneRef(id string) (zoneRef, error) {
	zones := a.edge.Config().Zones
	for i := range zones {
		z := &zones[i]
		if idOf(z) != id {
			continue
		}
		ref := zoneRef{id: id, name: z.Name}
		if z.ID == "" {
			ref.file = z
		}
		return ref, nil
	}
	return zoneRef{}, &failure{http.StatusNotFound, codeNoObject, "no zone has this id: find it with GET " + Prefix + "/zones?name=NAME"}
}

// zoneIn is a new zone as a client writes it.
type zoneIn struct {
	Name    string `json:"name"`
	Type    string `json:"type,omitempty"` // full
	Account struct {
		ID string `json:"id,omitempty"`
	} `json:"account"`
	JumpStart bool `json:"jump_start,omitempty"` // taken and left out: there is nothing to scan
}

func (a *API) createZone(c *call) (*reply, error) {
	var in zoneIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	name, err := dnsrec.ZoneName(in.Name)
	if err != nil {
		return nil, invalid(codeZoneName, "/name", "name must be a domain, for example shop.example")
	}
	if in.Type != "" && in.Type != "full" {
		return nil, invalid(codeField, "/type", "type must be full: this edge answers for the whole zone")
	}
	if in.Account.ID != "" && in.Account.ID != accountID {
		return nil, invalid(codeField, "/account/id", "this edge has one account: "+accountID)
	}
	exists := &failure{http.StatusBadRequest, codeZoneExists, name + " already exists"}
	for _, z := range a.edge.Config().Zones {
		if z.Name == name {
			return nil, exists
		}
	}
	z := store.Zone{Name: name, Kind: "full"}
	err = a.change(c, func(t *store.Tx) error { return t.AddZone(&z) })
	if errors.Is(err, store.ErrExists) {
		err = exists
	}
	if err != nil {
		return nil, err
	}
	out := a.newZone(&config.Zone{ID: z.ID, Zone: originward.Zone{Name: name}})
	return &reply{result: out.withStore(z), tag: versionTag(z.Version)}, nil
}

// zonePatch is a change of a zone; nil leaves as it is.
type zonePatch struct {
	Paused *bool   `json:"paused,omitempty"`
	Type   *string `json:"type,omitempty"`
}

func (a *API) changeZone(c *call) (*reply, error) {
	var in zonePatch
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if in.Type != nil && *in.Type != "full" {
		return nil, invalid(codeField, "/type", "type must be full: this edge answers for the whole zone")
	}
	z, err := a.updateZone(c, nil, func(z *store.Zone) error {
		if in.Paused != nil {
			z.Paused = *in.Paused
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := a.newZone(&config.Zone{ID: z.ID, Zone: originward.Zone{Name: z.Name}})
	return &reply{result: out.withStore(z), tag: versionTag(z.Version)}, nil
}

// updateZone reads the call's zone, lets f change it, and keeps it if the edge
// can serve it. pointer may be nil.
func (a *API) updateZone(c *call, pointer func(string) string, f func(*store.Zone) error) (store.Zone, error) {
	if pointer == nil {
		pointer = jsonPointer
	}
	var z store.Zone
	err := a.change(c, func(t *store.Tx) (err error) {
		if z, err = t.Zone(c.zone.id); err != nil {
			return err
		}
		if z.Version, err = c.version(z.Version); err != nil {
			return err
		}
		if z.Settings == nil {
			z.Settings = map[string]json.RawMessage{}
		}
		if err = f(&z); err != nil {
			return err
		}
		if err = t.PutZone(&z); err != nil {
			return err
		}
		return a.checkZone(t, z.ID, pointer)
	})
	return z, err
}

func (a *API) deleteZone(c *call) (*reply, error) {
	err := a.change(c, func(t *store.Tx) error {
		if err := a.revokeAll(t, c.zone.id); err != nil {
			return err
		}
		return t.DeleteZone(c.zone.id)
	})
	return &reply{result: map[string]string{"id": c.zone.id}}, err
}

// activationCheck answers as the original; a zone of this edge is always active.
func (a *API) activationCheck(c *call) (*reply, error) {
	return &reply{result: map[string]string{"id": c.zone.id}}, nil
}

// purgeIn is what to purge.
type purgeIn struct {
	Everything bool              `json:"purge_everything,omitempty"`
	Files      []json.RawMessage `json:"files,omitempty"`
	Tags       []string          `json:"tags,omitempty"`
	Hosts      []string          `json:"hosts,omitempty"`
	Prefixes   []string          `json:"prefixes,omitempty"`
}

// purgeCache makes the edge forget kept responses of a zone, in every form of the
// original.
func (a *API) purgeCache(c *call) (*reply, error) {
	var in purgeIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	p := cache.Purge{Everything: in.Everything, Tags: in.Tags, Hosts: in.Hosts, Prefixes: in.Prefixes}
	forms := 0
	for _, given := range []bool{in.Everything, len(in.Files) > 0, len(in.Tags) > 0, len(in.Hosts) > 0, len(in.Prefixes) > 0} {
		if given {
			forms++
		}
	}
	if forms != 1 {
		return nil, invalid(codeField, "", "exactly one of purge_everything, files, tags, hosts, prefixes must be given")
	}
	for i, raw := range in.Files {
		// A file is its URL, or an object that has it beside header fields, which the
		// edge's keys do not hold.
		var u string
		var o struct {
			URL string `json:"url"`
		}
		if json.Unmarshal(raw, &u) != nil {
			if err := json.Unmarshal(raw, &o); err != nil || o.URL == "" {
				return nil, invalid(codeField, fmt.Sprintf("/files/%d", i), "a file is its URL, or {url: URL}")
			}
			u = o.URL
		}
		p.URLs = append(p.URLs, u)
	}
	if _, ok := a.edge.Purge(c.zone.name, p); !ok {
		return nil, store.ErrNotFound
	}
	// A purge sends visitors to the origin: who looks for a cause wants to know of it.
	if a.live != nil {
		if err := a.change(c, func(t *store.Tx) error { return t.Note(c.zone.id, "purge", "cache", c.zone.id, in) }); err != nil {
			a.report(c, err)
		}
	}
	return &reply{result: map[string]string{"id": c.zone.id}}, nil
}

// Pages, as in Cloudflare's API.
const (
	defaultPage = 100
	maxPage     = 50_000
)

// page cuts a list as the query asks.
func page[T any](r *http.Request, all []T) (*reply, error) {
	number, err := count(r, "page", 1, 1, 1<<20)
	if err != nil {
		return nil, err
	}
	size, err := count(r, "per_page", defaultPage, 1, maxPage)
	if err != nil {
		return nil, err
	}
	from := min((number-1)*size, len(all))
	part := append([]T{}, all[from:min(from+size, len(all))]...)
	return &reply{result: part, info: &resultInfo{
		Page: number, PerPage: size, Count: len(part), TotalCount: len(all), TotalPages: (len(all) + size - 1) / size,
	}}, nil
}

// count reads a number of the query.
func count(r *http.Request, key string, unset, lo, hi int) (int, error) {
	s := r.URL.Query().Get(key)
	if s == "" {
		return unset, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < lo || n > hi {
		return 0, &failure{http.StatusBadRequest, codeBadRequest, fmt.Sprintf("%s must be a number from %d to %d", key, lo, hi)}
	}
	return n, nil
}
