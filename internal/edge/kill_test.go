package edge

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// An origin that is killed under load, and comes back: every request is answered,
// with 200 or with a documented code.
func TestOriginKilledUnderLoad(t *testing.T) {
	e, o, _ := hosts()
	ap := netip.AddrPortFrom(o, 8081)
	serve := fmt.Sprintf(`server { listen %s; location / { return 200 "fine"; } }`, ap)
	stop := nginx(t, serve)
	waitPort(t, ap)
	w := start(t, fmt.Sprintf("listen: {http: ['%s:8081']}\nzones: [%s]", e, siteZone("off", o)))
	var (
		mu   sync.Mutex
		seen = map[int]int{}
		wg   sync.WaitGroup
	)
	end := make(chan struct{})
	count := func(code int) int {
		mu.Lock()
		defer mu.Unlock()
		return seen[code]
	}
	for range 8 {
		wg.Go(func() {
			c := w.client(false)
			for {
				select {
				case <-end:
					return
				default:
				}
				r := w.do(c, mustRequest(t, "GET", "http://shop.example/", nil))
				if r.StatusCode == 200 && r.body != "fine" {
					t.Errorf("200 with %q", r.body)
				}
				mu.Lock()
				seen[r.StatusCode]++
				mu.Unlock()
				if r.StatusCode != 200 {
					time.Sleep(time.Millisecond) // leave the other tests a core
				}
			}
		})
	}
	for round := range 3 {
		good := count(200)
		waitFor(t, "good answers", func() bool { return count(200) > good+50 })
		down := count(521)
		stop()
		waitFor(t, "521 while nobody listens", func() bool { return count(521) > down+20 })
		if round < 2 {
			stop = nginx(t, serve)
		}
	}
	close(end)
	wg.Wait()
	for code, n := range seen {
		if code != 200 && code != 520 && code != 521 {
			t.Errorf("%d answers with %d", n, code)
		}
	}
	t.Logf("answers by code: %v", seen)
}
