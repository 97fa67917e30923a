package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

const balancing = head + `monitors:
- {name: web, type: https, port: 8443, path: /health?x=1, header: {Host: [m.example], X-Key: [a, b]}, expected_codes: '200,3xx,401-403', expected_body: fine, interval: 30, timeout: 3, retries: 1, consecutive_up: 2, consecutive_down: 3, follow_redirects: true, allow_insecure: true}
- {name: sock, type: tcp, port: 22}
pools:
- name: main
  monitor: web
  minimum_origins: 2
  origin_steering: {policy: hash}
  origins:
  - {name: a, address: 192.0.2.1, weight: 0.5, port: 8080, header: {Host: [a.example]}}
  - {address: Origin.Example, enabled: false, disabled_at: '2026-11-22T08:00:00Z'}
- {name: second, enabled: false, origins: [{address: '2001:db8::1'}]}
zones:
- name: shop.example
  load_balancers:
  - name: '@'
    default_pools: [main, second]
    fallback_pool: second
    steering_policy: random
    random_steering: {default_weight: 0.2, pool_weights: {main: 0.8}}
    session_affinity: header
    session_affinity_ttl: 60
    session_affinity_attributes: {headers: [X-User, 'cookie:a,b'], require_all_headers: true, drain_duration: 100, zero_downtime_failover: temporary}
    adaptive_routing: {failover_across_pools: true}
  - {name: '*.shop.example', default_pools: [second], fallback_pool: second}
`

func TestBalancing(t *testing.T) {
	c, err := Loader{}.Parse("edge.yaml", []byte(balancing))
	if err != nil {
		t.Fatal(err)
	}
	m := c.Monitors[0]
	if m.Type != "https" || m.Port != 8443 || m.Path != "/health?x=1" || m.Method != "GET" || len(m.Header) != 3 || m.Body != "fine" || m.Interval != 30*time.Second ||
		m.Timeout != 3*time.Second || m.Retries != 1 || m.Up != 2 || m.Down != 3 || !m.FollowRedirects || !m.AllowInsecure {
		t.Errorf("monitor %+v", m)
	}
	if want := []CodeRange{{200, 200}, {300, 399}, {401, 403}}; !reflect.DeepEqual(m.Codes, want) {
		t.Errorf("codes %v", m.Codes)
	}
	p := c.Pools[0]
	if p.Monitor != m.ID || p.Minimum != 2 || p.Steering != "hash" || !p.Enabled || c.Pools[1].Enabled {
		t.Errorf("pool %+v", p)
	}
	if o := p.Origins[0]; o.Address() != "192.0.2.1" || o.Weight != .5 || o.Port != 8080 || o.Host != "a.example" || !o.Enabled {
		t.Errorf("origin %+v", o)
	}
	if o := p.Origins[1]; o.Target != "origin.example" || o.Name != "origin.example" || o.Weight != 1 || o.Enabled || o.DisabledAt.IsZero() {
		t.Errorf("origin %+v", o)
	}
	b := c.Zones[0].LoadBalancers[0]
	if b.Name != "shop.example" || !reflect.DeepEqual(b.Pools, []string{p.ID, c.Pools[1].ID}) || b.Fallback != c.Pools[1].ID || !reflect.DeepEqual(b.Weights, []float64{.8, .2}) || !b.AcrossPools {
		t.Errorf("load balancer %+v", b)
	}
	if a := b.Affinity; a.Kind != AffinityHeader || a.TTL != time.Minute || a.Drain != 100*time.Second || !a.RequireAll || len(a.Headers) != 2 || a.Failover != "temporary" {
		t.Errorf("affinity %+v", a)
	}
	if a := c.Zones[0].LoadBalancers[1]; a.Steering != "off" || a.Affinity.Kind != AffinityNone || a.Affinity.TTL != 23*time.Hour {
		t.Errorf("defaults %+v", a)
	}
}

func TestBalancingProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		old, new string
		line     int
		want     []string
	}{
		"type":              {"type: https", "type: icmp_ping", 3, []string{"monitors[0].type", "http, https, tcp"}},
		"tcp without port":  {"type: tcp, port: 22", "type: tcp", 4, []string{"needs a port"}},
		"tcp with a path":   {"type: tcp, port: 22", "type: tcp, port: 22, path: /", 4, []string{"monitors[1].path", "not for tcp"}},
		"path":              {"/health?x=1", "health", 3, []string{"begins with /"}},
		"codes":             {"'200,3xx,401-403'", "fine", 3, []string{"200-299", "2xx"}},
		"codes backwards":   {"401-403", "403-401", 3, []string{"ends before"}},
		"user agent":        {"X-Key: [a, b]", "User-Agent: [me]", 3, []string{"itself"}},
		"interval":          {"interval: 30", "interval: 0", 3, []string{"1 to 3600"}},
		"monitor twice":     {"name: sock", "name: web", 4, []string{"another monitor named web"}},
		"unknown key":       {"expected_codes", "expected_code", 3, []string{`did you mean "expected_codes"?`}},
		"monitor inside":    {"monitor: web", "monitor: {type: tcp}", 7, []string{"pools[0].monitor", "single value"}},
		"unknown monitor":   {"monitor: web", "monitor: wbe", 7, []string{"pools[0].monitor", "no monitor", "web, sock"}},
		"pool name":         {"- {name: second", "- {name: my pool, origins: [{address: 192.0.2.9}]}\n- {name: second", 13, []string{"hyphens"}},
		"too few origins":   {"minimum_origins: 2", "minimum_origins: 3", 6, []string{"has 2 origins"}},
		"weight":            {"weight: 0.5", "weight: 2", 11, []string{"origins[0].weight", "0 to 1"}},
		"no weight":         {"weight: 0.5", "weight: NaN", 11, []string{"0 to 1"}},
		"address":           {"address: 192.0.2.1", "address: 0.0.0.0", 11, []string{"not the address"}},
		"two hosts":         {"[a.example]", "[a.example, b.example]", 11, []string{"one Host"}},
		"same origin twice": {"address: Origin.Example, enabled: false", "address: 192.0.2.1, port: 8080, header: {Host: [a.example]}", 12, []string{"already"}},
		"steering of pool":  {"policy: hash", "policy: least_connections", 9, []string{"random, hash, least_outstanding_requests"}},
		"unknown pool":      {"[main, second]", "[main, third]", 18, []string{"default_pools[1]", "no pool", "main, second"}},
		"no fallback":       {"    fallback_pool: second\n", "", 17, []string{"fallback_pool"}},
		"outside":           {"'*.shop.example'", "other.example", 26, []string{"within the zone"}},
		"steering":          {"steering_policy: random", "steering_policy: geo", 20, []string{"off, random"}},
		"weight of no pool": {"{main: 0.8}", "{nain: 0.8}", 21, []string{"no pool nain"}},
		"ttl":               {"session_affinity_ttl: 60", "session_affinity_ttl: 7200", 23, []string{"30 to 3600"}},
		"headers":           {"headers: [X-User, 'cookie:a,b'], ", "", 17, []string{"names of headers"}},
		"sticky by header":  {"failover: temporary", "failover: sticky", 17, []string{"sticky", "none, temporary"}},
		"grey":              {"'*.shop.example', ", "'*.shop.example', proxied: false, ", 26, []string{"proxied names only"}},
		"balancer twice":    {"'*.shop.example'", "shop.example", 26, []string{"another load balancer"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := strings.Replace(balancing, tc.old, tc.new, 1)
			if in == balancing {
				t.Fatalf("%q is not in the text", tc.old)
			}
			_, err := Loader{}.Parse("edge.yaml", []byte(in))
			problems, ok := err.(Problems)
			if !ok || len(problems) != 1 {
				t.Fatalf("one problem is wanted: %v", err)
			}
			if problems[0].Line != tc.line {
				t.Errorf("line %d, wanted %d: %v", problems[0].Line, tc.line, problems[0])
			}
			for _, w := range tc.want {
				if !strings.Contains(problems[0].Error(), w) {
					t.Errorf("%v does not say %q", problems[0], w)
				}
			}
		})
	}
}
