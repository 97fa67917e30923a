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

// Events are looked at as far back as something that was changed may show late:
// half an hour.
const (
	eventsBack = 30 * time.Minute
	maxEvents  = 100
	maxAnswer  = 1 << 20
)

// events reads what the CDN's security rules decided about the host of late, and
// what was changed in the zone.
func (o *observer) events(ctx context.Context, zone string) {
	f := fact.CDNEvents{Events: []fact.CDNEvent{}}
	since := o.Now().Add(-eventsBack).UTC()
	security, ok := o.security(ctx, zone, since)
	if !ok {
		return // an empty list would say that there were none
	}
	f.Events = append(f.Events, security...)
	changes, audited := o.changes(ctx, since)
	f.Events = append(f.Events, changes...)
	text := fmt.Sprintf("of the last 30 minutes the CDN tells of %d decisions of its security rules about %s", len(security), o.Host)
	if audited {
		text += fmt.Sprintf(" and of %d changes in the zone", len(changes))
	}
	o.add(f, originward.Subject{Host: o.Host}, text, o.reproduce("graphql"))
}

// eventsQuery is the documented one (graphql-api, querying firewall events).
const eventsQuery = `query Events($zone: string, $filter: filter) {
  viewer { zones(filter: {zoneTag: $zone}) { firewallEventsAdaptive(filter: $filter, limit: 100, orderBy: [datetime_DESC]) {
    action clientIP clientRequestPath datetime rayName ruleId source } } }
}`

// security asks for security events. ok is false when they cannot be read; why is
// among what is missing then.
func (o *observer) security(ctx context.Context, zone string, since time.Time) (out []fact.CDNEvent, ok bool) {
	body, err := json.Marshal(map[string]any{"query": eventsQuery, "variables": map[string]any{
		"zone": zone, "filter": map[string]any{"clientRequestHTTPHost": o.Host, "datetime_geq": since.Format(time.RFC3339)},
	}})
	if err != nil {
		return nil, false
	}
	var answer struct {
		Data struct {
			Viewer struct {
				Zones []struct {
					Events []struct {
						Action, Datetime, RayName, RuleID, Source, ClientIP string
						Path                                                string `json:"clientRequestPath"`
					} `json:"firewallEventsAdaptive"`
				}
			}
		}
		Errors []struct{ Message string }
	}
	status, err := o.raw(ctx, http.MethodPost, "graphql", body, &answer)
	switch {
	case err != nil || status != http.StatusOK:
		o.failed(fact.QCDNEvents, "security events", status, err, "Analytics: Read")
		return nil, false
	case len(answer.Errors) > 0 || len(answer.Data.Viewer.Zones) == 0:
		why := "the token may not read security events"
		if len(answer.Errors) > 0 {
			why = "the CDN gives no security events: " + escape.Line(answer.Errors[0].Message, 200)
		}
		o.miss(fact.QCDNEvents, why, "give the token the permission Analytics: Read")
		return nil, false
	}
	for _, e := range answer.Data.Viewer.Zones[0].Events {
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

// changes reads the audit log of the zone; that a token may not is no fault: it
// says less, and nothing wrong.
func (o *observer) changes(ctx context.Context, since time.Time) (out []fact.CDNEvent, ok bool) {
	if o.account == "" {
		return nil, false
	}
	q := url.Values{"zone.name": {o.zoneName}, "since": {since.Format(time.RFC3339)}, "per_page": {"50"}}
	var answer struct {
		Success bool
		Result  []struct {
			When     time.Time
			Action   struct{ Type string }
			Resource struct{ Type, ID string }
		}
	}
	status, err := o.raw(ctx, http.MethodGet, "accounts/"+url.PathEscape(o.account)+"/audit_logs?"+q.Encode(), nil, &answer)
	if err != nil || status != http.StatusOK || !answer.Success {
		return nil, false
	}
	for _, e := range answer.Result {
		if e.When.Before(since) || len(out) == maxEvents {
			continue
		}
		kind := escape.Line(e.Resource.Type, 40)
		out = append(out, fact.CDNEvent{
			At: e.When.UTC(), Kind: "audit", Action: escape.Line(e.Action.Type, 40), Text: kind + " " + escape.Line(e.Resource.ID, 64),
		})
	}
	return out, true
}

// raw makes a call that the SDK's sub-packages do not have; status 0 = no answer came.
func (o *observer) raw(ctx context.Context, method, path string, body []byte, out any) (status int, err error) {
	base, err := BaseURL(o.Base)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if o.Token != "" {
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
