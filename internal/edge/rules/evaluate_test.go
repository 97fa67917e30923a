package rules

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
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
	block := Rule{ID: "b", Enabled: true, Action: Block, Expression: must(t, "true")}
	off := Rule{ID: "off", Action: Block, Expression: must(t, "true")}
	logs := Rule{ID: "l", Enabled: true, Action: Log, Expression: must(t, "ssl")}
	skip := Rule{ID: "s", Enabled: true, Action: Skip, SkipCustom: true, Expression: must(t, "ssl")}
	skipLimits := Rule{ID: "sl", Enabled: true, Action: Skip, SkipRateLimits: true, Expression: must(t, "ssl")}
	never := RateLimit{ID: "r", Enabled: true, Action: Block, Expression: must(t, "true"), Requests: 0, Period: time.Minute, Mitigation: time.Minute}
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
		d := tc.set.Evaluate(request(), NewLimiter(), time.Unix(0, 0), func(id string, _ Action) { logged = append(logged, id) })
		if d.RuleID != tc.want || d.Blocked() != (tc.want != "") || !reflect.DeepEqual(logged, tc.logged) {
			t.Errorf("%s: decision %+v, logged %v; want %q, %v", tc.name, d, logged, tc.want, tc.logged)
		}
	}
}

func TestLimiterWindows(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(1000+int64(s), 0) }
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
		l := NewLimiter()
		rule := &RateLimit{ID: "r", Requests: 2, Period: 10 * time.Second, Mitigation: tc.mitigation}
		for _, s := range tc.steps {
			wait, over := l.Count(rule, netip.MustParseAddr("192.0.2.1"), at(s.at))
			if over != s.over || wait != s.wait {
				t.Errorf("%s at %d s: over %v, wait %v; want %v, %v", tc.name, s.at, over, wait, s.over, s.wait)
			}
			if _, other := l.Count(&RateLimit{ID: "other", Requests: 1 << 30, Period: time.Second}, netip.MustParseAddr("192.0.2.1"), at(s.at)); other {
				t.Errorf("%s: rules share a counter", tc.name)
			}
		}
	}
}

func TestLimiterKeys(t *testing.T) {
	l := NewLimiter()
	rule := &RateLimit{ID: "r", Requests: 1, Period: time.Minute, Mitigation: time.Minute}
	now := time.Unix(0, 0)
	count := func(a string) bool { _, over := l.Count(rule, netip.MustParseAddr(a), now); return over }
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

// A flood of keys must neither grow the limiter nor free a blocked visitor.
func TestLimiterFlood(t *testing.T) {
	l := NewLimiter()
	rule := &RateLimit{ID: "r", Requests: 1, Period: time.Hour, Mitigation: time.Hour}
	now := time.Unix(0, 0)
	bad := netip.MustParseAddr("192.0.2.1")
	l.Count(rule, bad, now)
	l.Count(rule, bad, now)
	a := netip.MustParseAddr("10.0.0.0")
	for range 600_000 {
		l.Count(rule, a, now)
		a = a.Next()
	}
	if n := l.Len(); n > limiterShards*shardKeys {
		t.Errorf("%d keys held, want at most %d", n, limiterShards*shardKeys)
	}
	if _, over := l.Count(rule, bad, now); !over {
		t.Error("the flood freed a blocked visitor")
	}
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
		s.Custom = append(s.Custom, Rule{ID: fmt.Sprint(i), Enabled: true, Action: Block, Expression: e})
	}
	l, r, now := NewLimiter(), request(), time.Unix(0, 0)
	b.ReportAllocs()
	for b.Loop() {
		if s.Evaluate(r, l, now, nil).Blocked() {
			b.Fatal("blocked")
		}
	}
}
