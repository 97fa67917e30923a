package edgeapi

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAccessRules(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	k.do("POST", zone+"/dns_records", `{"type":"A","name":"@","content":"127.0.0.77","proxied":true}`)
	rules := zone + "/firewall/access_rules/rules"
	r := k.do("POST", rules, `{"mode":"block","notes":"out","configuration":{"target":"ip_range","value":"127.0.0.1/8"}}`)
	if r["mode"] != "block" || r["configuration"].(map[string]any)["value"] != "127.0.0.0/8" || len(r["allowed_modes"].([]any)) != 5 {
		t.Errorf("created %v", r)
	}
	if code := k.visit("shop.example", "/").StatusCode; code != 403 {
		t.Errorf("from a blocked range: %d", code)
	}
	k.refused("POST", rules, `{"mode":"block","configuration":{"target":"ip_range","value":"127.1.2.3/8"}}`, 400, codeDuplicateAccess, "")
	k.refused("POST", rules, `{"mode":"explode","configuration":{"target":"ip","value":"192.0.2.1"}}`, 400, codeField, "/mode")
	k.refused("POST", rules, `{"mode":"block","configuration":{"target":"ip","value":"nonsense"}}`, 400, codeField, "/configuration/value")
	one := rules + "/" + r["id"].(string)
	k.do("PATCH", one, `{"mode":"whitelist","notes":""}`)
	if code := k.visit("shop.example", "/").StatusCode; code != 521 {
		t.Errorf("from a range that is let in: %d", code)
	}
	k.refused("PATCH", one, `{"configuration":{"target":"ip","value":"192.0.2.9"}}`, 400, codeField, "/configuration")
	if got := k.list(rules + "?mode=whitelist"); len(got) != 1 {
		t.Errorf("list %v", got)
	}
	k.do("DELETE", one, "")
	k.refused("GET", one, "", 404, codeNoObject, "")
}

func TestLists(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	k.do("POST", zone+"/dns_records", `{"type":"A","name":"@","content":"127.0.0.77","proxied":true}`)
	lists := "/accounts/" + accountID + "/rules/lists"
	custom := zone + "/rulesets/phases/http_request_firewall_custom/entrypoint"
	const rules = `{"rules":[{"expression":"ip.src in $office","action":"block"}]}`
	if r := k.send("PUT", custom, rules); r.status != 400 || r.Errors[0].Source.Pointer != "/rules/0/expression" {
		t.Errorf("a list that is not there: %d %s", r.status, r.raw)
	}
	k.refused("POST", lists, `{"name":"Office!","kind":"ip"}`, 400, codeField, "/name")
	k.refused("POST", lists, `{"name":"office","kind":"colour"}`, 400, codeField, "/kind")
	l := k.do("POST", lists, `{"name":"office","kind":"ip","description":"us"}`)
	k.refused("POST", lists, `{"name":"office","kind":"ip"}`, 400, codeField, "/name")
	one := lists + "/" + l["id"].(string)
	k.do("PUT", custom, rules)
	if code := k.visit("shop.example", "/").StatusCode; code != 521 {
		t.Errorf("with an empty list: %d", code)
	}
	op := k.do("POST", one+"/items", `[{"ip":"127.0.0.0/8","comment":"loopback"},{"ip":"192.0.2.1"}]`)
	if got := k.do("GET", lists+"/bulk_operations/"+op["operation_id"].(string), ""); got["status"] != "completed" {
		t.Errorf("operation %v", got)
	}
	if code := k.visit("shop.example", "/").StatusCode; code != 403 {
		t.Errorf("an address of the list: %d", code)
	}
	k.refused("POST", one+"/items", `[{"ip":"192.0.2.2"},{"ip":"nonsense"}]`, 400, codeField, "/1/ip")
	k.refused("POST", one+"/items", `[{"asn":7}]`, 400, codeField, "/0")
	items := k.list(one + "/items")
	if len(items) != 2 || items[0]["comment"] != "loopback" {
		t.Fatalf("items %v", items)
	}
	k.refused("DELETE", one, "", 400, codeField, "")
	k.do("DELETE", one+"/items", fmt.Sprintf(`{"items":[{"id":%q}]}`, items[0]["id"]))
	if code := k.visit("shop.example", "/").StatusCode; code != 521 {
		t.Errorf("taken out of the list: %d", code)
	}
	k.do("PUT", custom, `{"rules":[]}`)
	k.do("DELETE", one, "")
	if got := k.list(lists); len(got) != 0 {
		t.Errorf("lists %v", got)
	}
}

// graph sends a query and gives its data, or the text of its error.
func (k *kept) graph(query string, vars map[string]any) (data map[string]any, fault string) {
	k.t.Helper()
	b, _ := json.Marshal(graphIn{query, vars})
	var out struct {
		Data   map[string]any
		Errors []graphError
	}
	r := k.send("POST", "/graphql", string(b))
	if err := json.Unmarshal(r.raw, &out); err != nil || r.status != 200 {
		k.t.Fatalf("%d %v %s", r.status, err, r.raw)
	}
	if len(out.Errors) > 0 {
		return nil, out.Errors[0].Message
	}
	return out.Data, ""
}

func TestGraphQL(t *testing.T) {
	k := startKept(t)
	zone := k.zone("shop.example")
	k.zone("other.example")
	k.do("POST", zone+"/dns_records", `{"type":"A","name":"@","content":"127.0.0.77","proxied":true}`)
	k.do("PUT", zone+"/rulesets/phases/http_request_firewall_custom/entrypoint", `{"rules":[{"description":"no admin","expression":"http.request.uri.path eq \"/admin\"","action":"block"},{"expression":"true","action":"log"}]}`)
	ray, _, _ := strings.Cut(k.visit("shop.example", "/admin").Header.Get("CF-Ray"), "-")
	k.visit("shop.example", "/free")
	const query = `query Events($zone: string, $filter: filter) {
	  viewer { zones(filter: {zoneTag: $zone}) { zoneTag
	    events: firewallEventsAdaptive(filter: $filter, limit: 10, orderBy: [datetime_DESC]) { action clientIP clientRequestPath datetime rayName ruleId source userAgent clientAsn clientCountryName } } }
	}`
	id := strings.TrimPrefix(zone, "/zones/")
	find := func(filter map[string]any) []any {
		t.Helper()
		data, fault := k.graph(query, map[string]any{"zone": id, "filter": filter})
		if fault != "" {
			t.Fatal(fault)
		}
		zones := data["viewer"].(map[string]any)["zones"].([]any)
		if len(zones) != 1 {
			t.Fatalf("zones %v", zones)
		}
		return zones[0].(map[string]any)["events"].([]any)
	}
	// An event is there shortly after its visitor has the answer.
	for end := time.Now().Add(5 * time.Second); len(find(map[string]any{})) < 2 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	if all := find(map[string]any{}); len(all) != 2 || all[1].(map[string]any)["rayName"] != ray || all[1].(map[string]any)["source"] != "firewallCustom" {
		t.Errorf("events %v", all)
	}
	for n, filters := range map[int][]map[string]any{
		1: {{"rayName": ray}, {"action": "log"}, {"clientRequestPath_like": "/ad%"}, {"action_in": []any{"block", "challenge"}}, {"action_neq": "log", "datetime_gt": "2020-01-01T00:00:00Z"},
			{"OR": []any{map[string]any{"rayName": ray}, map[string]any{"action": "nothing"}}}},
		0: {{"rayName": "0000000000000000"}, {"datetime_lt": "2020-01-01T00:00:00Z"}, {"AND": []any{map[string]any{"action": "block"}, map[string]any{"action": "log"}}}},
	} {
		for _, f := range filters {
			if got := find(f); len(got) != n {
				t.Errorf("%v: %v, want %d", f, got, n)
			}
		}
	}
	for q, want := range map[string]string{
		`{ viewer { accounts { x } } }`:                                         "accounts",
		`{ viewer { zones(filter: {zoneTag: "x", colour: "y"}) { zoneTag } } }`: "colour",
		`{ viewer { zones { firewallEventsAdaptive(limit: 0) { action } } } }`:  "limit",
		`{ viewer { zones { firewallEventsAdaptive(limit: 1) { colour } } } }`:  "colour",
		`mutation { x }`: "one query", `{ viewer {`: "cannot be read",
		`{ viewer { ...x } } fragment x on y { z }`: "fragments",
	} {
		if _, fault := k.graph(q, nil); !strings.Contains(fault, want) {
			t.Errorf("%s: %q", q, fault)
		}
	}
	// What the edge remembers goes to the store, once, and is found there.
	live, err := NewLive(t.Context(), k.store, k.edge, k.slog())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	live.Run(ctx) // its last act is to keep what there is
	live.Run(ctx)
	if all := find(map[string]any{}); len(all) != 2 {
		t.Errorf("kept: %v", all)
	}
}
