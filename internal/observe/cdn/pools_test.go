package cdn

import (
	"net/http"
	"strings"
	"testing"

	"github.com/originward/originward/fact"
)

// pooled is an account whose load balancer takes the name.
func pooled() api {
	a := whole()
	lb := m{"id": "lb1", "name": "www.shop.example", "enabled": true, "proxied": true, "steering_policy": "off", "default_pools": []string{"p1", "p2"}, "fallback_pool": "p3"}
	a["zones/z1/load_balancers"], a["zones/z1/load_balancers/lb1"] = []m{lb}, lb
	const pools = "accounts/acc/load_balancers/pools/"
	a[pools+"p1"] = m{"id": "p1", "name": "main", "enabled": true, "minimum_origins": 1, "monitor": "m1", "origins": []m{
		{"name": "a", "address": "203.0.113.10", "enabled": true, "weight": 1, "port": 8443, "header": m{"Host": []string{"app.example"}}},
		{"name": "b", "address": "Origin.Example", "enabled": false, "weight": 0.5},
	}}
	a[pools+"p1/health"] = m{"pool_id": "p1", "pop_health": m{
		"Amsterdam, NL": m{"healthy": true, "origins": []m{{"203.0.113.10": m{"healthy": true, "failure_reason": "No failures", "response_code": 200}}}},
		"Berlin, DE":    m{"healthy": false, "origins": []m{{"203.0.113.10": m{"healthy": false, "failure_reason": "TCP connection failed", "response_code": 0}}}},
	}}
	a[pools+"p2"] = m{"id": "p2", "name": "second", "enabled": false, "minimum_origins": 1, "origins": []m{}}
	a[pools+"p3"] = m{"id": "p3", "name": "last", "enabled": true, "minimum_origins": 1, "monitor": "m1", "origins": []m{{"name": "z", "address": "203.0.113.30", "enabled": true, "weight": 1}}}
	a[pools+"p3/health"] = http.StatusForbidden
	return a
}

// A load balancer hides the name's origins: they are read, with what the CDN's
// checks say of them.
func TestPools(t *testing.T) {
	b, missing := observe(t, pooled(), Ask{HTTPS: true})
	f := one[fact.CDNBalancer](t, b)
	if f.Name != "www.shop.example" || f.Proxied != fact.Yes || f.Steering != "off" || len(f.Pools) != 3 || len(missing) != 0 {
		t.Fatalf("%+v %+v", f, missing)
	}
	p := f.Pools[0]
	if p.Name != "main" || p.Healthy != fact.No || p.Enabled != fact.Yes || len(p.Origins) != 2 {
		t.Errorf("%+v", p)
	}
	want := fact.CDNPoolOrigin{Name: "a", Address: "203.0.113.10", Port: 8443, Host: "app.example", Weight: 1, Enabled: fact.Yes, Healthy: fact.No, Reason: "TCP connection failed"}
	if p.Origins[0] != want {
		t.Errorf("%+v\nwanted %+v", p.Origins[0], want)
	}
	if o := p.Origins[1]; o.Address != "origin.example" || o.Enabled != fact.No || o.Healthy != fact.Unknown {
		t.Errorf("%+v", o)
	}
	if f.Pools[1].Enabled != fact.No || f.Pools[1].Healthy != fact.Unknown || !f.Pools[2].Fallback || !f.Pools[2].NoHealth {
		t.Errorf("%+v", f.Pools)
	}
	for _, e := range b.Evidence {
		if e.Question == fact.QCDNBalancer && (!strings.Contains(e.Text, "203.0.113.10 unhealthy: TCP connection failed") || !strings.Contains(e.Text, "last, of last resort")) {
			t.Error(e.Text)
		}
	}
}

// A token that may read load balancers and not pools: the permission is named.
func TestPoolsUnread(t *testing.T) {
	a := pooled()
	a["accounts/acc/load_balancers/pools/p1"] = http.StatusForbidden
	b, missing := observe(t, a, Ask{})
	f := one[fact.CDNBalancer](t, b)
	if !f.Pools[0].Unread || f.Pools[2].Unread {
		t.Errorf("%+v", f.Pools)
	}
	found := false
	for _, n := range missing {
		found = found || n.Question == fact.QCDNBalancer && strings.Contains(n.How, poolsRead)
	}
	if !found {
		t.Errorf("%+v", missing)
	}
}

// One for many names takes a name that has no record of its own.
func TestPoolsOfAWildcard(t *testing.T) {
	a := pooled()
	lb := m{"id": "lb1", "name": "*.shop.example", "enabled": true, "default_pools": []string{"p3"}, "fallback_pool": "p3"}
	a["zones/z1/load_balancers"], a["zones/z1/load_balancers/lb1"] = []m{lb}, lb
	a["zones/z1/dns_records"] = []m{}
	b, _ := observe(t, a, Ask{})
	if f := one[fact.CDNBalancer](t, b); len(f.Pools) != 1 || !f.Pools[0].Fallback || f.Proxied != fact.Unknown {
		t.Errorf("%+v", f)
	}
	if r := one[fact.CDNRecords](t, b); r.CoveredBy != "load balancer *.shop.example" {
		t.Errorf("%+v", r)
	}
}
