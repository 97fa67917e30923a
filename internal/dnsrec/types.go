package dnsrec

import "github.com/originward/originward"

// part is one part of a record's data, in the order of the zone file.
type part struct {
	name string // in the API's data object
	form form
	max  int // of numbers
}

type form int

const (
	number form = iota + 1
	word        // no blanks
	quoted      // a text in quotes
	host        // a DNS name
	rest        // the remaining words: text in hexadecimal or base64, parameters
)

// kind is what is known of one record type.
type kind struct {
	parts    []part // nil = the content is one thing
	priority bool   // has a priority beside its content
}

// kinds lists the types that are served; to add one is one line. A priority
// stands before the other parts in the zone file.
var kinds = map[originward.RecordType]kind{
	originward.RecordA: {}, originward.RecordAAAA: {}, originward.RecordCNAME: {},
	"TXT": {}, "NS": {}, "PTR": {}, "LOC": {}, "OPENPGPKEY": {},
	"MX":     {priority: true},
	"SRV":    {priority: true, parts: []part{{"weight", number, 65535}, {"port", number, 65535}, {"target", host, 0}}},
	"URI":    {priority: true, parts: []part{{"weight", number, 65535}, {"target", quoted, 0}}},
	"CAA":    {parts: []part{{"flags", number, 255}, {"tag", word, 0}, {"value", quoted, 0}}},
	"SSHFP":  {parts: []part{{"algorithm", number, 255}, {"type", number, 255}, {"fingerprint", rest, 0}}},
	"TLSA":   {parts: []part{{"usage", number, 255}, {"selector", number, 255}, {"matching_type", number, 255}, {"certificate", rest, 0}}},
	"SMIMEA": {parts: []part{{"usage", number, 255}, {"selector", number, 255}, {"matching_type", number, 255}, {"certificate", rest, 0}}},
	"DS":     {parts: []part{{"key_tag", number, 65535}, {"algorithm", number, 255}, {"digest_type", number, 255}, {"digest", rest, 0}}},
	"DNSKEY": {parts: []part{{"flags", number, 65535}, {"protocol", number, 255}, {"algorithm", number, 255}, {"public_key", rest, 0}}},
	"CERT":   {parts: []part{{"type", number, 65535}, {"key_tag", number, 65535}, {"algorithm", number, 255}, {"certificate", rest, 0}}},
	"HTTPS":  {parts: []part{{"priority", number, 65535}, {"target", host, 0}, {"value", rest, 0}}},
	"SVCB":   {parts: []part{{"priority", number, 65535}, {"target", host, 0}, {"value", rest, 0}}},
	"NAPTR": {parts: []part{
		{"order", number, 65535}, {"preference", number, 65535}, {"flags", quoted, 0}, {"service", quoted, 0}, {"regex", quoted, 0}, {"replacement", host, 0},
	}},
}

// Types are the types that are served, in the order in which they are named to people.
func Types() []originward.RecordType {
	return []originward.RecordType{
		"A", "AAAA", "CNAME", "TXT", "MX", "NS", "SRV", "CAA", "PTR", "HTTPS", "SVCB", "TLSA", "SSHFP", "SMIMEA", "CERT", "DS", "DNSKEY", "NAPTR", "URI", "LOC", "OPENPGPKEY",
	}
}

// Known reports whether a type is served.
func Known(t originward.RecordType) bool { _, ok := kinds[t]; return ok }

// HasPriority reports whether records of the type have a priority beside their content.
func HasPriority(t originward.RecordType) bool { return kinds[t].priority }
