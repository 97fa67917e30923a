package apache

import (
	"net/netip"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// realIP is how mod_remoteip restores the visitor's address.
func (r *reader) realIP(h *node) fact.RealIP {
	var out fact.RealIP
	n := r.last(h, "remoteipheader")
	if n == nil || !r.modules["remoteip_module"] {
		return out
	}
	out.Header, out.Place = n.arg(0), n.place()
	sections := []*node{h}
	if h != r.main && !trusts(h) {
		sections = []*node{r.main}
	}
	lists := false
	for _, s := range sections {
		for _, k := range s.kids {
			switch k.name {
			case "remoteiptrustedproxy", "remoteipinternalproxy":
				lists = true
				out.Trusted = append(out.Trusted, networks(k.args)...)
			case "remoteiptrustedproxylist", "remoteipinternalproxylist":
				lists = true
				if b, ok := r.Read(conf.Abs(k.arg(0), r.root), k.place()); ok {
					out.Trusted = append(out.Trusted, listFile(b)...)
				}
			}
		}
	}
	if !lists { // without any list mod_remoteip believes every peer
		out.Trusted = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	out.Missing = cidr.Uncovered(r.src.Ranges, out.Trusted)
	out.Stale = cidr.Stale(out.Trusted, r.src.Ranges)
	return out
}

func trusts(h *node) bool {
	for _, k := range h.kids {
		if strings.HasPrefix(k.name, "remoteiptrusted") || strings.HasPrefix(k.name, "remoteipinternal") {
			return true
		}
	}
	return false
}

func networks(args []string) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range args {
		if p, ok := network(a); ok {
			out = append(out, p)
		}
	}
	return out
}

func listFile(b []byte) []netip.Prefix {
	var out []netip.Prefix
	for _, l := range lines(b) {
		out = append(out, networks(strings.Fields(l.text))...)
	}
	return out
}

// restored says whether rules and limits of a host see the visitor's address
// in a request that comes from the edge.
func (r *reader) restored(h *node) fact.Tri {
	ip := r.realIP(h)
	if ip.Header == "" {
		return fact.No
	}
	if len(r.src.Ranges) == 0 {
		return fact.Unknown
	}
	switch {
	case len(ip.Missing) == 0:
		if h := strings.ToLower(ip.Header); h == "cf-connecting-ip" || h == "x-forwarded-for" || h == "true-client-ip" {
			return fact.Yes
		}
	case len(ip.Missing) == len(r.src.Ranges):
		for _, t := range ip.Trusted {
			if len(cidr.Touching(r.src.Ranges, t)) > 0 {
				return fact.Unknown
			}
		}
		return fact.No
	}
	return fact.Unknown
}

// proxyProtocol are the lines that make listeners expect PROXY protocol.
func (r *reader) proxyProtocol() []fact.Place {
	var out []fact.Place
	r.each(func(in []*node, n *node) {
		if n.name == "remoteipproxyprotocol" && n.on() && len(out) < maxEntries {
			out = append(out, placed(in, n))
		}
	})
	return out
}
