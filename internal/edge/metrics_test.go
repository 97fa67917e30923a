package edge

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/exchange"
)

// scrape reads an edge's metrics: series with labels → value.
func (w *world) scrape() map[string]float64 {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.edge.MetricsHandler("1.2.3").ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	if rec.Code != 200 {
		w.t.Fatalf("metrics: %d %s", rec.Code, rec.Body)
	}
	out := map[string]float64{}
	for l := range strings.Lines(rec.Body.String()) {
		if strings.HasPrefix(l, "#") {
			continue
		}
		i := strings.LastIndexByte(l, ' ')
		x, err := strconv.ParseFloat(strings.TrimSpace(l[i:]), 64)
		if err != nil {
			w.t.Fatalf("metrics: %q: %v", l, err)
		}
		out[l[:i]] = x
	}
	return out
}

// counted waits until so many requests of all zones have been counted.
func (w *world) counted(n float64) map[string]float64 {
	var m map[string]float64
	waitFor(w.t, "the count of requests", func() bool {
		m = w.scrape()
		sum := 0.0
		for k, x := range m {
			if strings.HasPrefix(k, "originward_requests_total{") {
				sum += x
			}
		}
		return sum >= n
	})
	return m
}

func TestMetrics(t *testing.T) {
	e, o, dead := hosts()
	ap, _ := origin(t, o, 0, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/teapot" {
			w.WriteHeader(418)
		}
		fmt.Fprint(w, "hello")
	})
	w := start(t, fmt.Sprintf(`listen: {http: ['%s:%d']}
zones:
- {name: shop.example, ssl: "off", records: [{type: A, name: shop.example, content: %s, proxied: true}],
   rules: {custom: [{expression: 'http.request.uri.path eq "/no"', action: block}]}}
- {name: down.example, ssl: "off", records: [{type: A, name: down.example, content: %s, proxied: true}]}
`, e, ap.Port(), o, dead))
	for _, u := range []string{"http://shop.example/", "http://shop.example/", "http://shop.example/teapot", "http://shop.example/no", "http://down.example/", "http://stranger.example/"} {
		w.get(u)
	}
	m := w.counted(6)
	for series, want := range map[string]float64{
		`originward_requests_total{code="200",zone="shop.example"}`:                                     2,
		`originward_requests_total{code="418",zone="shop.example"}`:                                     1,
		`originward_requests_total{code="403",zone="shop.example"}`:                                     1,
		`originward_requests_total{code="521",zone="down.example"}`:                                     1,
		`originward_requests_total{code="409",zone="-"}`:                                                1,
		`originward_origin_faults_total{phase="connect",type="connection_refused",zone="down.example"}`: 1,
		`originward_origin_faults_total{phase="rules",type="http_request_denied",zone="shop.example"}`:  1,
		`originward_security_events_total{action="block",source="firewallCustom",zone="shop.example"}`:  1,
		`originward_origin_phase_duration_seconds_count{phase="first_byte",zone="shop.example"}`:        3,
		`originward_cache_requests_total{status="DYNAMIC",zone="shop.example"}`:                         4,
		`originward_response_body_bytes_total{zone="shop.example"}`:                                     -1,
		`originward_request_duration_seconds_count{zone="shop.example"}`:                                4,
		`originward_requests_in_flight`:                                                                 0,
		`originward_zones`:                                                                              2,
		`originward_config_reloads_total{result="ok"}`:                                                  0,
		`originward_limits_hit_total{limit="connections"}`:                                              0,
		`originward_visitor_connections_total`:                                                          6,
	} {
		if got, ok := m[series]; !ok || want >= 0 && got != want {
			t.Errorf("%s is %v (%v), want %v", series, got, ok, want)
		}
	}
	if n := m[`originward_origin_exchanges_total{connection="new",zone="shop.example"}`] + m[`originward_origin_exchanges_total{connection="reused",zone="shop.example"}`]; n != 3 {
		t.Errorf("%v exchanges with the origin, want 3", n)
	}
	if fresh, ended := m[`originward_origin_exchanges_total{connection="new",zone="shop.example"}`], m[`originward_origin_phase_duration_seconds_count{phase="connect",zone="shop.example"}`]; fresh != ended || fresh < 1 {
		t.Errorf("%v new connections, %v of them timed", fresh, ended)
	}
}

// What visitors make up, and what an origin does, adds no series without end.
func TestMetricsStayBounded(t *testing.T) {
	status := 200
	e, o, _ := hosts()
	ap, _ := origin(t, o, 0, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	w := start(t, fmt.Sprintf(`listen: {http: ['%s:%d']}
zones: [{name: shop.example, ssl: "off", records: [{type: A, name: '*.shop.example', content: %s, proxied: true}]}]
`, e, ap.Port(), o))
	flood := func(from, to int) {
		for i := from; i < to; i++ {
			w.raw(fmt.Sprintf("M%d /p%d?q=%d HTTP/1.1\r\nHost: h%d.shop.example\r\nUser-Agent: u%d\r\nConnection: close\r\n\r\n", i, i, i, i, i))
			w.raw(fmt.Sprintf("GET / HTTP/1.1\r\nHost: h%d.stranger%d.example\r\nConnection: close\r\n\r\n", i, i))
		}
	}
	flood(0, 5)
	before := len(w.counted(10))
	flood(5, 205)
	after := w.counted(410)
	// Histograms and codes are there from the first request; a kept connection may come to be.
	if n := len(after); n > before+2 {
		t.Errorf("%d series before the flood, %d after it", before, n)
	}
	for status = 600; status < 700; status++ {
		w.get("http://a.shop.example/")
	}
	if n := len(w.counted(510)); n > before+3 {
		t.Errorf("%d series before invented codes, %d after them", before, n)
	}
}

// A zone's numbers outlive a change of the configuration and go with the zone.
func TestMetricsOverReload(t *testing.T) {
	w := plain(t, func(http.ResponseWriter, *http.Request) {})
	w.get("http://shop.example/")
	w.counted(1)
	cfg := *w.edge.Config()
	if err := w.edge.Apply(&cfg); err != nil {
		t.Fatal(err)
	}
	w.get("http://shop.example/")
	if n := w.counted(2)[`originward_requests_total{code="200",zone="shop.example"}`]; n != 2 {
		t.Errorf("%v requests after a reload, want 2", n)
	}
	cfg.Zones = nil
	if err := w.edge.Apply(&cfg); err != nil {
		t.Fatal(err)
	}
	for series := range w.scrape() {
		if strings.Contains(series, "shop.example") {
			t.Errorf("%s is left of a zone that is gone", series)
		}
	}
}

func TestMetricsOfCertificates(t *testing.T) {
	e, _, _ := hosts()
	w := start(t, stapledSite(e, siteFiles(t, time.Now().Add(time.Hour))))
	until, ok := w.scrape()[`originward_certificate_expiry_timestamp_seconds{zone="shop.example"}`]
	if left := time.Until(time.Unix(int64(until), 0)); !ok || left < 50*time.Minute || left > time.Hour {
		t.Errorf("the certificate ends in %v (%v), want an hour", left, ok)
	}
}

// The cost that counting adds to a request.
func BenchmarkMeasure(b *testing.B) {
	e, o, _ := hosts()
	w := start(b, fmt.Sprintf("listen: {http: ['%s:0']}\nzones: [%s]", e, siteZone("full", o)))
	b.RunParallel(func(pb *testing.PB) {
		v := newVisit()
		v.edge, v.zone, v.status, v.sent = w.edge, w.edge.state.Load().routes.zones["shop.example"], 200, 100
		v.reused = true
		v.trace.Reset()
		v.trace.Begin(0)
		v.trace.End(0)
		for s := range [...]int{3, 4, 5} {
			v.trace.Begin(3 + exchange.Step(s))
			v.trace.End(3 + exchange.Step(s))
		}
		b.ReportAllocs()
		for pb.Next() {
			v.measure(time.Millisecond)
		}
	})
}

// The cost of a fault's count, which is looked up.
func BenchmarkMeasureFault(b *testing.B) {
	e, o, _ := hosts()
	w := start(b, fmt.Sprintf("listen: {http: ['%s:0']}\nzones: [%s]", e, siteZone("full", o)))
	v := newVisit()
	v.edge, v.zone, v.status = w.edge, w.edge.state.Load().routes.zones["shop.example"], 521
	v.fault = &originward.Fault{Phase: originward.PhaseConnect, Type: originward.ConnectionRefused}
	b.ReportAllocs()
	for b.Loop() {
		v.measure(time.Millisecond)
	}
}
