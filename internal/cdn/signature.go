package cdn

import (
	"strings"

	"github.com/originward/originward/fact"
)

// reader fills an answer with what one CDN's response says.
type reader func(p page, a *fact.EdgeAnswer)

// sign is one mark of a CDN in a response's head: the header's value begins
// with, or contains, a text; an empty text means that the header is there at
// all. Outer marks are ones that this CDN writes over what came from behind it.
type sign struct {
	header   string
	prefix   string
	contains string
	outer    bool
}

// signature is how one CDN is recognised. A CDN more is one line here.
type signature struct {
	id    ID
	signs []sign
	body  []string // marks of an answer that carries no header: all must stand in the page
	read  reader
}

// signatures in the order in which they are tried. Sources: the vendors'
// documents on response headers; for Cloudflare cloudflare.md §10–§12.
var signatures = []signature{
	{id: Originward, read: readOriginward, signs: []sign{{header: "server", prefix: "originward", outer: true}, {header: "proxy-status", prefix: "originward"}}},
	{id: Cloudflare, read: readCloudflare, signs: []sign{{header: "server", prefix: "cloudflare", outer: true}, {header: "cf-ray"}, {header: "cf-mitigated"}}},
	{id: CloudFront, read: readCloudFront, signs: []sign{{header: "server", prefix: "cloudfront", outer: true}, {header: "via", contains: "(cloudfront)"}, {header: "x-amz-cf-id"}}},
	{id: Akamai, read: readAkamai, signs: []sign{{header: "server", prefix: "akamai", outer: true}, {header: "akamai-grn"}, {header: "x-akamai-request-id"}, {header: "x-cache", contains: "akamaitechnologies"}}},
	{id: Bunny, read: readBunny, signs: []sign{{header: "server", prefix: "bunnycdn", outer: true}, {header: "cdn-pullzone"}, {header: "cdn-requestid"}}},
	{id: Azure, read: readAzure, signs: []sign{{header: "x-azure-ref"}, {header: "x-azure-externalerror"}}},
	{id: Imperva, read: readOther, signs: []sign{{header: "x-iinfo"}, {header: "x-cdn", contains: "imperva"}, {header: "x-cdn", contains: "incapsula"}}},
	{id: Sucuri, read: readOther, signs: []sign{{header: "server", prefix: "sucuri", outer: true}, {header: "x-sucuri-id"}}},
	{id: Vercel, read: readOther, signs: []sign{{header: "server", prefix: "vercel", outer: true}, {header: "x-vercel-id"}}},
	{id: Netlify, read: readOther, signs: []sign{{header: "server", prefix: "netlify", outer: true}, {header: "x-nf-request-id"}}},
	{id: KeyCDN, read: readOther, signs: []sign{{header: "server", prefix: "keycdn", outer: true}}},
	{id: DDoSGuard, read: readOther, signs: []sign{{header: "server", prefix: "ddos-guard", outer: true}}},
	{id: EdgeOne, read: readOther, signs: []sign{{header: "server", prefix: "edgeone", outer: true}, {header: "eo-log-uuid"}, {header: "eo-cache-status"}}},
	{id: Fastly, read: readFastly, signs: []sign{{header: "x-served-by", contains: "cache-"}, {header: "x-fastly-request-id"}}, body: []string{"Fastly error: "}},
	{id: Google, read: readGoogle, signs: []sign{{header: "via", contains: "1.1 google"}}, body: []string{"Error: Server Error", "Please try again in 30 seconds"}},
}

// identify finds the CDN that spoke to the visitor: the one whose address
// answered if it left a mark, then by marks that the outermost server sets, by
// any header mark, and by the page.
func identify(p page) (ID, reader) {
	for _, s := range signatures {
		if s.id == p.By && (s.matches(p, true) || s.matches(p, false)) {
			return s.id, s.read
		}
	}
	for _, s := range signatures {
		if s.matches(p, true) {
			return s.id, s.read
		}
	}
	for _, s := range signatures {
		if s.matches(p, false) {
			return s.id, s.read
		}
	}
	for _, s := range signatures {
		if s.inPage(p) {
			return s.id, s.read
		}
	}
	return "", nil
}

func (s signature) matches(p page, outer bool) bool {
	for _, m := range s.signs {
		v, ok := p.Header[m.header]
		if !ok || m.outer != outer {
			continue
		}
		v = strings.ToLower(strings.TrimSpace(v))
		if strings.HasPrefix(v, m.prefix) && strings.Contains(v, m.contains) {
			return true
		}
	}
	return false
}

// inPage is asked of error answers only: a page about errors is no error.
func (s signature) inPage(p page) bool {
	if len(s.body) == 0 || p.Status < 400 {
		return false
	}
	for _, m := range s.body {
		if !strings.Contains(p.text, m) {
			return false
		}
	}
	return true
}
