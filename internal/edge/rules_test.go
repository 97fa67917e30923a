package edge

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/originward/originward/internal/edge/challenge"
	"github.com/originward/originward/internal/edge/events"
	"github.com/originward/originward/internal/edge/geo/geotest"
)

// ruledEdge is an edge of one zone with rules, before an origin that tells what it
// was asked. top is put before the zones.
func ruledEdge(t *testing.T, top, rules string) (*world, *atomic.Int64) {
	t.Helper()
	e, o, _ := hosts()
	asked := &atomic.Int64{}
	ap, _ := origin(t, o, 0, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("X-Origin", "yes")
		w.Header().Set("X-Secret", "internal")
		w.Header().Set("Content-Type", "text/plain")
		if s := r.URL.Query().Get("status"); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil {
				t.Errorf("status %q", s)
			}
			w.WriteHeader(n)
		}
		fmt.Fprintf(w, "%s %s", r.Method, r.RequestURI)
		for _, name := range []string{"X-Set", "X-Gone", "Cf-Ipcountry", "User-Agent"} {
			if v, ok := r.Header[name]; ok {
				fmt.Fprintf(w, " %s=%s", name, strings.Join(v, ","))
			}
		}
	})
	zone := strings.TrimRight(fmt.Sprintf(`listen: {http: ['%s:%d']}
%szones:
- name: shop.example
  records: [{type: A, name: shop.example, content: %s, proxied: true}, {type: A, name: img.shop.example, content: %s, proxied: true}]
%s`, e, ap.Port(), top, o, o, rules), "\n")
	return start(t, zone+"\n"), asked
}

func TestRedirectRules(t *testing.T) {
	w, asked := ruledEdge(t, "", `  rules:
    redirects:
    - {expression: 'http.request.uri.path eq "/old"', action: redirect, action_parameters: {from_value: {target_url: {value: 'https://shop.example/new'}, status_code: 301}}}
    - {expression: 'starts_with(http.request.uri.path, "/blog/")', action_parameters: {from_value: {target_url: {expression: 'wildcard_replace(http.request.uri.path, "/blog/*", "https://blog.shop.example/${1}")'}, status_code: 308, preserve_query_string: true}}}
    - {expression: 'http.request.uri.path eq "/bad"', action_parameters: {from_value: {target_url: {expression: 'http.request.uri.args["to"][0]'}}}}
    - {expression: 'http.request.uri.path eq "/off"', enabled: false, action_parameters: {from_value: {target_url: {value: /x}}}}
`)
	for path, want := range map[string]string{
		"/old?a=1":                  "301 https://shop.example/new",
		"/blog/2024/x?a=1":          "308 https://blog.shop.example/2024/x?a=1",
		"/blog/y":                   "308 https://blog.shop.example/y",
		"/bad?to=https://a.example": "302 https://a.example",
		"/bad?to=/%5c\\evil":        "302 /%5c%5Cevil",
		"/bad?to=javascript:alert":  "200 ",
		"/bad?to=//evil.example":    "200 ",
		"/bad":                      "200 ",
		"/off":                      "200 ",
	} {
		r := w.get("http://shop.example" + path)
		if got := fmt.Sprintf("%d %s", r.StatusCode, r.Header.Get("Location")); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if asked.Load() != 4 {
		t.Errorf("the origin was asked %d times, want 4", asked.Load())
	}
}

func TestTransformRules(t *testing.T) {
	w, _ := ruledEdge(t, "", `  rules:
    url_rewrites:
    - {expression: 'http.request.uri.path eq "/static"', action_parameters: {uri: {path: {value: /files/static}, query: {value: ''}}}}
    - {expression: 'starts_with(http.request.uri.path, "/v1/")', action_parameters: {uri: {path: {expression: 'regex_replace(http.request.uri.path, "^/v1/", "/v2/")'}}}}
    - {expression: 'http.request.uri.path eq "/clean"', action_parameters: {uri: {query: {expression: 'remove_query_args(http.request.uri.query, "utm")'}}}}
    - {expression: 'http.request.uri.path eq "/inject"', action_parameters: {uri: {path: {expression: 'url_decode(http.request.uri.args["p"][0])'}}}}
    - {expression: 'http.request.uri.path eq "/own"', action_parameters: {uri: {path: {value: /cdn-cgi/trace}}}}
    custom:
    - {expression: 'http.request.uri.path eq "/files/static" and raw.http.request.uri.path eq "/static" and http.request.uri.args["block"][0] eq "1"', action: block}
    - {expression: 'starts_with(http.request.uri.path, "/v2/") and raw.http.request.uri.path contains "secret"', action: block}
    request_headers:
    - {expression: 'true', action_parameters: {headers: {X-Set: {operation: set, value: fixed}, X-Gone: {operation: remove}}}}
    - {expression: 'http.request.uri.path eq "/v2/dyn"', action_parameters: {headers: {X-Set: {operation: set, expression: 'concat(http.host, "!")'}, User-Agent: {operation: remove}}}}
    response_headers:
    - {expression: 'true', action_parameters: {headers: {X-Secret: {operation: remove}, X-Code: {operation: set, expression: 'to_string(http.response.code)'}}}}
    - {expression: 'http.response.code eq 404', action_parameters: {headers: {X-Added: {operation: add, value: one}, X-Origin: {operation: add, value: two}}}}
`)
	for url, want := range map[string]string{
		"/static?a=1":                       "GET /files/static X-Set=fixed User-Agent=UA/1",
		"/v1/a/v1/?x=y":                     "GET /v2/a/v1/?x=y X-Set=fixed User-Agent=UA/1",
		"/v1/dyn":                           "GET /v2/dyn X-Set=shop.example!",
		"/clean?utm=1&a=2":                  "GET /clean?a=2 X-Set=fixed User-Agent=UA/1",
		"/inject?p=/a%20b%0d%0aX-Evil:%201": "GET /a%20b%0D%0AX-Evil:%201?p=/a%20b%0d%0aX-Evil:%201 X-Set=fixed User-Agent=UA/1",
		"/plain":                            "GET /plain X-Set=fixed User-Agent=UA/1",
	} {
		r := w.get("http://shop.example"+url, "X-Gone", "visitor", "X-Set", "visitor", "User-Agent", "UA/1")
		if r.body != want {
			t.Errorf("%s: %s, want %s", url, r.body, want)
		}
		if r.Header.Get("X-Secret") != "" || r.Header.Get("X-Code") != "200" || r.Header.Get("X-Origin") != "yes" {
			t.Errorf("%s: header %v", url, r.Header)
		}
	}
	if r := w.get("http://shop.example/v1/secret"); r.StatusCode != 403 {
		t.Errorf("a rewritten path is not seen by the custom rules: %s", r.Status)
	}
	if r := w.get("http://shop.example/x?status=404"); fmt.Sprint(r.Header["X-Origin"], r.Header["X-Added"]) != "[yes two] [one]" {
		t.Errorf("added fields: %v", r.Header)
	}
	if r := w.get("http://shop.example/own"); r.StatusCode < 400 {
		t.Errorf("a rewrite leads into the edge's own part: %s", r.Status)
	}
}

func TestCustomRules(t *testing.T) {
	w, asked := ruledEdge(t, "lists: [{name: office, kind: ip, items: [127.0.0.0/8]}, {name: bad_hosts, kind: hostname, items: ['*.bad.example']}]\n", `  rules:
    hotlink_protection: on
    user_agents:
    - {mode: block, configuration: {target: ua, value: BadBot/1.0}, description: a bot}
    - {mode: block, configuration: {target: ua, value: Paused/1.0}, paused: true}
    custom:
    - {expression: 'ip.src in $office and http.request.uri.path eq "/log"', action: log, description: office}
    - {expression: 'any(http.request.headers["x-skip"][*] eq "products")', action: skip, action_parameters: {products: [uaBlock, hot]}}
    - {expression: 'any(http.request.headers["x-skip"][*] eq "current")', action: skip, action_parameters: {ruleset: current, logging: {enabled: false}}}
    - {expression: 'http.request.uri.path eq "/own"', action: block, action_parameters: {response: {status_code: 451, content_type: application/json, content: '{"no":1}'}}}
    - {expression: 'http.request.uri.path eq "/blocked"', action: block, description: closed}
    rate_limits: [{expression: 'http.request.uri.path eq "/limited"', requests_per_period: 1, period: 60}]
`)
	for _, tc := range []struct {
		name, url string
		header    []string
		status    int
		source    string // of the last event; empty = none
		action    string
	}{
		{"passes", "/", nil, 200, "", ""},
		{"log", "/log", nil, 200, "firewallCustom", "log"},
		{"block", "/blocked", nil, 403, "firewallCustom", "block"},
		{"skip without a record", "/blocked", []string{"X-Skip", "current"}, 200, "", ""},
		{"own response", "/own", nil, 451, "firewallCustom", "block"},
		{"user agent", "/", []string{"User-Agent", "BadBot/1.0"}, 403, "uaBlock", "block"},
		{"user agent, paused", "/", []string{"User-Agent", "Paused/1.0"}, 200, "", ""},
		{"user agent, skipped", "/", []string{"User-Agent", "BadBot/1.0", "X-Skip", "products"}, 200, "firewallCustom", "skip"},
		{"user agent is matched whole", "/", []string{"User-Agent", "BadBot/1.0 more"}, 200, "", ""},
		{"hotlink", "/a.PNG", []string{"Referer", "https://elsewhere.example/page"}, 403, "hot", "block"},
		{"hotlink of the zone", "/a.png", []string{"Referer", "https://www.shop.example/page"}, 200, "", ""},
		{"hotlink without referer", "/a.png", nil, 200, "", ""},
		{"hotlink of text", "/a.txt", []string{"Referer", "https://elsewhere.example/page"}, 200, "", ""},
		{"hotlink allowed", "/hotlink-ok/a.png", []string{"Referer", "https://elsewhere.example/"}, 200, "", ""},
		{"limit", "/limited", nil, 200, "", ""},
		{"limit exceeded", "/limited", nil, 429, "ratelimit", "block"},
	} {
		before, n := len(w.edge.Events(events.Filter{})), asked.Load()
		r := w.get("http://shop.example"+tc.url+"?q=1", tc.header...)
		if r.StatusCode != tc.status {
			t.Errorf("%s: %s, want %d", tc.name, r.Status, tc.status)
		}
		if tc.status >= 400 && asked.Load() != n {
			t.Errorf("%s: the origin was asked", tc.name)
		}
		if tc.source != "" {
			// The event follows the answer.
			waitFor(t, tc.name+": an event", func() bool { return len(w.edge.Events(events.Filter{})) > before })
		}
		list := w.edge.Events(events.Filter{})
		if tc.source == "" {
			if len(list) != before {
				t.Errorf("%s: event %+v", tc.name, list[0])
			}
			continue
		}
		e := list[0]
		rayID, _, _ := strings.Cut(r.Header.Get("CF-Ray"), "-")
		if len(list) != before+1 || e.Source != tc.source || e.Action != tc.action || e.Ray != rayID || e.RuleID == "" || e.Expression == "" || e.Client != "127.0.0.1" ||
			e.Path != tc.url || e.Query != "q=1" || e.Host != "shop.example" || e.Zone != "shop.example" || (e.Status == tc.status) != (tc.action == "block") ||
			(e.Outcome == events.Stopped) != (tc.action == "block") {
			t.Errorf("%s: %d events more, the last %+v", tc.name, len(list)-before, e)
		}
		if found := w.edge.Events(events.Filter{Ray: rayID}); len(found) != 1 || found[0].RuleID != e.RuleID {
			t.Errorf("%s: by ray: %+v", tc.name, found)
		}
	}
	if r := w.get("http://shop.example/own"); r.body != `{"no":1}` || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("own response: %s %v", r.body, r.Header)
	}
}

func TestAccessRules(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, entries map[string]map[string]any) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, geotest.Database(entries), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	country := write("country.mmdb", map[string]map[string]any{"127.0.0.0/8": {"country": map[string]any{"iso_code": "DE"}}})
	asn := write("asn.mmdb", map[string]map[string]any{"127.0.0.0/8": {"autonomous_system_number": uint32(64496)}})
	top := fmt.Sprintf("geo: {country: '%s', asn: '%s'}\n", country, asn)
	rule := func(mode, target, value string) string {
		return fmt.Sprintf("    - {mode: %s, configuration: {target: %s, value: '%s'}}\n", mode, target, value)
	}
	for _, tc := range []struct {
		name, rules string
		status      int
	}{
		{"address", rule("block", "ip", "127.0.0.1"), 403},
		{"another address", rule("block", "ip", "192.0.2.1"), 200},
		{"range", rule("block", "ip_range", "127.0.0.0/16"), 403},
		{"network", rule("block", "asn", "AS64496"), 403},
		{"another network", rule("block", "asn", "64497"), 200},
		{"country", rule("block", "country", "DE"), 403},
		{"another country", rule("block", "country", "FR"), 200},
		{"allowing goes first", rule("block", "ip", "127.0.0.1") + rule("whitelist", "country", "DE"), 200},
		{"allowing leaves custom rules out", rule("whitelist", "ip", "127.0.0.1") + "    custom: [{expression: 'ip.src.country eq \"DE\"', action: block}]\n", 200},
		{"custom rule on the country", rule("whitelist", "ip", "192.0.2.1") + "    custom: [{expression: 'ip.src.country eq \"DE\" and ip.src.asnum eq 64496', action: block}]\n", 403},
	} {
		w, _ := ruledEdge(t, top, "  rules:\n    ip_access:\n"+tc.rules)
		if r := w.get("http://shop.example/"); r.StatusCode != tc.status {
			t.Errorf("%s: %s, want %d", tc.name, r.Status, tc.status)
		}
		if r := w.get("http://shop.example/"); tc.status == 200 && !strings.Contains(r.body, "Cf-Ipcountry=DE") {
			t.Errorf("%s: the origin is not told the country: %s", tc.name, r.body)
		}
		if r := w.get("http://shop.example/cdn-cgi/trace"); !strings.Contains(r.body, "loc=DE\n") {
			t.Errorf("%s: %s", tc.name, r.body)
		}
		if e := w.edge.Events(events.Filter{}); len(e) > 0 && (e[0].Country != "DE" || e[0].ASN != 64496) {
			t.Errorf("%s: event %+v", tc.name, e[0])
		}
	}
}

func digest(token string, n int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s:%d", token, n))
	return sum[:]
}

var boxed = regexp.MustCompile(`data-token="([^"]+)" data-bits="(\d+)"`)

// A challenge: the page, its solution, the clearance, and whom it is good for.
func TestChallenges(t *testing.T) {
	w, asked := ruledEdge(t, "", "  rules:\n    custom: [{expression: 'true', action: managed_challenge}]\n")
	r := w.get("http://shop.example/secret?x=1", "Accept", "text/html", "User-Agent", "UA/1")
	m := boxed.FindStringSubmatch(r.body)
	if r.StatusCode != 403 || r.Header.Get("Cf-Mitigated") != "challenge" || m == nil || !strings.Contains(r.Header.Get("Content-Security-Policy"), "script-src 'sha256-") {
		t.Fatalf("%s %v %s", r.Status, r.Header, r.body)
	}
	if j := w.get("http://shop.example/", "Accept", "application/json"); j.StatusCode != 403 || !json.Valid([]byte(j.body)) || j.Header.Get("Cf-Mitigated") != "challenge" {
		t.Errorf("for a program: %s %s", j.Status, j.body)
	}
	solution := 0
	for ; binary.BigEndian.Uint16(digest(m[1], solution)) != 0; solution++ { // 16 bits
	}
	back := w.get(fmt.Sprintf("http://shop.example%s?t=%s&a=%d&to=/secret%%3Fx=1", challenge.Path, m[1], solution), "User-Agent", "UA/1")
	if c := back.Header.Get("Set-Cookie"); back.StatusCode != 302 || back.Header.Get("Location") != "/secret?x=1" || !strings.Contains(c, "HttpOnly; SameSite=Lax") || m[2] != "16" {
		t.Fatalf("%s, to %s with %s", back.Status, back.Header.Get("Location"), c)
	}
	answer, _, _ := strings.Cut(back.Header.Get("Set-Cookie"), ";")
	if r := w.get("http://shop.example/secret", "Cookie", "a=b; "+answer, "User-Agent", "UA/1"); r.StatusCode != 200 || asked.Load() != 1 {
		t.Errorf("with the clearance: %s", r.Status)
	}
	if e := w.edge.Events(events.Filter{Action: "managed_challenge_bypassed"}); len(e) != 1 {
		t.Errorf("events: %+v", w.edge.Events(events.Filter{}))
	}
	if r := w.get("http://shop.example/secret", "Cookie", answer, "User-Agent", "UA/2"); r.StatusCode != 403 {
		t.Errorf("another client with the clearance: %s", r.Status)
	}
	if r := w.get("http://shop.example"+challenge.Path+"?t=x&a=1&to=//evil.example", "User-Agent", "UA/1"); r.Header.Get("Location") != "/" || r.Header.Get("Set-Cookie") != "" {
		t.Errorf("a bad solution: %v", r.Header)
	}
}

// Rate limits through the edge: characteristics, a counting expression, counting by
// responses, the answer and its Retry-After.
func TestRateLimits(t *testing.T) {
	w, asked := ruledEdge(t, "", `  rules:
    rate_limits:
    - {expression: 'http.request.uri.path eq "/key"', requests_per_period: 1, period: 60, mitigation_timeout: 600, characteristics: [cf.colo.id, 'http.request.headers["x-api-key"]']}
    - expression: 'http.request.uri.path eq "/login"'
      counting_expression: 'http.request.uri.path eq "/login" and http.response.code eq 401'
      ratelimit: {requests_per_period: 1, period: 60, mitigation_timeout: 60, characteristics: [ip.src, cf.colo.id]}
      action_parameters: {response: {status_code: 418, content_type: text/plain, content: slow down}}
    - {expression: 'http.request.uri.path eq "/throttle"', requests_per_period: 2, period: 60, mitigation_timeout: 0}
    - {expression: 'http.request.uri.path eq "/logged"', action: log, requests_per_period: 1, period: 60}
    - {expression: 'http.request.uri.path eq "/prove"', action: js_challenge, requests_per_period: 1, period: 60}
    - {expression: 'http.request.uri.path eq "/all"', requests_per_period: 1, period: 60, characteristics: [cf.colo.id]}
`)
	for i, tc := range []struct {
		url    string
		key    string
		status int
		retry  bool
	}{
		{"/key", "a", 200, false}, {"/key", "b", 200, false}, {"/key", "a", 429, true}, {"/key", "b", 429, true}, {"/key", "c", 200, false},
		{"/login?status=401", "", 401, false}, {"/login", "", 200, false}, {"/login?status=401", "", 401, false}, {"/login", "", 418, true},
		{"/throttle", "", 200, false}, {"/throttle", "", 200, false}, {"/throttle", "", 429, true},
		{"/logged", "", 200, false}, {"/logged", "", 200, false},
		{"/prove", "", 200, false}, {"/prove", "", 403, false},
		{"/all", "", 200, false}, {"/all", "", 429, true},
	} {
		n := asked.Load()
		r := w.get("http://shop.example"+tc.url, "X-API-Key", tc.key)
		retry, err := strconv.Atoi(r.Header.Get("Retry-After"))
		if r.StatusCode != tc.status || (err == nil) != tc.retry || tc.retry && (retry < 1 || retry > 600) {
			t.Errorf("request %d, %s: %s, Retry-After %q; want %d", i, tc.url, r.Status, r.Header.Get("Retry-After"), tc.status)
		}
		if (tc.status >= 403) == (asked.Load() != n) {
			t.Errorf("request %d, %s: the origin was asked %d times", i, tc.url, asked.Load()-n)
		}
	}
	if e := w.edge.Events(events.Filter{Source: "ratelimit", Action: "log"}); len(e) != 1 || e[0].Status != 0 {
		t.Errorf("logged: %+v", e)
	}
	if r := w.get("http://shop.example/login"); r.body != "slow down" || r.StatusCode != 418 {
		t.Errorf("%s %s", r.Status, r.body)
	}
}

var token = regexp.MustCompile("::[A-Z_0-9]+::")

// Custom errors in the documented order: a rule's own response, custom error rules,
// the zone's page, the page of all zones, the default.
func TestCustomErrors(t *testing.T) {
	dir := t.TempDir()
	page := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	top := fmt.Sprintf(`error_pages: {500_errors: '%s', 1000_errors: '%s', waf_block: '%s'}
custom_errors: [{expression: 'http.response.code eq 503', action_parameters: {content: for all zones, content_type: text/plain}}]
`, page("all500", "all ::CLOUDFLARE_ERROR_500S_BOX::"), page("all1000", "all ::CLOUDFLARE_ERROR_1000S_BOX::"), page("allwaf", "waf ::CLOUDFLARE_ERROR_1000S_BOX:: ::CLIENT_IP:: ::GEO::"))
	w, _ := ruledEdge(t, top, fmt.Sprintf(`  error_pages: {500_errors: '%s'}
  rules:
    origin: [{expression: 'starts_with(http.request.uri.path, "/down")', action_parameters: {origin: {port: 1}}}]
    custom:
    - {expression: 'http.request.uri.path eq "/blocked"', action: block}
    - {expression: 'http.request.uri.path eq "/own"', action: block, action_parameters: {response: {status_code: 403, content: own response}}}
    custom_errors:
    - {expression: 'http.response.code eq 502', action_parameters: {content: '{"ray":"::RAY_ID::"}', content_type: application/json, status_code: 599}}
    - {expression: 'http.request.uri.path eq "/down/ruled" and cf.response.error_type eq "5xx"', action_parameters: {content: ruled, content_type: text/plain}}
    - {expression: 'http.response.code eq 403', action_parameters: {content: must not show}}
    response_headers: [{expression: 'http.response.code ge 500', action_parameters: {headers: {X-Kind: {operation: set, value: error}}}}]
`, page("zone500", "zone ::CLOUDFLARE_ERROR_500S_BOX:: <b>::RAY_ID::</b>")))
	for _, tc := range []struct {
		name, url, encoding string
		status              int
		want                string
	}{
		{"origin's own error stays", "/x?status=500", "gzip", 500, "GET /x"},
		{"custom error rule on the origin's error", "/x?status=502", "gzip", 599, `{"ray":"`},
		{"rule of all zones", "/x?status=503", "", 503, "for all zones"},
		{"zone's page", "/down", "gzip", 521, `zone <div class="ow-error" lang="en" dir="ltr"><h1>Error 521: The host refused the connection</h1>`},
		{"default without Accept-Encoding", "/down", "", 521, "<!doctype html>"},
		{"rule before page", "/down/ruled", "gzip", 521, "ruled"},
		{"page of a block", "/blocked", "gzip", 403, "127.0.0.1 XX"},
		{"default block", "/blocked", "", 403, "<!doctype html>"},
		{"rule's own response", "/own", "gzip", 403, "own response"},
	} {
		var header []string
		if tc.encoding != "" {
			header = []string{"Accept-Encoding", tc.encoding}
		}
		r := w.get("http://shop.example"+tc.url, header...)
		if r.StatusCode != tc.status || !strings.Contains(r.body, tc.want) {
			t.Errorf("%s: %s %.200s; want %d, %s", tc.name, r.Status, r.body, tc.status, tc.want)
		}
		if token.MatchString(r.body) {
			t.Errorf("%s: a token is left: %s", tc.name, r.body)
		}
		if tc.status >= 500 && r.Header.Get("X-Kind") != "error" {
			t.Errorf("%s: the response's header is not changed: %v", tc.name, r.Header)
		}
	}
	r := w.get("http://shop.example/x?status=502")
	if r.Header.Get("X-Origin") != "yes" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Content-Length") != strconv.Itoa(len(r.body)) {
		t.Errorf("a custom error keeps the origin's fields: %v", r.Header)
	}
}

// Logs in files: rotation by SIGHUP's reopening, sampling, and what is left out of a
// visitor's data.
func TestLogFiles(t *testing.T) {
	dir := t.TempDir()
	access, event := filepath.Join(dir, "access.log"), filepath.Join(dir, "events.log")
	w, _ := ruledEdge(t, fmt.Sprintf(`access_log: {file: '%s', client_address: truncated, query: off}
security_events: {file: '%s', client_address: none, query: off, memory: 2}
`, access, event), "  rules:\n    custom: [{expression: 'http.request.uri.path eq \"/no\"', action: block}]\n")
	lines := func(path string) []string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(b)), "\n")
	}
	for range 3 {
		w.get("http://shop.example/no?secret=1")
	}
	if err := w.edge.access.flush(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "three lines of the access log", func() bool { _ = w.edge.access.flush(); return len(lines(access)) == 3 })
	waitFor(t, "three events written", func() bool { return len(lines(event)) == 3 })
	for _, l := range append(lines(access), lines(event)...) {
		if !json.Valid([]byte(l)) || strings.Contains(l, "secret") || strings.Contains(l, "127.0.0.1") {
			t.Errorf("line %s", l)
		}
	}
	if n := len(w.edge.Events(events.Filter{})); n != 2 {
		t.Errorf("%d events remembered, want 2", n)
	}
	if err := os.Rename(event, event+".old"); err != nil {
		t.Fatal(err)
	}
	if err := w.edge.guard.reopen(); err != nil {
		t.Fatal(err)
	}
	w.get("http://shop.example/no")
	waitFor(t, "an event in the file opened again", func() bool { return strings.Contains(lines(event)[0], "{") })
	if len(lines(event)) != 1 || len(lines(event+".old")) != 3 {
		t.Error("the file was not opened again")
	}
}

// Cache rules, over HTTP/1.1 and what the origin says.
func TestCacheRules(t *testing.T) {
	w, asked := ruledEdge(t, "", `  cache: {level: standard}
  rules:
    rate_limits: [{expression: 'http.request.uri.path eq "/counted"', requests_per_period: 2, period: 60, requests_to_origin: true}]
    cache:
    - {expression: 'http.request.uri.path in {"/page" "/counted"}', action: set_cache_settings, action_parameters: {cache: true, edge_ttl: {mode: override_origin, default: 600}, browser_ttl: {mode: override_origin, default: 30}}}
    - {expression: 'http.request.uri.path eq "/noquery"', action_parameters: {cache: true, cache_key: {custom_key: {query_string: {exclude: {all: true}}}}}}
    - {expression: 'http.request.uri.path eq "/a.css"', action_parameters: {cache: false}}
    - {expression: 'http.request.uri.path eq "/b.css"', action_parameters: {edge_ttl: {mode: bypass_by_default}}}
`)
	for i, tc := range []struct{ url, status, control string }{
		{"/page", "MISS", "max-age=30"}, {"/page", "HIT", "max-age=30"}, {"/page?a", "MISS", "max-age=30"},
		{"/noquery?a", "MISS", ""}, {"/noquery?b", "HIT", ""},
		{"/a.css", "DYNAMIC", ""}, {"/a.css", "DYNAMIC", ""},
		{"/b.css", "BYPASS", ""}, {"/b.css", "BYPASS", ""},
		{"/c.css", "MISS", ""}, {"/c.css", "HIT", ""},
		{"/other", "DYNAMIC", ""},
	} {
		r := w.get("http://shop.example" + tc.url)
		if got := r.Header.Get("CF-Cache-Status"); got != tc.status || r.Header.Get("Cache-Control") != tc.control || r.StatusCode != 200 {
			t.Errorf("request %d, %s: %s %s %q; want %s %q", i, tc.url, r.Status, got, r.Header.Get("Cache-Control"), tc.status, tc.control)
		}
	}
	// Only what goes to the origin counts.
	n := asked.Load()
	for range 6 {
		if r := w.get("http://shop.example/counted"); r.StatusCode != 200 {
			t.Fatalf("an answer from the cache is counted: %s", r.Status)
		}
	}
	if asked.Load() != n+1 {
		t.Errorf("the origin was asked %d times", asked.Load()-n)
	}
	w.get("http://shop.example/counted?1")
	w.get("http://shop.example/counted?2")
	if r := w.get("http://shop.example/counted"); r.StatusCode != 429 {
		t.Errorf("requests to the origin are not counted: %s", r.Status)
	}
}

// Config rules change how the origin is asked, and hotlink protection, for some requests.
func TestConfigRules(t *testing.T) {
	e, o, _ := hosts()
	tell := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name) }
	}
	sp := tlsOrigin(t, o, "wrong.example", tell("tls"))
	w := start(t, fmt.Sprintf(`listen: {https: ['%s:%d']}
zones:
- name: shop.example
  ssl: strict
  records: [{type: A, name: shop.example, content: %s, proxied: true}]
  rules:
    hotlink_protection: on
    config:
    - {expression: 'http.request.uri.path contains "/loose"', action: set_config, action_parameters: {ssl: full}}
    - {expression: 'http.request.uri.path contains "/open"', action_parameters: {ssl: full, hotlink_protection: off}}
`, e, sp.Port(), o))
	for url, want := range map[string]int{"/": 526, "/loose": 200, "/loose/a.png": 403, "/open/a.png": 200} {
		r := w.get("https://shop.example"+url, "Referer", "https://elsewhere.example/")
		if r.StatusCode != want {
			t.Errorf("%s: %s, want %d", url, r.Status, want)
		}
	}
	if l := w.record(Filter{Host: "shop.example"}); !slices.ContainsFunc(l, func(x factExchange) bool { return x.SSL == "full" }) {
		t.Errorf("the record lacks the mode in which the origin was asked: %+v", l)
	}
}

// The same rules over HTTP/2.
func TestRulesOverHTTP2(t *testing.T) {
	e, o, _ := hosts()
	sp := tlsOrigin(t, o, "shop.example", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Secret", "internal")
		if r.URL.Path == "/v2/fails" {
			w.WriteHeader(503)
		}
		fmt.Fprintf(w, "%s %s", r.RequestURI, r.Header.Get("X-Set"))
	})
	w := start(t, fmt.Sprintf(`listen: {https: ['%s:%d']}
zones:
- name: shop.example
  ssl: full
  records: [{type: A, name: shop.example, content: %s, proxied: true}]
  rules:
    url_rewrites: [{expression: 'starts_with(http.request.uri.path, "/v1/")', action_parameters: {uri: {path: {expression: 'regex_replace(http.request.uri.path, "^/v1/", "/v2/")'}}}}]
    custom:
    - {expression: 'http.request.version eq "HTTP/2" and http.request.uri.path eq "/no"', action: block}
    - {expression: 'http.request.uri.path eq "/prove"', action: js_challenge}
    request_headers: [{expression: 'true', action_parameters: {headers: {X-Set: {operation: set, value: fixed}}}}]
    custom_errors: [{expression: 'http.response.code eq 503', action_parameters: {content: sorry, content_type: text/plain}}]
    response_headers: [{expression: 'true', action_parameters: {headers: {X-Secret: {operation: remove}, X-Add: {operation: set, value: yes}}}}]
`, e, sp.Port(), o))
	c := w.client(true)
	for path, want := range map[string]string{"/v1/a?b": "200 /v2/a?b fixed", "/v1/fails": "503 sorry", "/no": "403 ", "/prove": "403 "} {
		req, err := http.NewRequest("GET", "https://shop.example"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := w.do(c, req)
		if got := fmt.Sprintf("%d %s", r.StatusCode, r.body); r.ProtoMajor != 2 || !strings.HasPrefix(got, want) {
			t.Errorf("%s: HTTP/%d %.80s, want %s", path, r.ProtoMajor, got, want)
		}
		if r.Header.Get("X-Secret") != "" || strings.HasPrefix(want, "200") && r.Header.Get("X-Add") != "yes" {
			t.Errorf("%s: header %v", path, r.Header)
		}
	}
}

// 50,000 keys of a rate limit through the edge: memory stays flat, who is blocked stays
// blocked, and others are served.
func TestFloodOfKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("sends 50,000 requests")
	}
	w, _ := ruledEdge(t, "access_log: {enabled: off}\n", `  cache: {level: everything}
  rules:
    rate_limits: [{expression: 'http.request.uri.path eq "/page"', requests_per_period: 2, period: 3600, mitigation_timeout: 3600, characteristics: [cf.colo.id, 'http.request.headers["x-key"]']}]
`)
	ask := func(key string) int { return w.get("http://shop.example/page", "X-Key", key).StatusCode }
	for range 3 {
		ask("bad")
	}
	flood := func(from, to int) {
		c := w.visitor(false)
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
		go func() {
			b := bufio.NewWriter(c)
			for i := from; i < to; i++ {
				fmt.Fprintf(b, "GET /page HTTP/1.1\r\nHost: shop.example\r\nX-Key: %d\r\n\r\n", i)
			}
			_ = b.Flush() // the answers tell
		}()
		r := bufio.NewReader(c)
		for i := from; i < to; i++ {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("key %d: %v", i, err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
				t.Fatalf("key %d: %s, %v", i, resp.Status, err)
			}
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	flood(0, 2000)
	before := heap()
	flood(2000, 50_000)
	if grown := int64(heap()) - int64(before); grown > 8<<20 {
		t.Errorf("48,000 keys grew the heap by %d bytes", grown)
	}
	if n := w.edge.limiter.Len(); n < 49_000 {
		t.Errorf("%d keys are counted", n)
	}
	if got := ask("bad"); got != 429 {
		t.Errorf("the flood freed a blocked key: %d", got)
	}
	if got := ask("new"); got != 200 {
		t.Errorf("a healthy visitor: %d", got)
	}
}
