// Package names says what a name means on this host: through /etc/hosts, then
// its resolver, with a short timeout. Every name is asked once per run.
package names

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward/internal/observe/host/rootfs"
)

// Answer is what a name means.
type Answer struct {
	Addrs   []netip.Addr
	Failure string // nxdomain, timeout, failed; empty = answered
	From    string // "/etc/hosts", "resolver", "address"
	Line    int    // in /etc/hosts
}

// Timeout bounds one question. A resolver on the same network answers within
// tens of milliseconds what it has been asked before, and servers ask it all
// the time; the whole run is to take half a second, dead resolver or not.
const Timeout = 350 * time.Millisecond

// maxHosts bounds /etc/hosts; ad-blocking lists in it have some MiB.
const maxHosts = 8 << 20

// Book looks names up for one run. Its zero value is not usable; see New.
type Book struct {
	fs     rootfs.FS
	lookup func(ctx context.Context, name string) ([]netip.Addr, error)
	mu     sync.Mutex // guards asked
	asked  map[string]*entry
}

type entry struct {
	done   chan struct{}
	answer Answer
}

// New makes a book over the files of fs. A nil lookup asks the system's
// resolver.
func New(fs rootfs.FS, lookup func(ctx context.Context, name string) ([]netip.Addr, error)) *Book {
	if lookup == nil {
		lookup = system
	}
	return &Book{fs: fs, lookup: lookup, asked: map[string]*entry{}}
}

func system(ctx context.Context, name string) ([]netip.Addr, error) {
	r := net.Resolver{PreferGo: true}
	return r.LookupNetIP(ctx, "ip", name)
}

// Lookup says what name means. It never takes longer than Timeout.
func (b *Book) Lookup(ctx context.Context, name string) Answer {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if a, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return Answer{Addrs: []netip.Addr{a}, From: "address"}
	}
	b.mu.Lock()
	e, ok := b.asked[name]
	if !ok {
		e = &entry{done: make(chan struct{})}
		b.asked[name] = e
		go func() {
			defer close(e.done)
			// On the book's own account: the first caller may leave, others
			// still want the answer.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Timeout)
			defer cancel()
			e.answer = b.ask(ctx, name)
		}()
	}
	b.mu.Unlock()
	select {
	case <-e.done:
		return e.answer
	case <-ctx.Done():
		return Answer{Failure: "timeout"}
	}
}

func (b *Book) ask(ctx context.Context, name string) Answer {
	if addrs, line := b.hosts(name); len(addrs) > 0 {
		return Answer{Addrs: addrs, From: "/etc/hosts", Line: line}
	}
	if name == "localhost" {
		return Answer{Addrs: []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}, From: "resolver"}
	}
	addrs, err := b.lookup(ctx, name)
	a := Answer{From: "resolver"}
	for _, x := range addrs {
		a.Addrs = append(a.Addrs, x.Unmap())
	}
	slices.SortFunc(a.Addrs, netip.Addr.Compare)
	a.Addrs = slices.Compact(a.Addrs)
	if err != nil {
		a.Failure = failure(err)
	}
	return a
}

func failure(err error) string {
	var de *net.DNSError
	if !errors.As(err, &de) {
		if errors.Is(err, context.DeadlineExceeded) {
			return "timeout"
		}
		return "failed"
	}
	switch {
	case de.IsNotFound:
		return "nxdomain"
	case de.IsTimeout:
		return "timeout"
	}
	return "failed"
}

// hosts finds a name in /etc/hosts: the addresses of all its lines, and the
// first line.
func (b *Book) hosts(name string) ([]netip.Addr, int) {
	text, err := b.fs.Read("/etc/hosts", maxHosts)
	if err != nil && len(text) == 0 {
		return nil, 0
	}
	var out []netip.Addr
	first := 0
	for _, h := range parseHosts(text) {
		if slices.Contains(h.names, name) {
			out = append(out, h.addr)
			if first == 0 {
				first = h.line
			}
		}
	}
	return out, first
}

type hostLine struct {
	addr  netip.Addr
	names []string
	line  int
}

func parseHosts(text []byte) []hostLine {
	var out []hostLine
	sc := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; sc.Scan(); n++ {
		l, _, _ := strings.Cut(sc.Text(), "#")
		f := strings.Fields(l)
		if len(f) < 2 {
			continue
		}
		a, err := netip.ParseAddr(f[0])
		if err != nil {
			continue
		}
		h := hostLine{addr: a.Unmap(), line: n}
		for _, name := range f[1:] {
			h.names = append(h.names, strings.ToLower(strings.TrimSuffix(name, ".")))
		}
		out = append(out, h)
	}
	return out
}
