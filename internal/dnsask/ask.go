package dnsask

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// Options are the timers of asking.
type Options struct {
	// Timeout bounds one try at one address; 0 = 1 s, enough for a resolver
	// that has to ask around, and short enough for two tries within a
	// diagnosis.
	Timeout time.Duration
	// Tries at each address; 0 = 2: one lost packet is no failure.
	Tries int
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = time.Second
	}
	if o.Tries == 0 {
		o.Tries = 2
	}
	return o
}

// Bounds of an answer: a hostile server may send as much as a message holds.
const (
	maxAddrs  = 64
	maxChain  = 16
	udpSize   = 1232 // DNS flag day 2020
	nameLimit = 255
)

// Ask asks a server for the addresses of a name, IPv4 and IPv6 at once. It
// never fails: that no answer came is the answer. A is nil when the question
// for A was not answered, or answered with a failure, and empty when the answer
// was that there is none; likewise AAAA. The colour is left to Paint.
func Ask(ctx context.Context, s Server, name, role string, o Options) fact.DNS {
	o = o.withDefaults()
	fqdn := dns.Fqdn(name)
	var a, aaaa answer
	var wg sync.WaitGroup
	wg.Go(func() { a = query(ctx, s, fqdn, dns.TypeA, o) })
	wg.Go(func() { aaaa = query(ctx, s, fqdn, dns.TypeAAAA, o) })
	wg.Wait()
	d := fact.DNS{
		Name: strings.TrimSuffix(strings.ToLower(fqdn), "."), Role: role, Resolver: s.String(),
		A: a.addrs, AAAA: aaaa.addrs, CNAME: longer(a.chain, aaaa.chain),
	}
	d.RCode, d.Failure = verdict(a, aaaa)
	d.TTL = lower(a.ttl, aaaa.ttl)
	return d
}

// verdict makes one result of two questions. One that was answered outweighs
// one that was not: the family that is missing then stays unknown.
func verdict(a, b answer) (rcode, failure string) {
	switch {
	case a.failure != "" && b.failure != "":
		return "", a.failure
	case a.failure != "":
		return b.rcode, ""
	case b.failure != "" || a.rcode == b.rcode:
		return a.rcode, ""
	case a.rcode == "NOERROR":
		// A server that knows the name for one type and not for the other is
		// broken for the other: NXDOMAIN is about the name (RFC 8020).
		if len(a.addrs) == 0 {
			return b.rcode, ""
		}
		return a.rcode, ""
	case b.rcode == "NOERROR" && len(b.addrs) == 0:
		return a.rcode, ""
	}
	return b.rcode, ""
}

func longer(a, b []string) []string {
	if len(b) > len(a) {
		return b
	}
	if a == nil {
		return []string{}
	}
	return a
}

func lower(a, b uint32) uint32 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// answer is what one question gave.
type answer struct {
	rcode   string
	failure string
	addrs   []netip.Addr
	chain   []string
	ttl     uint32
}

// query asks one question, at each address in turn until one answers.
func query(ctx context.Context, s Server, fqdn string, qtype uint16, o Options) answer {
	msg := new(dns.Msg)
	msg.SetQuestion(fqdn, qtype)
	msg.SetEdns0(udpSize, false)
	var last error = ErrNoServer
	for range o.Tries {
		for _, addr := range s.addrs {
			resp, err := exchange(ctx, msg, addr, o.Timeout)
			if err == nil {
				return read(resp, fqdn, qtype)
			}
			if last = err; ctx.Err() != nil {
				return answer{failure: failureOf(err)}
			}
		}
	}
	return answer{failure: failureOf(last)}
}

// exchange sends over UDP, and over TCP when the answer does not fit.
func exchange(ctx context.Context, msg *dns.Msg, addr netip.AddrPort, timeout time.Duration) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := send(ctx, "udp", msg, addr, timeout)
	if err != nil || !resp.Truncated {
		return resp, err
	}
	whole, err := send(ctx, "tcp", msg, addr, timeout)
	if err != nil {
		return resp, nil // the part that did fit holds
	}
	return whole, nil
}

// send asks once. The library looks at the context's deadline only: the end of
// the context ends the wait here.
func send(ctx context.Context, network string, msg *dns.Msg, addr netip.AddrPort, timeout time.Duration) (*dns.Msg, error) {
	c := dns.Client{Net: network, Timeout: timeout, UDPSize: udpSize}
	conn, err := c.DialContext(ctx, addr.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // closing below is certain
	defer stop()
	resp, _, err := c.ExchangeWithConnContext(ctx, msg.Copy(), conn)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return resp, err
}

// Cancelled is the failure of a question that was given up before its time.
const Cancelled = "cancelled"

// failureOf names why no answer came, from the real error.
func failureOf(err error) string {
	var ne net.Error
	var de *dns.Error
	switch {
	case errors.Is(err, ErrNoServer):
		return "no-server"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused" // nothing listens there
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "unreachable"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return "timeout"
	case errors.Is(err, context.Canceled):
		return Cancelled
	case errors.As(err, &de):
		return "malformed"
	}
	return "error: " + escape.Line(err.Error(), 120)
}

func read(m *dns.Msg, fqdn string, qtype uint16) answer {
	a := answer{rcode: rcodeName(m.Rcode), addrs: []netip.Addr{}}
	next := map[string]string{}
	for _, rr := range m.Answer {
		h := rr.Header()
		if a.ttl == 0 || h.Ttl < a.ttl {
			a.ttl = h.Ttl
		}
		switch r := rr.(type) {
		case *dns.CNAME:
			next[strings.ToLower(h.Name)] = r.Target
		case *dns.A:
			a.add(r.A, qtype == dns.TypeA)
		case *dns.AAAA:
			a.add(r.AAAA, qtype == dns.TypeAAAA)
		}
	}
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		a.addrs = nil // a failure says nothing about what there is
	}
	for name := strings.ToLower(fqdn); len(a.chain) < maxChain; {
		target, ok := next[name]
		if !ok {
			break
		}
		delete(next, name)
		name = strings.ToLower(target)
		a.chain = append(a.chain, escape.Line(strings.TrimSuffix(name, "."), nameLimit))
	}
	return a
}

func (a *answer) add(ip net.IP, wanted bool) {
	addr, ok := netip.AddrFromSlice(ip)
	if !ok || !wanted || len(a.addrs) >= maxAddrs {
		return
	}
	a.addrs = append(a.addrs, addr.Unmap())
}

func rcodeName(rc int) string {
	if s, ok := dns.RcodeToString[rc]; ok {
		return s
	}
	return "RCODE" + strconv.Itoa(rc)
}
