package host

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
)

func clockItem(env *collect.Env, zone string) []originward.Evidence {
	return []originward.Evidence{env.Item(originward.Subject{}, fact.Clock{Zone: zone}, "zone "+zone, "date")}
}

// TestOneNeverCostsTheOthers: a collector that panics, hangs, or says too much
// becomes something that was not observed, and the others' answers stand.
func TestOneNeverCostsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		list := []collect.Collector{
			{Name: "good", Question: fact.QClock, Run: func(_ context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
				return clockItem(env, "good"), nil
			}},
			{Name: "panics", Question: fact.QLoad, Run: func(context.Context, *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
				var none []int
				_ = none[len(none)]
				return nil, nil
			}},
			{Name: "hangs", Question: fact.QBans, Budget: 2 * time.Second, Run: func(context.Context, *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
				<-release // a system call that never returns
				return nil, nil
			}},
			{Name: "huge", Question: fact.QLogs, Bytes: 1000, Run: func(_ context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
				return append(clockItem(env, "small"), clockItem(env, strings.Repeat("x", 5000))...), nil
			}},
			{Name: "heeds", Question: fact.QJobs, Budget: time.Second, Run: func(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
				<-ctx.Done()
				return clockItem(env, "partial"), nil
			}},
		}
		began := time.Now()
		b := run(t.Context(), collect.NewEnv(collect.Ask{Host: "shop.example"}, collect.Sources{}), list)
		if d := time.Since(began); d != 2*time.Second+grace {
			t.Errorf("took %v, want the longest budget and the grace", d)
		}
		var zones []string
		for _, e := range b.Evidence {
			zones = append(zones, e.Fact.(fact.Clock).Zone)
		}
		if got := strings.Join(zones, " "); got != "good small partial" {
			t.Errorf("evidence %q", got)
		}
		why := map[originward.Question]string{}
		for _, n := range b.NotObserved {
			if n.Vantage != originward.Host {
				t.Errorf("vantage %q", n.Vantage)
			}
			why[n.Question] = n.Why
		}
		for q, want := range map[originward.Question]string{fact.QLoad: "index out of range", fact.QBans: "no answer within 2s", fact.QClock: "larger than its budget"} {
			if !strings.Contains(why[q], want) {
				t.Errorf("%s: not observed because %q, want %q", q, why[q], want)
			}
		}
	})
}

// TestEndedEarly: when the whole run is ended, what is missing is said.
func TestEndedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		release := make(chan struct{})
		defer close(release)
		b := run(ctx, collect.NewEnv(collect.Ask{}, collect.Sources{}), []collect.Collector{
			{Name: "hangs", Question: fact.QBans, Budget: time.Hour, Run: func(context.Context, *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
				<-release
				return nil, nil
			}},
		})
		if len(b.NotObserved) != 1 || !strings.Contains(b.NotObserved[0].Why, "ended before") {
			t.Errorf("not observed: %+v", b.NotObserved)
		}
	})
}

// TestSharedReaderFails: what several collectors share is read once, and its
// panic or delay is an error for those who wait, not their end.
func TestSharedReaderFails(t *testing.T) {
	reads := 0
	env := collect.NewEnv(collect.Ask{}, collect.Sources{Listeners: func(context.Context, *collect.Env) collect.Listening {
		reads++
		panic("broken")
	}})
	for range 3 {
		if l := env.Listeners(t.Context()); l.Err == nil || !strings.Contains(l.Err.Error(), "broken") {
			t.Errorf("error %v", l.Err)
		}
	}
	if reads != 1 {
		t.Errorf("read %d times", reads)
	}
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		env := collect.NewEnv(collect.Ask{}, collect.Sources{Listeners: func(context.Context, *collect.Env) collect.Listening {
			<-release
			return collect.Listening{Exact: true}
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if l := env.Listeners(ctx); l.Err == nil || l.Exact {
			t.Errorf("a reader that hangs gave %+v", l)
		}
		close(release)
		if l := env.Listeners(t.Context()); l.Err != nil || !l.Exact {
			t.Errorf("later %+v", l)
		}
	})
}
