// Package loopback makes the edge's exchange with the site on the host itself:
// over loopback, and to the host's own address that the edge connects to.
// That parts a server that is dead from a path that is blocked. No packet
// leaves the host.
package loopback

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/observe/host/collect"
)

// whole bounds one exchange: over loopback a server answers within
// milliseconds, and one that is silent this long is stuck or slow by itself.
const whole = 3 * time.Second

// maxTargets bounds the exchanges of a run.
const maxTargets = 16

// Collector answers what the site's ports do when asked on the host itself.
func Collector() collect.Collector {
	return collect.Collector{Name: "loopback", Question: fact.QExchange, Budget: whole + time.Second, Run: run}
}

func run(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
	targets := plan(env, env.Listeners(ctx).Sockets, append(env.Locals(ctx, originward.IP4), env.Locals(ctx, originward.IP6)...))
	seen := make([][]originward.Evidence, len(targets))
	var wg sync.WaitGroup
	for i, t := range targets {
		wg.Go(func() { seen[i] = probe(ctx, env, t) })
	}
	wg.Wait()
	return slices.Concat(seen...), nil
}

// target is one address and port to ask.
type target struct {
	addr   netip.AddrPort
	scheme string
}

// plan chooses the targets: for every port of the edge, each family's loopback
// address, the addresses that a socket there is bound to, and the host's own
// addresses that the edge connects to.
func plan(env *collect.Env, socks []fact.Socket, locals []netip.Addr) []target {
	var out []target
	add := func(a netip.Addr, port uint16) {
		t := target{netip.AddrPortFrom(a, port), scheme(port)}
		if len(out) < maxTargets && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	v6 := slices.ContainsFunc(locals, netip.Addr.Is6) || slices.ContainsFunc(socks, func(s fact.Socket) bool { return s.Family == originward.IP6 })
	for _, port := range env.Ports {
		add(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
		if v6 {
			add(netip.IPv6Loopback(), port)
		}
		for _, a := range locals {
			add(a, port)
		}
		for _, s := range socks {
			if s.Port == port && !s.Addr.IsUnspecified() && !s.Addr.IsMulticast() {
				add(s.Addr, port)
			}
		}
	}
	return out
}

// scheme is what the edge speaks on a port (the default ports of both schemes
// and the others that Cloudflare connects to by scheme; cloudflare ports,
// 2026-07-23).
func scheme(port uint16) string {
	switch port {
	case 443, 2053, 2083, 2087, 2096, 8443:
		return "https"
	}
	return "http"
}

func probe(ctx context.Context, env *collect.Env, t target) []originward.Evidence {
	ctx, cancel := context.WithTimeout(ctx, whole)
	defer cancel()
	host := env.Host
	if host == "" {
		host = t.addr.Addr().String()
	}
	spec := exchange.ProbeSpec{Target: exchange.Target{Addr: t.addr, Host: host}, Host: env.Host, Budget: whole} // no name: the probe writes the address
	if t.scheme == "https" {
		spec.Target.TLS, spec.Target.SNI = &exchange.TLSPolicy{}, env.Host
	}
	var out []originward.Evidence
	x := exchange.Probe(ctx, spec)
	out = append(out, item(env, t, x))
	if t.scheme == "https" && x.Fault != nil && x.Fault.NotTLS {
		spec.Variant = fact.VariantPlainHTTP
		out = append(out, item(env, t, exchange.Probe(ctx, spec)))
	}
	return out
}

func item(env *collect.Env, t target, x fact.Exchange) originward.Evidence {
	s := originward.Subject{Host: env.Host, Addr: t.addr.Addr(), Port: t.addr.Port(), Family: originward.FamilyOf(t.addr.Addr()), Scheme: t.scheme}
	return env.Item(s, x, summary(t, x), reproduce(env, t))
}

func summary(t target, x fact.Exchange) string {
	s := fmt.Sprintf("On the host itself, %s at %s ", t.scheme, t.addr)
	switch {
	case x.Response != nil && x.Fault == nil:
		s += fmt.Sprintf("answers %d", x.Response.Status)
	case x.Fault == nil:
		s += "accepts a connection"
	case x.Fault.Errno != "":
		s += fmt.Sprintf("fails while %s: %s", phase(x.Fault.Phase), x.Fault.Errno)
	default:
		s += fmt.Sprintf("fails while %s: %s", phase(x.Fault.Phase), strings.ReplaceAll(string(x.Fault.Type), "_", " "))
	}
	return escape.Line(s+".", 300)
}

func phase(p originward.Phase) string {
	switch p {
	case originward.PhaseConnect:
		return "connecting"
	case originward.PhaseTLS:
		return "shaking hands over TLS"
	case originward.PhaseWrite:
		return "sending the request"
	case originward.PhaseFirstByte:
		return "waiting for the first byte"
	case originward.PhaseHeaders:
		return "reading the response head"
	}
	return "reading the response"
}

func reproduce(env *collect.Env, t target) string {
	host := env.Host
	if host == "" {
		return escape.Shell("curl", "-skv", t.scheme+"://"+t.addr.String()+"/")
	}
	a := t.addr.Addr().String()
	if t.addr.Addr().Is6() {
		a = "[" + a + "]"
	}
	return escape.Shell("curl", "-skv", "--resolve", fmt.Sprintf("%s:%d:%s", host, t.addr.Port(), a), fmt.Sprintf("%s://%s:%d/", t.scheme, host, t.addr.Port()))
}
