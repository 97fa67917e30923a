package fact

import (
	"net/netip"

	"github.com/originward/originward"
)

// QDNS asks a resolver for a name. QResolution asks the origin host itself
// what a name means there.
const (
	QDNS        originward.Question = "dns"
	QResolution originward.Question = "resolution"
)

// DNS is one resolver's answer about one name.
type DNS struct {
	Name     string       `json:"name"`
	Role     string       `json:"role"`     // "site" = the visitor's name, "origin" = a name the CDN forwards to
	Resolver string       `json:"resolver"` // addr:port, or "system"
	A        []netip.Addr `json:"a"`
	AAAA     []netip.Addr `json:"aaaa"`
	CNAME    []string     `json:"cname"`         // chain, in order, without the name itself
	RCode    string       `json:"rcode"`         // NOERROR, NXDOMAIN, SERVFAIL, …; empty = no answer came
	Failure  string       `json:"failure"`       // timeout, refused, malformed …; empty = answered
	TTL      uint32       `json:"ttl,omitempty"` // smallest TTL seen, seconds
	InCDN    []AddrCDN    `json:"in_cdn"`        // addresses of the answer that lie in a known CDN's ranges
	Colour   string       `json:"colour"`        // orange = every address is an edge's, grey = none is, mixed; empty = not known
}

// Question names the question.
func (DNS) Question() originward.Question { return QDNS }

// Addrs are all addresses of the answer.
func (d DNS) Addrs() []netip.Addr { return append(append([]netip.Addr{}, d.A...), d.AAAA...) }

// AddrCDN says in which CDN's published range an address lies.
type AddrCDN struct {
	Addr  netip.Addr   `json:"addr"`
	CDN   string       `json:"cdn"` // cloudflare, fastly, …; "edge" = the edge given by the user
	Range netip.Prefix `json:"range"`
}

// Resolution is what names mean on the origin host: through /etc/hosts, its
// resolver, or inside a container. It shows loops and stale upstreams.
type Resolution struct {
	Names []ResolvedName `json:"names"`
}

// Question names the question.
func (Resolution) Question() originward.Question { return QResolution }

// ResolvedName is one name as the host sees it now.
type ResolvedName struct {
	Name    string       `json:"name"`
	Addrs   []netip.Addr `json:"addrs"`
	Failure string       `json:"failure,omitempty"` // nxdomain, timeout …
	InCDN   []AddrCDN    `json:"in_cdn,omitempty"`
	UsedBy  []Place      `json:"used_by,omitempty"` // configuration lines that use the name
}

// Place is a line of a file.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	Text string `json:"text,omitempty"` // the line, bounded and escaped
}
