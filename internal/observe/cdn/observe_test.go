package cdn

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// api is an API of Cloudflare's form with one zone; answers maps a path to the
// result, or to a status.
type api map[string]any

func (a api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer secret-token" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"success":false,"errors":[{"code":10000,"message":"Authentication error"}],"messages":[],"result":null}`)
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/client/v4/")
	if path == "zones" && r.URL.Query().Get("name") != "shop.example" {
		fmt.Fprint(w, `{"success":true,"errors":[],"messages":[],"result":[]}`)
		return
	}
	v, ok := a[path]
	if status, is := v.(int); is || !ok {
		if !ok {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
		fmt.Fprint(w, `{"success":false,"errors":[{"code":1,"message":"no"}],"messages":[],"result":null}`)
		return
	}
	raw, _ := json.Marshal(v)
	if _, is := v.(graph); is {
		fmt.Fprintf(w, `{"data":%s,"errors":null}`, raw)
		return
	}
	if text, is := v.(string); is {
		fmt.Fprint(w, text)
		return
	}
	fmt.Fprintf(w, `{"success":true,"errors":[],"messages":[],"result":%s}`, raw)
}

type m = map[string]any

// graph is an answer in the form of GraphQL, in place of an envelope.
type graph m

func whole() api {
	rule := func(id, expr, action string, params any) m {
		return m{"id": id, "expression": expr, "action": action, "enabled": true, "action_parameters": params}
	}
	return api{
		"zones": []m{{"id": "z1", "name": "shop.example", "status": "active", "paused": false, "account": m{"id": "acc"}}},
		"accounts/acc/audit_logs": []m{
			{"when": "2026-11-22T07:50:00Z", "action": m{"type": "purge"}, "resource": m{"type": "cache", "id": "z1"}},
			{"when": "2026-11-22T07:10:00Z", "action": m{"type": "change"}, "resource": m{"type": "zone", "id": "z1"}},
		},
		"user/tokens/verify": m{"id": "t", "status": "active"},
		"zones/z1/firewall/access_rules/rules": []m{
			{"id": "a1", "mode": "block", "configuration": m{"target": "ip_range", "value": "198.51.100.0/28"}, "notes": "the office"},
			{"id": "a2", "mode": "whitelist", "configuration": m{"target": "country", "value": "DE"}},
		},
		"zones/z1/firewall/ua_rules":               []m{{"id": "u1", "mode": "block", "paused": false, "configuration": m{"target": "ua", "value": "BadBot/1.0"}}},
		"zones/z1/origin_tls_client_auth/settings": m{"enabled": true},
		"zones/z1/custom_pages":                    []m{{"id": "500_errors", "state": "customized", "url": "https://pages.example/500.html"}, {"id": "1000_errors", "state": "default"}},
		"zones/z1/workers/routes":                  []m{{"id": "w1", "pattern": "other.shop.example/*", "script": "app"}},
		"zones/z1/load_balancers":                  []m{},
		"certificates":                             []m{},
		"graphql": graph(m{"viewer": m{"zones": []m{{"httpRequestsAdaptiveGroups": []m{
			{"count": 40, "dimensions": m{"coloCode": "AMS", "edgeResponseStatus": 200, "originResponseStatus": 200}},
			{"count": 2, "dimensions": m{"coloCode": "AMS", "edgeResponseStatus": 522, "originResponseStatus": 0}},
		}, "firewallEventsAdaptive": []m{
			{"action": "block", "clientIP": "198.51.100.7", "clientRequestPath": "/x", "datetime": "2026-11-22T07:59:00Z", "rayName": "0123456789abcdef", "ruleId": "b1", "source": "firewallCustom"},
		}}}}}),
		"zones/z1/dns_records": []m{
			{"id": "r1", "type": "A", "name": "www.shop.example", "content": "203.0.113.10", "proxied": true, "ttl": 1},
			{"id": "r2", "type": "AAAA", "name": "www.shop.example", "content": "2001:db8::10", "proxied": true, "ttl": 1},
			{"id": "r3", "type": "TXT", "name": "www.shop.example", "content": "x"},
			{"id": "r4", "type": "A", "name": "other.shop.example", "content": "203.0.113.99", "proxied": false},
		},
		"zones/z1/settings/ssl":                m{"id": "ssl", "value": "flexible"},
		"zones/z1/settings/tls_client_auth":    m{"id": "tls_client_auth", "value": "on"},
		"zones/z1/settings/proxy_read_timeout": m{"id": "proxy_read_timeout", "value": "125"},
		"zones/z1/settings/min_tls_version":    http.StatusForbidden,
		"zones/z1/rulesets/phases/http_request_firewall_custom/entrypoint": m{"rules": []m{
			rule("b1", `ip.src in {198.51.100.0/24}`, "block", nil),
			rule("b2", `ip.geoip.country eq "DE"`, "block", nil),
			rule("b3", `http.host eq "nothing.example"`, "block", nil),
		}},
		"zones/z1/rulesets/phases/http_request_origin/entrypoint": m{"rules": []m{
			rule("o1", "true", "route", m{"origin": m{"port": 8443}}),
		}},
		"ips": m{"ipv4_cidrs": []string{"173.245.48.0/20"}, "ipv6_cidrs": []string{"2400:cb00::/32"}, "etag": "x"},
	}
}

// serve makes an API of a and completes ask for it.
func serve(t *testing.T, a api, ask Ask) Ask {
	t.Helper()
	srv := httptest.NewServer(a)
	t.Cleanup(srv.Close)
	ask.Base, ask.Host = srv.URL, "www.shop.example"
	if ask.Token == "" {
		ask.Token = "secret-token"
	}
	ask.Now = func() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) }
	return ask
}

func observe(t *testing.T, a api, ask Ask) (*originward.Bundle, []originward.NotObserved) {
	t.Helper()
	seen, missing, err := Observe(t.Context(), serve(t, a, ask))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range seen {
		if strings.Contains(e.Text+e.Reproduce, "secret-token") {
			t.Errorf("the token is in the evidence: %s %s", e.Text, e.Reproduce)
		}
	}
	return &originward.Bundle{Evidence: seen}, missing
}

func one[T originward.Fact](t *testing.T, b *originward.Bundle) T {
	t.Helper()
	all := fact.All[T](b, originward.CDN)
	if len(all) != 1 {
		var zero T
		t.Fatalf("%d items of %T", len(all), zero)
	}
	return all[0].Fact
}

func TestObserveReadsTheSite(t *testing.T) {
	b, missing := observe(t, whole(), Ask{Client: netip.MustParseAddr("198.51.100.7"), HTTPS: true})
	if z := one[fact.CDNZone](t, b); z.Status != "active" || z.Paused != fact.No || z.Provider != "originward" {
		t.Errorf("zone %+v", z)
	}
	r := one[fact.CDNRecords](t, b).Records
	if len(r) != 2 || r[0].Content != "203.0.113.10" || r[0].Proxied != fact.Yes || r[1].Type != "AAAA" {
		t.Errorf("records %+v", r)
	}
	s := one[fact.CDNSettings](t, b)
	if s.SSL != originward.SSLFlexible || s.OriginPull != fact.Yes || s.ReadTimeout != 125 || s.OriginPort != 8443 || len(s.Ranges) != 2 {
		t.Errorf("settings %+v", s)
	}
	if !strings.Contains(strings.Join(s.Unread, " "), "min_tls_version") {
		t.Errorf("unread %v lacks the forbidden setting", s.Unread)
	}
	rules := one[fact.CDNRules](t, b)
	var got []string
	for _, r := range rules.Evaluated {
		got = append(got, r.ID+" "+r.Action+" "+string(r.Matches))
	}
	if want := "a1 block yes, a2 skip , u1 block , b1 block yes, b2 block , b3 block no"; rules.Blocks != fact.Yes || strings.Join(got, ", ") != want {
		t.Errorf("rules %v, blocks %q", got, rules.Blocks)
	}
	all := fact.All[fact.CDNEvents](b, originward.CDN)
	var e []fact.CDNEvent
	for _, x := range all {
		e = append(e, x.Fact.Events...)
	}
	slices.SortFunc(e, func(a, b fact.CDNEvent) int { return b.At.Compare(a.At) })
	if len(all) != 2 || len(e) != 3 || e[0].Kind != "security" || e[0].Ray != "0123456789abcdef" || e[0].RuleID != "b1" || e[0].Client.String() != "198.51.100.7" ||
		e[1].Kind != "audit" || e[1].Action != "purge" {
		t.Errorf("events %+v", e)
	}
	if st := one[fact.CDNStats](t, b); len(st.Counts) != 2 || st.Counts[1].Edge != 522 || st.Counts[1].Origin != 0 || st.Counts[1].Count != 2 {
		t.Errorf("counts %+v", st)
	}
	if s.ZonePull != fact.Yes || s.HostPull != fact.No || strings.Join(s.Pages, " ") != "500_errors" {
		t.Errorf("settings %+v", s)
	}
	if c := one[fact.CDNRecords](t, b); c.Covered != fact.No {
		t.Errorf("covered %q by %s", c.Covered, c.CoveredBy)
	}
	if len(missing) != 0 {
		t.Errorf("missing %+v", missing)
	}
}

// Events that cannot be read are missing, never none.
func TestEventsUnread(t *testing.T) {
	for name, c := range map[string]struct {
		answer any
		want   string
	}{
		"refused":   {http.StatusForbidden, "may not read security events"},
		"not there": {http.StatusNotImplemented, "answered 501"},
		"an error":  {`{"data":null,"errors":[{"message":"not authorized for that account"}]}`, "not authorized for that account"},
		"no zone":   {`{"data":{"viewer":{"zones":[]}},"errors":null}`, "may not read security events"},
		"nonsense":  {`{`, ""},
	} {
		a := whole()
		a["graphql"] = c.answer
		b, missing := observe(t, a, Ask{})
		for _, x := range fact.All[fact.CDNEvents](b, originward.CDN) {
			if slices.ContainsFunc(x.Fact.Events, func(e fact.CDNEvent) bool { return e.Kind != "audit" }) || len(x.Fact.Events) == 0 {
				t.Errorf("%s: %+v", name, x.Fact)
			}
		}
		if !slices.ContainsFunc(missing, func(n originward.NotObserved) bool {
			return n.Question == fact.QCDNEvents && strings.Contains(n.Why, c.want)
		}) {
			t.Errorf("%s: %+v", name, missing)
		}
	}
}

func TestVisitorAddressUnknownLeavesTheRuleOpen(t *testing.T) {
	b, _ := observe(t, whole(), Ask{})
	if rules := one[fact.CDNRules](t, b); rules.Blocks != fact.Unknown || rules.Evaluated[0].Matches != fact.Unknown {
		t.Errorf("rules %+v", rules)
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	forbidden := whole()
	forbidden["zones/z1/dns_records"] = http.StatusForbidden
	elsewhere := whole()
	elsewhere["zones"] = []m{}
	for name, c := range map[string]struct {
		a    api
		ask  Ask
		want string
	}{
		"wrong token":  {whole(), Ask{Token: "wrong"}, "does not accept the token"},
		"forbidden":    {forbidden, Ask{}, "DNS: Read"},
		"no such zone": {elsewhere, Ask{}, "no zone of this account"},
	} {
		_, missing := observe(t, c.a, c.ask)
		if len(missing) == 0 || !strings.Contains(missing[0].Why+missing[0].How, c.want) {
			t.Errorf("%s: %+v", name, missing)
		}
	}
}

func TestSilentAPI(t *testing.T) {
	srv := httptest.NewServer(whole())
	srv.Close()
	seen, missing, err := Observe(t.Context(), Ask{Base: srv.URL, Host: "shop.example"})
	if err != nil || len(seen) != 0 || len(missing) != 1 || !strings.Contains(missing[0].Why, "did not answer") {
		t.Errorf("%v %v %v", seen, missing, err)
	}
}

func TestBaseURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://127.0.0.1:8520":                 "http://127.0.0.1:8520/client/v4/",
		"https://api.cloudflare.com/client/v4/": "https://api.cloudflare.com/client/v4/",
	} {
		if got, err := BaseURL(in); got != want || err != nil {
			t.Errorf("%s: %s %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "api.cloudflare.com", "ftp://x", "https://u:p@x/"} {
		if _, err := BaseURL(bad); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSuffixesAndWildcards(t *testing.T) {
	if got := strings.Join(suffixes("a.b.shop.example"), " "); got != "a.b.shop.example b.shop.example shop.example" {
		t.Error(got)
	}
	if got := strings.Join(wildcards("a.b.shop.example"), " "); got != "*.b.shop.example *.shop.example" {
		t.Error(got)
	}
}
