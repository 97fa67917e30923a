package rules

import (
	"bytes"
	"net/netip"
	"strings"
)

// AccessRule is an IP access rule: what happens to visitors of an address, a
// range, a network or a country. Exactly one of Range, ASN, Country is set.
type AccessRule struct {
	ID      string
	Notes   string
	Action  Action // Allow, Block, or a challenge
	Range   netip.Prefix
	ASN     uint32
	Country string // two capital letters
}

// Target says whom the rule concerns, as an expression would.
func (a *AccessRule) Target() string {
	switch {
	case a.Range.IsValid():
		return "ip.src in {" + a.Range.String() + "}"
	case a.ASN != 0:
		return "ip.src.asnum eq " + string(appendUint(nil, a.ASN))
	}
	return `ip.src.country eq "` + a.Country + `"`
}

func appendUint(b []byte, n uint32) []byte {
	if n >= 10 {
		b = appendUint(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

func (a *AccessRule) concerns(r *Request) bool {
	switch {
	case a.Range.IsValid():
		return a.Range.Contains(r.IP.Unmap())
	case a.ASN != 0:
		return r.Where().ASN == a.ASN
	}
	return r.Where().Country == a.Country
}

// access is the rule that decides: of those that concern the visitor, allowing goes
// before blocking (ip-access-rules actions), blocking before challenging.
func (s *Set) access(r *Request) *AccessRule {
	var found *AccessRule
	for i := range s.Access {
		a := &s.Access[i]
		if (found == nil || a.weight() > found.weight()) && a.concerns(r) {
			found = a
		}
	}
	return found
}

func (a *AccessRule) weight() int {
	switch a.Action {
	case Allow:
		return 3
	case Block:
		return 2
	}
	return 1
}

// AgentRule concerns visitors with exactly one User-Agent (user-agent-blocking).
type AgentRule struct {
	ID          string
	Description string
	Agent       string
	Action      Action // Block or a challenge
	Enabled     bool
}

// images lists the extensions that are protected (scrape-shield hotlink-protection).
var images = map[string]struct{}{
	"gif": {}, "ico": {}, "jpg": {}, "jpeg": {}, "png": {}, "webp": {},
}

// exempt is a folder from which images may be shown anywhere
// (scrape-shield hotlink-protection).
const exempt = "/hotlink-ok/"

// hotlinked tells an image that a page of another site asks for: pages of the zone and
// of names below it may show its images. A request without a Referer passes
// (scrape-shield hotlink-protection).
func hotlinked(r *Request) bool {
	if _, image := images[string(extension(r.Path))]; !image || bytes.Contains(r.Path, []byte(exempt)) {
		return false
	}
	from := refererHost(r.header("Referer"))
	return from != "" && from != r.Zone && !strings.HasSuffix(from, "."+r.Zone)
}

// refererHost is the host of a page's URL in lower case; empty when there is none.
func refererHost(ref []byte) string {
	_, rest, ok := bytes.Cut(ref, []byte("://"))
	if !ok {
		return ""
	}
	if i := bytes.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	rest = rest[bytes.LastIndexByte(rest, '@')+1:]
	if i := bytes.IndexByte(rest, ':'); i >= 0 {
		rest = rest[:i]
	}
	return strings.ToLower(strings.TrimSuffix(string(rest), "."))
}
