package cdn

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// Decisions are looked at as far back as they may bear on what fails now; changes
// as far back as a change may show late.
const (
	eventsBack  = 30 * time.Minute
	changesBack = 3 * 24 * time.Hour
	maxEvents   = 100
	maxAnswer   = 1 << 20
)

// events reads what the CDN's security rules decided about the host of late. When
// that cannot be read nothing is said: an empty list would say that there were none.
func (o *observer) events(ctx context.Context, zone string) {
	list, ok := o.security(ctx, zone, map[string]any{"datetime_geq": o.Now().Add(-eventsBack).UTC().Format(time.RFC3339)})
	if !ok {
		return
	}
	text := fmt.Sprintf("of the last 30 minutes the CDN tells of %d decisions of its security rules about %s", len(list), o.Host)
	o.add(fact.CDNEvents{Events: list}, originward.Subject{Host: o.Host}, text, o.reproduce("graphql"))
}

// Rays asks what the CDN's security rules decided about single requests. It says
// nothing when the CDN tells of none: events are sampled there, and come late.
func Rays(ctx context.Context, a Ask, rays []string) []originward.Evidence {
	o, err := newObserver(a)
	if err != nil || len(rays) == 0 || o.provider == fastly { // which has no such record
		return nil
	}
	zone, ok := o.zone(ctx)
	if !ok {
		return nil
	}
	o.seen = nil // the zone is in the first look
	list, ok := o.security(ctx, zone, map[string]any{"rayName_in": rays})
	if !ok || len(list) == 0 {
		return nil
	}
	text := fmt.Sprintf("the CDN tells of %d decisions of its security rules about these visits; the newest: %s by rule %s (%s) of ray %s",
		len(list), list[0].Action, list[0].RuleID, list[0].Source, list[0].Ray)
	o.add(fact.CDNEvents{Events: list}, originward.Subject{Host: o.Host}, escape.Line(text, 500), o.reproduce("graphql"))
	return o.seen
}

// eventsQuery is the documented one (graphql-api, querying firewall events).
const eventsQuery = `query Events($zone: string, $filter: filter) {
  viewer { zones(filter: {zoneTag: $zone}) { firewallEventsAdaptive(filter: $filter, limit: 100, orderBy: [datetime_DESC]) {
    action clientIP clientRequestPath datetime rayName ruleId source } } }
}`

// security asks for security events of the host that a filter takes. ok is false when
// they cannot be read; why is among what is missing then.
func (o *observer) security(ctx context.Context, zone string, filter map[string]any) (out []fact.CDNEvent, ok bool) {
	filter["clientRequestHTTPHost"] = o.Host
	var zones []struct {
		Events []struct {
			Action, Datetime, RayName, RuleID, Source, ClientIP string
			Path                                                string `json:"clientRequestPath"`
		} `json:"firewallEventsAdaptive"`
	}
	if !o.graphQL(ctx, fact.QCDNEvents, "security events", eventsQuery, map[string]any{"zone": zone, "filter": filter}, &zones) {
		return nil, false
	}
	out = []fact.CDNEvent{}
	for _, e := range zones[0].Events {
		if len(out) == maxEvents {
			break
		}
		at, err := time.Parse(time.RFC3339, e.Datetime)
		if err != nil {
			continue // without its time it says nothing of now
		}
		x := fact.CDNEvent{
			At: at.UTC(), Kind: "security", Ray: escape.Line(e.RayName, 32), Action: escape.Line(e.Action, 32), Source: escape.Line(e.Source, 32),
			RuleID: escape.Line(e.RuleID, 64), Path: escape.Line(e.Path, 200),
		}
		x.Client, _ = netip.ParseAddr(e.ClientIP) // shortened ones stay unknown
		out = append(out, x)
	}
	return out, true
}

// graphQL asks about the zone; zones is a list of what was asked for, one item. It
// reports whether an answer came; why not is among what is missing then.
func (o *observer) graphQL(ctx context.Context, q originward.Question, what, query string, vars map[string]any, zones any) bool {
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		return false
	}
	var answer struct {
		Data struct {
			Viewer struct{ Zones json.RawMessage }
		}
		Errors []struct{ Message string }
	}
	status, err := o.raw(ctx, http.MethodPost, "graphql", body, &answer)
	var some []json.RawMessage
	switch {
	case err != nil || status != http.StatusOK:
		o.failed(q, what, status, err, analyticsRead)
	case len(answer.Errors) > 0:
		o.miss(q, "the CDN gives no "+what+": "+escape.Line(answer.Errors[0].Message, 200), "give the token the permission "+analyticsRead)
	case json.Unmarshal(answer.Data.Viewer.Zones, &some) != nil || len(some) == 0 || json.Unmarshal(answer.Data.Viewer.Zones, zones) != nil:
		o.miss(q, "the token may not read "+what, "give the token the permission "+analyticsRead)
	default:
		return true
	}
	return false
}

// changes reads what was changed in the zone of late, newest first: what changed just
// before it broke is worth a look.
func (o *observer) changes(ctx context.Context, _ string) {
	if o.account == "" {
		return
	}
	since := o.Now().Add(-changesBack).UTC()
	q := url.Values{"zone.name": {o.zoneName}, "since": {since.Format(time.RFC3339)}, "per_page": {"50"}}
	var answer struct {
		Success bool
		Result  []struct {
			When     time.Time
			Action   struct{ Type string }
			Resource struct{ Type, ID string }
		}
	}
	path := "accounts/" + url.PathEscape(o.account) + "/audit_logs?" + q.Encode()
	status, err := o.raw(ctx, http.MethodGet, path, nil, &answer)
	if err != nil || status != http.StatusOK || !answer.Success {
		o.failed(fact.QCDNEvents, "the audit log", status, err, accountRead)
		return
	}
	list := []fact.CDNEvent{}
	for _, e := range answer.Result {
		if e.When.Before(since) || len(list) == maxEvents {
			continue
		}
		list = append(list, fact.CDNEvent{
			At: e.When.UTC(), Kind: "audit", Action: escape.Line(e.Action.Type, 40), Text: escape.Line(e.Resource.Type, 40) + " " + escape.Line(e.Resource.ID, 64),
		})
	}
	o.changesSeen(list, path)
}

// changesSeen says what was changed, newest first.
func (o *observer) changesSeen(list []fact.CDNEvent, path string) {
	text := fmt.Sprintf("of the last 3 days the CDN tells of %d changes of this site's configuration", len(list))
	if len(list) > 0 {
		text += fmt.Sprintf(", the newest on %s: %s %s", list[0].At.Format(time.RFC3339), list[0].Action, list[0].Text)
	}
	o.add(fact.CDNEvents{Events: list}, originward.Subject{Host: o.Host, Name: escape.Line(o.zoneName, 253)}, escape.Line(text, 500), o.reproduce(path))
}

// raw makes a call that the SDK's sub-packages do not have, or only one that takes
// minutes to build; status 0 = no answer came.
func (o *observer) raw(ctx context.Context, method, path string, body []byte, out any) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, o.Base+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	switch {
	case o.Token == "":
	case o.provider == fastly:
		req.Header.Set("Fastly-Key", o.Token)
	default:
		req.Header.Set("Authorization", "Bearer "+o.Token)
	}
	resp, err := o.HTTP.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return resp.StatusCode, nil
	}
	return resp.StatusCode, json.Unmarshal(raw, out)
}
