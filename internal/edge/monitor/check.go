package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/pool"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/http1"
)

// Prober does checks. Its fields must not be changed once it is in use.
type Prober struct {
	Resolver exchange.Resolver
	Trust    *exchange.Trust
	// Source is the edge's address towards an origin; nil = the system's choice.
	Source func(to netip.Addr) netip.Addr
	// Prohibited says why an address must not be contacted; nil = none is.
	Prohibited func(netip.Addr, uint16) error
	Profile    exchange.Profile // its timers are replaced by the monitor's
	Now        func() time.Time // nil = time.Now
}

// Subject is what is checked, and how.
type Subject struct {
	Origin  config.PoolOrigin
	Monitor config.Monitor
}

const (
	maxBody      = 10 << 10 // documented: the first 10 KB are looked at
	maxRedirects = 5        // not documented
	maxDetail    = 200
)

// Check does one check with its retries.
func (p *Prober) Check(ctx context.Context, s Subject) pool.Check {
	for try := 0; ; try++ {
		c, f := p.once(ctx, s)
		if f == nil || try >= s.Monitor.Retries || !timedOut(f) || ctx.Err() != nil {
			return c
		}
	}
}

// where is one place that a check asks.
type where struct {
	https bool
	addr  netip.AddrPort
	host  string // Host field
	sni   string
	names [2]string // one of which the certificate must be for
	path  string
}

// once does one try. The fault is nil when the origin answered, whatever it did.
func (p *Prober) once(ctx context.Context, s Subject) (pool.Check, *originward.Fault) {
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	c := pool.Check{At: now()}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.Monitor.Timeout)
	defer cancel()
	w, f := p.begin(ctx, s)
	if f == nil {
		c.Addr = w.addr.Addr()
		if s.Monitor.Type == "tcp" {
			f = p.connect(ctx, w, s)
		} else {
			c.Code, c.Reason, c.Detail, f = p.ask(ctx, w, s)
		}
	}
	c.RTT = time.Since(began)
	switch {
	case f != nil:
		c.Reason = reasonOf(f)
		if f.Err != nil {
			c.Detail = escape.Line(f.Err.Error(), maxDetail)
		}
	case c.Reason == "":
		c.OK, c.Reason = true, NoFailure
	}
	return c, f
}

// begin finds out where the origin is and what it is called.
func (p *Prober) begin(ctx context.Context, s Subject) (where, *originward.Fault) {
	m := s.Monitor
	w := where{https: m.Type == "https", path: m.Path}
	port := m.Port
	if port == 0 {
		port = s.Origin.Port
	}
	if port == 0 {
		port = defaultPort(w.https)
	}
	named := s.Origin.Host // the origin's goes before the monitor's (override-http-host-headers)
	if named == "" {
		for _, h := range m.Header {
			if strings.EqualFold(h[0], "Host") {
				named = h[1]
			}
		}
	}
	w.host = hostField(s.Origin.Address(), port, w.https)
	w.names = [2]string{s.Origin.Address()}
	if named != "" {
		w.host, w.names[0] = named, hostOf(named)
		if _, err := netip.ParseAddr(w.names[0]); err != nil {
			w.sni = w.names[0] // documented: without a Host there is no server name
		}
	}
	a, f := p.addr(ctx, s.Origin.Addr, s.Origin.Target, port)
	w.addr = netip.AddrPortFrom(a, port)
	return w, f
}

func defaultPort(https bool) uint16 {
	if https {
		return 443
	}
	return 80
}

// hostField is the Host field for a host and port.
func hostField(host string, port uint16, https bool) string {
	if port != defaultPort(https) {
		return net.JoinHostPort(host, strconv.Itoa(int(port)))
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// hostOf is a Host field without its port.
func hostOf(field string) string { return (&url.URL{Host: field}).Hostname() }

// addr is the first address of a name, or the one given.
func (p *Prober) addr(ctx context.Context, a netip.Addr, name string, port uint16) (netip.Addr, *originward.Fault) {
	check := func(a netip.Addr) error {
		if p.Prohibited == nil {
			return nil
		}
		return p.Prohibited(a, port)
	}
	if a.IsValid() {
		if err := check(a); err != nil {
			return a, &originward.Fault{Phase: originward.PhaseResolve, Type: originward.DestinationIPProhibited, Err: err}
		}
		return a, nil
	}
	addrs, f := exchange.Resolve(ctx, p.Resolver, p.Profile, name, check, &exchange.Trace{})
	if f != nil {
		return netip.Addr{}, f
	}
	return addrs[0], nil
}

// dial connects, with TLS where w has it.
func (p *Prober) dial(ctx context.Context, w where, s Subject) (*exchange.Conn, *originward.Fault) {
	t := exchange.Target{Addr: w.addr}
	if p.Source != nil {
		t.Source = p.Source(w.addr.Addr())
	}
	if w.https {
		t.TLS = &exchange.TLSPolicy{Validate: !s.Monitor.AllowInsecure, Trust: p.Trust, ALPN: exchange.ALPNHTTP1}
		t.SNI, t.Host, t.AltHost = w.sni, w.names[0], w.names[1]
	}
	prof := p.Profile
	prof.Connect, prof.Handshake, prof.Read, prof.Write = s.Monitor.Timeout, s.Monitor.Timeout, s.Monitor.Timeout, s.Monitor.Timeout
	return exchange.NewDialer(prof).Dial(ctx, t, &exchange.Trace{})
}

// connect checks that a TCP connection can be made.
func (p *Prober) connect(ctx context.Context, w where, s Subject) *originward.Fault {
	c, f := p.dial(ctx, w, s)
	if c != nil {
		_ = c.Close() // the connection was all that was wanted
	}
	return f
}

// ask asks over HTTP and looks at the answer. reason is empty when that is as expected.
func (p *Prober) ask(ctx context.Context, w where, s Subject) (code int, reason, detail string, f *originward.Fault) {
	for range maxRedirects + 1 {
		var body, location []byte
		code, location, body, f = p.request(ctx, w, s)
		if f != nil {
			return code, "", "", f
		}
		if s.Monitor.FollowRedirects && code >= 300 && code < 400 && len(location) > 0 {
			if w, f = p.redirected(ctx, w, string(location)); f != nil {
				return code, "", "", f
			}
			continue
		}
		reason, detail = judge(s.Monitor, code, body)
		return code, reason, detail, nil
	}
	return code, CodeMismatch, fmt.Sprintf("more than %d redirects", maxRedirects), nil
}

// judge compares an answer with what is expected.
func judge(m config.Monitor, code int, body []byte) (reason, detail string) {
	expected := false
	for _, r := range m.Codes {
		expected = expected || code >= r.Low && code <= r.High
	}
	if !expected {
		return CodeMismatch, "the origin answered " + strconv.Itoa(code)
	}
	if m.Body != "" && !bytes.Contains(bytes.ToLower(body), bytes.ToLower([]byte(m.Body))) {
		return BodyMismatch, "the expected text is not in the first 10 KB of the answer"
	}
	return "", ""
}

// request does one request.
func (p *Prober) request(ctx context.Context, w where, s Subject) (code int, location, body []byte, f *originward.Fault) {
	c, f := p.dial(ctx, w, s)
	if f != nil {
		return 0, nil, nil, f
	}
	defer func() { _ = c.Close() }() // one check, one connection
	h, f := c.RoundTrip(ctx, &exchange.Request{Method: s.Monitor.Method, Head: head(w, s)}, &exchange.Trace{})
	if f != nil {
		return 0, nil, nil, f
	}
	code, location = h.Status, bytes.Clone(h.Get("Location"))
	if s.Monitor.Body == "" {
		return code, location, nil, nil
	}
	for len(body) < maxBody {
		piece, err := c.Body().Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			if !errors.As(err, &f) {
				f = &originward.Fault{Phase: originward.PhaseBody, Type: originward.HTTPResponseIncomplete, Err: err}
			}
			return code, location, body, f
		}
		body = append(body, piece[:min(len(piece), maxBody-len(body))]...)
	}
	return code, location, body, nil
}

// userAgent is what monitors call themselves.
const userAgent = "Mozilla/5.0 (compatible; Originward-Monitor/1.0)"

func head(w where, s Subject) []byte {
	b := http1.AppendRequestLine(nil, []byte(s.Monitor.Method), []byte(w.path))
	b = http1.AppendHeader(b, "Host", w.host)
	b = http1.AppendHeader(b, "User-Agent", userAgent)
	for _, h := range s.Monitor.Header {
		if !strings.EqualFold(h[0], "Host") {
			b = http1.AppendHeader(b, h[0], h[1])
		}
	}
	return http1.AppendEnd(http1.AppendHeader(b, "Connection", "close"))
}

// redirected is where a Location leads. One on the same host stays with the origin
// that is checked, whatever DNS says of the name.
func (p *Prober) redirected(ctx context.Context, w where, location string) (where, *originward.Fault) {
	scheme := "http"
	if w.https {
		scheme = "https"
	}
	base := &url.URL{Scheme: scheme, Host: w.host}
	if u, err := url.ParseRequestURI(w.path); err == nil {
		base.Path, base.RawPath, base.RawQuery = u.Path, u.RawPath, u.RawQuery
	}
	u, err := base.Parse(location)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !http1.ValidTarget(u.RequestURI()) || !http1.ValidHost(u.Host) {
		return w, &originward.Fault{Phase: originward.PhaseHeaders, Type: originward.HTTPProtocolError, Err: errors.New("the redirect leads nowhere")}
	}
	same := strings.EqualFold(u.Hostname(), hostOf(w.host))
	next := where{https: u.Scheme == "https", host: u.Host, path: u.RequestURI(), names: [2]string{u.Hostname()}}
	port := defaultPort(next.https)
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		port = uint16(n)
	}
	a, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		next.sni = u.Hostname()
	}
	if same {
		a = w.addr.Addr()
	}
	a, f := p.addr(ctx, a, u.Hostname(), port)
	next.addr = netip.AddrPortFrom(a, port)
	return next, f
}
