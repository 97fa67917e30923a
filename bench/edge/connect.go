package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// connections is what the generator of connections says.
type connections struct {
	Requests, Resumed int64
	Seconds           float64
}

// connect has each request come over a connection of its own. (wrk would resume its
// sessions, and not say so.)
func (b *bench) connect(p *peer, resumed bool) (load, error) {
	self, err := os.Executable()
	if err != nil {
		return load{}, err
	}
	cmd := exec.Command("taskset", "-c", loadCore, self, "-connect", p.addr+":443", "-resume="+strconv.FormatBool(resumed),
		"-time", b.o.length.String(), "-conns", strconv.Itoa(b.o.conns))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return load{}, fmt.Errorf("generator of connections: %w", err)
	}
	var c connections
	if err := json.Unmarshal(out, &c); err != nil {
		return load{}, err
	}
	if want := c.Requests * 9 / 10; resumed && c.Resumed < want || !resumed && c.Resumed > 0 {
		return load{}, fmt.Errorf("%d of %d connections were resumed", c.Resumed, c.Requests)
	}
	return load{requests: float64(c.Requests), rate: float64(c.Requests) / c.Seconds}, nil
}

// connectAll is the generator: as many visitors beside each other as there are to be
// connections, each of which begins anew when it is answered.
func connectAll(out io.Writer, o options) error {
	cfg := &tls.Config{
		InsecureSkipVerify: true, ServerName: host, NextProtos: []string{"http/1.1"},
		// What all proxies know; the second only as the curve of the certificate's key.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
	}
	if o.resume {
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	var done, resumed atomic.Int64
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	began := time.Now()
	for range o.conns {
		wg.Go(func() {
			for time.Since(began) < o.length {
				again, err := askOnce(o.connect, cfg)
				if err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
					return
				}
				done.Add(1)
				if again {
					resumed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	return json.NewEncoder(out).Encode(connections{done.Load(), resumed.Load(), time.Since(began).Seconds()})
}

// askOnce asks for the small file over a new connection, and tells whether it was resumed.
func askOnce(addr string, cfg *tls.Config) (resumed bool, err error) {
	tcp, err := net.Dial("tcp", addr)
	if err != nil {
		return false, err
	}
	defer tcp.Close()
	c := tls.Client(tcp, cfg)
	if _, err := io.WriteString(c, "GET /1k HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n"); err != nil {
		return false, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return false, err
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != 200 || n != 1<<10) {
		err = fmt.Errorf("%s: %s, %d bytes", addr, resp.Status, n)
	}
	return c.ConnectionState().DidResume, err
}
