package edge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/handover"
)

// Bounds of HTTP/3. The windows bound what a visitor may send unread: the library's
// own (6 and 15 MiB) are for programs with few connections. Beyond so many handshakes
// under way a visitor first has to show that its address is its own (RFC 9000 section 8.1.2).
const (
	streamWindow3  = 1 << 20
	connWindow3    = 4 << 20
	maxHandshakes3 = 100
	// leaveTime3 is how long visitors may finish requests when a successor takes the
	// socket: two programs cannot read from it at once.
	leaveTime3 = 10 * time.Second
	// waitTime3 bounds how long a successor waits for that.
	waitTime3 = leaveTime + drainTime
)

// listener3 is a UDP socket on which HTTP/3 is served.
type listener3 struct {
	key    string // as configured
	conn   net.PacketConn
	server *http3.Server
	late   *http3.Server // for connections that came while the other one was shut down
	tr     *quic.Transport
	stop   context.CancelFunc
	ctx    context.Context

	mu      sync.Mutex
	ln      *quic.Listener // guarded by mu; nil = not yet, or not any more
	pending atomic.Int64   // handshakes under way
	tag     connTag
}

// open3 opens the sockets that a configuration asks for and are not open. Without an
// error they are served by settle3.
func (e *Edge) open3(cfg *config.Config) (fresh []*listener3, err error) {
	set := handover.Process()
	for _, addr := range cfg.Listen.HTTP3 {
		if e.listeners3[addr] != nil {
			continue
		}
		pc, err := set.ListenPacket(context.Background(), new(net.ListenConfig), addr)
		if err != nil {
			abandon3(fresh)
			return nil, fmt.Errorf("listen for HTTP/3 on %s: %w", addr, err)
		}
		l := &listener3{key: addr, conn: pc}
		_, _ = rand.Read(l.tag[:]) // never fails
		l.ctx, l.stop = context.WithCancel(context.Background())
		l.server, l.late = e.newServer3(cfg), e.newServer3(cfg)
		fresh = append(fresh, l)
	}
	return fresh, nil
}

func (e *Edge) newServer3(cfg *config.Config) *http3.Server {
	return &http3.Server{
		Handler: http.HandlerFunc(serve3), ConnContext: e.context3, MaxHeaderBytes: maxFieldBytes, IdleTimeout: cfg.Timers.Client,
	}
}

func abandon3(ls []*listener3) {
	for _, l := range ls {
		l.close()
	}
}

// close closes the socket; it is not handed over any more.
func (l *listener3) close() {
	l.stop()
	handover.Process().Forget(l.conn.LocalAddr())
	_ = l.conn.Close() // nothing more is read either way
}

// relistenAll opens and closes sockets for a configuration. When one cannot be
// opened, nothing changes.
func (e *Edge) relistenAll(cfg *config.Config) error {
	fresh, err := e.open3(cfg)
	if err != nil {
		return err
	}
	if err := e.relisten(cfg); err != nil {
		abandon3(fresh)
		return err
	}
	e.settle3(cfg, fresh)
	return nil
}

// settle3 serves fresh sockets and ends those that a configuration does not ask for.
func (e *Edge) settle3(cfg *config.Config, fresh []*listener3) {
	for _, l := range fresh {
		e.listeners3[l.key] = l
		e.log.Info("listening", "address", l.conn.LocalAddr().String(), "http3", true)
		e.work.Go(func() { e.serve3(l, cfg) })
	}
	wanted := map[string]bool{}
	for _, addr := range cfg.Listen.HTTP3 {
		wanted[addr] = true
	}
	for addr, l := range e.listeners3 {
		if wanted[addr] {
			continue
		}
		delete(e.listeners3, addr)
		e.log.Info("no longer listening", "address", l.conn.LocalAddr().String(), "http3", true)
		e.work.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), leaveTime3)
			defer cancel()
			l.end(ctx)
		})
	}
}

// serve3 serves a socket until its end. A predecessor reads from it first.
func (e *Edge) serve3(l *listener3, cfg *config.Config) {
	select {
	case <-handover.Process().Released():
	case <-time.After(waitTime3):
	case <-l.ctx.Done():
		return
	}
	ln, err := l.listen(e, cfg)
	if err != nil {
		if l.ctx.Err() == nil {
			e.log.Error("HTTP/3", "address", l.key, "error", err)
		}
		return
	}
	for {
		conn, err := ln.Accept(l.ctx)
		if err != nil {
			return // it is closed
		}
		if a, ok := conn.Context().Value(attemptKey{}).(*attempt); ok {
			a.over(l)
		}
		addr := udpAddr(conn.RemoteAddr()).Addr()
		if !e.admit3(addr) {
			_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad), "")
			continue
		}
		e.work.Go(func() {
			defer e.dismiss3(addr)
			err := l.server.ServeQUICConn(conn)
			if errors.Is(err, http.ErrServerClosed) && conn.Context().Err() == nil {
				err = l.late.ServeQUICConn(conn)
			}
			if errors.Is(err, http.ErrServerClosed) {
				_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
			} else if err != nil {
				e.log.Debug("HTTP/3 visitor", "client", addr.String(), "error", err)
			}
		})
	}
}

// connTag begins the ids of all connections of a listener, by which packets that are
// for them can be told.
type connTag [2]byte

// connIDLen is as long as what others use: a tag and 48 random bits.
const connIDLen = 8

// GenerateConnectionID makes an id.
func (t connTag) GenerateConnectionID() (quic.ConnectionID, error) {
	var b [connIDLen]byte
	_, _ = rand.Read(b[copy(b[:], t[:]):]) // never fails
	return quic.ConnectionIDFromBytes(b[:]), nil
}

// ConnectionIDLen is the length of the ids.
func (connTag) ConnectionIDLen() int { return connIDLen }

// attempt is a handshake under way.
type attempt struct{ ended atomic.Bool }

type attemptKey struct{}

func (a *attempt) over(l *listener3) {
	if !a.ended.Swap(true) {
		l.pending.Add(-1)
	}
}

func (l *listener3) listen(e *Edge, cfg *config.Config) (*quic.Listener, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	l.tr = &quic.Transport{
		Conn: l.conn, ConnectionIDGenerator: l.tag,
		VerifySourceAddress: func(net.Addr) bool { return l.pending.Load() > maxHandshakes3 },
		ConnContext: func(ctx context.Context, _ *quic.ClientInfo) (context.Context, error) {
			a := &attempt{}
			l.pending.Add(1)
			context.AfterFunc(ctx, func() { a.over(l) })
			return context.WithValue(ctx, attemptKey{}, a), nil
		},
	}
	loud(l.conn)
	ln, err := l.tr.Listen(e.tls.quic, &quic.Config{
		MaxIdleTimeout: cfg.Timers.Client, MaxIncomingStreams: maxStreams2, MaxStreamReceiveWindow: streamWindow3, MaxConnectionReceiveWindow: connWindow3,
	})
	l.ln = ln
	return ln, err
}

// end lets requests finish until ctx ends, and closes the socket.
func (l *listener3) end(ctx context.Context) {
	l.mu.Lock()
	ln := l.ln
	l.ln = nil
	l.mu.Unlock()
	if ln != nil && !quiet(l.conn, l.tag) {
		_ = ln.Close() // connections go on, new ones are refused
	}
	_ = l.server.Shutdown(ctx) // says GOAWAY; what is not done by then is cut off
	t := time.NewTicker(leaveLook)
	defer t.Stop()
	for l.pending.Load() > 0 && ctx.Err() == nil {
		select { // what was begun here ends here
		case <-t.C:
		case <-ctx.Done():
		}
	}
	_ = l.late.Shutdown(ctx)
	l.stop()
	if ln != nil {
		_ = ln.Close()
		_ = l.tr.Close()
	}
	l.close()
}

// end3 ends all HTTP/3.
func (e *Edge) end3(ctx context.Context) {
	e.apply.Lock()
	all := e.listeners3
	e.listeners3 = map[string]*listener3{}
	e.apply.Unlock()
	var wait sync.WaitGroup
	for _, l := range all {
		wait.Go(func() { l.end(ctx) })
	}
	wait.Wait()
}

// admit3 counts a connection among the visitors'.
func (e *Edge) admit3(addr netip.Addr) bool {
	limits := e.state.Load().limits
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.draining.Load() || !e.crowd.enter(addr, len(e.visitors)+e.visitors3, limits) {
		return false
	}
	e.visitors3++
	return true
}

func (e *Edge) dismiss3(addr netip.Addr) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.visitors3--
	e.crowd.leave(addr)
}
