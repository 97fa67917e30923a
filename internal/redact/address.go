package redact

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/originward/originward/internal/cdn"
)

// Ranges wider than these are a provider or a country, not a person.
const (
	wide4 = 24
	wide6 = 48
)

// known are the resolvers that everyone asks.
var known = func() map[netip.Addr]bool {
	m := map[netip.Addr]bool{}
	for _, s := range strings.Fields(`1.1.1.1 1.0.0.1 8.8.8.8 8.8.4.4 9.9.9.9
		2606:4700:4700::1111 2606:4700:4700::1001 2001:4860:4860::8888 2001:4860:4860::8844 2620:fe::fe`) {
		m[netip.MustParseAddr(s)] = true
	}
	return m
}()

var (
	v4Text = regexp.MustCompile(`\b(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?\b`)
	// A run that could be an IPv6 address; netip decides.
	v6Text  = regexp.MustCompile(`[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:/\d{1,3})?`)
	macText = regexp.MustCompile(`\b(?:[0-9A-Fa-f]{2}:){5,}[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*\b`)
)

func (r *Redactor) addresses(s string) string {
	s = macText.ReplaceAllStringFunc(s, func(string) string { return r.count(MAC, "02:00:00:00:00:00") })
	s = v4Text.ReplaceAllStringFunc(s, r.addressText)
	if strings.Count(s, ":") < 2 {
		return s
	}
	return v6Text.ReplaceAllStringFunc(s, func(t string) string {
		// Prose and log formats may put one more colon or dot behind an address.
		core := strings.TrimRight(t, ".")
		if strings.HasSuffix(core, ":") && !strings.HasSuffix(core, "::") {
			core = core[:len(core)-1]
		}
		return r.addressText(core) + t[len(core):]
	})
}

// addressText replaces the text of an address or prefix; what is neither stays.
func (r *Redactor) addressText(t string) string {
	if a, err := netip.ParseAddr(t); err == nil {
		return r.address(netip.PrefixFrom(a, a.BitLen()), false)
	}
	if p, err := netip.ParsePrefix(t); err == nil {
		return r.address(p, true)
	}
	return t
}

// address gives the text that stands for an address or prefix.
func (r *Redactor) address(p netip.Prefix, bits bool) string {
	a := p.Addr()
	plain := a.Unmap()
	width := p.Bits() - (a.BitLen() - plain.BitLen())
	text := func(a netip.Addr) string {
		if bits {
			return fmt.Sprintf("%s/%d", a, p.Bits())
		}
		return a.String()
	}
	if r.own[plain] {
		if !r.opts.Public {
			return text(a)
		}
		return text(r.move(Own, plain))
	}
	if width < wide4 && plain.Is4() || width < wide6 && plain.Is6() || kept(plain) {
		return text(a)
	}
	moved := r.move(Address, plain)
	if bits && p.Masked() == p {
		moved = netip.PrefixFrom(moved, width).Masked().Addr()
	}
	return text(moved)
}

// kept tells addresses that nobody has alone: reserved ones, a CDN's, and those
// that everyone knows.
func kept(a netip.Addr) bool {
	if _, reserved := cdn.SpecialOf(a); reserved || known[a] {
		return true
	}
	id, _ := cdn.Lookup(a)
	if id == "" {
		id, _ = cdn.LookupEgress(a)
	}
	return id != ""
}

// move puts an address into a network of our own that stands for its /24 or
// /48. The bits behind it are turned over by a keyed hash of the network: equal
// stays equal, neighbours stay neighbours, and nothing of them can be read.
func (r *Redactor) move(k Kind, a netip.Addr) netip.Addr {
	n := wide4
	if a.Is6() {
		n = wide6
	}
	net := netip.PrefixFrom(a, n).Masked()
	stand := netip.MustParsePrefix(r.m.substitute(k, net.String(), func(i int) string {
		base := 0 // networks of the kinds must not meet
		if k == Own {
			base = 1 << 15
		}
		if a.Is4() {
			return fmt.Sprintf("240.%d.%d.0/24", (base+i)>>8&0xff, i&0xff)
		}
		return fmt.Sprintf("3fff:0:%x::/48", (base+i)&0xffff)
	}))
	r.tally[k]++
	turn, from, to := r.m.hash(net.String()), a.AsSlice(), stand.Addr().AsSlice()
	for i := n / 8; i < len(to); i++ {
		to[i] = from[i] ^ turn[i]
	}
	out, _ := netip.AddrFromSlice(to)
	return out
}
