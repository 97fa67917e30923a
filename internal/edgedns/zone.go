package edgedns

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/dnsrec"
)

// Times to live. Proxied and automatic ones are Cloudflare's (dns proxy-status,
// ttl); those of SOA and NS are what its name servers answer.
const (
	autoTTL    = 300
	soaTTL     = 1800
	nsTTL      = 86400
	refresh    = 10000
	retry      = 2400
	expire     = 604800
	negativeIn = 1800
)

// zone is a zone as it is answered from.
type zone struct {
	name    string // with its final dot
	from    *config.Zone
	servers []string // as configured
	own     []netip.Addr
	soa     *dns.SOA
	nodes   map[string]*node // by name in lower case with its final dot
	cuts    bool             // something is delegated
	signer  *signer          // nil = not signed
}

// node is a name that exists; without sets only names below it do.
type node struct {
	sets    map[uint16][]dns.RR
	proxied bool   // answers the edge's addresses
	alias   string // of a CNAME that is flattened; empty = none
	ttl     uint32 // of what is flattened
}

// newZone builds a zone. Records that cannot be answered are left out: the API
// and the configuration have refused them before.
func newZone(cfg *config.Zone, d config.DNS, own []netip.Addr, now func() time.Time) *zone {
	z := &zone{name: cfg.Name + ".", from: cfg, servers: d.NameServers, own: own, nodes: map[string]*node{}}
	serial := cfg.Serial
	if serial == 0 {
		serial = uint32(now().Unix()) //nolint:gosec // serials are 32 bits of time
	}
	apex := z.node(z.name)
	for _, r := range cfg.Records {
		z.add(r)
	}
	for _, b := range cfg.LoadBalancers {
		if b.Enabled { // it goes before records of its name (load-balancing dns-records)
			n := z.node(b.Name + ".")
			n.proxied, n.alias = true, ""
		}
	}
	servers := d.NameServers
	if len(servers) == 0 {
		servers = []string{"ns1." + cfg.Name}
	}
	delete(apex.sets, dns.TypeNS) // the edge answers for the zone
	for _, s := range servers {
		apex.add(&dns.NS{Hdr: header(z.name, dns.TypeNS, nsTTL), Ns: s + "."})
		z.glue(s + ".")
	}
	z.soa = &dns.SOA{
		Hdr: header(z.name, dns.TypeSOA, soaTTL), Ns: servers[0] + ".", Mbox: "hostmaster." + z.name,
		Serial: serial, Refresh: refresh, Retry: retry, Expire: expire, Minttl: negativeIn,
	}
	apex.add(z.soa)
	if cfg.DNSSEC != nil {
		z.signer = newSigner(z.name, cfg.DNSSEC.Private, now)
		apex.add(z.signer.key)
	}
	return z
}

func header(name string, typ uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: typ, Class: dns.ClassINET, Ttl: ttl}
}

func (n *node) add(rr dns.RR) {
	n.sets[rr.Header().Rrtype] = append(n.sets[rr.Header().Rrtype], rr)
}

// node gives the node of a name and makes it, and those between it and the zone.
func (z *zone) node(name string) *node {
	if n := z.nodes[name]; n != nil {
		return n
	}
	n := &node{sets: map[uint16][]dns.RR{}}
	z.nodes[name] = n
	if name != z.name {
		z.node(parent(name))
	}
	return n
}

func parent(name string) string {
	_, p, _ := strings.Cut(name, ".")
	return p
}

func (z *zone) add(r originward.Record) {
	ttl := uint32(autoTTL)
	if r.TTL > 1 && !r.Proxied {
		ttl = uint32(r.TTL) //nolint:gosec // checked
	}
	x := dnsrec.Record{Type: r.Type, Name: r.Name, Content: r.Content}
	if !r.Type.Origin() && r.Type != "TXT" { // those have one form; large zones hold little else
		var problem *dnsrec.Problem
		x.Name += "."
		if x, problem = dnsrec.Check(strings.TrimSuffix(z.name, "."), x); problem != nil {
			return
		}
	}
	rr, err := x.RR(ttl)
	if err != nil {
		return
	}
	name := rr.Header().Name
	n := z.node(name)
	// One proxied record makes all of the name's records proxied (dns proxy-status).
	n.proxied = n.proxied || r.Proxied && r.Type.Origin()
	if cname, ok := rr.(*dns.CNAME); ok && name == z.name && !r.Proxied {
		n.alias, n.ttl = strings.ToLower(cname.Target), ttl
		return
	}
	if rr.Header().Rrtype == dns.TypeNS && name != z.name {
		z.cuts = true
	}
	n.add(rr)
}

// glue answers the addresses of the edge's own name servers that lie in the zone
// and have no record.
func (z *zone) glue(name string) {
	name = strings.ToLower(name)
	if !dns.IsSubDomain(z.name, name) {
		return
	}
	n := z.node(name)
	if n.proxied || n.alias != "" || len(n.sets[dns.TypeA])+len(n.sets[dns.TypeAAAA])+len(n.sets[dns.TypeCNAME]) > 0 {
		return
	}
	for _, rr := range addrRecords(name, nsTTL, z.own) {
		n.add(rr)
	}
}

// addrRecords are A and AAAA records for addresses.
func addrRecords(name string, ttl uint32, addrs []netip.Addr) []dns.RR {
	var out []dns.RR
	for _, a := range addrs {
		if a.Is4() {
			out = append(out, &dns.A{Hdr: header(name, dns.TypeA, ttl), A: net.IP(a.AsSlice())})
		} else {
			out = append(out, &dns.AAAA{Hdr: header(name, dns.TypeAAAA, ttl), AAAA: net.IP(a.AsSlice())})
		}
	}
	return out
}

// find gives the node that answers for a name in lower case: its own, or that of
// the wildcard which covers it (RFC 4592). exists tells whether the name does.
func (z *zone) find(name string) (n *node, exists bool) {
	if n := z.nodes[name]; n != nil {
		return n, true
	}
	for p := parent(name); dns.IsSubDomain(z.name, p); p = parent(p) {
		if z.nodes[p] == nil {
			continue
		}
		if w := z.nodes["*."+p]; w != nil { // p is the closest encloser
			return w, true
		}
		return nil, false
	}
	return nil, false
}

// cut gives the name at which a name is delegated away; empty = it is not.
func (z *zone) cut(name string) string {
	if !z.cuts {
		return ""
	}
	found := ""
	for p := name; p != z.name && p != ""; p = parent(p) {
		if n := z.nodes[p]; n != nil && len(n.sets[dns.TypeNS]) > 0 {
			found = p // the one nearest to the zone counts
		}
	}
	return found
}

// types are the types that a name has, for its denial of others.
func (n *node) types(z *zone) []uint16 {
	out := []uint16{dns.TypeRRSIG, dns.TypeNSEC}
	if n != nil {
		for t := range n.sets {
			if !n.proxied || t != dns.TypeCNAME && t != dns.TypeA && t != dns.TypeAAAA {
				out = append(out, t)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
