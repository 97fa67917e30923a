package edgeapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/internal/edge"
)

// lb is a load balancer's world: an origin that says who it was asked for, a zone.
type lb struct {
	*kept
	site, account string // paths
	port          string
	stop          func()
}

func startBalanced(t *testing.T) *lb {
	k := startKept(t)
	x := &lb{kept: k, site: k.zone("shop.example"), account: "/accounts/" + accountID + "/load_balancers"}
	k.do("PATCH", x.site+"/settings/ssl", `{"value": "off"}`)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello from "+r.Host) }))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	x.port, x.stop = u.Port(), s.Close
	return x
}

// made gives the id of what a call made.
func (x *lb) made(path, body string) string { return x.do("POST", path, body)["id"].(string) }

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what + " did not come")
		}
	}
}

// Monitor, pool and load balancer through the API: in force when answered, health
// and its events, references, deletion.
func TestBalancingLife(t *testing.T) {
	x := startBalanced(t)
	m := x.made(x.account+"/monitors", fmt.Sprintf(`{"type": "http", "port": %s, "interval": 1, "timeout": 1, "retries": 0, "description": "d"}`, x.port))
	got := x.do("GET", x.account+"/monitors/"+m, "")
	for name, want := range map[string]any{"method": "GET", "path": "/", "expected_codes": "200", "consecutive_up": 0.0, "description": "d", "interval": 1.0} {
		if got[name] != want {
			t.Errorf("monitor's %s is %v, wanted %v", name, got[name], want)
		}
	}
	p := x.made(x.account+"/pools", fmt.Sprintf(`{"name": "one", "monitor": %q, "latitude": 12.5, "origins": [
		{"name": "a", "address": "127.0.0.1", "port": %s, "header": {"Host": ["app.example"]}}]}`, m, x.port))
	if pl := x.do("GET", x.account+"/pools/"+p, ""); pl["latitude"] != 12.5 || pl["minimum_origins"] != 1.0 || pl["origins"].([]any)[0].(map[string]any)["weight"] != 1.0 {
		t.Errorf("pool %v", pl)
	}
	b := x.do("POST", x.site+"/load_balancers", fmt.Sprintf(`{"name": "www.shop.example", "default_pools": [%q], "fallback_pool": %[1]q}`, p))
	if b["proxied"] != true || b["steering_policy"] != "off" {
		t.Errorf("load balancer %v", b)
	}
	if r, body := x.fetch("www.shop.example", "/"); r.StatusCode != 200 || body != "hello from app.example" {
		t.Errorf("in force: %d %q", r.StatusCode, body)
	}
	health := func() string { return string(x.send("GET", x.account+"/pools/"+p+"/health", "").Result) }
	wait(t, "health", func() bool {
		return strings.Contains(health(), `"pop_health":{"LAB":{"healthy":true,"origins":[{"127.0.0.1":{"healthy":true`)
	})
	if !strings.Contains(health(), `"failure_reason":"No failures","response_code":200`) {
		t.Error(health())
	}
	pre := x.do("POST", x.account+"/pools/"+p+"/preview", fmt.Sprintf(`{"type": "http", "port": %s, "expected_codes": "204"}`, x.port))
	if r := string(x.send("GET", x.account+"/preview/"+pre["preview_id"].(string), "").Result); !strings.Contains(r, `"healthy":false,`) || !strings.Contains(r, `"failure_reason":"Response code mismatch error","response_code":200`) {
		t.Errorf("preview %s", r)
	}
	x.stop()
	wait(t, "an unhealthy origin", func() bool { return strings.Contains(health(), `"failure_reason":"TCP connection failed"`) })
	if ev := string(x.send("GET", "/user/load_balancing_analytics/events?pool_name=one&origin_healthy=false", "").Result); !strings.Contains(ev, `"failure_reason":"TCP connection failed"`) || strings.Contains(ev, "No failures") {
		t.Errorf("events %s", ev)
	}
	if refs := string(x.send("GET", x.account+"/monitors/"+m+"/references", "").Result); !strings.Contains(refs, `"resource_name":"one","resource_type":"pool"`) {
		t.Errorf("references %s", refs)
	}
	x.refused("DELETE", x.account+"/monitors/"+m, "", 412, 1005, "")
	x.refused("DELETE", x.account+"/pools/"+p, "", 412, 1005, "")
	lb := x.site + "/load_balancers/" + b["id"].(string)
	x.do("PATCH", lb, `{"enabled": false}`)
	if r, _ := x.fetch("www.shop.example", "/"); r.StatusCode != 530 {
		t.Errorf("disabled, without records: %d", r.StatusCode)
	}
	x.refused("PATCH", lb, `{"enabled": true}`, 412, codeConflict, "", "If-Match", `"v1"`)
	x.do("DELETE", lb, "")
	x.do("DELETE", x.account+"/pools/"+p, "")
	x.do("DELETE", x.account+"/monitors/"+m, "")
	if len(x.edge.Pools()) != 0 {
		t.Error("a deleted pool is in force")
	}
	log := string(x.send("GET", "/accounts/"+accountID+"/audit_logs?per_page=100", "").Result)
	for _, kind := range []string{"monitor", "pool", "load_balancer"} {
		if !strings.Contains(log, `"type":"`+kind+`"`) {
			t.Errorf("no %s in the audit log", kind)
		}
	}
}

// What is disabled keeps since when; a change of something else does not move it.
func TestDisabledAt(t *testing.T) {
	x := startBalanced(t)
	body := func(enabled bool, weight float64) string {
		return fmt.Sprintf(`{"name": "one", "origins": [{"name": "a", "address": "127.0.0.1", "enabled": %v, "weight": %v}, {"name": "b", "address": "127.0.0.2"}]}`, enabled, weight)
	}
	r := x.send("POST", x.account+"/pools", body(true, 1))
	id := x.list(x.account + "/pools")[0]["id"].(string)
	if strings.Contains(string(r.Result), "disabled_at") {
		t.Errorf("enabled: %s", r.Result)
	}
	since := func(r reply1) string {
		_, rest, _ := strings.Cut(string(r.Result), `"disabled_at":"`)
		at, _, _ := strings.Cut(rest, `"`)
		return at
	}
	first := since(x.send("PUT", x.account+"/pools/"+id, body(false, 1)))
	again := since(x.send("PUT", x.account+"/pools/"+id, body(false, 0.5)))
	if first == "" || first != again {
		t.Errorf("disabled at %q, then %q", first, again)
	}
	for _, o := range x.edge.Pools()[id].Members {
		if o.Name == "a" && o.Disabled().IsZero() {
			t.Error("the edge does not know since when")
		}
	}
	if r := x.send("PUT", x.account+"/pools/"+id, body(true, 1)); since(r) != "" {
		t.Errorf("enabled again: %s", r.Result)
	}
}

// What is wrong is refused with the original's codes and a pointer.
func TestBalancingRefused(t *testing.T) {
	x := startBalanced(t)
	p := x.made(x.account+"/pools", `{"name": "one", "origins": [{"address": "127.0.0.1"}]}`)
	other := x.made(x.account+"/pools", `{"name": "two", "origins": [{"address": "127.0.0.1"}]}`)
	lbs := x.site + "/load_balancers"
	x.do("POST", lbs, fmt.Sprintf(`{"name": "a.shop.example", "default_pools": [%q], "fallback_pool": %[1]q}`, p))
	for name, tc := range map[string]struct {
		method, path, body string
		status, code       int
		pointer            string
	}{
		"monitor's type":    {"POST", x.account + "/monitors", `{"type": "icmp_ping"}`, 400, 1002, "/type"},
		"monitor's codes":   {"POST", x.account + "/monitors", `{"expected_codes": "ok"}`, 400, 1002, "/expected_codes"},
		"tcp without port":  {"POST", x.account + "/monitors", `{"type": "tcp"}`, 400, 1002, "/"},
		"probe zone":        {"POST", x.account + "/monitors", `{"probe_zone": "shop.example"}`, 400, 1002, "/probe_zone"},
		"no origins":        {"POST", x.account + "/pools", `{"name": "three", "origins": []}`, 400, 1002, "/"},
		"origins no list":   {"POST", x.account + "/pools", `{"name": "three", "origins": {"a": 1}}`, 400, 1002, "/origins"},
		"origin null":       {"POST", x.account + "/pools", `{"name": "three", "origins": [null]}`, 400, 1002, "/origins"},
		"origin's address":  {"POST", x.account + "/pools", `{"name": "three", "origins": [{"address": "127.0.0.1"}, {"address": "no name"}]}`, 400, 1002, "/origins/1/address"},
		"pool's name":       {"POST", x.account + "/pools", `{"name": "one", "origins": [{"address": "127.0.0.1"}]}`, 400, 1003, "/name"},
		"renamed":           {"PATCH", x.account + "/pools/" + other, `{"name": "one"}`, 400, 1003, "/name"},
		"monitor inside":    {"PATCH", x.account + "/pools/" + other, `{"monitor": {"type": "tcp"}}`, 400, 1002, "/monitor"},
		"unknown monitor":   {"PATCH", x.account + "/pools/" + other, `{"monitor": "0123456789abcdef0123456789abcdef"}`, 400, 1002, "/monitor"},
		"shedding":          {"PATCH", x.account + "/pools/" + other, `{"load_shedding": {"default_percent": 50}}`, 400, 1002, "/load_shedding"},
		"unknown pool":      {"POST", lbs, `{"name": "b.shop.example", "default_pools": ["nope"], "fallback_pool": "nope"}`, 400, 1002, "/default_pools/0"},
		"another zone":      {"POST", lbs, fmt.Sprintf(`{"name": "b.else.example", "default_pools": [%q], "fallback_pool": %[1]q}`, p), 400, 1002, "/name"},
		"grey":              {"POST", lbs, fmt.Sprintf(`{"name": "b.shop.example", "proxied": false, "default_pools": [%q], "fallback_pool": %[1]q}`, p), 400, 1002, "/proxied"},
		"geo":               {"POST", lbs, fmt.Sprintf(`{"name": "b.shop.example", "region_pools": {"WNAM": []}, "default_pools": [%q], "fallback_pool": %[1]q}`, p), 400, 1002, "/region_pools"},
		"ttl":               {"POST", lbs, fmt.Sprintf(`{"name": "b.shop.example", "session_affinity": "cookie", "session_affinity_ttl": 60, "default_pools": [%q], "fallback_pool": %[1]q}`, p), 400, 1002, "/session_affinity_ttl"},
		"name taken":        {"POST", lbs, fmt.Sprintf(`{"name": "a.shop.example", "default_pools": [%q], "fallback_pool": %[1]q}`, p), 400, 1003, "/name"},
		"no such pool":      {"GET", x.account + "/pools/none", "", 404, 7003, ""},
		"no such health":    {"GET", x.account + "/pools/none/health", "", 404, 7003, ""},
		"zone of the file":  {"POST", "/zones/" + zoneID("file.example") + "/load_balancers", `{}`, 403, 10405, ""},
		"another account":   {"GET", "/accounts/other/load_balancers/pools", "", 404, 7003, ""},
		"body of junk":      {"POST", x.account + "/pools", `[1`, 400, 6007, ""},
		"body is no object": {"POST", x.account + "/pools", `[1]`, 400, 6007, "/"},
	} {
		t.Run(name, func(t *testing.T) {
			x.refused(tc.method, tc.path, tc.body, tc.status, tc.code, tc.pointer)
		})
	}
	if n := len(x.edge.Pools()); n != 2 {
		t.Errorf("%d pools in force after what was refused", n)
	}
}

// Objects of the configuration file are shown and not changed.
func TestBalancingOfTheFile(t *testing.T) {
	cfg, err := edge.Loader().Parse("edge.yaml", []byte(`listen: {http: ['127.0.0.1:0']}
monitors: [{name: web, type: https, expected_codes: '200,3xx'}]
pools: [{name: main, monitor: web, origins: [{address: 127.0.0.1}]}]
zones: [{name: shop.example, load_balancers: [{name: shop.example, default_pools: [main], fallback_pool: main, steering_policy: random, random_steering: {pool_weights: {main: 0.5}}}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	e, err := edge.New(cfg, edge.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Shutdown(context.Background()) })
	srv := httptest.NewServer(New(e, netip.MustParseAddr("127.0.0.1"), Options{}))
	t.Cleanup(srv.Close)
	r := &kept{t: t, base: srv.URL + Prefix}
	account := "/accounts/" + accountID + "/load_balancers"
	for path, want := range map[string]string{
		account + "/monitors": `"expected_codes":"200,300-399"`,
		account + "/pools":    `"name":"main"`,
		"/zones/" + zoneID("shop.example") + "/load_balancers": `"pool_weights":{`,
	} {
		if x := r.send("GET", path, ""); !strings.Contains(string(x.Result), want) {
			t.Errorf("%s: %s", path, x.Result)
		}
	}
}
