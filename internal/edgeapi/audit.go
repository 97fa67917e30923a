package edgeapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/store"
)

type auditOut struct {
	ID        string            `json:"id"`
	Action    map[string]any    `json:"action"`
	Actor     map[string]any    `json:"actor"`
	Interface string            `json:"interface"`
	Metadata  map[string]any    `json:"metadata"`
	OldValue  string            `json:"oldValue"`
	NewValue  string            `json:"newValue"`
	OldJSON   json.RawMessage   `json:"oldValueJson,omitempty"`
	NewJSON   json.RawMessage   `json:"newValueJson,omitempty"`
	Owner     map[string]string `json:"owner"`
	Resource  map[string]string `json:"resource"`
	When      time.Time         `json:"when"`
}

// auditLog gives the audit log: ?since, ?before, ?zone.name, ?direction, ?page, ?per_page.
func (a *API) auditLog(c *call) (*reply, error) {
	number, err := count(c.Request, "page", 1, 1, 1<<20)
	if err != nil {
		return nil, err
	}
	size, err := count(c.Request, "per_page", 100, 1, 1000)
	if err != nil {
		return nil, err
	}
	q := store.LogQuery{Limit: size, Offset: (number - 1) * size, OldestFirst: c.URL.Query().Get("direction") == "asc"}
	if q.Since, err = timeOf(c.Request, "since"); err != nil {
		return nil, err
	}
	if q.Before, err = timeOf(c.Request, "before"); err != nil {
		return nil, err
	}
	info := &resultInfo{Page: number, PerPage: size}
	out := []auditOut{}
	if a.live == nil {
		return &reply{result: out, info: info}, nil
	}
	err = a.view(c, func(t *store.Tx) error {
		if name := c.URL.Query().Get("zone.name"); name != "" {
			if q.Zone, err = a.zoneNamed(t, name); err != nil {
				return err
			}
		}
		entries, total, err := t.Log(q)
		for _, e := range entries {
			out = append(out, auditEntry(e))
		}
		info.TotalCount, info.TotalPages = total, (total+size-1)/size
		return err
	})
	info.Count = len(out)
	return &reply{result: out, info: info}, err
}

// zoneNamed is the id of a zone, be it in the store or in the configuration file:
// purges of the latter are kept too.
func (a *API) zoneNamed(t *store.Tx, name string) (string, error) {
	z, err := t.ZoneByName(name)
	if !errors.Is(err, store.ErrNotFound) {
		return z.ID, err
	}
	for _, f := range a.edge.Config().Zones {
		if strings.EqualFold(f.Name, name) {
			return idOf(&f), nil
		}
	}
	return "", err
}

func auditEntry(e store.Entry) auditOut {
	return auditOut{
		ID: e.ID, When: e.At, Interface: "API", OldValue: string(e.Before), NewValue: string(e.After), OldJSON: e.Before, NewJSON: e.After,
		Action:   map[string]any{"type": e.Action, "result": true},
		Actor:    map[string]any{"type": e.Actor.Type, "id": e.Actor.ID, "name": e.Actor.Name, "ip": e.Actor.IP, "user_agent": e.Actor.Agent},
		Metadata: map[string]any{"zone_id": e.Zone},
		Owner:    map[string]string{"id": accountID},
		Resource: map[string]string{"id": e.Object, "type": e.Kind},
	}
}

// timeOf reads a time of the query: RFC 3339, or a day.
func timeOf(r *http.Request, key string) (time.Time, error) {
	s := r.URL.Query().Get(key)
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &failure{http.StatusBadRequest, codeBadRequest, key + ": " + escape.Line(s, 40) + " is not a time such as 2026-11-22T08:00:00Z"}
}
