package edgeapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/internal/edge"
	"github.com/originward/originward/internal/edge/events"
)

// Security events by ray and by filter.
func TestEvents(t *testing.T) {
	r := start(t, "127.0.0.1:0")
	visit := func(agent string) string {
		req, err := http.NewRequest("GET", "http://"+r.http.String()+"/page?x=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "shop.example"
		req.Header.Set("User-Agent", agent)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.Header.Get("CF-Ray")
	}
	quiet, blocked := visit("Browser/1"), visit("Bot/1")
	var all, some []events.Event
	wait := func(n int) { // an event follows its answer
		for end := time.Now().Add(5 * time.Second); len(all) < n && time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
			r.want("/originward/events?zone=shop.example", &all)
		}
	}
	wait(1) // so that they come in their order
	visit("Bot/2")
	wait(2)
	if len(all) != 2 || all[0].UserAgent != "Bot/2" || all[1].RuleID != "aaaa" || all[1].Description != "no bots" || all[1].Action != "block" ||
		all[1].Expression != `http.user_agent contains "Bot"` || all[1].Status != 403 || all[1].Path != "/page" || all[1].Query != "x=1" || all[1].Client != "127.0.0.1" {
		t.Fatalf("events %+v", all)
	}
	r.want("/originward/events/"+blocked, &some)
	if len(some) != 1 || !strings.HasPrefix(blocked, some[0].Ray) {
		t.Errorf("by ray: %+v", some)
	}
	for query, n := range map[string]int{
		"?ray=" + blocked: 1, "?action=log": 0, "?rule=aaaa&limit=1": 1, "?source=firewallCustom&client=127.0.0.1": 2, "?host=other.example": 0,
		"?since=2100-01-01T00:00:00Z": 0,
	} {
		if r.want("/originward/events"+query, &some); len(some) != n {
			t.Errorf("%s: %d events, want %d", query, len(some), n)
		}
	}
	if status, a := r.get("/originward/events/"+quiet, fileToken); status != 404 || !strings.Contains(a.Errors[0].Message, "no rule matched") {
		t.Errorf("a ray without an event: %d %+v", status, a.Errors)
	}
	for _, bad := range []string{"?ray=x", "?since=yesterday", "?limit=0"} {
		if status, _ := r.get("/originward/events"+bad, fileToken); status != 400 {
			t.Errorf("%s: %d, want 400", bad, status)
		}
	}
}

// Every phase reads back in the form in which it is written, so that a ruleset can be
// read, changed and put again.
func TestPhasesReadBack(t *testing.T) {
	phases := map[string]string{
		"http_request_dynamic_redirect":   `{"action":"redirect","expression":"ssl","action_parameters":{"from_value":{"preserve_query_string":true,"status_code":301,"target_url":{"expression":"concat(\"/x\", http.host)"}}}}`,
		"http_request_transform":          `{"action":"rewrite","expression":"ssl","action_parameters":{"uri":{"path":{"value":"/new"},"query":{"value":""}}}}`,
		"http_config_settings":            `{"action":"set_config","expression":"ssl","action_parameters":{"ssl":"full","hotlink_protection":true}}`,
		"http_request_origin":             `{"action":"route","expression":"ssl","action_parameters":{"host_header":"a.example","origin":{"port":8443}}}`,
		"http_request_firewall_custom":    `{"action":"skip","expression":"ssl","action_parameters":{"phases":["http_ratelimit","http_request_firewall_managed"],"products":["uaBlock"],"logging":{"enabled":false}}}`,
		"http_ratelimit":                  `{"action":"block","expression":"ssl","ratelimit":{"characteristics":["cf.colo.id","ip.src","http.request.headers[\"x-key\"]"],"requests_per_period":5,"period":10,"mitigation_timeout":60,"counting_expression":"http.response.code eq 401"}}`,
		"http_request_firewall_managed":   `{"action":"execute","expression":"ssl","action_parameters":{"id":"owasp","overrides":{"categories":[{"category":"paranoia-level-2","enabled":true},{"category":"paranoia-level-3","enabled":false},{"category":"paranoia-level-4","enabled":false}],"rules":[{"action":"log","id":"949110","score_threshold":25},{"enabled":false,"id":"942100"}]}}}`,
		"http_request_late_transform":     `{"action":"rewrite","expression":"ssl","action_parameters":{"headers":{"X-A":{"operation":"set","value":"b"},"X-B":{"operation":"remove"}}}}`,
		"http_request_cache_settings":     `{"action":"set_cache_settings","expression":"ssl","action_parameters":{"cache":true,"edge_ttl":{"mode":"override_origin","default":60},"browser_ttl":{"mode":"override_origin","default":30}}}`,
		"http_custom_errors":              `{"action":"serve_error","expression":"http.response.code eq 503","action_parameters":{"content":"sorry","content_type":"text/plain","status_code":530}}`,
		"http_response_headers_transform": `{"action":"rewrite","expression":"ssl","action_parameters":{"headers":{"X-A":{"operation":"add","expression":"to_string(http.response.code)"}}}}`,
	}
	rules := map[string][]json.RawMessage{}
	for name, body := range phases {
		p, ok := phaseOf(name)
		if !ok {
			t.Fatalf("%s is not served", name)
		}
		rules[p.key] = []json.RawMessage{json.RawMessage(body)}
	}
	doc, err := json.Marshal(map[string]any{"listen": map[string]any{"http": []string{"127.0.0.1:0"}}, "zones": []any{map[string]any{"name": "shop.example", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := edge.Loader().Parse("edge.yaml", doc)
	if err != nil {
		t.Fatal(err)
	}
	e, err := edge.New(cfg, edge.Options{})
	if err != nil {
		t.Fatal(err)
	}
	set, ok := e.Rules("shop.example")
	if !ok {
		t.Fatal("no zone")
	}
	seen := 0
	for _, p := range rulePhases {
		list := p.rules(set)
		if len(list) != 1 {
			t.Errorf("%s: %d rules", p.phase, len(list))
			continue
		}
		seen++
		b, err := json.Marshal(list[0])
		if err != nil {
			t.Fatal(err)
		}
		var got, want map[string]any
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(phases[p.phase]), &want); err != nil {
			t.Fatal(err)
		}
		for k, v := range want {
			g, w := mustJSON(t, got[k]), mustJSON(t, v)
			if g != w {
				t.Errorf("%s, %s: %s, want %s", p.phase, k, g, w)
			}
		}
	}
	if seen != len(phases) {
		t.Errorf("%d of %d phases read back", seen, len(phases))
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
