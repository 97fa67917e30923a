package edge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/handover"
)

// listenKey is what a listener was asked for; n tells several on port 0 apart.
type listenKey struct {
	addr  string
	https bool
	n     int
	shard int // of several sockets on one address (SO_REUSEPORT)
}

type listener struct {
	net.Listener
	key       listenKey
	inherited bool // from a predecessor or a service manager
}

// Visitors' TCP keepalive (cloudflare tcp-connections): after 400 s idle, probes
// every 75 s, nine misses.
var visitorKeepAlive = net.KeepAliveConfig{Enable: true, Idle: 400 * time.Second, Interval: 75 * time.Second, Count: 9}

func keysOf(l config.Listen) []listenKey {
	var keys []listenKey
	seen := map[listenKey]int{}
	for _, s := range []struct {
		addrs []string
		https bool
	}{{l.HTTP, false}, {l.HTTPS, true}} {
		for _, a := range s.addrs {
			k := listenKey{addr: a, https: s.https}
			n := seen[k]
			seen[k]++
			k.n = n
			for k.shard = range max(1, l.ReusePort) {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// end closes the listener; it is not handed over any more.
func (l *listener) end() {
	handover.Process().Forget(l.Addr())
	_ = l.Close() // nothing more is accepted either way
}

// relisten opens what the configuration asks for and is not open, and then closes
// what it no longer asks for. When one cannot be opened, nothing changes.
func (e *Edge) relisten(cfg *config.Config) error {
	e.mu.Lock()
	have := make(map[listenKey]*listener, len(e.listeners))
	for k, l := range e.listeners {
		have[k] = l
	}
	e.mu.Unlock()
	want := map[listenKey]*listener{}
	var opened []*listener
	lc := listenConfig(cfg.Timers.Client, cfg.Listen.ReusePort > 1)
	set := handover.Process()
	for _, k := range keysOf(cfg.Listen) {
		if l := have[k]; l != nil {
			want[k] = l
			continue
		}
		addr, first := k.addr, listenKey{addr: k.addr, https: k.https, n: k.n}
		if k.shard > 0 {
			addr = want[first].Addr().String() // whose port may be the system's choice
		}
		nl, inherited, err := set.Listen(context.Background(), &lc, addr)
		if errors.Is(err, syscall.EADDRINUSE) && k.shard > 0 && (want[first].inherited || have[first] != nil) {
			e.log.Warn("the number of sockets on an address grows with a restart only", "address", addr)
			continue
		}
		if err != nil {
			for _, l := range opened {
				l.end()
			}
			return fmt.Errorf("listen on %s: %w", k.addr, err)
		}
		l := &listener{nl, k, inherited}
		want[k], opened = l, append(opened, l)
	}
	for k, l := range have {
		// Closing one of several sockets would reset connections that wait at it.
		if want[listenKey{addr: k.addr, https: k.https, n: k.n}] != nil {
			want[k] = l
		}
	}
	e.mu.Lock()
	e.listeners = want
	e.mu.Unlock()
	e.noteOwn(want)
	for _, l := range opened {
		e.log.Info("listening", "address", l.Addr().String(), "https", l.key.https)
		e.work.Go(func() { e.accept(l) })
	}
	for k, l := range have {
		if want[k] == nil {
			l.end()
			e.log.Info("no longer listening", "address", l.Addr().String())
		}
	}
	return nil
}

// noteOwn remembers the addresses that lead to this edge.
func (e *Edge) noteOwn(ls map[listenKey]*listener) {
	o := &ownAddrs{exact: map[netip.AddrPort]struct{}{}, ports: map[uint16]struct{}{}}
	for _, l := range ls {
		a, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			continue
		}
		ap := netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
		if ap.Addr().IsUnspecified() {
			o.ports[ap.Port()] = struct{}{}
			continue
		}
		o.exact[ap] = struct{}{}
	}
	o.local = localAddrs()
	e.own.Store(o)
}

func (e *Edge) closeListeners() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.listeners {
		l.end()
	}
	e.listeners = map[listenKey]*listener{}
}

// Addrs are the addresses listened on, with the ports that were taken.
func (e *Edge) Addrs() (http, https []netip.AddrPort) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, k := range keysOf(e.Config().Listen) {
		l := e.listeners[k]
		if l == nil || k.shard > 0 {
			continue
		}
		a, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			continue
		}
		ap := netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
		if k.https {
			https = append(https, ap)
		} else {
			http = append(http, ap)
		}
	}
	return http, https
}

// acceptPause is how long accepting rests after a failure such as having no
// descriptors left.
const acceptPause = 20 * time.Millisecond

// accept serves a listener until it is closed.
func (e *Edge) accept(l *listener) {
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			e.log.Error("accept", "address", l.Addr().String(), "error", err)
			select {
			case <-e.stop:
				return
			case <-time.After(acceptPause):
			}
			continue
		}
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			_ = conn.Close() // a TCP listener gives TCP connections only
			continue
		}
		if l.inherited { // from a program that may not have set it on the listener
			_ = tcp.SetKeepAliveConfig(visitorKeepAlive) // a connection that is gone already says so when read
		}
		c, err := newVisitor(e, tcp, l.key.https)
		if err != nil || !e.admit(c) {
			_ = tcp.Close() // gone already, or the edge is shutting down
			continue
		}
		c.start()
	}
}

func (e *Edge) admit(c *visitor) bool {
	limits := e.state.Load().limits
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.draining.Load() {
		return false
	}
	if !e.crowd.enter(c.info.addr, len(e.visitors)+e.visitors3, limits) {
		hit := limitPerAddress
		if limits.Connections > 0 && len(e.visitors) >= limits.Connections {
			hit = limitConnections
		}
		e.measures.limits[hit].Add(1)
		if e.crowd.tell(time.Now()) {
			e.log.Warn("visitors' connections refused", "limit", limits.Connections, "limit_per_address", limits.PerAddress,
				"latest", c.info.text, "refused", e.crowd.refused)
		}
		return false
	}
	e.visitors[c] = struct{}{}
	e.measures.accepted.Add(1)
	return true
}

func (e *Edge) dismiss(c *visitor) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.visitors, c)
	e.crowd.leave(c.info.addr)
}
