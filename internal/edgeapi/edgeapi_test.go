package edgeapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/edge"
)

const fileToken = "0123456789abcdef0123"

// running is an edge with its API.
type running struct {
	t    *testing.T
	edge *edge.Edge
	api  *Server
	http netip.AddrPort
}

func start(t *testing.T, apiAddr string) *running {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte(fileToken), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "edge.yaml")
	text := fmt.Sprintf(`listen: {http: ['127.0.0.1:0'], api: '%s'}
egress: [127.0.0.1]
api_tokens: [{name: ops, file: token}]
zones:
- name: shop.example
  ssl: strict
  min_tls_version: "1.3"
  proxy_read_timeout: 300
  records:
  - {type: A, name: shop.example, content: 127.201.0.1, proxied: true}
  - {type: AAAA, name: v6.shop.example, content: "::1", ttl: 600}
  - {type: CNAME, name: www.shop.example, content: shop.example, proxied: true}
  rules:
    custom: [{id: aaaa, description: no bots, expression: 'http.user_agent contains "Bot"', action: block}]
    rate_limits: [{expression: 'true', requests_per_period: 1000, period: 60, mitigation_timeout: 10}]
- name: other.example
`, apiAddr)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := edge.LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := edge.New(cfg, edge.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	api, err := Start(e, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := api.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := e.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	plain, _ := e.Addrs()
	return &running{t, e, api, plain[0]}
}

// answer is an envelope as a client reads it.
type answer struct {
	Success bool
	Errors  []struct {
		Code    int
		Message string
	}
	Messages   []any
	Result     json.RawMessage
	ResultInfo struct {
		Count      int `json:"count"`
		TotalCount int `json:"total_count"`
		TotalPages int `json:"total_pages"`
	} `json:"result_info"`
}

func (r *running) get(path, auth string) (int, answer) {
	r.t.Helper()
	req, err := http.NewRequest("GET", "http://"+r.api.Addr().String()+Prefix+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if auth != "" {
		req.Header.Set("Authorization", "Bearer "+auth)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(b, &a); err != nil || a.Messages == nil || a.Success != (resp.StatusCode == 200) || a.Success == (len(a.Errors) > 0) {
		r.t.Fatalf("%s: %d, %v, no envelope: %s", path, resp.StatusCode, err, b)
	}
	return resp.StatusCode, a
}

// want reads a result into v.
func (r *running) want(path string, v any) answer {
	r.t.Helper()
	status, a := r.get(path, fileToken)
	if status != 200 {
		r.t.Fatalf("%s: %d %v", path, status, a.Errors)
	}
	if err := json.Unmarshal(a.Result, v); err != nil {
		r.t.Fatalf("%s: %v in %s", path, err, a.Result)
	}
	return a
}

func TestZones(t *testing.T) {
	r := start(t, "127.0.0.1:0")
	var zones []zoneOut
	if a := r.want("/zones", &zones); len(zones) != 2 || a.ResultInfo.TotalCount != 2 || a.ResultInfo.TotalPages != 1 {
		t.Fatalf("zones %+v, %+v", zones, a.ResultInfo)
	}
	r.want("/zones?name=Shop.example", &zones)
	if len(zones) != 1 || zones[0].Name != "shop.example" || !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(zones[0].ID) || zones[0].Status != "active" {
		t.Fatalf("by name: %+v", zones)
	}
	base := "/zones/" + zones[0].ID
	r.want("/zones?name=nowhere.example", &zones)
	if len(zones) != 0 {
		t.Errorf("an unknown name gives %+v", zones)
	}
	if a := r.want("/zones?per_page=1&page=2", &zones); len(zones) != 1 || zones[0].Name != "shop.example" || a.ResultInfo.TotalPages != 2 {
		t.Errorf("second page: %+v, %+v", zones, a.ResultInfo)
	}
	var z zoneOut
	if r.want(base, &z); z.Name != "shop.example" {
		t.Errorf("zone %+v", z)
	}
	for query, n := range map[string]int{"": 3, "?name=shop.example": 1, "?name.exact=www.shop.example": 1, "?type=aaaa": 1, "?name=shop.example&type=CNAME": 0, "?content=127.201.0.1": 1} {
		var recs []recordOut
		if r.want(base+"/dns_records"+query, &recs); len(recs) != n {
			t.Errorf("records%s: %+v, want %d", query, recs, n)
		}
	}
	var recs []recordOut
	r.want(base+"/dns_records", &recs)
	if recs[0].TTL != 1 || !recs[0].Proxied || recs[1].TTL != 600 || recs[1].Proxied || recs[0].ZoneID != z.ID {
		t.Errorf("records %+v", recs)
	}
	var one recordOut
	if r.want(base+"/dns_records/"+recs[2].ID, &one); one.ID != recs[2].ID || one.Content != "shop.example" {
		t.Errorf("record %+v", one)
	}
}

func TestSettings(t *testing.T) {
	r := start(t, "127.0.0.1:0")
	base := "/zones/" + zoneID("shop.example") + "/settings"
	var all []settingJSON
	r.want(base, &all)
	for id, want := range map[string]any{"ssl": "strict", "always_use_https": "off", "min_tls_version": "1.3", "proxy_read_timeout": 300.0, "tls_client_auth": "off", "ssl_automatic_mode": "custom"} {
		var s settingJSON
		if r.want(base+"/"+id, &s); s.ID != id || s.Value != want {
			t.Errorf("%s: %+v, want %v", id, s, want)
		}
	}
	if len(all) != len(zoneSettings) {
		t.Errorf("%d settings listed, %d known", len(all), len(zoneSettings))
	}
	if status, a := r.get(base+"/sll", fileToken); status != 404 || !strings.Contains(a.Errors[0].Message, "min_tls_version") {
		t.Errorf("unknown setting: %d %v", status, a.Errors)
	}
}

func TestRulesets(t *testing.T) {
	r := start(t, "127.0.0.1:0")
	base := "/zones/" + zoneID("shop.example") + "/rulesets"
	var list []rulesetJSON
	if r.want(base, &list); len(list) != 2 || list[0].Rules != nil {
		t.Fatalf("rulesets %+v", list)
	}
	var custom, limits, byID rulesetJSON
	r.want(base+"/phases/http_request_firewall_custom/entrypoint", &custom)
	r.want(base+"/phases/http_ratelimit/entrypoint", &limits)
	r.want(base+"/"+list[0].ID, &byID)
	if len(custom.Rules) != 1 || custom.Rules[0].ID != "aaaa" || custom.Rules[0].Expression != `http.user_agent contains "Bot"` || custom.Rules[0].Action != "block" || !custom.Rules[0].Enabled {
		t.Errorf("custom rules %+v", custom)
	}
	if l := limits.Rules[0].RateLimit; l == nil || l.Requests != 1000 || l.Period != 60 || l.Mitigation != 10 {
		t.Errorf("rate limits %+v", limits)
	}
	if byID.Phase != custom.Phase || len(byID.Rules) != 1 {
		t.Errorf("by id: %+v", byID)
	}
	if status, _ := r.get("/zones/"+zoneID("other.example")+"/rulesets/phases/http_ratelimit/entrypoint", fileToken); status != 404 {
		t.Errorf("a phase without rules: %d", status)
	}
}

func TestIPsAndToken(t *testing.T) {
	r := start(t, "127.0.0.1:0")
	var ips struct {
		V4 []string `json:"ipv4_cidrs"`
		V6 []string `json:"ipv6_cidrs"`
	}
	if r.want("/ips", &ips); len(ips.V4) != 1 || ips.V4[0] != "127.0.0.1/32" || ips.V6 == nil {
		t.Errorf("ips %+v", ips)
	}
	var v struct{ Status string }
	if r.want("/user/tokens/verify", &v); v.Status != "active" {
		t.Errorf("token %+v", v)
	}
	if status, _ := r.get("/user/tokens/verify", ""); status != 400 {
		t.Errorf("no token to verify: %d", status)
	}
}

// The edge's own record: what visitors got, asked by host, origin and ray.
func TestRecords(t *testing.T) {
	r := start(t, "127.0.0.1:0")
	visit := func(host, agent string) string {
		t.Helper()
		req, _ := http.NewRequest("GET", "http://"+r.http.String()+"/", nil)
		req.Host = host
		req.Header.Set("User-Agent", agent)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.Header.Get("CF-Ray")
	}
	refused := visit("shop.example", "x")
	blocked := visit("www.shop.example", "Bot")
	visit("shop.example", "x")
	var rec fact.EdgeRecord
	wait := func(path string, n int) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			status, a := r.get(path, fileToken)
			rec = fact.EdgeRecord{}
			if status == 200 {
				if err := json.Unmarshal(a.Result, &rec); err != nil {
					t.Fatal(err)
				}
			}
			if len(rec.Items) == n {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %d, %+v, want %d items", path, status, rec, n)
			}
		}
	}
	wait("/originward/exchanges?host=shop.example", 2)
	if x := rec.Items[1]; x.Ray != refused[:16] || x.Code != 521 || x.Error != 521 || x.Fault != "connection_refused" || x.Phase != "connect" ||
		x.Errno != "ECONNREFUSED" || x.Origin.Addr().String() != "127.201.0.1" || x.Egress.String() != "127.0.0.1" || x.SSL != "strict" || len(x.Phases) == 0 {
		t.Errorf("record %+v", x)
	}
	if len(rec.Egress) != 1 || rec.Items[0].At.Before(rec.Items[1].At) {
		t.Errorf("record %+v", rec)
	}
	wait("/originward/exchanges", 3)
	wait("/originward/exchanges?origin=127.201.0.1", 2)
	wait(fmt.Sprintf("/originward/exchanges?origin=127.201.0.1:%d", r.http.Port()), 2)
	wait("/originward/exchanges?origin=127.201.0.1:1", 0)
	wait("/originward/exchanges?limit=1", 1)
	wait("/originward/rays/"+blocked, 1)
	if x := rec.Items[0]; x.Rule != "aaaa" || x.Code != 403 || x.Error != 1020 || x.Phase != "rules" {
		t.Errorf("blocked: %+v", x)
	}
	wait("/originward/rays/"+refused[:16], 1)
	for path, want := range map[string]int{
		"/originward/rays/0000000000000001": 404, "/originward/rays/nonsense": 400, "/originward/exchanges?limit=0": 400, "/originward/exchanges?origin=x": 400,
		"/zones/nonsense": 404, "/zones?page=x": 400, "/workers": 501, "/zones/" + zoneID("shop.example") + "/firewall/rules": 501,
	} {
		if status, a := r.get(path, fileToken); status != want || len(a.Errors) != 1 {
			t.Errorf("%s: %d %v, want %d", path, status, a.Errors, want)
		}
	}
	if _, a := r.get("/workers", fileToken); !strings.Contains(a.Errors[0].Message, "GET /client/v4/zones/{zone}/dns_records") {
		t.Errorf("what is served is not said: %v", a.Errors)
	}
}

func TestAccess(t *testing.T) {
	open := start(t, "127.0.0.1:0")
	if status, _ := open.get("/zones", ""); status != 200 {
		t.Errorf("on loopback without a token: %d", status)
	}
	if status, _ := open.get("/zones", "wrong-token-wrong-token"); status != 403 {
		t.Errorf("on loopback with a wrong token: %d", status)
	}
	req, _ := http.NewRequest("GET", "http://"+open.api.Addr().String()+Prefix+"/zones", nil)
	req.Host = "rebound.example"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("asked under a foreign name without a token: %d", resp.StatusCode)
	}
	closed := New(open.edge, netip.MustParseAddr("192.0.2.1"), Options{})
	for auth, want := range map[string]int{"": 401, "Bearer " + fileToken: 200, "Bearer x": 403, "Basic " + fileToken: 401} {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest("GET", Prefix+"/zones", nil)
		if auth != "" {
			r.Header.Set("Authorization", auth)
		}
		closed.ServeHTTP(rec, r)
		if rec.Code != want || want == 401 && rec.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("Authorization %q: %d, want %d", auth, rec.Code, want)
		}
	}
	for method, want := range map[string]int{"POST": 501, "DELETE": 501} {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest(method, Prefix+"/zones", nil)
		r.Header.Set("Authorization", "Bearer "+fileToken)
		closed.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("%s: %d, want %d", method, rec.Code, want)
		}
	}
}

func TestNoAPI(t *testing.T) {
	cfg, err := edge.Loader().Parse("edge.yaml", []byte("listen: {http: ['127.0.0.1:0']}"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := edge.New(cfg, edge.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(e, Options{})
	if s != nil || err != nil {
		t.Errorf("an API that nobody asked for: %v, %v", s, err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestListenFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg, err := edge.Loader().Parse("edge.yaml", []byte("listen: {http: ['127.0.0.1:0'], api: '"+l.Addr().String()+"'}"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := edge.New(cfg, edge.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(e, Options{}); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("error %v, want one that names the address", err)
	}
}
