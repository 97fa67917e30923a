package edgeapi

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Answers are counted by what the edge sent and what the origin gave.
func TestAnalytics(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	k.zone("other.example")
	k.do("POST", zone+"/dns_records", `{"type":"A","name":"@","content":"127.0.0.77","proxied":true}`)
	k.do("PUT", zone+"/rulesets/phases/http_request_firewall_custom/entrypoint", `{"rules":[{"expression":"http.request.uri.path eq \"/admin\"","action":"block"}]}`)
	for range 3 {
		k.visit("shop.example", "/admin")
	}
	failed := k.visit("shop.example", "/").StatusCode // nobody listens there
	const query = `query Q($zone: string, $filter: filter, $limit: int) {
	  viewer { zones(filter: {zoneTag: $zone}) { httpRequestsAdaptiveGroups(filter: $filter, limit: $limit, orderBy: [count_DESC]) {
	    count avg { sampleInterval } sum { edgeResponseBytes } dimensions { edgeResponseStatus originResponseStatus clientRequestHTTPHost cacheStatus } } } } }`
	id := strings.TrimPrefix(zone, "/zones/")
	groups := func(filter map[string]any, limit int) (out []string) {
		t.Helper()
		data, fault := k.graph(query, map[string]any{"zone": id, "filter": filter, "limit": limit})
		if fault != "" {
			t.Fatal(fault)
		}
		for _, g := range data["viewer"].(map[string]any)["zones"].([]any)[0].(map[string]any)["httpRequestsAdaptiveGroups"].([]any) {
			row := g.(map[string]any)
			d := row["dimensions"].(map[string]any)
			out = append(out, fmt.Sprint(row["count"], " ", d["edgeResponseStatus"], " ", d["originResponseStatus"], " ", d["clientRequestHTTPHost"], " ", d["cacheStatus"]))
			if row["sum"].(map[string]any)["edgeResponseBytes"].(float64) == 0 {
				t.Errorf("no bytes: %v", row)
			}
		}
		return out
	}
	want := fmt.Sprintf("[3 403 0 shop.example none 1 %d 0 shop.example none]", failed)
	for end := time.Now().Add(5 * time.Second); fmt.Sprint(groups(nil, 10)) != want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("groups %v, want %v", groups(nil, 10), want)
		}
	}
	now := time.Now().UTC()
	for _, c := range []struct {
		filter map[string]any
		limit  int
		n      int
	}{
		{nil, 1, 1},
		{map[string]any{"edgeResponseStatus_geq": 500}, 10, 1},
		{map[string]any{"clientRequestHTTPHost": "www.shop.example"}, 10, 0},
		{map[string]any{"datetime_geq": now.Add(-time.Hour).Format(time.RFC3339), "datetime_lt": now.Add(time.Minute).Format(time.RFC3339)}, 10, 2},
		{map[string]any{"datetime_lt": now.Add(-time.Hour).Format(time.RFC3339)}, 10, 0},
		{map[string]any{"date_geq": now.Add(-24 * time.Hour).Format(time.DateOnly)}, 10, 2},
	} {
		if got := groups(c.filter, c.limit); len(got) != c.n {
			t.Errorf("%v: %v, want %d", c.filter, got, c.n)
		}
	}
	for q, want := range map[string]string{
		`{ viewer { zones { httpRequestsAdaptiveGroups { count dimensions { colour } } } } }`:                                    "colour",
		`{ viewer { zones { httpRequestsAdaptiveGroups(filter: {colour: "x"}) { count } } } }`:                                   "colour",
		`{ viewer { zones { httpRequestsAdaptiveGroups(filter: {datetime_geq: "soon"}) { count } } } }`:                          "datetime_geq",
		`{ viewer { zones { httpRequestsAdaptiveGroups(limit: 99999999) { count } } } }`:                                         "limit",
		`{ viewer { zones(filter: {zoneTag: "` + id + `"}) { httpRequestsAdaptiveGroups { count sum { colour } } } } }`:          "colour",
		`{ viewer { zones(filter: {zoneTag: "` + id + `"}) { httpRequestsAdaptiveGroups(orderBy: [colour_DESC]) { count } } } }`: "colour",
	} {
		if _, fault := k.graph(q, nil); !strings.Contains(fault, want) {
			t.Errorf("%s: %q", q, fault)
		}
	}
}
