package rules

import (
	"fmt"
	"net/netip"
	"reflect"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func must(t *testing.T, src string) Expression {
	t.Helper()
	e, err := Compile(src)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEvaluate(t *testing.T) {
	block := Rule{Head: Head{ID: "b", Enabled: true, Action: Block, Expression: must(t, "true")}}
	off := Rule{Head: Head{ID: "off", Action: Block, Expression: must(t, "true")}}
	logs := Rule{Head: Head{ID: "l", Enabled: true, Action: Log, Expression: must(t, "ssl")}}
	skip := Rule{Head: Head{ID: "s", Enabled: true, Action: Skip, Expression: must(t, "ssl")}, Skipped: Skipped{Custom: true}}
	skipLimits := Rule{Head: Head{ID: "sl", Enabled: true, Action: Skip, Expression: must(t, "ssl")}, Skipped: Skipped{RateLimits: true}}
	never := RateLimit{Head: Head{ID: "r", Enabled: true, Action: Block, Expression: must(t, "true")}, Requests: 0, Period: time.Minute, Mitigation: time.Minute}
	for _, tc := range []struct {
		name   string
		set    Set
		want   string
		logged []string
	}{
		{"nothing", Set{}, "", nil},
		{"disabled", Set{Custom: []Rule{off}}, "", nil},
		{"block", Set{Custom: []Rule{block}}, "b", nil},
		{"log goes on", Set{Custom: []Rule{logs, block}}, "b", []string{"l"}},
		{"skip the rest", Set{Custom: []Rule{skip, block}}, "", []string{"s"}},
		{"skip keeps the rate limits", Set{Custom: []Rule{skip, block}, RateLimits: []RateLimit{never}}, "r", []string{"s"}},
		{"skip the rate limits only", Set{Custom: []Rule{skipLimits, block}, RateLimits: []RateLimit{never}}, "b", []string{"sl"}},
		{"skip the rate limits", Set{Custom: []Rule{skipLimits}, RateLimits: []RateLimit{never}}, "", []string{"sl"}},
		{"custom before limits", Set{Custom: []Rule{block}, RateLimits: []RateLimit{never}}, "b", nil},
	} {
		var logged []string
		d := tc.set.Evaluate(request(), &Run{Limits: NewLimiter(), Now: time.Unix(0, 0), Note: func(h Hit) { logged = append(logged, h.ID) }})
		if d.ID != tc.want || d.Stops() != (tc.want != "") || !reflect.DeepEqual(logged, tc.logged) {
			t.Errorf("%s: decision %+v, logged %v; want %q, %v", tc.name, d, logged, tc.want, tc.logged)
		}
	}
}

// limitRule is a rule of some requests in ten seconds.
func limitRule(t testing.TB, requests int, mitigation time.Duration) *RateLimit {
	t.Helper()
	e, err := Compile("true")
	if err != nil {
		t.Fatal(err)
	}
	return &RateLimit{Head: Head{ID: "r", Enabled: true, Action: Block, Expression: e}, Requests: requests, Period: 10 * time.Second, Mitigation: mitigation}
}

func from(a string) *Request {
	r := request()
	r.IP = netip.MustParseAddr(a)
	return r
}

func TestLimiterWindows(t *testing.T) {
	type step struct {
		at   int
		over bool
		wait time.Duration
	}
	for _, tc := range []struct {
		name       string
		mitigation time.Duration
		steps      []step
	}{
		{"mitigation", 60 * time.Second, []step{
			{0, false, 0}, {1, false, 0}, {2, true, 60 * time.Second}, {3, true, 59 * time.Second}, {61, true, time.Second},
			{62, false, 0}, {63, false, 0}, {64, true, 60 * time.Second},
		}},
		{"throttle", 0, []step{
			{0, false, 0}, {1, false, 0}, {2, true, 8 * time.Second}, {9, true, time.Second}, {10, false, 0}, {11, false, 0}, {12, true, 8 * time.Second},
		}},
		{"window passes", 60 * time.Second, []step{{0, false, 0}, {1, false, 0}, {10, false, 0}, {11, false, 0}, {12, true, 60 * time.Second}}},
	} {
		// The clock of the bubble stands still but for the sleeps.
		synctest.Test(t, func(t *testing.T) {
			set := Set{RateLimits: []RateLimit{*limitRule(t, 2, tc.mitigation)}}
			other := Set{RateLimits: []RateLimit{*limitRule(t, 1<<30, 0)}}
			other.RateLimits[0].ID = "other"
			l, began := NewLimiter(), time.Now()
			for _, s := range tc.steps {
				time.Sleep(time.Until(began.Add(time.Duration(s.at) * time.Second)))
				d := set.Evaluate(from("192.0.2.1"), &Run{Limits: l, Now: time.Now()})
				if d.Stops() != s.over || d.RetryAfter != s.wait {
					t.Errorf("%s at %d s: over %v, wait %v; want %v, %v", tc.name, s.at, d.Stops(), d.RetryAfter, s.over, s.wait)
				}
				if other.Evaluate(from("192.0.2.1"), &Run{Limits: l, Now: time.Now()}).Stops() {
					t.Errorf("%s: rules share a counter", tc.name)
				}
			}
		})
	}
}

func TestLimiterKeys(t *testing.T) {
	set := Set{RateLimits: []RateLimit{*limitRule(t, 1, time.Minute)}}
	l, now := NewLimiter(), time.Unix(0, 0)
	count := func(a string) bool { return set.Evaluate(from(a), &Run{Limits: l, Now: now}).Stops() }
	count("2001:db8::1")
	if !count("2001:db8::2") {
		t.Error("addresses of one /64 are counted apart")
	}
	if count("2001:db8:0:1::1") {
		t.Error("another /64 is counted with it")
	}
	count("192.0.2.1")
	if count("192.0.2.2") {
		t.Error("another IPv4 address is counted with it")
	}
	if !count("::ffff:192.0.2.1") {
		t.Error("a mapped address is counted apart")
	}
}

// What is counted together, and a field that is absent apart from one that is empty
// (rate limiting parameters).
func TestCharacteristics(t *testing.T) {
	key, err := CompileValue(`http.request.headers["x-api-key"][0]`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	rule := limitRule(t, 1, time.Minute)
	rule.Characteristics = []Characteristic{{Name: "ip.src", IP: true}, {Name: "key", Of: key}}
	set := Set{RateLimits: []RateLimit{*rule}}
	l, now := NewLimiter(), time.Unix(0, 0)
	for i, tc := range []struct {
		addr string
		h    headers
		over bool
	}{
		{"192.0.2.1", headers{"X-API-Key", "a"}, false},
		{"192.0.2.1", headers{"X-API-Key", "b"}, false},
		{"192.0.2.2", headers{"X-API-Key", "a"}, false},
		{"192.0.2.1", headers{}, false},
		{"192.0.2.1", headers{"X-API-Key", ""}, false},
		{"192.0.2.1", headers{"X-API-Key", "a"}, true},
		{"192.0.2.1", headers{}, true},
		{"192.0.2.1", headers{"X-API-Key", ""}, true},
	} {
		r := from(tc.addr)
		r.Headers = tc.h
		if got := set.Evaluate(r, &Run{Limits: l, Now: now}).Stops(); got != tc.over {
			t.Errorf("request %d: over %v, want %v", i, got, tc.over)
		}
	}
}

// Example B of the request rate's documentation: the counter goes up with responses
// of 400 only, and the request after the one that exceeds is stopped.
func TestCountingResponses(t *testing.T) {
	counting, err := CompileWith(`http.request.uri.path eq "/form" and http.response.code eq 400`, Options{Response: true})
	if err != nil {
		t.Fatal(err)
	}
	rule := limitRule(t, 1, 10*time.Minute)
	rule.Expression = must(t, `http.request.uri.path eq "/form"`)
	rule.Counting, rule.Afterwards = &counting, true
	score := limitRule(t, 400, time.Minute)
	score.ID, score.Score, score.Afterwards = "score", "X-Score", true
	score.Expression = must(t, `http.request.uri.path eq "/costly"`)
	set := Set{RateLimits: []RateLimit{*rule, *score}}
	l, now := NewLimiter(), time.Unix(0, 0)
	for i, tc := range []struct {
		path    string
		status  int
		score   string
		stopped bool
	}{
		{"/form", 400, "", false}, {"/form", 200, "", false}, {"/form", 400, "", false}, {"/form", 400, "", true}, {"/other", 400, "", false},
		{"/costly", 200, "300", false}, {"/costly", 200, "nonsense", false}, {"/costly", 200, "2000000", false}, {"/costly", 200, "300", false}, {"/costly", 200, "1", true},
	} {
		r := from("192.0.2.1")
		r.Path = []byte(tc.path)
		if got := set.Evaluate(r, &Run{Limits: l, Now: now}).Stops(); got != tc.stopped {
			t.Errorf("request %d: stopped %v, want %v", i, got, tc.stopped)
		} else if !got {
			r.Response = &Reply{Status: tc.status, Headers: headers{"X-Score", tc.score}}
			set.Count(r, l, now)
		}
	}
	if !set.CountsResponses() || (&Set{}).CountsResponses() {
		t.Error("CountsResponses")
	}
}

// A flood of keys must neither grow the limiter nor free a blocked visitor.
func TestLimiterFlood(t *testing.T) {
	l := NewLimiter()
	rule := limitRule(t, 1, time.Hour)
	rule.Period = time.Hour
	now := time.Unix(0, 0)
	bad := rule.key(l, from("192.0.2.1"))
	l.count(rule, bad, 1, now)
	l.count(rule, bad, 1, now)
	r, a := request(), netip.MustParseAddr("10.0.0.0")
	flood := func(n int) {
		for range n {
			r.IP = a
			l.count(rule, rule.key(l, r), 1, now)
			a = a.Next()
		}
	}
	flood(50_000)
	if n := l.Len(); n < 49_990 {
		t.Errorf("%d keys held of 50,000", n)
	}
	flood(300_000)
	before := heap()
	flood(600_000)
	if grown := int64(heap()) - int64(before); grown > 2<<20 {
		t.Errorf("600,000 more keys grew the heap by %d bytes", grown)
	}
	if n := l.Len(); n > limiterShards*shardKeys {
		t.Errorf("%d keys held, want at most %d", n, limiterShards*shardKeys)
	}
	if _, _, over := l.count(rule, bad, 0, now); !over {
		t.Error("the flood freed a blocked visitor")
	}
	runtime.KeepAlive(l)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkFortyRules(b *testing.B) {
	var s Set
	for i := range 40 {
		src := fmt.Sprintf(`http.request.uri.path contains "/nope%d"`, i)
		if i%2 == 1 {
			src = fmt.Sprintf(`http.user_agent contains "Evil%d" and not ip.src in {192.0.2.0/24}`, i)
		}
		e, err := Compile(src)
		if err != nil {
			b.Fatal(err)
		}
		s.Custom = append(s.Custom, Rule{Head: Head{ID: fmt.Sprint(i), Enabled: true, Action: Block, Expression: e}})
	}
	l, r, now := NewLimiter(), request(), time.Unix(0, 0)
	r.Headers = r.Headers.(headers).prepare()
	b.ReportAllocs()
	for b.Loop() {
		if s.Evaluate(r, &Run{Limits: l, Now: now}).Stops() {
			b.Fatal("blocked")
		}
	}
}

// A challenge by a rate limit is passed by solving it after the rate was exceeded; the
// counter then begins anew.
func TestChallengedRates(t *testing.T) {
	for _, mitigation := range []time.Duration{0, time.Minute} {
		rule := limitRule(t, 2, mitigation)
		rule.Action = ManagedChallenge
		set := Set{RateLimits: []RateLimit{*rule}}
		l, now := NewLimiter(), time.Unix(1000, 0)
		var given time.Time
		run := func() bool {
			now = now.Add(1100 * time.Millisecond)
			return set.Evaluate(from("192.0.2.1"), &Run{Limits: l, Now: now, Solved: func() (time.Time, bool) { return given, !given.IsZero() }}).Stops()
		}
		given = now.Add(-time.Minute) // solved long before
		var got []bool
		for range 3 {
			got = append(got, run())
		}
		given = now // solved now
		for range 4 {
			got = append(got, run())
		}
		if want := []bool{false, false, true, false, false, false, true}; !reflect.DeepEqual(got, want) {
			t.Errorf("mitigation %v: stopped %v, want %v", mitigation, got, want)
		}
	}
}
