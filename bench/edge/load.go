package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
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
	closing := strings.Contains(strings.Join(more, " "), "Connection: close")
	if bad := wrkBad.FindString(text); bad != "" && !(closing && strings.Contains(bad, "Socket errors")) {
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

// quiet watches how much time the cores spend on other processes.
type quiet struct {
	busy, own, at float64
}

// tick is the kernel's USER_HZ, by which /proc counts.
const tick = 100

func watchQuiet(b *bench) (quiet, error) {
	busy, err := busyTime()
	return quiet{busy, b.ownTime(), float64(time.Now().UnixNano()) / 1e9}, err
}

// others is the share of one core that others used since.
func (q quiet) others(b *bench) float64 {
	busy, err := busyTime()
	if err != nil {
		return 1
	}
	took := float64(time.Now().UnixNano())/1e9 - q.at
	return max(0, (busy-q.busy)-(b.ownTime()-q.own)) / took
}

// busyTime is the time in seconds that all cores have been busy.
func busyTime() (float64, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var sum float64
	for i, f := range strings.Fields(line)[1:] {
		if i == 3 || i == 4 || i > 7 { // idle, waiting for disks; guests are counted already
			continue
		}
		sum += number(f)
	}
	return sum / tick, nil
}

// ownTime is the time of our processes, ended ones included.
func (b *bench) ownTime() float64 {
	var sum float64
	pids := []int{os.Getpid()}
	for _, p := range append(b.peers, b.origin) {
		pids = append(pids, p.pids()...)
	}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		f := strings.Fields(rest)
		if len(f) < 15 {
			continue
		}
		sum += number(f[11]) + number(f[12]) // itself
		if pid == os.Getpid() {
			sum += number(f[13]) + number(f[14]) // the generators, which have ended
		}
	}
	return sum / tick
}
