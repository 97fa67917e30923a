package dnsrec

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/net/idna"

	"github.com/originward/originward"
)

// Record is a record in the form of the API.
type Record struct {
	Type     originward.RecordType
	Name     string // whole, lower case, without a final dot
	Content  string // of one form; a priority is not part of it
	Priority int    // of types that have one
	Data     json.RawMessage
}

// Problem is what is wrong with a record: a code of Cloudflare's API and the
// field that it lies in.
type Problem struct {
	Code  int
	Field string // as a JSON pointer, for example /content
	Msg   string
}

// Error is the message.
func (p *Problem) Error() string { return p.Msg }

// Codes as Cloudflare's API has them.
const (
	codeName    = 9000
	codeType    = 9004
	codeA       = 9005
	codeAAAA    = 9006
	codeCNAME   = 9007
	codeNS      = 9008
	codeMX      = 9009
	codeContent = 9002
	codeLong    = 9100
	codePrio    = 9102
	codeData    = 9101
)

// maxContent bounds a record's content: a message holds 64 KiB, and an answer
// should hold more than one.
const maxContent = 16 << 10

// Check brings a record into its one form, or says what is wrong with it. zone is
// the zone's name; names below it may be given without it, "@" is the zone
// itself. When content is empty, data is read.
func Check(zone string, r Record) (Record, *Problem) {
	r.Type = originward.RecordType(strings.ToUpper(string(r.Type)))
	k, ok := kinds[r.Type]
	if !ok {
		var names []string
		for _, t := range Types() {
			names = append(names, string(t))
		}
		return r, &Problem{codeType, "/type", fmt.Sprintf("Invalid or missing record type %q. Served are %s.", bound(string(r.Type)), strings.Join(names, ", "))}
	}
	name, p := Name(zone, r.Name)
	if p != nil {
		return r, p
	}
	r.Name = name
	if len(r.Content) > maxContent || len(r.Data) > maxContent {
		return r, &Problem{codeLong, "/content", fmt.Sprintf("Content is longer than %d bytes.", maxContent)}
	}
	if i := strings.IndexFunc(r.Content, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }); i >= 0 {
		return r, &Problem{codeContent, "/content", "Content holds a control character."}
	}
	if k.priority && (r.Priority < 0 || r.Priority > 65535) {
		return r, &Problem{codePrio, "/priority", "Invalid priority. Must be between 0 and 65535."}
	}
	if p := r.content(k); p != nil {
		return r, p
	}
	rr, err := r.RR(1)
	if err == nil {
		_, err = dns.PackRR(rr, make([]byte, dns.Len(rr)+64), 0, nil, false)
	}
	if err != nil {
		return r, &Problem{codeContent, "/content", fmt.Sprintf("Content for %s record is invalid: %s.", r.Type, bound(plain(err)))}
	}
	return r, nil
}

// content brings content and data into their one form.
func (r *Record) content(k kind) *Problem {
	switch {
	case k.parts != nil && r.Content == "" && len(r.Data) > 0:
		return r.fromData(k)
	case r.Content == "":
		return &Problem{codeContent, "/content", "Content is missing."}
	case k.parts != nil:
		return r.fromContent(k)
	}
	r.Data = nil
	switch r.Type {
	case originward.RecordA:
		a, err := netip.ParseAddr(r.Content)
		if err != nil || !a.Is4() {
			return &Problem{codeA, "/content", "Content for A record must be a valid IPv4 address."}
		}
		r.Content = a.String()
	case originward.RecordAAAA:
		a, err := netip.ParseAddr(r.Content)
		if err != nil || !a.Is6() || a.Zone() != "" {
			return &Problem{codeAAAA, "/content", "Content for AAAA record must be a valid IPv6 address."}
		}
		r.Content = a.String()
	case originward.RecordCNAME:
		return r.target(codeCNAME)
	case "NS", "PTR":
		return r.target(codeNS)
	case "MX":
		// The priority may stand before the name, as in a zone file.
		if prio, name, ok := strings.Cut(strings.TrimSpace(r.Content), " "); ok {
			n, err := strconv.ParseUint(prio, 10, 16)
			if err != nil {
				return &Problem{codeMX, "/content", "Content for MX record is invalid."}
			}
			r.Priority, r.Content = int(n), strings.TrimSpace(name)
		}
		if r.Content == "." { // a null MX (RFC 7505)
			return nil
		}
		return r.target(codeMX)
	}
	return nil
}

// target checks content that is a name.
func (r *Record) target(code int) *Problem {
	name, err := hostName(r.Content, false)
	if err != nil || isAddress(name) {
		return &Problem{code, "/content", fmt.Sprintf("Content for %s record is invalid.", r.Type)}
	}
	r.Content = name
	return nil
}

func isAddress(s string) bool { _, err := netip.ParseAddr(s); return err == nil }

// Name completes a record's name within a zone.
func Name(zone, name string) (string, *Problem) {
	name = strings.TrimSpace(name)
	if name == "" {
		return "", &Problem{codeName, "/name", "DNS name is missing."}
	}
	if name == "@" {
		return zone, nil
	}
	whole, err := hostName(name, true)
	if err != nil {
		return "", &Problem{codeName, "/name", fmt.Sprintf("DNS name %q is invalid.", bound(name))}
	}
	if whole != zone && !strings.HasSuffix(whole, "."+zone) {
		if strings.HasSuffix(name, ".") { // a whole name of another zone
			return "", &Problem{codeName, "/name", fmt.Sprintf("DNS name %q is not within the zone %s.", bound(name), zone)}
		}
		whole += "." + zone
	}
	if len(whole) > 253 {
		return "", &Problem{codeName, "/name", "DNS name is longer than 253 characters."}
	}
	return whole, nil
}

// nameForm is what DNS names hold in practice: underscores too.
var nameForm = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)

var profile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false), idna.VerifyDNSLength(true), idna.ValidateLabels(true))

// hostName is a name in lower-case ASCII without its final dot.
func hostName(s string, wildcard bool) (string, error) {
	s = strings.TrimSuffix(s, ".")
	star := ""
	if wildcard && s == "*" {
		return s, nil
	}
	if wildcard && strings.HasPrefix(s, "*.") {
		star, s = "*.", s[2:]
	}
	ascii, err := profile.ToASCII(s)
	if err != nil {
		// Labels that IDNA refuses but DNS knows, such as "r3---x" or "_a--b".
		ascii = strings.ToLower(s)
	}
	if !nameForm.MatchString(ascii) || len(ascii) > 253 {
		return "", fmt.Errorf("%q is not a DNS name", bound(s))
	}
	return star + ascii, nil
}

// ZoneName brings a zone's name into its one form.
func ZoneName(s string) (string, error) {
	name, err := hostName(strings.TrimSpace(s), false)
	if err == nil && (isAddress(name) || !strings.Contains(name, ".")) {
		err = fmt.Errorf("%q is not the name of a zone", bound(s))
	}
	return name, err
}

func bound(s string) string {
	if len(s) > 100 {
		return s[:97] + "..."
	}
	return s
}

// plain is the reason of an error of the parser, without its position in a file
// that does not exist.
func plain(err error) string {
	s := strings.TrimPrefix(err.Error(), "dns: ")
	if i := strings.LastIndex(s, " at line: "); i > 0 {
		s = s[:i]
	}
	return s
}
