package edgeapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/originward/originward/internal/edge"
	"github.com/originward/originward/internal/handover"
	"github.com/originward/originward/internal/store"
)

// Prefix is the path below which everything is served.
const Prefix = "/client/v4"

// API answers for one edge.
type API struct {
	edge *edge.Edge
	live *Live // nil = the edge keeps nothing: the API only reads
	mux  *http.ServeMux
	log  *slog.Logger
	now  func() time.Time
	// open tells that requests without a token are answered: the API listens on a
	// loopback address.
	open     bool
	foreign  *http.CrossOriginProtection
	throttle *throttle
	previews previews
	measures http.Handler // the edge's metrics
	looks    Diagnoses    // nil = none are made
	inner    string       // one more token; empty = none
}

// Options are what an API has beside its edge. The zero Options work.
type Options struct {
	Live *Live            // nil = the API only reads
	Log  *slog.Logger     // nil = nothing is said
	Now  func() time.Time // nil = time.Now
	// Version is the program's, for its metrics.
	Version string
	// Diagnoses are those that the edge began by itself; nil = none.
	Diagnoses Diagnoses
	// Token may do everything, as those of the configuration file; empty = none.
	Token string
}

// New makes the API of an edge, for a listener on addr.
func New(e *edge.Edge, addr netip.Addr, o Options) *API {
	a := &API{
		edge: e, live: o.Live, log: o.Log, now: o.Now, mux: http.NewServeMux(), open: addr.IsLoopback(),
		foreign: http.NewCrossOriginProtection(), measures: e.MetricsHandler(o.Version), looks: o.Diagnoses, inner: o.Token,
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.now == nil {
		a.now = time.Now
	}
	a.throttle = newThrottle(a.now)
	for _, r := range a.routes() {
		a.mux.HandleFunc(r.method+" "+Prefix+r.path, a.handler(r))
	}
	a.mux.HandleFunc("/", a.notServed)
	return a
}

// call is one request to the API.
type call struct {
	*http.Request
	who  identity
	zone zoneRef // of paths below /zones/{zone}
}

// reply is the result of a route.
type reply struct {
	result any
	info   *resultInfo
	tag    string // of one object: its version; empty = made from the answer
	raw    []byte // sent as it is, in place of an envelope
	kind   string // Content-Type of raw
	// handler answers itself, in place of an envelope; nil = none.
	handler http.Handler
}

func (a *API) handler(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{Request: r}
		c.who, _ = r.Context().Value(identityKey{}).(identity)
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if err := a.admit(c, rt); err != nil {
			sendError(w, err)
			return
		}
		res, err := rt.serve(c)
		switch {
		case err != nil:
			a.report(c, err)
			sendError(w, err)
		case res.handler != nil:
			res.handler.ServeHTTP(w, r)
		case res.raw != nil:
			write(w, http.StatusOK, res.kind, res.raw)
		case r.Method == http.MethodGet:
			sendTagged(w, r, res.tag, envelope{Success: true, Result: res.result, Info: res.info})
		default:
			if res.tag != "" {
				w.Header().Set("ETag", `"`+res.tag+`"`)
			}
			send(w, http.StatusOK, envelope{Success: true, Result: res.result, Info: res.info})
		}
	}
}

// admit finds the zone of a path and checks that the caller may do this.
func (a *API) admit(c *call, rt route) error {
	if id := c.PathValue("zone"); id != "" {
		z, err := a.zoneRef(id)
		if err != nil {
			return err
		}
		c.zone = z
	}
	if id := c.PathValue("account"); id != "" && id != accountID {
		return &failure{http.StatusNotFound, codeNoObject, "no account has this id: this edge has one, " + accountID}
	}
	if !c.who.may(rt.need, c.zone.id) {
		return &failure{http.StatusForbidden, codeAuth, "Authentication error: the token needs the permission " + rt.need.String()}
	}
	if rt.method == http.MethodGet || rt.pure {
		return nil
	}
	if a.live == nil {
		return &failure{http.StatusNotImplemented, codeNoStore, "this edge keeps nothing, so nothing can be changed: give its configuration a folder, data: FOLDER"}
	}
	if c.zone.id != "" && c.zone.file != nil {
		return &failure{http.StatusForbidden, codeReadOnly, fmt.Sprintf("the zone %s is part of the edge's configuration file and is changed there", c.zone.name)}
	}
	return nil
}

// report logs what is the store's fault, never what is the client's.
func (a *API) report(c *call, err error) {
	var one *failure
	var many *failures
	if errors.As(err, &one) || errors.As(err, &many) || isStoreRefusal(err) || c.Context().Err() != nil {
		return
	}
	a.log.Error("API", "method", c.Method, "path", c.URL.Path, "error", err)
}

// storeFailure is the answer to an error of the store.
func storeFailure(err error) *failure {
	switch {
	case errors.Is(err, store.ErrConflict):
		return &failure{http.StatusConflict, codeConflict, "somebody else changed this since it was read: read it again"}
	case errors.Is(err, store.ErrNotFound):
		return &failure{http.StatusNotFound, codeNoObject, "no object has this id"}
	case errors.Is(err, store.ErrExists):
		return &failure{http.StatusConflict, codeConflict, "an object of this name exists already"}
	}
	// What a database says of itself can hold names and addresses: it is logged, not told.
	return &failure{http.StatusInternalServerError, codeStore, "the edge's store did not keep this; nothing was changed, and it can be tried again"}
}

func isStoreRefusal(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists)
}

// ServeHTTP finds out who asks and answers.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who, f := a.identify(r)
	if f != nil {
		if f.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="originward"`)
		}
		sendFailure(w, f)
		return
	}
	if wait, ok := a.throttle.take(who); !ok {
		w.Header().Set("Retry-After", fmt.Sprint(int(wait.Seconds())+1))
		sendFailure(w, &failure{http.StatusTooManyRequests, codeThrottled, fmt.Sprintf("more than %d requests in %v: please wait", throttleRequests, throttlePeriod)})
		return
	}
	a.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), identityKey{}, who)))
}

// notServed answers everything else with a list of what there is.
func (a *API) notServed(w http.ResponseWriter, r *http.Request) {
	var paths []string
	for _, x := range a.routes() {
		paths = append(paths, x.method+" "+Prefix+x.path)
	}
	f := &failure{http.StatusNotImplemented, codeNotServed, fmt.Sprintf("%s %s is not served by this edge. Served are: %s", r.Method, r.URL.Path, strings.Join(paths, ", "))}
	if r.Method == http.MethodGet && !strings.HasPrefix(r.URL.Path, Prefix+"/") {
		f.status, f.code = http.StatusNotFound, codeNoRoute
	}
	sendFailure(w, f)
}

// Timers of the API's own server: they bound clients, and the store.
const (
	readTime  = 30 * time.Second
	writeTime = 60 * time.Second
	idleTime  = 2 * time.Minute
)

// Server is the API on its listener.
type Server struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{}
}

// Start listens on the address of the edge's configuration and serves until
// Shutdown. It is nil when the configuration has no API.
func Start(e *edge.Edge, o Options) (*Server, error) {
	cfg := e.Config()
	if cfg.Listen.API == "" {
		return nil, nil
	}
	return serveOn("API", cfg.Listen.API, cfg.APITLS, o.Log, func(on netip.Addr) http.Handler { return New(e, on, o) })
}

// serveOn listens on an address and serves what handler makes for it; cert may be nil.
func serveOn(what, address string, cert *tls.Certificate, log *slog.Logger, handler func(on netip.Addr) http.Handler) (*Server, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l, _, err := handover.Process().Listen(context.Background(), new(net.ListenConfig), address)
	if err != nil {
		return nil, fmt.Errorf("listen for the %s on %s: %w", what, address, err)
	}
	var on netip.Addr
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		on = a.AddrPort().Addr().Unmap()
	}
	s := &Server{listener: l, done: make(chan struct{}), server: &http.Server{
		Handler: handler(on), ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	if cert != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12})
	}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			log.Error(what, "error", err)
		}
	}()
	log.Info(what+" listening", "address", s.listener.Addr().String(), "tls", cert != nil)
	return s, nil
}

// Addr is the address listened on.
func (s *Server) Addr() netip.AddrPort {
	if a, ok := s.listener.Addr().(*net.TCPAddr); ok {
		return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	}
	return netip.AddrPort{}
}

// Shutdown stops listening and waits for requests under way, at most until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	if s == nil {
		return nil
	}
	err := s.server.Shutdown(ctx)
	<-s.done
	return err
}
