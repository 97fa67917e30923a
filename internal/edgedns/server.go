package edgedns

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/handover"
)

// Server answers DNS. It is safe for concurrent use.
type Server struct {
	log   *slog.Logger
	now   func() time.Time
	state atomic.Pointer[snapshot]
	conf  atomic.Pointer[config.DNS]
	flat  *flattener
	limit *limiter
	own   []netip.Addr

	udp   []*net.UDPConn
	tcp   []net.Listener
	slots chan struct{} // answers that wait for others
	conns chan struct{} // TCP connections
	stop  chan struct{}
	work  sync.WaitGroup

	mu    sync.Mutex
	open  map[net.Conn]struct{} // guarded by mu
	ended bool                  // guarded by mu
}

// Options are what a server has beside its configuration. The zero Options work.
type Options struct {
	Log *slog.Logger     // nil = nothing is said
	Now func() time.Time // nil = time.Now
	// Follow has its argument called with the configuration in force, now and after each
	// change, as an edge's OnConfig does; nil = nothing changes but by Apply.
	Follow func(apply func(*config.Config))
}

// Bounds of what is done at once.
const (
	maxWaiting = 1000
	maxConns   = 1000
)

// Start listens on the addresses of a configuration and answers until Shutdown.
// It is nil when the configuration has no DNS.
func Start(cfg *config.Config, o Options) (*Server, error) {
	if len(cfg.Listen.DNS) == 0 && len(cfg.Listen.DNSTLS) == 0 {
		return nil, nil
	}
	s := &Server{
		log: o.Log, now: o.Now, slots: make(chan struct{}, maxWaiting), conns: make(chan struct{}, maxConns),
		stop: make(chan struct{}), open: map[net.Conn]struct{}{}, limit: newLimiter(cfg.DNS.RateLimit),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.flat = newFlattener(s.now)
	if err := s.listen(cfg); err != nil {
		s.closeListeners()
		return nil, err
	}
	s.own = listenAddrs(s.listening())
	s.Apply(cfg)
	if o.Follow != nil { // before the first answer: what is in force then must be in it
		o.Follow(s.Apply)
	}
	for _, c := range s.udp {
		for range runtime.GOMAXPROCS(0) {
			s.work.Go(func() { s.serveUDP(c) })
		}
	}
	for _, l := range s.tcp {
		s.work.Go(func() { s.serveTCP(l) })
	}
	s.work.Go(s.age)
	s.log.Info("DNS listening", "addresses", s.listening())
	return s, nil
}

func (s *Server) listen(cfg *config.Config) error {
	// A successor of this program is handed these sockets.
	set, lc, ctx := handover.Process(), new(net.ListenConfig), context.Background()
	for _, addr := range cfg.Listen.DNS {
		c, l, err := listenPair(ctx, set, lc, addr)
		if err != nil {
			return fmt.Errorf("listen for DNS: %w", err)
		}
		s.udp, s.tcp = append(s.udp, c), append(s.tcp, l)
		_ = c.SetReadBuffer(4 << 20) // as much as the system allows
		if err := receiveDestination(c); err != nil {
			return fmt.Errorf("listen for DNS on %s: %w", addr, err)
		}
	}
	for _, addr := range cfg.Listen.DNSTLS {
		l, _, err := set.Listen(ctx, lc, addr)
		if err != nil {
			return fmt.Errorf("listen for DNS over TLS: %w", err)
		}
		s.tcp = append(s.tcp, tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"dot"},
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				if c := s.conf.Load().TLS; c != nil {
					return c, nil
				}
				return nil, errors.New("no certificate is configured")
			}}))
	}
	return nil
}

// pairTries is how often a port that the system chooses for UDP may prove taken
// over TCP before that is an error.
const pairTries = 16

// listenPair listens over UDP, and over TCP on the same port, also when it was
// the system's choice.
func listenPair(ctx context.Context, set *handover.Set, lc *net.ListenConfig, addr string) (*net.UDPConn, net.Listener, error) {
	for try := 1; ; try++ {
		pc, err := set.ListenPacket(ctx, lc, addr)
		if err != nil {
			return nil, nil, err
		}
		c := pc.(*net.UDPConn) //nolint:forcetypeassert // "udp" gives one
		l, _, err := set.Listen(ctx, lc, c.LocalAddr().String())
		if err == nil {
			return c, l, nil
		}
		_ = c.Close() // it is given up
		if _, port, _ := net.SplitHostPort(addr); port != "0" || try == pairTries {
			return nil, nil, err
		}
	}
}

func (s *Server) listening() []string {
	var out []string
	for _, c := range s.udp {
		out = append(out, c.LocalAddr().String())
	}
	for _, l := range s.tcp {
		if a := l.Addr().String(); !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// Addrs are the addresses listened on: UDP and TCP, then TLS alone.
func (s *Server) Addrs() []netip.AddrPort {
	var out []netip.AddrPort
	for _, a := range s.listening() {
		if ap, err := netip.ParseAddrPort(a); err == nil {
			out = append(out, netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()))
		}
	}
	return out
}

// Apply answers from another configuration from now on. The addresses listened on
// and the rate limit stay as they are.
func (s *Server) Apply(cfg *config.Config) {
	s.conf.Store(&cfg.DNS)
	s.state.Store(newSnapshot(cfg, s.own, s.flat, s.now, s.state.Load()))
}

// age has signed answers made anew from time to time.
func (s *Server) age() {
	t := time.NewTicker(keepSigned)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-t.C:
			s.state.Load().cache.clear()
		}
	}
}

func (s *Server) closeListeners() {
	for _, c := range s.udp {
		_ = c.Close() // nothing is left to do with it
	}
	for _, l := range s.tcp {
		_ = l.Close()
	}
}

// Shutdown stops listening and ends connections. Answers under way are waited for,
// at most until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return nil
	}
	s.ended = true
	for c := range s.open {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // wakes it up to end
	}
	s.mu.Unlock()
	close(s.stop)
	s.closeListeners()
	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func machineAddrs() []netip.Addr {
	var out []netip.Addr
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if ip, ok := netip.AddrFromSlice(n.IP); ok && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			out = append(out, ip.Unmap())
		}
	}
	return out
}
