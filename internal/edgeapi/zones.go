package edgeapi

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/rules"
)

// zoneID is stable: 32 hexadecimal digits made from the name.
func zoneID(name string) string { return rules.ID("zone", name) }

func recordID(zone string, r originward.Record) string {
	return rules.ID("record", zone, string(r.Type), r.Name, r.Content)
}

type zoneJSON struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Status      string   `json:"status"`
	Paused      bool     `json:"paused"`
	Type        string   `json:"type"`
	NameServers []string `json:"name_servers"`
	Plan        plan     `json:"plan"`
}

type plan struct {
	Name string `json:"name"`
}

func newZone(z config.Zone) zoneJSON {
	return zoneJSON{ID: zoneID(z.Name), Name: z.Name, Status: "active", Type: "full", NameServers: []string{}, Plan: plan{"Originward"}}
}

func (a *API) verifyToken(r *http.Request) (*reply, error) {
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") || len(a.edge.Config().Tokens) == 0 {
		return nil, &failure{http.StatusBadRequest, codeBadRequest, "no token to verify: send Authorization: Bearer TOKEN"}
	}
	return &reply{result: map[string]string{"id": rules.ID(r.Header.Get("Authorization")), "status": "active"}}, nil
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

func (a *API) zones(r *http.Request) (*reply, error) {
	name := strings.ToLower(r.URL.Query().Get("name"))
	var out []zoneJSON
	for _, z := range a.edge.Config().Zones {
		if name == "" || z.Name == name {
			out = append(out, newZone(z))
		}
	}
	return page(r, out)
}

func (a *API) zone(r *http.Request) (*reply, error) {
	z, err := a.findZone(r)
	if err != nil {
		return nil, err
	}
	return &reply{result: newZone(*z)}, nil
}

func (a *API) findZone(r *http.Request) (*config.Zone, error) {
	id := r.PathValue("zone")
	zones := a.edge.Config().Zones
	for i := range zones {
		if zoneID(zones[i].Name) == id {
			return &zones[i], nil
		}
	}
	return nil, &failure{http.StatusNotFound, codeNoObject, "no zone has this id: find it with GET " + Prefix + "/zones?name=NAME"}
}

type recordJSON struct {
	ID        string `json:"id"`
	ZoneID    string `json:"zone_id"`
	ZoneName  string `json:"zone_name"`
	Type      string `json:"type"`
	Name      string `json:"name"`
	Content   string `json:"content"`
	Proxied   bool   `json:"proxied"`
	Proxiable bool   `json:"proxiable"`
	TTL       int    `json:"ttl"` // 1 = automatic
}

func newRecord(zone string, r originward.Record) recordJSON {
	ttl := r.TTL
	if ttl == 0 || r.Proxied {
		ttl = 1
	}
	return recordJSON{recordID(zone, r), zoneID(zone), zone, string(r.Type), r.Name, r.Content, r.Proxied, true, ttl}
}

func (a *API) records(r *http.Request) (*reply, error) {
	z, err := a.findZone(r)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	name, typ := strings.ToLower(q.Get("name")), strings.ToUpper(q.Get("type"))
	if name == "" {
		name = strings.ToLower(q.Get("name.exact"))
	}
	content := q.Get("content")
	var out []recordJSON
	for _, rec := range z.Records {
		if (name == "" || rec.Name == name) && (typ == "" || string(rec.Type) == typ) && (content == "" || rec.Content == content) {
			out = append(out, newRecord(z.Name, rec))
		}
	}
	return page(r, out)
}

func (a *API) record(r *http.Request) (*reply, error) {
	z, err := a.findZone(r)
	if err != nil {
		return nil, err
	}
	for _, rec := range z.Records {
		if recordID(z.Name, rec) == r.PathValue("record") {
			return &reply{result: newRecord(z.Name, rec)}, nil
		}
	}
	return nil, &failure{http.StatusNotFound, codeNoObject, "no record of this zone has this id"}
}

// Pages, as in Cloudflare's API.
const (
	defaultPage = 100
	maxPage     = 5000
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
	return &reply{part, &resultInfo{
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
		return 0, &failure{http.StatusBadRequest, codeBadRequest, key + " must be a number from " + strconv.Itoa(lo) + " to " + strconv.Itoa(hi)}
	}
	return n, nil
}
