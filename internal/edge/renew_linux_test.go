package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The test program is an edge when it is told so: its successors are started with
// the same arguments and environment.
func TestMain(m *testing.M) {
	if path := os.Getenv("EDGE_TEST_SERVE"); path != "" {
		if err := serveForTest(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func serveForTest(path string) error {
	cfg, err := LoadConfig(path)
	if err != nil {
		return err
	}
	e, err := New(cfg, Options{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // outlives no test
	defer cancel()
	pid := os.Getenv("EDGE_TEST_PIDS")
	f, err := os.OpenFile(pid, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	fmt.Fprintln(f, os.Getpid())
	f.Close()
	return Run(ctx, e)
}

// started is an edge in a process of its own.
type started struct {
	t      *testing.T
	config string
	pids   string
	http   string
	tls    string
	cmd    *exec.Cmd
}

func startProcess(t *testing.T, origin http.HandlerFunc) *started {
	t.Helper()
	return startProcessWith(t, origin, func(string) string { return "" })
}

// startProcessWith is startProcess with more to listen on, given the address for HTTPS.
func startProcessWith(t *testing.T, origin http.HandlerFunc, more func(tls string) string) *started {
	t.Helper()
	e, o, _ := hosts()
	ap, _ := originServer(t, o, origin)
	dir := t.TempDir()
	s := &started{t: t, config: filepath.Join(dir, "edge.yaml"), pids: filepath.Join(dir, "pids"), http: fmt.Sprintf("%s:%d", e, ap), tls: e.String() + ":443"}
	s.write(fmt.Sprintf(`listen: {http: ['%s'], https: ['%s']%s}
zones:
- name: shop.example
  ssl: flexible
  records: [{type: A, name: shop.example, content: %s, proxied: true}]
  rules: {origin: [{expression: ssl, action_parameters: {origin: {port: %d}}}]}
`, s.http, s.tls, more(s.tls), o, ap))
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append(os.Environ(), "EDGE_TEST_SERVE="+s.config, "EDGE_TEST_PIDS="+s.pids)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = s.cmd.Wait() // a predecessor ends in its own time
		close(exited)
	}()
	t.Cleanup(func() {
		for _, pid := range s.all() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		<-exited
		log.Close()
		if b, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s", b)
		}
	})
	s.await(func() bool {
		c, err := net.Dial("tcp", s.tls)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return s
}

func originServer(t *testing.T, at fmt.Stringer, h http.HandlerFunc) (uint16, *http.Server) {
	t.Helper()
	l, err := net.Listen("tcp", at.String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go srv.Serve(l) //nolint:errcheck // ends with the test
	t.Cleanup(func() { srv.Close() })
	return l.Addr().(*net.TCPAddr).AddrPort().Port(), srv
}

func (s *started) write(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// all are the processes so far, newest last.
func (s *started) all() (pids []int) {
	b, _ := os.ReadFile(s.pids) // none before the first has begun
	for _, f := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(f); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

func (s *started) newest() int {
	all := s.all()
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1]
}

func (s *started) await(done func() bool) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatal("it did not happen within 20 s")
		}
	}
}

// asking is load from several visitors: connections kept and new ones, over HTTP/1.1
// plain and over TLS, and over HTTP/2. Nothing is tried twice but what HTTP/2 says
// was not processed.
type asking struct {
	stop   chan struct{}
	work   sync.WaitGroup
	good   atomic.Int64
	mu     sync.Mutex
	failed []string
}

func (a *asking) fail(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = append(a.failed, fmt.Sprintf(format, args...))
}

// ask starts the load.
func (s *started) ask() *asking {
	a := &asking{stop: make(chan struct{})}
	for i := range 4 {
		secure := i%2 == 1
		a.work.Go(func() { s.askRaw(a, secure) })
	}
	for range 2 {
		a.work.Go(func() { s.ask2(a) })
	}
	return a
}

// askRaw writes requests by hand, so that no client tries one again.
func (s *started) askRaw(a *asking, secure bool) {
	var conn net.Conn
	var r *bufio.Reader
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for n := 0; ; n++ {
		select {
		case <-a.stop:
			return
		default:
		}
		if conn == nil {
			var err error
			if secure {
				conn, err = tls.Dial("tcp", s.tls, &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example", NextProtos: []string{"http/1.1"}})
			} else {
				conn, err = net.Dial("tcp", s.http)
			}
			if err != nil {
				a.fail("connect (TLS %v): %v", secure, err)
				conn = nil
				continue
			}
			r = bufio.NewReader(conn)
		}
		req, _ := http.NewRequest("GET", "http://shop.example/"+strconv.Itoa(n), nil)
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if err := req.Write(conn); err != nil {
			a.fail("write (TLS %v): %v", secure, err)
			conn.Close()
			conn = nil
			continue
		}
		resp, err := http.ReadResponse(r, req)
		if err != nil {
			a.fail("read (TLS %v): %v", secure, err)
			conn.Close()
			conn = nil
			continue
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || string(b) != "/"+strconv.Itoa(n) {
			a.fail("%d %q: %v", resp.StatusCode, b, err)
		}
		a.good.Add(1)
		if resp.Close || n%50 == 49 {
			conn.Close()
			conn = nil
		}
	}
}

func (s *started) ask2(a *asking) {
	tr := &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", s.tls)
		},
	}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, Timeout: 20 * time.Second}
	for {
		select {
		case <-a.stop:
			return
		default:
		}
		resp, err := c.Get("https://shop.example/two")
		if err != nil {
			a.fail("HTTP/2: %v", err)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || resp.ProtoMajor != 2 || string(b) != "/two" {
			a.fail("HTTP/%d %d %q: %v", resp.ProtoMajor, resp.StatusCode, b, err)
		}
		a.good.Add(1)
	}
}

// more waits until n more requests have been answered.
func (s *started) more(a *asking, n int64) {
	s.t.Helper()
	want := a.good.Load() + n
	s.await(func() bool { return a.good.Load() >= want })
}

func (a *asking) end(t *testing.T) {
	t.Helper()
	close(a.stop)
	a.work.Wait()
	t.Logf("%d requests answered", a.good.Load())
	for i, f := range a.failed {
		if i == 10 {
			t.Errorf("… and %d more", len(a.failed)-i)
			break
		}
		t.Error(f)
	}
}

func echoPath(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) }

// A reload and two changes of the program, under load, lose no request.
func TestRenewLosesNothing(t *testing.T) {
	s := startProcess(t, echoPath)
	a := s.ask()
	s.more(a, 200)
	first := s.newest()
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	for _, colo := range []string{"AAA", "BBB"} {
		s.write("colo: " + colo + "\n" + string(text))
		if err := syscall.Kill(first, syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		s.more(a, 100)
	}
	for range 2 {
		old := s.newest()
		if err := syscall.Kill(old, syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		s.await(func() bool { return s.newest() != old })
		s.more(a, 300)
	}
	a.end(t)
	if n := len(s.all()); n != 3 {
		t.Errorf("%d programs have served, not 3", n)
	}
	// With its visitors gone the first program ends.
	s.await(func() bool { return errors.Is(syscall.Kill(first, 0), syscall.ESRCH) })
}

// A successor that cannot read the configuration does not take over.
func TestRenewFails(t *testing.T) {
	s := startProcess(t, echoPath)
	a := s.ask()
	s.more(a, 50)
	old := s.newest()
	s.write("nonsense: true\n")
	if err := syscall.Kill(old, syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	s.more(a, 400)
	a.end(t)
	if s.newest() != old {
		t.Error("another program has taken over")
	}
}
