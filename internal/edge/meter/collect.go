package meter

import (
	"github.com/originward/originward"
	"github.com/prometheus/client_golang/prometheus"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("originward_"+name, help, append([]string{"zone"}, labels...), nil)
}

var (
	requests  = desc("requests_total", "Requests answered, by status code.", "code")
	cached    = desc("cache_requests_total", "Requests by what the cache had to do with them, as in CF-Cache-Status.", "status")
	durations = desc("request_duration_seconds", "Time from a request's first byte to the end of its answer.")
	received  = desc("request_body_bytes_total", "Bytes of request bodies taken from visitors.")
	sent      = desc("response_body_bytes_total", "Bytes of response bodies sent to visitors.")
	exchanges = desc("origin_exchanges_total", "Exchanges with origins, over a new connection or a kept one.", "connection")
	phases    = desc("origin_phase_duration_seconds", "Duration of the phases of exchanges with origins that ended well.", "phase")
	faults    = desc("origin_faults_total", "Faults by phase and type (RFC 9209).", "phase", "type")
	left      = desc("visitors_left_total", "Visitors who left while the edge waited for the origin, by what it waited for.", "phase")
	looks     = desc("diagnoses_total", "Diagnoses that a burst of failures began, by what they came to.", "status")
	ruled     = desc("security_events_total", "Decisions of security rules, by kind of rule and action.", "source", "action")
)

// Describe sends what Collect can send.
func Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{requests, cached, durations, received, sent, exchanges, phases, faults, left, ruled, looks} {
		ch <- d
	}
}

// Collect sends a zone's numbers; what never happened is left out.
func (z *Zone) Collect(name string, ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		if n > 0 {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{name}, labels...)...)
		}
	}
	s := z.sum()
	for i, n := range s.codes {
		count(requests, n, label(i))
	}
	for i, n := range s.cache {
		count(cached, n, cacheStates[i])
	}
	count(received, s.in)
	count(sent, s.out)
	count(exchanges, s.fresh, "new")
	count(exchanges, s.reused, "reused")
	if s.took.count > 0 {
		ch <- s.took.metric(durations, name)
	}
	for i := range s.phases {
		if s.phases[i].count > 0 {
			ch <- s.phases[i].metric(phases, name, string(phaseNames[i]))
		}
	}
	z.faults.each(func(k faultKey, n uint64) { count(faults, n, string(k.phase), string(k.fault)) })
	z.left.each(func(k originward.Phase, n uint64) { count(left, n, string(k)) })
	z.looks.each(func(status string, n uint64) { count(looks, n, status) })
	z.rules.each(func(k ruleKey, n uint64) { count(ruled, n, k.source, k.action) })
}

// sums are a zone's cells added up.
type sums struct {
	codes                  [slots]uint64
	cache                  [len(cacheStates)]uint64
	in, out, fresh, reused uint64
	took                   total
	phases                 [phaseCount]total
}

func (z *Zone) sum() *sums {
	s := &sums{}
	for i := range z.cells {
		c := z.cells[i].Load()
		if c == nil {
			continue
		}
		for i := range c.codes {
			s.codes[i] += c.codes[i].Load()
		}
		for i := range c.cache {
			s.cache[i] += c.cache[i].Load()
		}
		s.in += c.in.Load()
		s.out += c.out.Load()
		s.fresh += c.fresh.Load()
		s.reused += c.reused.Load()
		s.took.add(&c.took)
		for i := range c.phases {
			s.phases[i].add(&c.phases[i])
		}
	}
	return s
}
