package edge

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/geo/geotest"
)

// What is wrong in rules is refused when the file is read, with line, column and what
// was expected.
func TestRuleProblems(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "page.html"), []byte("no token"), 0o600); err != nil {
		t.Fatal(err)
	}
	head := "listen: {http: ['127.0.0.1:0']}\nlists: [{name: office, kind: ip, items: [192.0.2.0/24]}]\nzones:\n- name: shop.example\n"
	rule := func(key, body string) string { return head + "  rules:\n    " + key + ":\n    - " + body + "\n" }
	custom := func(expr string) string { return rule("custom", "{action: block, expression: '"+expr+"'}") }
	for name, tc := range map[string]struct {
		in   string
		line int
		want []string
	}{
		"unknown field":         {custom(`http.hots eq "a"`), 7, []string{"rules.custom[0].expression", "line 1, column 1", `unknown field "http.hots"`, "http.host"}},
		"wrong type":            {custom(`ip.src eq "a"`), 7, []string{"column 11", "an address"}},
		"operator":              {custom(`http.host is "a"`), 7, []string{"column 11", `"is" is no operator`, "contains"}},
		"end":                   {custom(`http.host eq "a" and`), 7, []string{"column 21", "unexpected end", "a field"}},
		"second line":           {head + "  rules:\n    custom:\n    - action: block\n      expression: |\n        ssl and\n        http.hots eq \"a\"\n", 10, []string{"line 2, column 1"}},
		"unknown list":          {custom("ip.src in $home"), 7, []string{"column 12", `no list named "home"`, "$office"}},
		"response field":        {custom("http.response.code eq 200"), 7, []string{"field of the response"}},
		"place without file":    {custom(`ip.src.country eq "DE"`), 7, []string{"needs a database of addresses", "geo:"}},
		"array":                 {custom(`http.request.headers["a"] eq "x"`), 7, []string{"is an array", "any("}},
		"header value":          {rule("request_headers", `{expression: ssl, action_parameters: {headers: {X-A: {operation: set, expression: 'nope(http.host)'}}}}`), 7, []string{"headers.X-A.expression", "column 1", "unknown function"}},
		"kept header":           {rule("request_headers", `{expression: ssl, action_parameters: {headers: {Content-Length: {operation: remove}}}}`), 7, []string{"cannot be changed by a rule"}},
		"edge's header":         {rule("response_headers", `{expression: ssl, action_parameters: {headers: {cf-ray: {operation: remove}}}}`), 7, []string{"cannot be changed by a rule"}},
		"header name":           {rule("response_headers", `{expression: ssl, action_parameters: {headers: {"a b": {operation: remove}}}}`), 7, []string{"not a field's name"}},
		"adding to a request":   {rule("request_headers", `{expression: ssl, action_parameters: {headers: {X-A: {operation: add, value: b}}}}`), 7, []string{"set, remove"}},
		"response in a request": {rule("request_headers", `{expression: ssl, action_parameters: {headers: {X-A: {operation: set, expression: 'to_string(http.response.code)'}}}}`), 7, []string{"field of the response"}},
		"redirect nowhere":      {rule("redirects", "{expression: ssl}"), 7, []string{"leads nowhere"}},
		"redirect both":         {rule("redirects", "{expression: ssl, action_parameters: {from_value: {target_url: {value: /a, expression: http.host}}}}"), 7, []string{"not both"}},
		"redirect status":       {rule("redirects", "{expression: ssl, action_parameters: {from_value: {target_url: {value: /a}, status_code: 200}}}"), 7, []string{"301, 302, 303, 307, 308"}},
		"rewrite type":          {rule("url_rewrites", "{expression: ssl, action_parameters: {uri: {path: {expression: ssl}}}}"), 7, []string{"gives a boolean", "a string"}},
		"rewrite nothing":       {rule("url_rewrites", "{expression: ssl}"), 7, []string{"changes nothing"}},
		"cache nothing":         {rule("cache", "{expression: ssl}"), 7, []string{"changes nothing"}},
		"cache time":            {rule("cache", "{expression: ssl, action_parameters: {edge_ttl: {mode: override_origin}}}"), 7, []string{"belongs to the mode override_origin"}},
		"config nothing":        {rule("config", "{expression: ssl}"), 7, []string{"changes nothing"}},
		"skip product":          {rule("custom", "{expression: ssl, action: skip, action_parameters: {products: [waf]}}"), 7, []string{"uaBlock, hot"}},
		"challenge of a limit":  {rule("rate_limits", "{expression: ssl, action: skip, requests_per_period: 1, period: 10}"), 7, []string{"managed_challenge"}},
		"characteristic":        {rule("rate_limits", "{expression: ssl, requests_per_period: 1, period: 10, characteristics: [cf.unique_visitor_id]}"), 7, []string{"not a characteristic", "ip.src"}},
		"score alone":           {rule("rate_limits", "{expression: ssl, score_per_period: 400, period: 10}"), 7, []string{"belong together"}},
		"access target":         {rule("ip_access", "{mode: block, configuration: {target: ip, value: shop.example}}"), 7, []string{"not an address or range"}},
		"access country":        {rule("ip_access", "{mode: block, configuration: {target: country, value: DE}}"), 7, []string{"needs a database of addresses"}},
		"access mode":           {rule("ip_access", "{mode: skip, configuration: {target: ip, value: 192.0.2.1}}"), 7, []string{"whitelist"}},
		"error content":         {rule("custom_errors", "{expression: 'http.response.code eq 502'}"), 7, []string{"has no content"}},
		"error page token":      {head + "  error_pages: {500_errors: page.html}\n", 5, []string{"lacks the token", "::CLOUDFLARE_ERROR_500S_BOX::"}},
		"list item":             {"lists: [{name: a, kind: ip, items: [192.0.2.1/24]}]\n" + head[:len("listen: {http: ['127.0.0.1:0']}\n")], 1, []string{"did you mean 192.0.2.0/24"}},
		"no database":           {"geo: {country: page.html}\n" + head[:len("listen: {http: ['127.0.0.1:0']}\n")], 1, []string{"database of addresses", ".mmdb"}},
		"list name":             {"lists: [{name: My List, kind: ip, items: [192.0.2.1]}]\n" + head[:len("listen: {http: ['127.0.0.1:0']}\n")], 1, []string{"not a list's name"}},
		"sample":                {"access_log: {sample: 2}\n" + head[:len("listen: {http: ['127.0.0.1:0']}\n")], 1, []string{"0 to 1"}},
	} {
		_, err := Loader().Parse(filepath.Join(dir, "edge.yaml"), []byte(tc.in))
		var problems config.Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Errorf("%s: error %v, want problems", name, err)
			continue
		}
		if problems[0].Line != tc.line {
			t.Errorf("%s: line %d, want %d: %v", name, problems[0].Line, tc.line, err)
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\n\tlacks %q", name, err, want)
			}
		}
	}
}

// The examples of the documentation can be used as they are.
func TestDocumentedRules(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "rules.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	box := "::CLOUDFLARE_ERROR_500S_BOX:: ::CLOUDFLARE_ERROR_1000S_BOX:: ::CAPTCHA_BOX::"
	db := string(geotest.Database(map[string]map[string]any{"192.0.2.0/24": {"country": map[string]any{"iso_code": "DE"}}}))
	for name, text := range map[string]string{
		"bad-nets.txt": "64496\nAS64497 # another\n", "GeoLite2-City.mmdb": db, "GeoLite2-ASN.mmdb": db,
		"5xx.html": box, "1xxx.html": box, "shop-5xx.html": box, "blocked.html": box, "slow.html": box, "check.html": box,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for i, block := range strings.Split(string(raw), "```") {
		yaml, ok := strings.CutPrefix(block, "yaml\n")
		if i%2 == 0 || !ok {
			continue
		}
		n++
		yaml = strings.ReplaceAll(yaml, "/var/log/originward", dir)
		cfg, err := Loader().Parse(filepath.Join(dir, "edge.yaml"), []byte("listen: {http: ['127.0.0.1:0']}\n"+yaml))
		if err != nil {
			t.Errorf("example %d: %v", n, err)
			continue
		}
		if _, err := New(cfg, Options{}); err != nil {
			t.Errorf("example %d: %v", n, err)
		}
	}
	if n < 3 {
		t.Errorf("%d examples found", n)
	}
}

// Lists and places are there for rules that stand before them in the file.
func TestListsAfterZones(t *testing.T) {
	const in = "listen: {http: ['127.0.0.1:0']}\nzones: [{name: shop.example, rules: {custom: [{expression: 'ip.src in $office', action: block}]}}]\nlists: [{name: office, kind: ip, items: [192.0.2.0/24]}]\n"
	cfg, err := Loader().Parse("edge.yaml", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(cfg, Options{}); err != nil {
		t.Fatal(err)
	}
}

// A reload brings changed lists into rules that did not change, moves the logs, and keeps
// counters; the key of challenges outlives a restart.
func TestRulesReload(t *testing.T) {
	e, o, _ := hosts()
	dir := t.TempDir()
	ap, _ := origin(t, o, 0, func(http.ResponseWriter, *http.Request) {})
	text := func(item, top string) string {
		return fmt.Sprintf(`listen: {http: ['%s:%d']}
data: '%s'
lists: [{name: bad, kind: ip, items: [%s]}]
%szones:
- name: shop.example
  records: [{type: A, name: shop.example, content: %s, proxied: true}]
  rules:
    custom: [{expression: 'ip.src in $bad', action: block}]
    rate_limits: [{expression: 'http.request.uri.path eq "/limited"', requests_per_period: 1, period: 3600}]
`, e, ap.Port(), dir, item, top, o)
	}
	w := start(t, text("192.0.2.1", ""))
	apply := func(item, top string) {
		t.Helper()
		cfg, err := Loader().Parse(filepath.Join(dir, "edge.yaml"), []byte(text(item, top)))
		if err == nil {
			err = w.edge.Apply(cfg)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	status := func(path string) int { return w.get("http://shop.example" + path).StatusCode }
	if a, b, c := status("/"), status("/limited"), status("/limited"); a != 200 || b != 200 || c != 429 {
		t.Fatalf("at first: %d %d %d", a, b, c)
	}
	apply("127.0.0.1", "")
	if got := status("/"); got != 403 {
		t.Errorf("with the address in the list: %d", got)
	}
	access := filepath.Join(dir, "access.log")
	apply("192.0.2.1", "access_log: {file: '"+access+"'}\n")
	if got := status("/limited"); got != 429 {
		t.Errorf("a reload forgot who is blocked: %d", got)
	}
	waitFor(t, "a line in the new file", func() bool {
		_ = w.edge.access.flush()
		b, err := os.ReadFile(access)
		return err == nil && strings.Contains(string(b), "/limited")
	})
	apply("192.0.2.1", "access_log: {enabled: off}\n")
	before, err := os.ReadFile(access)
	if err != nil {
		t.Fatal(err)
	}
	status("/quiet")
	apply("192.0.2.1", "")
	if after, err := os.ReadFile(access); err != nil || string(after) != string(before) {
		t.Errorf("the log was off, and it grew by %d bytes, %v", len(after)-len(before), err)
	}
	cfg, err := Loader().Parse(filepath.Join(dir, "edge.yaml"), []byte(text("192.0.2.1", "")))
	if err != nil {
		t.Fatal(err)
	}
	again, err := New(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.guard.keeper.Key(), w.edge.guard.keeper.Key()) {
		t.Error("another run on the same folder has another key of challenges")
	}
	if info, err := os.Stat(filepath.Join(dir, "challenge.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info, err)
	}
}
