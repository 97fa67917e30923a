package edge

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/originward/originward/internal/edge/monitor"
	"github.com/originward/originward/internal/edge/pool"
)

// balanced is the text of a configuration with one load balancer for shop.example.
func balanced(e netip.Addr, port uint16, monitors, pools, balancer string) string {
	return fmt.Sprintf("listen: {http: ['%s:%d']}\nmonitors: [%s]\npools: [%s]\nzones: [{name: shop.example, ssl: 'off', load_balancers: [{name: shop.example, %s}]}]",
		e, port, monitors, pools, balancer)
}

func namedOrigin(t *testing.T, a netip.Addr, port uint16, name string) *http.Server {
	_, s := origin(t, a, port, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", name, r.Host, b)
	})
	return s
}

func freePort(t *testing.T, a netip.Addr) uint16 {
	l, ap := listen(t, a, 0)
	l.Close()
	return ap.Port()
}

func (w *world) status(t *testing.T, poolName, origin string) pool.Status {
	t.Helper()
	for _, p := range w.edge.Pools() {
		for _, o := range p.Members {
			if p.Name == poolName && o.Name == origin {
				return o.Health.Status()
			}
		}
	}
	t.Fatalf("no origin %s in a pool %s", origin, poolName)
	return 0
}

func (w *world) who(header ...string) string {
	name, _, _ := strings.Cut(w.get("http://shop.example/", header...).body, " ")
	return name
}

// Two real nginx, one killed with SIGKILL under load: what fails is what the single
// retry does not cover (520 of requests under way), and nothing else; then the
// monitor takes it out, and back in when it is there again.
func TestPoolOriginKilledUnderLoad(t *testing.T) {
	e, a, b := hosts()
	port := freePort(t, a)
	serve := func(ip netip.Addr) string {
		return fmt.Sprintf(`server { listen %s:%d; location / { return 200 "%s"; } }`, ip, port, ip)
	}
	stop := nginx(t, serve(a))
	nginx(t, serve(b))
	waitPort(t, netip.AddrPortFrom(a, port))
	waitPort(t, netip.AddrPortFrom(b, port))
	w := start(t, balanced(e, port, fmt.Sprintf("{name: m, type: http, interval: 2, timeout: 5, retries: 0, path: /, port: %d}", port),
		fmt.Sprintf("{name: main, monitor: m, origins: [{name: a, address: %s}, {name: b, address: %s}]}", a, b), "default_pools: [main], fallback_pool: main"))
	waitFor(t, "both healthy", func() bool { return w.status(t, "main", "a") == pool.Up && w.status(t, "main", "b") == pool.Up })
	const workers = 8
	var (
		mu   sync.Mutex
		seen = map[string]int{}
		wg   sync.WaitGroup
	)
	end := make(chan struct{})
	for range workers {
		wg.Go(func() {
			c := w.client(false)
			for {
				select {
				case <-end:
					return
				default:
				}
				r := w.do(c, mustRequest(t, "GET", "http://shop.example/", nil))
				mu.Lock()
				seen[fmt.Sprint(r.StatusCode)]++
				seen[r.body]++
				mu.Unlock()
			}
		})
	}
	count := func(k string) int { mu.Lock(); defer mu.Unlock(); return seen[k] }
	waitFor(t, "answers of both", func() bool { return count(a.String()) > 50 && count(b.String()) > 50 })
	stop()
	waitFor(t, "the dead one taken out", func() bool { return w.status(t, "main", "a") == pool.Down })
	left := count(b.String())
	waitFor(t, "answers of the other", func() bool { return count(b.String()) > left+100 })
	nginx(t, serve(a))
	waitFor(t, "it is taken back", func() bool { return w.status(t, "main", "a") == pool.Up })
	back := count(a.String())
	waitFor(t, "answers of both again", func() bool { return count(a.String()) > back+20 })
	close(end)
	wg.Wait()
	for code, n := range seen {
		switch {
		case code == "200", !strings.HasPrefix(code, "5") || len(code) != 3:
		case code == "520" && n <= workers: // under way when the origin died: never retried
		default:
			t.Errorf("%d answers with %s", n, code)
		}
	}
	t.Logf("answers: %v", seen)
	told := func(now pool.Status, reason string) bool {
		return slices.ContainsFunc(w.edge.HealthEvents(), func(c monitor.Change) bool {
			return c.Job.Subject.Origin.Name == "a" && c.Now == now && c.Check.Reason == reason
		})
	}
	if !told(pool.Down, monitor.TCPFailed) || !told(pool.Up, monitor.NoFailure) {
		t.Errorf("health events %+v", w.edge.HealthEvents())
	}
}

// Each fault that is retried at another origin, and each that is not.
func TestPoolRetry(t *testing.T) {
	e, a, b := hosts()
	port := freePort(t, a)
	namedOrigin(t, b, port, "b")
	cfg := balanced(e, port, "", fmt.Sprintf("{name: main, origins: [{name: a, address: %s}]}, {name: second, origins: [{name: b, address: %s}]}", a, b),
		"default_pools: [main, second], fallback_pool: second, adaptive_routing: {failover_across_pools: %s}")
	w := start(t, strings.Replace(cfg, "%s}", "false}", 1))
	if r := w.get("http://shop.example/"); r.StatusCode != 521 {
		t.Errorf("no other origin in the pool: %d", r.StatusCode)
	}
	over, err := Loader().Parse("edge.yaml", []byte(strings.Replace(cfg, "%s}", "true}", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.edge.Apply(over); err != nil {
		t.Fatal(err)
	}
	if r := w.get("http://shop.example/"); r.StatusCode != 200 || r.body != "b shop.example " {
		t.Errorf("across pools: %d %q", r.StatusCode, r.body)
	}
	post := func() reply {
		return w.do(w.client(false), mustRequest(t, "POST", "http://shop.example/", strings.NewReader("hello")))
	}
	if r := post(); r.StatusCode != 200 || r.body != "b shop.example hello" {
		t.Errorf("POST of which nothing was sent: %d %q", r.StatusCode, r.body)
	}
	w.last(3) // lines of other connections may come in any order
	lines := w.lines()
	if l := lines[max(0, slices.IndexFunc(lines, func(l logLine) bool { return l.Method == "POST" }))]; !l.Retried || l.Origin != netip.AddrPortFrom(b, port).String() {
		t.Errorf("log %+v", l)
	}
	script(t, a, port, func(c *net.TCPConn) { readHead(c); _ = c.SetLinger(0) })
	for _, send := range []func() reply{post, func() reply { return w.get("http://shop.example/") }} {
		if r := send(); r.StatusCode != 520 {
			t.Errorf("520 is never retried: %d %q", r.StatusCode, r.body)
		}
	}
}

// The Host of an origin is what it is asked for, also by a retry after another one
// that has a Host of its own; what was read of the body by then goes along.
func TestPoolHostOverride(t *testing.T) {
	e, a, b := hosts()
	port := freePort(t, a)
	namedOrigin(t, b, port, "b")
	w := start(t, balanced(e, port, "", fmt.Sprintf("{name: main, origins: [{address: %s, header: {Host: [a.example]}}]}, {name: second, origins: [{address: %s, header: {Host: [b.example]}}]}", a, b),
		"default_pools: [main, second], fallback_pool: second, adaptive_routing: {failover_across_pools: true}"))
	for i, body := range []string{"small", strings.Repeat("large ", 30_000)} {
		r := w.do(w.client(false), mustRequest(t, "POST", "http://shop.example/", strings.NewReader(body)))
		if r.StatusCode != 200 || r.body != "b b.example "+body {
			t.Errorf("%d, %d bytes for a body of %d: %.60q", r.StatusCode, len(r.body), len(body), r.body)
		}
		if l := w.last(i + 1); !l.Retried {
			t.Errorf("not a retry: %+v", l)
		}
	}
}

// A name that does not resolve is passed over before anything is asked; with none
// left, 530 with 1016.
func TestPoolUnresolvable(t *testing.T) {
	e, a, _ := hosts()
	port := freePort(t, a)
	namedOrigin(t, a, port, "a")
	text := balanced(e, port, "", fmt.Sprintf("{name: main, origins: [{name: gone, address: gone.invalid}]}, {name: last, origins: [{name: a, address: %s}]}", a), "default_pools: [main], fallback_pool: last")
	w := start(t, "resolver: ['127.0.0.1:1']\n"+text)
	if r := w.get("http://shop.example/"); r.StatusCode != 200 {
		t.Errorf("fallback: %d %s", r.StatusCode, r.body)
	}
	w = start(t, "resolver: ['127.0.0.1:1']\n"+strings.Replace(strings.ReplaceAll(text, fmt.Sprintf("%s:%d", e, port), e.Next().Next().Next().String()+":0"), "{name: last,", "{name: last, enabled: false,", 1))
	if r := w.get("http://shop.example/"); r.StatusCode != 530 || !strings.Contains(r.body, "1016") {
		t.Errorf("none left: %d", r.StatusCode)
	}
}

// Sessions: the cookie keeps a visitor with its origin; draining lets sessions
// finish; an origin that is not healthy ends them.
func TestPoolSessionsAndDrain(t *testing.T) {
	e, a, b := hosts()
	port := freePort(t, a)
	namedOrigin(t, a, port, "a")
	sb := namedOrigin(t, b, port, "b")
	text := balanced(e, port, "{name: m, type: tcp, port: PORT, interval: 1, timeout: 5}", fmt.Sprintf("{name: main, monitor: m, origins: [{name: a, address: %s, enabled: AON}, {name: b, address: %s}]}", a, b),
		"default_pools: [main], fallback_pool: main, session_affinity: cookie, session_affinity_attributes: {drain_duration: 3600}")
	text = strings.ReplaceAll(text, "PORT", fmt.Sprint(port))
	w := start(t, strings.ReplaceAll(text, "AON", "true"))
	waitFor(t, "both healthy", func() bool { return w.status(t, "main", "a") == pool.Up && w.status(t, "main", "b") == pool.Up })
	session := func(of string) string {
		for range 200 {
			if r := w.get("http://shop.example/"); strings.HasPrefix(r.body, of+" ") {
				set := r.Header.Get("Set-Cookie")
				value, rest, _ := strings.Cut(set, ";")
				if !strings.HasPrefix(value, "__cflb=") || !strings.Contains(rest, "HttpOnly") || !strings.Contains(rest, "Max-Age=82800") || !strings.Contains(rest, "SameSite=Lax") {
					t.Fatalf("cookie %q", set)
				}
				return value
			}
		}
		t.Fatal("no visitor came to " + of)
		return ""
	}
	onA, onB := session("a"), session("b")
	for range 20 {
		if x, y := w.who("Cookie", "x=1; "+onA), w.who("Cookie", onB); x != "a" || y != "b" {
			t.Fatalf("sessions went to %s and %s", x, y)
		}
	}
	if r := w.get("http://shop.example/", "Cookie", onA); r.Header.Get("Set-Cookie") != "" {
		t.Errorf("a session goes on with a new cookie: %q", r.Header)
	}
	forged := onA[:len(onA)-2] + "AA"
	if r := w.get("http://shop.example/", "Cookie", forged); r.Header.Get("Set-Cookie") == "" {
		t.Error("a forged cookie is taken")
	}
	off, err := Loader().Parse("edge.yaml", []byte(strings.ReplaceAll(text, "AON", "false")))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.edge.Apply(off); err != nil {
		t.Fatal(err)
	}
	if w.status(t, "main", "b") != pool.Up {
		t.Error("a reload lost what was known of health")
	}
	for range 20 {
		if x, y := w.who("Cookie", onA), w.who(); x != "a" || y != "b" {
			t.Fatalf("draining: the session went to %s, a new visitor to %s", x, y)
		}
	}
	on, _ := Loader().Parse("edge.yaml", []byte(strings.ReplaceAll(text, "AON", "true")))
	if err := w.edge.Apply(on); err != nil {
		t.Fatal(err)
	}
	sb.Close()
	waitFor(t, "b not healthy", func() bool { return w.status(t, "main", "b") == pool.Down && w.status(t, "main", "a") == pool.Up })
	if r := w.get("http://shop.example/", "Cookie", onB); !strings.HasPrefix(r.body, "a ") || r.Header.Get("Set-Cookie") == "" {
		t.Errorf("the session of an unhealthy origin: %q %q", r.body, r.Header.Get("Set-Cookie"))
	}
}

// What a session does when its origin fails between two checks: nothing, another
// origin this once, or another origin from now on.
func TestPoolSessionFailover(t *testing.T) {
	for _, mode := range []string{"none", "temporary", "sticky"} {
		t.Run(mode, func(t *testing.T) {
			e, a, b := hosts()
			port := freePort(t, a)
			sa := namedOrigin(t, a, port, "a")
			namedOrigin(t, b, port, "b")
			w := start(t, balanced(e, port, "", fmt.Sprintf("{name: main, origins: [{name: a, address: %s}, {name: b, address: %s}]}", a, b),
				"default_pools: [main], fallback_pool: main, session_affinity: cookie, session_affinity_attributes: {zero_downtime_failover: "+mode+"}"))
			var cookie string
			waitFor(t, "a session with a", func() bool {
				r := w.get("http://shop.example/")
				cookie, _, _ = strings.Cut(r.Header.Get("Set-Cookie"), ";")
				return strings.HasPrefix(r.body, "a ")
			})
			sa.Close()
			r := w.get("http://shop.example/", "Cookie", cookie)
			set := r.Header.Get("Set-Cookie") != ""
			switch {
			case mode == "none" && (r.StatusCode != 521 || set):
			case mode != "none" && !strings.HasPrefix(r.body, "b "):
			case set != (mode == "sticky"):
			default:
				return
			}
			t.Errorf("%d %q, new cookie %v", r.StatusCode, r.body, set)
		})
	}
}

// Sessions by header, and a visitor's address that always leads to the same origin.
func TestPoolOtherAffinities(t *testing.T) {
	e, a, b := hosts()
	port := freePort(t, a)
	namedOrigin(t, a, port, "a")
	namedOrigin(t, b, port, "b")
	pools := fmt.Sprintf("{name: main, origins: [{name: a, address: %s}, {name: b, address: %s}]}", a, b)
	w := start(t, balanced(e, port, "", pools, "default_pools: [main], fallback_pool: main, session_affinity: header, session_affinity_attributes: {headers: [X-User, 'cookie:sid'], require_all_headers: true}"))
	seen := map[string]bool{}
	for i := range 30 {
		user := []string{"X-User", fmt.Sprint(i), "Cookie", "sid=1"}
		first := w.who(user...)
		seen[first] = true
		for range 3 {
			if again := w.who(user...); again != first {
				t.Fatalf("session %d went to %s and %s", i, first, again)
			}
		}
	}
	if len(seen) != 2 {
		t.Errorf("30 sessions at %v", seen)
	}
	one := map[string]bool{}
	for range 40 {
		one[w.who("X-User", "1")] = true
	}
	if len(one) != 2 {
		t.Error("without all headers there is a session")
	}
	w = start(t, balanced(e.Next().Next().Next(), port, "", pools, "default_pools: [main], fallback_pool: main, session_affinity: ip_cookie"))
	first := w.who()
	for range 20 {
		if w.who() != first {
			t.Fatal("one address led to two origins")
		}
	}
}

// A load balancer goes before records of its name, and a record of a name of its
// own before a load balancer for many.
func TestPoolBeforeRecords(t *testing.T) {
	e, a, b := hosts()
	port := freePort(t, a)
	namedOrigin(t, a, port, "pool")
	namedOrigin(t, b, port, "record")
	w := start(t, fmt.Sprintf(`listen: {http: ['%s:%d']}
pools: [{name: main, origins: [{address: %s}]}]
zones: [{name: shop.example, ssl: 'off', load_balancers: [{name: '*.shop.example', default_pools: [main], fallback_pool: main}, {name: lb.shop.example, default_pools: [main], fallback_pool: main},
  {name: no.shop.example, enabled: false, default_pools: [main], fallback_pool: main}],
  records: [{type: A, name: own.shop.example, content: %[4]s, proxied: true}, {type: A, name: lb.shop.example, content: %[4]s, proxied: true},
   {type: CNAME, name: alias.shop.example, content: lb.shop.example, proxied: true}, {type: A, name: no.shop.example, content: %[4]s, proxied: true}]}]`, e, port, a, b))
	for host, want := range map[string]string{"any": "pool", "own": "record", "lb": "pool", "alias": "pool", "no": "record"} {
		if r := w.get("http://" + host + ".shop.example/"); !strings.HasPrefix(r.body, want+" ") {
			t.Errorf("%s: %d %q, wanted the %s's", host, r.StatusCode, r.body, want)
		}
	}
}
