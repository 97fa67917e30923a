package edge

import (
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/edge/meter"
	"github.com/originward/originward/internal/exchange"
)

// measures count what concerns the edge as a whole; each zone has its own.
type measures struct {
	elsewhere meter.Zone // requests for no zone of this edge
	accepted  atomic.Uint64
	limits    [limitCount]atomic.Uint64
	reloads   atomic.Uint64
	unloaded  atomic.Uint64 // reloads that changed nothing
	loaded    atomic.Int64  // when the configuration in force was loaded, Unix nanoseconds
}

// limit is one of the edge's limits on visitors.
type limit uint8

const (
	limitConnections limit = iota
	limitPerAddress
	limitTarget
	limitHead
	limitHeadTime
	limitCount
)

var limitNames = [limitCount]string{"connections", "connections_per_address", "target_size", "head_size", "head_time"}

// limitOf is the limit that a refused head ran into.
var limitOf = map[int]limit{414: limitTarget, 431: limitHead, 408: limitHeadTime}

// nowhere is the label of requests for no zone of this edge.
const nowhere = "-"

// meter is where a visit is counted.
func (v *visit) meter() *meter.Zone {
	if v.zone != nil {
		return v.zone.meter
	}
	return &v.edge.measures.elsewhere
}

// measure counts a visit that has ended.
func (v *visit) measure(took time.Duration) {
	m, shard := v.meter(), v.flight.shard
	m.Request(shard, meter.Request{Status: v.status, Cache: v.cache.status, Took: took, In: v.upload.read, Out: v.sent})
	v.measureOrigin(m, shard)
	if v.zone == nil {
		if l, ok := limitOf[v.errCode]; ok {
			v.edge.measures.limits[l].Add(1)
		}
	}
}

// timed are the steps whose durations are told.
var timed = [...]struct {
	step  exchange.Step
	phase meter.Phase
}{{exchange.StepResolve, meter.Resolve}, {exchange.StepConnect, meter.Connect}, {exchange.StepTLS, meter.TLS}, {exchange.StepFirstByte, meter.FirstByte}}

// measureOrigin counts what a visit had to do with an origin.
func (v *visit) measureOrigin(m *meter.Zone, shard uint8) {
	if v.fault != nil {
		m.Fault(v.fault.Phase, v.fault.Type)
	}
	if v.left != "" {
		m.Left(v.left)
	}
	if v.trace.Start().IsZero() {
		return
	}
	if v.trace.Begun(exchange.StepWrite) { // a connection was there
		m.Exchange(shard, v.reused)
	}
	for _, t := range timed {
		if took, done := v.trace.Took(t.step); done {
			m.Phase(shard, t.phase, took)
		}
	}
}

// measureTried counts an attempt after which another address is tried.
func (v *visit) measureTried(f *originward.Fault) { v.meter().Fault(f.Phase, f.Type) }

// measureRules counts what the security rules decided.
func (v *visit) measureRules(stopped bool, source, action string) {
	m := v.meter()
	for _, h := range v.hits {
		a := string(h.Action)
		if h.Passed {
			a += "_bypassed"
		}
		m.Rule(string(h.Source), a)
	}
	if stopped {
		m.Rule(source, action)
	}
}

// MetricsHandler serves the edge's metrics in Prometheus' forms. version is the
// program's.
func (e *Edge) MetricsHandler(version string) http.Handler {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "originward_build_info", Help: "1, labelled with what runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	r.MustRegister(build, &collector{e}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(e.log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: 4, Timeout: 20 * time.Second,
	})
}
