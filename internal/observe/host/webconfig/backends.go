package webconfig

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/names"
)

// Bounds of trying backends: few at a time, each for a short while. A backend
// on the same machine or network answers a connect within milliseconds; one
// that takes a second to the first byte is worth knowing as slow.
const (
	maxTried  = 64
	atOnce    = 8
	tryBudget = 1500 * time.Millisecond
)

// local tells which addresses may be tried: this host's own, and those of
// private networks that it is connected to. Nothing is ever sent elsewhere.
type local struct {
	own  []netip.Addr
	nets []netip.Prefix
}

func newLocal(a fact.Addresses) local {
	var l local
	for _, i := range a.Interfaces {
		for _, p := range i.Addrs {
			l.own = append(l.own, p.Addr())
			if cidr.Local(p.Addr()) {
				l.nets = append(l.nets, p.Masked())
			}
		}
	}
	return l
}

func (l local) has(a netip.Addr) bool {
	a = a.Unmap()
	if a.IsLoopback() || a.IsUnspecified() {
		return true
	}
	for _, o := range l.own {
		if o.Unmap() == a {
			return true
		}
	}
	_, ok := cidr.Containing(l.nets, netip.PrefixFrom(a, a.BitLen()))
	return ok && cidr.Local(a)
}

// trying is one run over all backends of a configuration.
type trying struct {
	env    *collect.Env
	book   *names.Book
	local  local
	listen collect.Listening
	// own tells the proxy's own listen addresses: a request there would go in a
	// circle, so it is only connected to. Nil = none.
	own func(netip.AddrPort) bool
}

// Try works out what each backend's name means, whether that leads back to
// the edge, whether something listens there on this host, and, where it is
// local, whether it answers and in what protocol.
func Try(ctx context.Context, env *collect.Env, book *names.Book, list []fact.Upstream) []fact.Upstream {
	return try(ctx, env, book, list, nil)
}

func try(ctx context.Context, env *collect.Env, book *names.Book, list []fact.Upstream, own func(netip.AddrPort) bool) []fact.Upstream {
	t := &trying{env: env, book: book, local: newLocal(env.Addresses(ctx)), listen: env.Listeners(ctx), own: own}
	out := make([]fact.Upstream, len(list))
	copy(out, list)
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	first := map[string]int{}
	for i := range out {
		u := &out[i]
		key := u.Scheme + " " + u.Name
		if _, ok := first[key]; ok || len(first) >= maxTried {
			continue
		}
		first[key] = i
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			t.one(ctx, u)
		}()
	}
	wg.Wait()
	for i := range out { // the same backend named again
		if j, ok := first[out[i].Scheme+" "+out[i].Name]; ok && j != i {
			o := out[j]
			out[i].Addr, out[i].Answers, out[i].Errno, out[i].Speaks, out[i].MS = o.Addr, o.Answers, o.Errno, o.Speaks, o.MS
			out[i].Listener, out[i].Loop, out[i].Resolved, out[i].Local, out[i].Status, out[i].WithSNI = o.Listener, o.Loop, o.Resolved, o.Local, o.Status, o.WithSNI
		}
	}
	return out
}

func (t *trying) one(ctx context.Context, u *fact.Upstream) {
	ctx, cancel := context.WithTimeout(ctx, tryBudget)
	defer cancel()
	if u.Socket != "" {
		t.socket(ctx, u)
		return
	}
	host, port := t.resolve(ctx, u)
	if len(u.Resolved) > 0 {
		u.Loop = fact.No
		for _, a := range u.Resolved {
			if _, _, edge := t.env.CDN(a); edge {
				u.Loop = fact.Yes
			}
		}
	}
	u.Local = fact.No
	for _, a := range u.Resolved {
		if t.local.has(a) {
			u.Local = fact.Yes
			u.Addr = netip.AddrPortFrom(a, port)
			u.Listener = t.listening(a, port)
			t.exchange(ctx, u, host)
			if u.Answers == fact.Yes {
				return
			}
		}
	}
	if len(u.Resolved) == 0 {
		u.Local = fact.Unknown
	}
}

// resolve gives the addresses that a backend's name means now.
func (t *trying) resolve(ctx context.Context, u *fact.Upstream) (host string, port uint16) {
	if u.Addr.IsValid() {
		u.Resolved = []netip.Addr{u.Addr.Addr()}
		return u.Addr.Addr().String(), u.Addr.Port()
	}
	h, p, err := net.SplitHostPort(u.Name)
	if err != nil || strings.ContainsAny(h, "$%{}") {
		return "", 0
	}
	n, err := net.LookupPort("tcp", p)
	if err != nil {
		return "", 0
	}
	a := t.book.Lookup(ctx, h)
	u.Resolved = a.Addrs
	if a.Failure != "" {
		u.Errno = a.Failure
	}
	return h, uint16(n)
}

// listening says whether a socket of this host takes connections there.
func (t *trying) listening(a netip.Addr, port uint16) fact.Tri {
	for _, s := range t.listen.Sockets {
		if s.Port == port && s.Serves(a) {
			return fact.Yes
		}
	}
	own := a.IsLoopback()
	for _, o := range t.local.own {
		own = own || o.Unmap() == a.Unmap()
	}
	if own && t.listen.Complete == fact.Yes && t.listen.Err == nil {
		return fact.No
	}
	return fact.Unknown
}

// exchange asks the backend as the proxy would: a connect for protocols that
// are not HTTP, else one request.
func (t *trying) exchange(ctx context.Context, u *fact.Upstream, host string) {
	spec := exchange.ProbeSpec{
		Target: exchange.Target{Addr: u.Addr, Host: host}, Method: "GET", Path: "/", Host: t.hostFor(host),
		Budget: tryBudget, MaxBody: 4 << 10, Variant: fact.VariantHTTP1,
	}
	switch u.Scheme {
	case "http", "ws", "h2c":
	case "https", "wss":
		spec.Target.TLS = &exchange.TLSPolicy{ALPN: exchange.ALPNHTTP1}
		if u.SNI == fact.Yes {
			spec.Target.SNI = host
		}
	default:
		spec.NoRequest = true
	}
	if t.own != nil && t.own(u.Addr) {
		spec.NoRequest = true
	}
	x := exchange.Probe(ctx, spec)
	note(u, x)
	switch tls := spec.Target.TLS != nil; {
	case tls && u.SNI == fact.No && x.Fault != nil && x.Fault.Alert != 0:
		t.named(ctx, u, host, spec)
	case !tls && !spec.NoRequest && hungUp(x):
		t.handshake(ctx, u, spec)
	case tls && !spec.NoRequest && x.Connected() && u.Speaks != "tls" && u.Speaks != "http" && x.Fault != nil && x.Fault.Alert == 0:
		t.plain(ctx, u, spec)
	}
}

// hungUp reports whether a backend took a request and closed without a word.
func hungUp(x fact.Exchange) bool {
	return x.Connected() && x.Fault != nil && x.Fault.BytesRead == 0 && x.Fault.Sample == "" &&
		(x.Fault.Type == originward.ConnectionTerminated || x.Fault.Type == originward.HTTPResponseIncomplete)
}

// handshake asks a backend that closed on plain HTTP whether it speaks TLS:
// some TLS servers hang up without an alert.
func (t *trying) handshake(ctx context.Context, u *fact.Upstream, spec exchange.ProbeSpec) {
	spec.Target.TLS, spec.Target.SNI, spec.NoRequest = &exchange.TLSPolicy{ALPN: exchange.ALPNHTTP1}, t.hostFor(spec.Target.Host), true
	if x := exchange.Probe(ctx, spec); x.TLS != nil && x.TLS.Complete {
		u.Speaks = "tls"
	}
}

// named tries again with a server name what was refused without one: with the
// site's, and with the backend's own.
func (t *trying) named(ctx context.Context, u *fact.Upstream, host string, spec exchange.ProbeSpec) {
	spec.NoRequest = true
	for _, name := range []string{t.env.Host, host} {
		if _, err := netip.ParseAddr(name); name == "" || err == nil {
			continue
		}
		u.WithSNI = fact.No
		spec.Target.SNI = name
		if x := exchange.Probe(ctx, spec); x.TLS != nil && x.TLS.Complete {
			u.WithSNI = fact.Yes
			return
		}
	}
}

// plain asks a backend that does not answer TLS in TLS whether it speaks plain
// HTTP: not every such server says HTTP/ to a ClientHello.
func (t *trying) plain(ctx context.Context, u *fact.Upstream, spec exchange.ProbeSpec) {
	spec.Target.TLS, spec.Target.SNI = nil, ""
	if x := exchange.Probe(ctx, spec); x.Response != nil && !plainToTLS(x.Response) {
		u.Speaks = "http"
	}
}

func (t *trying) hostFor(host string) string {
	if t.env.Host != "" {
		return t.env.Host
	}
	return host
}

// note writes down what an exchange showed.
func note(u *fact.Upstream, x fact.Exchange) {
	u.Answers = fact.TriOf(x.Connected())
	for _, p := range x.Phases {
		u.MS += p.MS
	}
	if x.Fault != nil {
		u.Errno = x.Fault.Errno
		if u.Errno == "" {
			u.Errno = string(x.Fault.Type)
		}
	} else {
		u.Errno = ""
	}
	switch {
	case x.TLS != nil && x.TLS.Complete:
		u.Speaks = "tls"
	case x.Response != nil:
		u.Speaks = "http"
		if plainToTLS(x.Response) {
			u.Speaks = "tls"
		}
	case x.Fault != nil && x.Fault.NotTLS:
		u.Speaks = "other"
		if strings.HasPrefix(x.Fault.Sample, "HTTP/") {
			u.Speaks = "http"
		}
	case x.Fault != nil && strings.HasPrefix(x.Fault.Sample, `\x15\x03`):
		u.Speaks = "tls" // a TLS alert in answer to plain HTTP
	case x.Fault != nil && x.Fault.Sample != "":
		u.Speaks = "other"
	}
	if x.Response != nil {
		u.Status = x.Response.Status
	}
}

// plainToTLS recognises the answers of TLS listeners to plain HTTP (nginx,
// Apache, Go).
func plainToTLS(r *fact.Response) bool {
	b := strings.ToLower(r.Body)
	return r.Status == 400 && (strings.Contains(b, "plain http request was sent to https port") ||
		strings.Contains(b, "speaking plain http to an ssl-enabled server port") ||
		strings.Contains(b, "client sent an http request to an https server"))
}

// socket connects to a unix socket: it is local by nature.
func (t *trying) socket(ctx context.Context, u *fact.Upstream) {
	u.Local = fact.Yes
	if strings.HasPrefix(u.Socket, "@") || strings.ContainsAny(u.Socket, "$%") || !ownTree(t.env) {
		return
	}
	d := net.Dialer{Timeout: 500 * time.Millisecond}
	start := time.Now()
	c, err := d.DialContext(ctx, "unix", u.Socket)
	u.MS = float64(time.Since(start).Microseconds()) / 1000
	if err == nil {
		c.Close()
		u.Answers = fact.Yes
		return
	}
	u.Answers = fact.No
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		u.Errno = "ECONNREFUSED"
	case errors.Is(err, syscall.ENOENT):
		u.Errno = "ENOENT"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		u.Errno, u.Answers = "EACCES", fact.Unknown // we may not, the proxy may
	case errors.Is(err, syscall.EAGAIN):
		u.Errno = "EAGAIN" // its queue is full
	default:
		u.Errno, u.Answers = "ETIMEDOUT", fact.Unknown
	}
}

// ownTree: sockets of another root directory cannot be dialled by path.
func ownTree(env *collect.Env) bool { return env.Root == "" || env.Root == "/" }
