package edgeapi

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/originward/originward/internal/edge"
	"github.com/originward/originward/internal/edge/ray"
)

// How many exchanges are given.
const (
	defaultExchanges = 100
	maxExchanges     = 1000
)

// exchanges gives the edge's own record of recent exchanges, newest first:
// ?host=NAME, ?origin=ADDRESS[:PORT], ?limit=N.
func (a *API) exchanges(r *http.Request) (*reply, error) {
	limit, err := count(r, "limit", defaultExchanges, 1, maxExchanges)
	if err != nil {
		return nil, err
	}
	f := edge.Filter{Host: strings.TrimSuffix(strings.ToLower(r.URL.Query().Get("host")), "."), Limit: limit}
	if o := r.URL.Query().Get("origin"); o != "" {
		if f.Origin, f.Port, err = originOf(o); err != nil {
			return nil, err
		}
	}
	return &reply{result: a.edge.Records(f)}, nil
}

func originOf(s string) (netip.Addr, uint16, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap(), 0, nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.Addr{}, 0, &failure{http.StatusBadRequest, codeBadRequest, "origin must be ADDRESS or ADDRESS:PORT"}
	}
	return ap.Addr().Unmap(), ap.Port(), nil
}

// ray gives the record of one ray, with the rule that answered it if one did.
func (a *API) ray(r *http.Request) (*reply, error) {
	id, err := ray.Parse(r.PathValue("ray"))
	if err != nil {
		return nil, &failure{http.StatusBadRequest, codeBadRequest, err.Error()}
	}
	rec := a.edge.Records(edge.Filter{Ray: id})
	if len(rec.Items)+len(rec.Waiting) == 0 {
		return nil, &failure{http.StatusNotFound, codeNoRay, "this ray is not remembered: the edge keeps the last exchanges of each origin and egress address"}
	}
	return &reply{result: rec}, nil
}
