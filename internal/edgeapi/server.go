package edgeapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
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
)

// Prefix is the path below which everything is served.
const Prefix = "/client/v4"

// API answers for one edge.
type API struct {
	edge *edge.Edge
	mux  *http.ServeMux
	// open tells that requests without a token are answered: the API listens on a
	// loopback address.
	open bool
}

// New makes the API of an edge, for a listener on addr.
func New(e *edge.Edge, addr netip.Addr) *API {
	a := &API{edge: e, mux: http.NewServeMux(), open: addr.IsLoopback()}
	for _, r := range a.routes() {
		a.mux.HandleFunc("GET "+Prefix+r.path, a.handler(r.serve))
	}
	a.mux.HandleFunc("/", a.notServed)
	return a
}

// route is one path that is served.
type route struct {
	path  string
	serve func(*http.Request) (*reply, error)
}

// reply is the result of a route.
type reply struct {
	result any
	info   *resultInfo
}

// routes lists what is served; to add a path is one line.
func (a *API) routes() []route {
	return []route{
		{"/user/tokens/verify", a.verifyToken},
		{"/ips", a.ips},
		{"/zones", a.zones},
		{"/zones/{zone}", a.zone},
		{"/zones/{zone}/dns_records", a.records},
		{"/zones/{zone}/dns_records/{record}", a.record},
		{"/zones/{zone}/settings", a.settings},
		{"/zones/{zone}/settings/{setting}", a.setting},
		{"/zones/{zone}/rulesets", a.rulesets},
		{"/zones/{zone}/rulesets/{ruleset}", a.ruleset},
		{"/zones/{zone}/rulesets/phases/{phase}/entrypoint", a.entrypoint},
		{"/originward/exchanges", a.exchanges},
		{"/originward/rays/{ray}", a.ray},
	}
}

func (a *API) handler(serve func(*http.Request) (*reply, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		res, err := serve(r)
		var f *failure
		switch {
		case errors.As(err, &f):
			sendFailure(w, f)
		case err != nil:
			sendFailure(w, &failure{http.StatusInternalServerError, 1, err.Error()})
		default:
			send(w, http.StatusOK, envelope{Success: true, Result: res.result, Info: res.info})
		}
	}
}

// ServeHTTP checks the token and answers.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f := a.refused(r); f != nil {
		if f.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="originward"`)
		}
		sendFailure(w, f)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// refused tells why a request has no access; nil = it has.
func (a *API) refused(r *http.Request) *failure {
	tokens := a.edge.Config().Tokens
	given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if bearer && len(tokens) > 0 {
		sum := sha256.Sum256([]byte(strings.TrimSpace(given)))
		for _, t := range tokens {
			if subtle.ConstantTimeCompare(sum[:], t.SHA256[:]) == 1 {
				return nil
			}
		}
		return &failure{http.StatusForbidden, codeAuth, "Authentication error: this token is none of api_tokens"}
	}
	if !a.open {
		return &failure{http.StatusUnauthorized, codeAuth, "Authentication error: send Authorization: Bearer TOKEN, a token of api_tokens"}
	}
	// A web page in this machine's browser could reach the API under a name of its own
	// that leads to a loopback address.
	if !localHost(r.Host) {
		return &failure{http.StatusForbidden, codeAuth, "Authentication error: without a token, the API is asked by its address or as localhost"}
	}
	return nil
}

func localHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// notServed answers everything else with a list of what there is.
func (a *API) notServed(w http.ResponseWriter, r *http.Request) {
	var paths []string
	for _, x := range a.routes() {
		paths = append(paths, "GET "+Prefix+x.path)
	}
	f := &failure{http.StatusNotImplemented, codeNotServed, fmt.Sprintf("%s %s is not served by this edge. Served are: %s", r.Method, r.URL.Path, strings.Join(paths, ", "))}
	if r.Method == http.MethodGet && !strings.HasPrefix(r.URL.Path, Prefix+"/") {
		f.status, f.code = http.StatusNotFound, codeNoRoute
	}
	sendFailure(w, f)
}

// Timers of the API's own server. Answers are made from memory, so the times only
// bound clients.
const (
	readTime  = 10 * time.Second
	writeTime = 30 * time.Second
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
func Start(e *edge.Edge, log *slog.Logger) (*Server, error) {
	cfg := e.Config()
	if cfg.Listen.API == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", cfg.Listen.API)
	if err != nil {
		return nil, fmt.Errorf("listen for the API on %s: %w", cfg.Listen.API, err)
	}
	var addr netip.Addr
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		addr = a.AddrPort().Addr().Unmap()
	}
	s := &Server{listener: l, done: make(chan struct{}), server: &http.Server{
		Handler: New(e, addr), ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	if cfg.APITLS != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*cfg.APITLS}, MinVersion: tls.VersionTLS12})
	}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			log.Error("API", "error", err)
		}
	}()
	log.Info("API listening", "address", s.listener.Addr().String(), "tls", cfg.APITLS != nil)
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
