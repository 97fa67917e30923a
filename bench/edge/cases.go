package main

import (
	"fmt"
	"slices"
	"time"
)

// benchCase is one row of the table.
type benchCase struct {
	name   string
	unit   string
	target string   // from the project's performance targets: ratio to nginx, or a bound
	beside string   // whom the ratio is to; "" = nginx
	who    []string // can do it
	once   bool     // in the first round only
	needs  func(*bench, *peer) bool
	// measure gives one round's figure for one proxy.
	measure func(*bench, *peer) (figure, error)
}

// Caddy keeps nothing, Varnish only does what is kept.
var (
	proxies = []string{"edge", "nginx", "haproxy", "caddy"}
	caches  = []string{"edge", "nginx", "haproxy", "varnish"}
	edges   = []string{"edge", "bare"}
)

func (c benchCase) base() string {
	if c.beside != "" {
		return c.beside
	}
	return "nginx"
}

func (c benchCase) fits(b *bench, p *peer) bool {
	return slices.Contains(c.who, p.name) && (c.needs == nil || c.needs(b, p))
}

// figure is what one measurement gives.
type figure struct {
	value float64
	// cpu is the proxy's processor time per request in microseconds; 0 = not measured.
	// Unlike the rate it says something on a machine that is not quiet, too.
	cpu float64
}

// Memory comes first, and once: a proxy that has had connections keeps their memory.
var cases = []benchCase{
	{name: "memory per idle TLS", unit: "KiB", target: "≤ 12 KiB", who: proxies, once: true, needs: holds, measure: idleMemory},
	{name: "HTTP 1 KiB", unit: "req/s", target: "≥ 0.90", who: proxies, measure: rate("http", "/1k")},
	{name: "HTTP 100 KiB", unit: "req/s", target: "≥ 1.30", who: proxies, measure: rate("http", "/100k")},
	{name: "work of an edge", unit: "req/s", target: "≥ 0.88 × bare", who: edges, beside: "bare", measure: rate("http", "/1k")},
	{name: "cached 1 KiB", unit: "req/s", target: "≥ 1.00", who: caches, measure: rate("http", "/1k.css")},
	{name: "cached 100 KiB", unit: "req/s", target: "≥ 1.00 × Varnish", beside: "varnish", who: caches, measure: rate("http", "/100k.css")},
	{name: "TLS 1 KiB", unit: "req/s", target: "≥ 0.95", who: proxies, measure: rate("https", "/1k")},
	{name: "TLS 100 KiB", unit: "req/s", target: "≥ 1.10", who: proxies, measure: rate("https", "/100k")},
	{name: "TLS new connections", unit: "conn/s", target: "≥ 1.10", who: proxies, measure: handshakes(false)},
	{name: "TLS resumed connections", unit: "conn/s", who: proxies, measure: handshakes(true)},
	{name: "HTTP/2 1 KiB", unit: "req/s", target: "≥ 0.50", who: proxies, measure: rate2},
	{name: "HTTP 1 KiB p99", unit: "ms", target: "≤ 1.50", who: proxies, measure: latency(0)},
	{name: "HTTP 1 KiB p99 beside idle", unit: "ms", target: "≤ 1.50", who: proxies, needs: holds, measure: latency(1)},
}

func rate(scheme, path string) func(*bench, *peer) (figure, error) {
	return costed(func(b *bench, p *peer) (load, error) { return b.wrk(p, scheme, path) })
}

// handshakes is a connection for each request. What a visitor that comes back spares
// is much, so whether it does is said.
func handshakes(resumed bool) func(*bench, *peer) (figure, error) {
	return costed(func(b *bench, p *peer) (load, error) { return b.connect(p, resumed) })
}

func rate2(b *bench, p *peer) (figure, error) {
	return costed(func(b *bench, p *peer) (load, error) { return b.h2load(p, "/1k") })(b, p)
}

// costed adds the proxy's processor time per request.
func costed(run func(*bench, *peer) (load, error)) func(*bench, *peer) (figure, error) {
	return func(b *bench, p *peer) (figure, error) {
		before := p.cpu()
		l, err := run(b, p)
		f := figure{value: l.rate}
		if l.requests > 0 {
			f.cpu = (p.cpu() - before) / l.requests
		}
		return f, err
	}
}

// latency measures the 99th percentile beside idle connections (0 = none, 1 = the
// number asked for).
func latency(idle int) func(*bench, *peer) (figure, error) {
	return func(b *bench, p *peer) (figure, error) {
		if idle > 0 {
			crowd, err := openIdle(p, b.o.idle)
			if err != nil {
				return figure{}, err
			}
			defer crowd.close()
		}
		w, err := b.wrk(p, "http", "/1k", "--latency")
		return figure{value: w.p99}, err
	}
}

// settle is how long a proxy gets to give memory back after the last handshake.
const settle = 5 * time.Second

func idleMemory(b *bench, p *peer) (figure, error) {
	before, err := p.rss()
	if err != nil {
		return figure{}, err
	}
	crowd, err := openIdle(p, b.o.idle)
	if err != nil {
		return figure{}, err
	}
	defer crowd.close()
	time.Sleep(settle)
	after, err := p.rss()
	if err != nil {
		return figure{}, err
	}
	if after <= before {
		return figure{}, fmt.Errorf("memory did not grow: %d KiB before, %d KiB with %d connections", before>>10, after>>10, b.o.idle)
	}
	return figure{value: float64(after-before) / 1024 / float64(b.o.idle)}, nil
}
