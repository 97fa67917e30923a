package pool

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/http1"
)

// site makes a balancer from a short text: pools "name: origin=weight …" and "!" before
// the name of a pool or origin that is not enabled, "?" before a pool without monitor.
type site struct {
	reg   *Registry
	pools map[string]*Pool
	b     *Balancer
}

func build(c config.LoadBalancer, specs ...string) *site {
	reg := NewRegistry([]byte("secret"))
	monitors := []config.Monitor{{ID: "m"}}
	var pools []config.Pool
	for _, s := range specs {
		name, rest, _ := strings.Cut(s, ":")
		p := config.Pool{Enabled: true, Minimum: 1, Monitor: "m", Steering: "random"}
		if name[0] == '!' {
			p.Enabled, name = false, name[1:]
		}
		if name[0] == '?' {
			p.Monitor, name = "", name[1:]
		}
		p.ID, p.Name = name, name
		for i, f := range strings.Fields(rest) {
			o := config.PoolOrigin{Enabled: true, Weight: 1, Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
			if f[0] == '!' {
				o.Enabled, f = false, f[1:]
			}
			o.Name, f, _ = strings.Cut(f, "=")
			if f != "" {
				fmt.Sscan(f, &o.Weight)
			}
			p.Origins = append(p.Origins, o)
		}
		pools = append(pools, p)
		if c.Fallback != name {
			c.Pools = append(c.Pools, name)
		}
	}
	if c.Fallback == "" {
		c.Fallback = c.Pools[len(c.Pools)-1]
	}
	x := &site{reg: reg, pools: reg.Pools(pools, monitors)}
	c.ID = "lb"
	x.b = reg.Balancer(c, x.pools)
	r := rand.New(rand.NewPCG(1, 2))
	x.b.random = r.Float64
	return x
}

func (x *site) health(up bool, origins ...string) {
	for _, p := range x.pools {
		for _, o := range p.Members {
			for _, n := range origins {
				if n == o.Name || n == "*" {
					o.Health.Note(Check{At: time.Now(), OK: up}, 1, 1)
				}
			}
		}
	}
}

// shares counts who is chosen for many clients.
func (x *site) shares(n int) map[string]float64 {
	out := map[string]float64{}
	for i := range n {
		o := x.b.Choose(&Ask{Client: client(i)})
		name := "none"
		if o != nil {
			name = o.Name
		}
		out[name] += 1 / float64(n)
	}
	return out
}

func client(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// Who is chosen, by the documented rules (standard-options, health-details,
// fallback-pools, origin-level-steering).
func TestChoose(t *testing.T) {
	random := config.LoadBalancer{Steering: "random"}
	for _, tc := range []struct {
		name  string
		lb    config.LoadBalancer
		pools []string
		up    string
		want  map[string]float64
	}{
		{"first pool takes all", config.LoadBalancer{}, []string{"p: a b", "q: c"}, "a b c", map[string]float64{"a": .5, "b": .5}},
		{"weights", config.LoadBalancer{}, []string{"p: a=0.75 b=0.25"}, "a b", map[string]float64{"a": .75, "b": .25}},
		{"unhealthy origin", config.LoadBalancer{}, []string{"p: a b", "q: c"}, "b c", map[string]float64{"b": 1}},
		{"unhealthy pool", config.LoadBalancer{}, []string{"p: a b", "q: c"}, "c", map[string]float64{"c": 1}},
		{"disabled pool", config.LoadBalancer{}, []string{"!p: a b", "q: c"}, "a b c", map[string]float64{"c": 1}},
		{"disabled origin", config.LoadBalancer{}, []string{"p: !a b"}, "a b", map[string]float64{"b": 1}},
		{"weight 0", config.LoadBalancer{}, []string{"p: a=0 b"}, "a b", map[string]float64{"b": 1}},
		{"only weight 0", config.LoadBalancer{}, []string{"p: a=0", "q: c"}, "a c", map[string]float64{"c": 1}},
		{"unknown counts as down", config.LoadBalancer{}, []string{"p: a", "q: c"}, "c", map[string]float64{"c": 1}},
		{"no monitor, no judgement", config.LoadBalancer{}, []string{"?p: a b", "q: c"}, "c", map[string]float64{"a": .5, "b": .5}},
		{"all down: fallback whatever its health", config.LoadBalancer{Fallback: "f"}, []string{"p: a", "q: c", "f: x y"}, "", map[string]float64{"x": .5, "y": .5}},
		{"all down: what is up of the fallback", config.LoadBalancer{Fallback: "f"}, []string{"p: a", "f: x y"}, "y", map[string]float64{"y": 1}},
		{"all down and no fallback", config.LoadBalancer{Fallback: "f"}, []string{"p: a", "!f: x"}, "", map[string]float64{"none": 1}},
		{"random", random, []string{"p: a", "q: c"}, "a c", map[string]float64{"a": .5, "c": .5}},
		{"random weighted", config.LoadBalancer{Steering: "random", Weights: []float64{.9, .1}}, []string{"p: a", "q: c"}, "a c", map[string]float64{"a": .9, "c": .1}},
		{"random leaves out what is down", random, []string{"p: a", "q: c", "r: d"}, "c d", map[string]float64{"c": .5, "d": .5}},
		{"by address, shares by weight", config.LoadBalancer{Steering: "random", Affinity: config.Affinity{Kind: config.AffinityIPCookie}}, []string{"p: a=0.75 b=0.25", "q: c"}, "a b c",
			map[string]float64{"a": .375, "b": .125, "c": .5}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := build(tc.lb, tc.pools...)
			x.health(true, strings.Fields(tc.up)...)
			got := x.shares(20000)
			for k, v := range got {
				if math.Abs(v-tc.want[k]) > .02 {
					t.Errorf("shares %v, wanted %v", got, tc.want)
				}
			}
			if len(got) != len(tc.want) {
				t.Errorf("shares %v, wanted %v", got, tc.want)
			}
		})
	}
}

func TestMinimumOrigins(t *testing.T) {
	x := build(config.LoadBalancer{}, "p: a b c", "q: d")
	x.pools["p"].Minimum = 2
	x.health(true, "a", "d")
	if o := x.b.Choose(&Ask{}); o.Name != "d" {
		t.Errorf("a pool below its threshold serves: %s", o.Name)
	}
	x.health(true, "b")
	if o := x.b.Choose(&Ask{}); o.Name == "d" {
		t.Error("a pool at its threshold does not serve")
	}
}

// A hash by address is stable, and an origin that goes takes only its own clients along.
func TestHash(t *testing.T) {
	x := build(config.LoadBalancer{}, "p: a b c d")
	x.pools["p"].Steering = "hash"
	x.health(true, "*")
	before := map[int]string{}
	for i := range 2000 {
		before[i] = x.b.Choose(&Ask{Client: client(i)}).Name
	}
	x.health(false, "b")
	for i, was := range before {
		now := x.b.Choose(&Ask{Client: client(i)}).Name
		if was != "b" && now != was {
			t.Fatalf("client %d moved from %s to %s", i, was, now)
		}
	}
}

func TestLeastOutstanding(t *testing.T) {
	x := build(config.LoadBalancer{}, "p: a b")
	x.pools["p"].Steering = "least_outstanding_requests"
	x.health(true, "*")
	for range 3 {
		x.pools["p"].Members[0].Begin()
	}
	if got := x.shares(20000); math.Abs(got["b"]-.8) > .02 { // weights 1/4 and 1
		t.Errorf("shares %v", got)
	}
	for range 3 {
		x.pools["p"].Members[0].End()
	}
	if got := x.shares(20000); math.Abs(got["b"]-.5) > .02 {
		t.Errorf("shares %v", got)
	}
}

// The single retry: another healthy origin of the pool, else nothing, else other pools.
func TestOther(t *testing.T) {
	x := build(config.LoadBalancer{}, "p: a b", "q: c")
	x.health(true, "*")
	a := x.pools["p"].Members[0]
	if o := x.b.Other(a, &Ask{}); o == nil || o.Name != "b" {
		t.Errorf("other than a: %+v", o)
	}
	x.health(false, "b")
	if o := x.b.Other(a, &Ask{}); o != nil {
		t.Errorf("without failover across pools: %s", o.Name)
	}
	x.b.AcrossPools = true
	if o := x.b.Other(a, &Ask{}); o == nil || o.Name != "c" {
		t.Errorf("across pools: %+v", o)
	}
	x.health(false, "c")
	if o := x.b.Other(a, &Ask{}); o != nil {
		t.Errorf("an unhealthy origin: %s", o.Name)
	}
}

func request(cookie string) *http1.Head {
	return &http1.Head{Fields: []http1.Field{{Name: []byte("cookie"), Value: []byte(cookie)}}}
}

// A cookie is good for its balancer and its time, and only as it was signed.
func TestCookie(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	x := build(config.LoadBalancer{Affinity: config.Affinity{Kind: config.AffinityCookie, TTL: time.Hour}}, "p: a b")
	x.health(true, "*")
	b := x.pools["p"].Members[1]
	set := x.b.SetCookie(b, false, now)
	if !strings.Contains(set, "; Max-Age=3600; Expires=Sun, 22 Nov 2026 09:00:00 GMT; HttpOnly; SameSite=Lax") {
		t.Errorf("cookie %q", set)
	}
	if s := x.b.SetCookie(b, true, now); !strings.HasSuffix(s, "; SameSite=None; Secure") {
		t.Errorf("where always https: %q", s)
	}
	value, _, _ := strings.Cut(set, ";")
	find := func(cookie string, at time.Time) *Origin { return x.b.Session(request(cookie), at).Origin }
	if o := find("a=b; "+value, now.Add(time.Hour-time.Second)); o != b {
		t.Errorf("within its time: %v", o)
	}
	if find(value, now.Add(time.Hour)) != nil {
		t.Error("a session without end")
	}
	for i := len(Cookie) + 1; i < len(value); i++ {
		c := []byte(value)
		if c[i]++; c[i] == '{' || c[i] == '[' || c[i] == ':' || c[i] == '`' {
			continue
		}
		if find(string(c), now) != nil {
			t.Fatalf("digit %d changed and taken", i)
		}
	}
	for _, junk := range []string{"", Cookie, Cookie + "=", Cookie + "=%%%", Cookie + "=" + strings.Repeat("A", 9000)} {
		if find(junk, now) != nil {
			t.Errorf("%.40q is taken", junk)
		}
	}
	x.b.ID = "another"
	if find(value, now) != nil {
		t.Error("a session of another load balancer")
	}
}

// Draining: sessions stay for the time given from when the origin was disabled.
func TestDrain(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	x := build(config.LoadBalancer{Affinity: config.Affinity{Kind: config.AffinityCookie, TTL: time.Hour, Drain: 10 * time.Minute}}, "p: a")
	x.health(true, "*")
	a := x.pools["p"].Members[0]
	cookie, _, _ := strings.Cut(x.b.SetCookie(a, false, now), ";")
	kept := func(at time.Time) bool { return x.b.Session(request(cookie), at).Origin == a }
	x.reg.InForce(x.pools, now)
	a.Enabled = false
	if kept(now) {
		t.Error("it is not known since when it is disabled")
	}
	x.reg.InForce(x.pools, now.Add(time.Minute))
	x.reg.InForce(x.pools, now.Add(5*time.Minute)) // another reload does not begin anew
	if !kept(now.Add(11*time.Minute-time.Second)) || kept(now.Add(11*time.Minute)) {
		t.Error("the session does not stay for ten minutes from when the origin was disabled")
	}
	a.DisabledAt = now.Add(8 * time.Minute) // the configuration says when
	if !kept(now.Add(17 * time.Minute)) {
		t.Error("disabled_at is not looked at")
	}
	x.health(false, "a")
	if kept(now.Add(9 * time.Minute)) {
		t.Error("sessions stay with an origin that was down")
	}
}

// Health outlives configurations, and goes with the origin.
func TestRegistry(t *testing.T) {
	reg := NewRegistry(nil)
	cfg := []config.Pool{{ID: "p", Origins: []config.PoolOrigin{{Addr: client(1)}, {Addr: client(2)}}}}
	one := reg.Pools(cfg, nil)
	one["p"].Members[0].Health.Note(Check{At: time.Now(), OK: true}, 1, 1)
	two := reg.Pools(cfg, nil)
	if two["p"].Members[0].Health != one["p"].Members[0].Health || two["p"].Members[0].Health.Status() != Up {
		t.Error("health is lost with a configuration")
	}
	cfg[0].Origins = cfg[0].Origins[1:]
	reg.InForce(reg.Pools(cfg, nil), time.Now())
	if len(reg.health) != 1 {
		t.Error("what no pool has is kept")
	}
}

func TestSessionsBounded(t *testing.T) {
	s := newSessions()
	at := time.Now()
	for i := range uint64(maxSessions + 500) {
		s.keep(i, 1, at.Add(time.Duration(i)))
	}
	if len(s.m) != maxSessions {
		t.Errorf("%d sessions", len(s.m))
	}
	if s.find(maxSessions+499, at, time.Hour) != 1 {
		t.Error("the newest is gone")
	}
}

// A choice must not cost an allocation.
func TestChooseAllocatesNothing(t *testing.T) {
	x := build(config.LoadBalancer{Steering: "random", Affinity: config.Affinity{Kind: config.AffinityCookie, TTL: time.Hour}}, "p: a b c", "q: d e")
	x.health(true, "*")
	h := request("a=b")
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() {
		x.b.Session(h, now)
		ask := Ask{Client: client(1)}
		x.b.Choose(&ask)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCookie(f *testing.F) {
	x := build(config.LoadBalancer{Affinity: config.Affinity{Kind: config.AffinityCookie, TTL: time.Hour}}, "p: a b")
	x.health(true, "*")
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	real, _, _ := strings.Cut(x.b.SetCookie(x.pools["p"].Members[0], false, now), ";")
	f.Add(real)
	f.Add("__cflb=; ;;=")
	f.Fuzz(func(t *testing.T, s string) {
		if o := x.b.Session(request(s), now).Origin; o != nil && !strings.Contains(s, real) {
			t.Errorf("%q leads to %s", s, o.Name)
		}
	})
}

func BenchmarkChoose(b *testing.B) {
	x := build(config.LoadBalancer{}, "p: a b c d")
	x.health(true, "*")
	x.b.random = rand.Float64
	b.ReportAllocs()
	for b.Loop() {
		x.b.Choose(&Ask{Client: client(1)})
	}
}
