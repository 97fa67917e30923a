package edgeapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/originward/originward/internal/edge/events"
	"github.com/originward/originward/internal/edge/ray"
)

// events gives recent security events, newest first: ?zone=NAME, ?host=NAME,
// ?ray=RAY, ?source=…, ?action=…, ?rule=ID, ?client=ADDRESS, ?since=TIME, ?limit=N.
func (a *API) events(r *http.Request) (*reply, error) {
	limit, err := count(r, "limit", defaultExchanges, 1, maxExchanges)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	f := events.Filter{
		Zone: lowerName(q.Get("zone")), Host: lowerName(q.Get("host")), Source: q.Get("source"), Action: q.Get("action"),
		Rule: q.Get("rule"), Client: q.Get("client"), Limit: limit,
	}
	if s := q.Get("ray"); s != "" {
		id, err := ray.Parse(s)
		if err != nil {
			return nil, &failure{http.StatusBadRequest, codeBadRequest, err.Error()}
		}
		f.Ray = id.String()
	}
	if s := q.Get("since"); s != "" {
		if f.Since, err = time.Parse(time.RFC3339, s); err != nil {
			return nil, &failure{http.StatusBadRequest, codeBadRequest, "since must be a time such as 2026-01-02T15:04:05Z"}
		}
	}
	return &reply{result: a.edge.Events(f)}, nil
}

func lowerName(s string) string { return strings.TrimSuffix(strings.ToLower(s), ".") }

// rayEvents gives what the security rules decided about one request.
func (a *API) rayEvents(r *http.Request) (*reply, error) {
	id, err := ray.Parse(r.PathValue("ray"))
	if err != nil {
		return nil, &failure{http.StatusBadRequest, codeBadRequest, err.Error()}
	}
	list := a.edge.Events(events.Filter{Ray: id.String()})
	if len(list) == 0 {
		return nil, &failure{http.StatusNotFound, codeNoRay, "no security event of this ray is remembered: no rule matched it, it was not sampled, or it is too long ago"}
	}
	return &reply{result: list}, nil
}
