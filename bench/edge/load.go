package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// load is what the generator says.
type load struct {
	requests float64
	rate     float64 // requests per second
	p99      float64 // milliseconds
}

var (
	wrkRate = regexp.MustCompile(`(?m)^Requests/sec:\s+([\d.]+)`)
	wrkAll  = regexp.MustCompile(`(?m)^\s+(\d+) requests in `)
	wrkP99  = regexp.MustCompile(`(?m)^\s+99%\s+([\d.]+)(us|ms|s)`)
	wrkBad  = regexp.MustCompile(`(?m)^\s+(Non-2xx or 3xx responses|Socket errors): .*`)
	h2Rate  = regexp.MustCompile(`finished in [^,]+, ([\d.]+) req/s`)
	h2All   = regexp.MustCompile(`(\d+) succeeded`)
	h2Bad   = regexp.MustCompile(`(\d+) failed, (\d+) errored`)
)

// wrk puts load on a proxy.
func (b *bench) wrk(p *peer, scheme, path string, more ...string) (load, error) {
	args := append([]string{"-c", loadCore, "wrk", "-t1", "-c" + strconv.Itoa(b.o.conns), "-d" + seconds(b.o.length), "-H", "Host: " + host}, more...)
	out, err := exec.Command("taskset", append(args, p.url(scheme, path))...).CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	text := string(out)
	if bad := wrkBad.FindString(text); bad != "" {
		return load{}, fmt.Errorf("wrk: %s", strings.TrimSpace(bad))
	}
	var l load
	if m := wrkRate.FindStringSubmatch(text); m != nil {
		l.rate = number(m[1])
	}
	if m := wrkAll.FindStringSubmatch(text); m != nil {
		l.requests = number(m[1])
	}
	if m := wrkP99.FindStringSubmatch(text); m != nil {
		l.p99 = number(m[1]) * map[string]float64{"us": 0.001, "ms": 1, "s": 1000}[m[2]]
	}
	if l.rate == 0 {
		return l, fmt.Errorf("wrk said no rate: %s", text)
	}
	return l, nil
}

// h2load puts HTTP/2 load on a proxy: as many connections, one stream each.
func (b *bench) h2load(p *peer, path string) (load, error) {
	out, err := exec.Command("taskset", "-c", loadCore, "h2load", "-t1", "-c"+strconv.Itoa(b.o.conns), "-m1",
		"-D"+seconds(b.o.length), "-H", ":authority: "+host, p.url("https", path)).CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("h2load: %w: %s", err, out)
	}
	if m := h2Bad.FindStringSubmatch(string(out)); m == nil || m[1] != "0" || m[2] != "0" {
		return load{}, fmt.Errorf("h2load: requests failed: %s", out)
	}
	m := h2Rate.FindStringSubmatch(string(out))
	if m == nil {
		return load{}, fmt.Errorf("h2load said no rate: %s", out)
	}
	l := load{rate: number(m[1])}
	if m := h2All.FindStringSubmatch(string(out)); m != nil {
		l.requests = number(m[1])
	}
	return l, nil
}

func seconds(d time.Duration) string { return strconv.Itoa(max(1, int(d.Seconds()))) }

// number is of a text that a pattern took for one.
func number(s string) float64 {
	n, _ := strconv.ParseFloat(s, 64)
	return n
}

// crowd is a number of idle TLS connections.
type crowd struct{ conns []net.Conn }

func openIdle(p *peer, n int) (*crowd, error) {
	c := &crowd{}
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		first error
	)
	cfg := &tls.Config{InsecureSkipVerify: true, ServerName: host, NextProtos: []string{"http/1.1"}}
	for range 8 {
		wg.Go(func() {
			for range n / 8 {
				conn, err := tls.Dial("tcp", p.addr+":443", cfg)
				mu.Lock()
				if err != nil {
					if first == nil {
						first = fmt.Errorf("idle connection %d of %d (open files allowed: see ulimit -n): %w", len(c.conns)+1, n, err)
					}
					mu.Unlock()
					return
				}
				c.conns = append(c.conns, conn)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if first != nil {
		c.close()
	}
	return c, first
}

func (c *crowd) close() {
	for _, conn := range c.conns {
		_ = conn.Close() // nothing is lost with it
	}
}
