package originward

import "net/netip"

// RecordType is the type of a DNS record that can be proxied or is needed to
// answer for a zone.
type RecordType string

// The record types that name an origin.
const (
	RecordA     RecordType = "A"
	RecordAAAA  RecordType = "AAAA"
	RecordCNAME RecordType = "CNAME"
)

// Origin reports whether records of the type name an origin. Only those can be
// proxied; all others are for DNS alone.
func (t RecordType) Origin() bool {
	return t == RecordA || t == RecordAAAA || t == RecordCNAME
}

// Record is one DNS record of a zone. Proxied means orange: visitors reach the
// edge; DNS-only means grey: visitors reach the content.
type Record struct {
	Type    RecordType
	Name    string // fully qualified, lower case, no trailing dot; may begin with "*."
	Content string // address or target name, as written; of other types the data as in a zone file
	Proxied bool
	TTL     int // seconds; 0 or 1 = automatic (300 s when proxied)
}

// Address is the record's address, and whether it has one.
func (r Record) Address() (netip.Addr, bool) {
	if r.Type != RecordA && r.Type != RecordAAAA {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(r.Content)
	return a, err == nil
}

// Zone is a domain whose records and settings an edge serves.
type Zone struct {
	Name    string
	SSL     SSLMode
	Records []Record
}
