package monitor

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/pool"
)

// origin is a job whose checks a test answers.
func job(name string, m config.Monitor) Job {
	return Job{Key: pool.Key{Pool: "p", Address: name}, PoolName: "main", Health: &pool.Health{}, Subject: Subject{config.PoolOrigin{Name: name, Target: name}, m}}
}

// Consecutive checks decide, each at its time, and a change is told once.
func TestWatchConsecutive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ok atomic.Bool
		var n atomic.Int64
		var mu sync.Mutex
		var changes []string
		began := time.Now()
		w := NewWatch(func(context.Context, Subject) pool.Check {
			n.Add(1)
			return pool.Check{At: time.Now(), OK: ok.Load(), Reason: "r"}
		}, func(c Change) {
			mu.Lock()
			defer mu.Unlock()
			changes = append(changes, fmt.Sprintf("%v %v", time.Since(began), c.Now))
		})
		j := job("a", config.Monitor{Interval: 10 * time.Second, Up: 2, Down: 3})
		ok.Store(true)
		w.Set([]Job{j})
		synctest.Wait()
		if j.Health.Status() != pool.Unknown || n.Load() != 1 {
			t.Errorf("after one of two checks: %v, %d checks", j.Health.Status(), n.Load())
		}
		time.Sleep(15 * time.Second)
		if j.Health.Status() != pool.Up {
			t.Errorf("after two checks: %v", j.Health.Status())
		}
		ok.Store(false) // checks at 20, 30, 40 fail
		time.Sleep(20 * time.Second)
		if j.Health.Status() != pool.Up {
			t.Error("two failures are no three")
		}
		time.Sleep(10 * time.Second)
		if j.Health.Status() != pool.Down {
			t.Error("three failures do not decide")
		}
		ok.Store(true)
		time.Sleep(10 * time.Second)
		ok.Store(false)
		time.Sleep(10 * time.Second)
		ok.Store(true)
		time.Sleep(10 * time.Second)
		if j.Health.Status() != pool.Down {
			t.Error("two good checks that are not in a row decide")
		}
		w.Close()
		mu.Lock()
		defer mu.Unlock()
		if fmt.Sprint(changes) != "[10s healthy 40s unhealthy]" {
			t.Errorf("changes %v", changes)
		}
	})
}

// What stays as it was goes on as it was; a changed monitor keeps what is known;
// what is not wanted any more is not checked.
func TestWatchSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := map[string]int{}
		w := NewWatch(func(_ context.Context, s Subject) pool.Check {
			mu.Lock()
			defer mu.Unlock()
			asked[fmt.Sprintf("%s %s", s.Origin.Name, s.Monitor.Path)]++
			return pool.Check{At: time.Now(), OK: s.Monitor.Path != "/bad"}
		}, func(Change) {})
		m := config.Monitor{Interval: time.Minute, Up: 1, Down: 2}
		a, b := job("a", m), job("b", m)
		w.Set([]Job{a, b})
		time.Sleep(30 * time.Second)
		w.Set([]Job{a, b}) // a reload that changes nothing
		time.Sleep(40 * time.Second)
		mu.Lock()
		if asked["a "] != 2 || asked["b "] != 2 {
			t.Errorf("checks %v: a reload disturbed them", asked)
		}
		mu.Unlock()
		a.Subject.Monitor.Path = "/bad"
		w.Set([]Job{a})
		synctest.Wait()
		if a.Health.Status() != pool.Up {
			t.Error("the first check of a changed monitor threw away what was known")
		}
		time.Sleep(61 * time.Second)
		if a.Health.Status() != pool.Down {
			t.Error("the changed monitor does not decide")
		}
		mu.Lock()
		if asked["b "] != 2 {
			t.Errorf("checks %v: one that nobody wants", asked)
		}
		mu.Unlock()
		w.Set([]Job{a, b})
		b.Health.Note(pool.Check{At: time.Now(), OK: true}, 1, 1)
		w.Set(nil)
		w.Set([]Job{b})
		if b.Health.Status() == pool.Up && asked["b "] < 3 {
			t.Error("what was known before a pause holds")
		}
		w.Close()
	})
}

// A check that is broken off says nothing of the origin.
func TestWatchCloseSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWatch(func(ctx context.Context, _ Subject) pool.Check {
			<-ctx.Done()
			return pool.Check{At: time.Now(), Reason: OtherFailure}
		}, func(Change) { t.Error("a change was told") })
		j := job("a", config.Monitor{Interval: time.Second, Up: 1, Down: 1})
		w.Set([]Job{j})
		synctest.Wait()
		w.Close()
		if j.Health.Status() != pool.Unknown {
			t.Errorf("status %v", j.Health.Status())
		}
	})
}
