package meter

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// bounds are the upper bounds of the buckets: a round trip in the same rack to a
// page that thinks, and then the edge's own timers (cloudflare connection-limits,
// 2026-07-23: connect 19 s, acknowledgment 90 s, read 125 s), so that what ran into
// one stands apart from what was slow.
var bounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
	2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 19 * time.Second, 30 * time.Second, 60 * time.Second,
	90 * time.Second, 125 * time.Second,
}

// histogram counts durations. It is safe for concurrent use.
type histogram struct {
	counts [len(bounds) + 1]atomic.Uint64 // the last is beyond all bounds
	sum    atomic.Int64                   // nanoseconds
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// total is several histograms added up.
type total struct {
	buckets [len(bounds) + 1]uint64
	sum     time.Duration
	count   uint64
}

func (t *total) add(h *histogram) {
	for i := range h.counts {
		n := h.counts[i].Load()
		t.buckets[i] += n
		t.count += n
	}
	t.sum += time.Duration(h.sum.Load())
}

func (t *total) metric(d *prometheus.Desc, labels ...string) prometheus.Metric {
	below := make(map[float64]uint64, len(bounds))
	n := uint64(0)
	for i, b := range bounds {
		n += t.buckets[i]
		below[b.Seconds()] = n
	}
	return prometheus.MustNewConstHistogram(d, t.count, t.sum.Seconds(), below, labels...)
}
