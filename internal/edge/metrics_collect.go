package edge

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/edge/meter"
)

// collector gives an edge's numbers to Prometheus when they are asked for.
type collector struct{ edge *Edge }

func described(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("originward_"+name, help, labels, nil)
}

var (
	inFlight    = described("requests_in_flight", "Requests that are being answered.")
	waitingFor  = described("origin_waits_in_flight", "Exchanges with origins that wait, by what they wait for.", "phase")
	visitorsNow = described("visitor_connections", "Visitors' connections; an idle one waits for a request.", "state")
	acceptedAll = described("visitor_connections_total", "Visitors' connections taken.")
	limitsHit   = described("limits_hit_total", "Connections and requests refused by a limit of the edge.", "limit")
	idleOrigins = described("origin_idle_connections", "Kept connections to origins that no exchange uses.")
	reloads     = described("config_reloads_total", "Loads of the configuration file while running.", "result")
	loadedAt    = described("config_loaded_timestamp_seconds", "When the configuration in force was loaded.")
	zonesNow    = described("zones", "Zones that are served.")
	certExpiry  = described("certificate_expiry_timestamp_seconds", "When a zone's certificate for visitors ends.", "zone")
)

// Describe sends what Collect can send.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	meter.Describe(ch)
	for _, d := range []*prometheus.Desc{inFlight, waitingFor, visitorsNow, acceptedAll, limitsHit, idleOrigins, reloads, loadedAt, zonesNow, certExpiry} {
		ch <- d
	}
}

// Collect sends the numbers of now.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	e := c.edge
	gauge := func(d *prometheus.Desc, x float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, x, labels...)
	}
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	st := e.state.Load()
	e.measures.elsewhere.Collect(nowhere, ch)
	for name, z := range st.routes.zones {
		z.meter.Collect(name, ch)
	}
	for zone, until := range st.expiries() {
		gauge(certExpiry, float64(until.Unix()), zone)
	}
	gauge(zonesNow, float64(len(st.routes.zones)))
	gauge(inFlight, float64(e.flights.busy()))
	for p, n := range e.flights.phases(time.Now()) {
		gauge(waitingFor, float64(n), string(p))
	}
	idle, active := e.visitorStates()
	gauge(visitorsNow, float64(idle), "idle")
	gauge(visitorsNow, float64(active), "active")
	count(acceptedAll, e.measures.accepted.Load())
	for i := range e.measures.limits {
		count(limitsHit, e.measures.limits[i].Load(), limitNames[i])
	}
	kept := 0
	for _, c := range st.clients {
		kept += c.Idle()
	}
	gauge(idleOrigins, float64(kept))
	count(reloads, e.measures.reloads.Load(), "ok")
	count(reloads, e.measures.unloaded.Load(), "failed")
	gauge(loadedAt, float64(e.measures.loaded.Load())/1e9)
}

// expiries tell when the first of a zone's certificates for visitors ends: of those
// that were given, and those that an authority issued.
func (st *state) expiries() map[string]time.Time {
	out := map[string]time.Time{}
	note := func(zone string, until time.Time) {
		if was, ok := out[zone]; !ok || until.Before(was) {
			out[zone] = until
		}
	}
	for name, z := range st.routes.zones {
		if z.Certificate != nil && z.Certificate.Leaf != nil {
			note(name, z.Certificate.Leaf.NotAfter)
		}
	}
	if st.acme == nil {
		return out
	}
	for name, until := range st.acme.Expiries() {
		if z := st.routes.zoneOf(strings.TrimPrefix(name, "*.")); z != nil && z.Certificate == nil {
			note(z.Name, until)
		}
	}
	return out
}

// visitorStates counts visitors' connections.
func (e *Edge) visitorStates() (idle, active int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.visitors {
		if c.idle.Load() {
			idle++
		} else {
			active++
		}
	}
	return idle, active
}

// busy is the number of visits under way.
func (s *flights) busy() (n int64) {
	for i := range s.shards {
		n += s.shards[i].busy.Load()
	}
	return n
}

// phases counts the visits that wait for an origin by what they wait for.
func (s *flights) phases(now time.Time) map[originward.Phase]int {
	out := map[originward.Phase]int{}
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for v := sh.first; v != nil; v = v.flight.next {
			if step, _, ok := v.trace.Under(now); ok {
				out[step.Phase()]++
			}
		}
		sh.mu.Unlock()
	}
	return out
}
