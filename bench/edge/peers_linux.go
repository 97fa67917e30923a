package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// host is the site that is asked for, originAddr where its origin listens.
const (
	host       = "bench.example"
	originAddr = "127.0.9.2"
	proxyCore  = "0"
	loadCore   = "1"
)

// openFiles is enough for the idle connections on both sides of a proxy.
const openFiles = 65536

// peer is a proxy that is measured, on ports 80 and 443 of an address of its own.
type peer struct {
	name string
	addr string
	cmd  *exec.Cmd
	pids func() []int
}

func (p *peer) url(scheme, path string) string { return scheme + "://" + p.addr + path }

// rss is the resident memory of the proxy's processes in bytes.
func (p *peer) rss() (int64, error) {
	var sum int64
	for _, pid := range p.pids() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n * int64(os.Getpagesize())
	}
	return sum, nil
}

// cpu is the processor time of the proxy's threads in microseconds.
func (p *peer) cpu() float64 {
	var sum float64
	for _, pid := range p.pids() {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is good
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil { // else the thread has ended
				first, _, _ := strings.Cut(string(b), " ")
				sum += number(first) / 1000
			}
		}
	}
	return sum
}

// bench is everything that runs.
type bench struct {
	o      options
	dir    string
	files  int // that a process may have open
	origin *peer
	peers  []*peer
}

// haproxyMax is how many connections HAProxy can be allowed: it wants files for both sides of each.
func (b *bench) haproxyMax() int { return min(20_000, (b.files-200)/2) }

// holds tells whether a proxy can hold the idle connections.
func holds(b *bench, p *peer) bool {
	if p.name == "haproxy" {
		return b.haproxyMax() > b.o.idle+b.o.conns
	}
	return b.files > b.o.idle+8*b.o.conns
}

// makers say how each proxy is configured and started; the edge first, and last one
// without anything switched on.
var makers = []struct {
	name, addr string
	config     func(*bench, string) string
	args       func(b *bench, file string) []string
}{
	{"edge", "127.0.9.1", edgeConfig, edgeArgs},
	{"nginx", "127.0.9.3", nginxConfig, func(_ *bench, f string) []string { return []string{"nginx", "-c", f, "-e", "stderr"} }},
	{"haproxy", "127.0.9.4", haproxyConfig, func(_ *bench, f string) []string { return []string{"haproxy", "-f", f} }},
	{"caddy", "127.0.9.5", caddyConfig, func(_ *bench, f string) []string {
		return []string{"caddy", "run", "--adapter", "caddyfile", "--config", f}
	}},
	{"varnish", "127.0.9.6", varnishConfig, func(b *bench, f string) []string {
		return []string{"varnishd", "-F", "-a", "127.0.9.6:80", "-f", f, "-n", filepath.Join(b.dir, "varnish"), "-s", "malloc,64m"}
	}},
	{"bare", "127.0.9.7", bareConfig, func(b *bench, f string) []string {
		return []string{b.o.edge, "serve", "--no-access-log", "--config", f}
	}},
}

func edgeArgs(b *bench, file string) []string {
	args := []string{b.o.edge, "serve", "--config", file}
	if b.o.profile != "" {
		args = append(args, "--cpuprofile", b.o.profile)
	}
	return args
}

// prepare makes certificate, files and configurations, and starts everything.
func prepare(dir string, o options) (*bench, error) {
	b := &bench{o: o, dir: dir}
	// The proxies inherit it; what may not be raised stays.
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: openFiles, Max: openFiles})
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return nil, err
	}
	b.files = int(files.Cur)
	if err := b.serve(); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "origin.conf")
	if err := os.WriteFile(file, []byte(originConfig(b)), 0o644); err != nil {
		return nil, err
	}
	var err error
	if b.origin, err = b.start("origin", originAddr, loadCore, "nginx", "-c", file, "-e", "stderr"); err != nil {
		return nil, err
	}
	for _, m := range makers {
		if !strings.Contains(","+o.peers+",", ","+m.name+",") {
			continue
		}
		file := filepath.Join(dir, m.name+".conf")
		if err := os.WriteFile(file, []byte(m.config(b, m.addr)), 0o644); err != nil {
			b.stop()
			return nil, err
		}
		args := m.args(b, file)
		if _, err := exec.LookPath(args[0]); err != nil {
			fmt.Fprintf(os.Stderr, "%s is left out: %v\n", m.name, err)
			continue
		}
		p, err := b.start(m.name, m.addr, proxyCore, args...)
		if err != nil {
			b.stop()
			return nil, err
		}
		b.peers = append(b.peers, p)
	}
	return b, nil
}

// start runs a program on a core and waits until it listens on port 80.
func (b *bench) start(name, addr, core string, args ...string) (*peer, error) {
	out, err := os.Create(filepath.Join(b.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command("taskset", append([]string{"-c", core}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "HOME="+b.dir, "XDG_DATA_HOME="+b.dir)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &peer{name: name, addr: addr, cmd: cmd, pids: func() []int { return family(cmd.Process.Pid) }}
	for range 100 {
		c, err := net.Dial("tcp", addr+":80")
		if err == nil {
			c.Close()
			return p, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(out.Name()) // only for the message
	end(cmd)
	return nil, fmt.Errorf("%s does not listen on %s:80: %s", name, addr, text)
}

// stop ends everything.
func (b *bench) stop() {
	for _, p := range append(b.peers, b.origin) {
		if p != nil {
			end(p.cmd)
		}
	}
}

// end asks a program to end, and makes it after a while.
func end(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(os.Interrupt) // it may have ended already
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended does not matter
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		for _, pid := range family(cmd.Process.Pid) {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill() // it may have ended meanwhile
			}
		}
		<-done
	}
}

// family is a process and its children.
func family(pid int) []int {
	out := []int{pid}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return out
	}
	for _, f := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(f); err == nil {
			out = append(out, family(n)...)
		}
	}
	return out
}
