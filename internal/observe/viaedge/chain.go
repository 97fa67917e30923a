package viaedge

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/exchange"
)

// maxRedirects is how many redirects are followed; browsers give up at 20.
const maxRedirects = 10

// visitSpec is one visit: a door of the edge and what is changed.
type visitSpec struct {
	edge    Edge
	scheme  string
	port    uint16 // of the URL
	variant string
	path    string
}

// visit asks as a browser does: it follows redirects on the same host, with the
// cookies that they set, until an answer, a failure, or the same URL again.
func (r *run) visit(ctx context.Context, v visitSpec) fact.EdgeAnswer {
	at := target{scheme: v.scheme, port: v.port, path: v.path}
	jar := r.ask.Cookie
	if v.variant == fact.VariantNoCookie {
		jar = ""
	}
	a := fact.EdgeAnswer{Scheme: v.scheme, Host: hostPort(r.ask.Host, v.scheme, v.port), Path: v.path, Variant: v.variant}
	a.Target = netip.AddrPortFrom(v.edge.Addr, v.edge.portFor(at, v))
	been := []string{at.key(jar)}
	for {
		s := r.hop(ctx, v, at, jar)
		if len(a.Redirects) > 0 && v.edge.elsewhere(at, v) && s.failure != nil && s.failure.Phase == originward.PhaseConnect {
			return a // the edge's port for this scheme is not known: nothing is wrong with it
		}
		r.fill(&a, s, at, v)
		a.MS += float64(s.took.Microseconds()) / 1000
		next, ok := r.follow(at, s)
		if !ok {
			if len(a.Redirects) > 0 && a.RedirLoop == fact.Unknown && !isRedirect(s) && s.failure == nil {
				a.RedirLoop = fact.No
			}
			return a
		}
		a.Redirects = append(a.Redirects, escape.Line(s.location, maxValue))
		jar = addCookies(jar, s.cookies)
		if slices.Contains(been, next.key(jar)) {
			a.RedirLoop = fact.Yes
			return a
		}
		if len(a.Redirects) >= maxRedirects {
			return a
		}
		been = append(been, next.key(jar))
		at = next
	}
}

func (r *run) hop(ctx context.Context, v visitSpec, at target, jar string) seen {
	h := hop{
		addr: netip.AddrPortFrom(v.edge.Addr, v.edge.portFor(at, v)), scheme: at.scheme,
		host: hostPort(r.ask.Host, at.scheme, at.port), name: r.ask.Host, target: at.path, cookie: jar,
	}
	if v.variant == fact.VariantBypass {
		h.header = [][2]string{{"Cache-Control", "no-cache"}, {"Pragma", "no-cache"}}
	}
	return h.do(ctx, r.profile, r.trust)
}

// fill puts the last answer of the chain into the fact.
func (r *run) fill(a *fact.EdgeAnswer, s seen, at target, v visitSpec) {
	keep := *a
	*a = fact.EdgeAnswer{}
	if s.response != nil {
		id, _ := cdn.Lookup(v.edge.Addr)
		s.response.By = id
		*a = cdn.Recognise(*s.response)
		if strings.HasPrefix(at.path, "/cdn-cgi/") && a.CDN != "" {
			a.EdgeMade = fact.Yes // served by the edge itself on every zone (cdn-cgi-endpoint)
		}
	} else if id, _ := cdn.Lookup(v.edge.Addr); id != "" {
		a.CDN = string(id)
	}
	a.Target, a.Scheme, a.Host, a.Path, a.Variant = keep.Target, keep.Scheme, keep.Host, keep.Path, keep.Variant
	a.Redirects, a.RedirLoop, a.MS = keep.Redirects, keep.RedirLoop, keep.MS
	a.Response, a.Failure = s.fact(), s.failure
	a.EdgeCert = keep.EdgeCert
	if s.tls != nil && s.tls.Judged == fact.Yes && len(s.tls.Reasons) > 0 {
		a.EdgeCert = s.tls.Reasons
	}
}

// follow is where a redirect leads; ok is false when there is none, or when it
// leads to another host.
func (r *run) follow(at target, s seen) (target, bool) {
	if !isRedirect(s) {
		return target{}, false
	}
	base := url.URL{Scheme: at.scheme, Host: hostPort(r.ask.Host, at.scheme, at.port)}
	if u, err := url.ParseRequestURI(at.path); err == nil {
		base.Path, base.RawPath, base.RawQuery = u.Path, u.RawPath, u.RawQuery
	}
	u, err := base.Parse(s.location)
	if err != nil || !strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), r.ask.Host) {
		return target{}, false
	}
	t := target{scheme: strings.ToLower(u.Scheme), path: u.RequestURI()}
	if t.scheme != "http" && t.scheme != "https" || !validTarget(t.path) {
		return target{}, false
	}
	t.port = ownPort(t.scheme)
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return target{}, false
		}
		t.port = uint16(n)
	}
	return t, true
}

func isRedirect(s seen) bool {
	if s.response == nil || s.location == "" {
		return false
	}
	switch s.response.Status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// validTarget keeps what a Location says from breaking out of the request line.
func validTarget(s string) bool {
	if !strings.HasPrefix(s, "/") || len(s) > 8<<10 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '#' {
			return false
		}
	}
	return true
}

// target is one URL of the site.
type target struct {
	scheme string
	port   uint16
	path   string
}

// key is the URL together with the cookies: a site that sets a cookie and sends
// the visitor back to the same URL does not loop.
func (t target) key(jar string) string {
	return t.scheme + ":" + strconv.Itoa(int(t.port)) + t.path + "\n" + jar
}

// portFor is where the edge is asked for a URL: the port that the user gave
// stands for the URL's own; another scheme has its own port.
func (e Edge) portFor(t target, v visitSpec) uint16 {
	if e.Port != 0 && t.scheme == v.scheme && t.port == v.port {
		return e.Port
	}
	return t.port
}

// elsewhere reports that the user named the edge's port and the URL needs
// another one.
func (e Edge) elsewhere(t target, v visitSpec) bool {
	return e.Port != 0 && e.portFor(t, v) != e.Port
}

// addCookies puts the pairs into a Cookie field; a name that is set again has
// its new value.
func addCookies(jar string, pairs []string) string {
	var kept []string
	if jar != "" {
		kept = strings.Split(jar, "; ")
	}
	for _, p := range pairs {
		name, _, ok := strings.Cut(p, "=")
		if !ok || !validCookie(p) {
			continue
		}
		kept = slices.DeleteFunc(kept, func(k string) bool { return strings.HasPrefix(k, name+"=") })
		kept = append(kept, p)
	}
	if len(kept) > maxCookies {
		kept = kept[len(kept)-maxCookies:]
	}
	return strings.Join(kept, "; ")
}

func validCookie(p string) bool {
	for i := 0; i < len(p); i++ {
		if p[i] <= ' ' || p[i] >= 0x7f || p[i] == ';' || p[i] == ',' {
			return false
		}
	}
	return len(p) < maxCookie
}

// trustOf is whom a browser trusts.
func trustOf(a Ask) *exchange.Trust {
	return &exchange.Trust{Roots: a.Roots, Now: a.Now}
}
