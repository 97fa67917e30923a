// Package cdn knows the content delivery networks: which addresses and ports
// they use, how their answers look, and what an allow list of theirs misses.
//
//	Lookup, LookupEgress   whose published range an address lies in     lookup.go
//	Ranges, Lists          the lists themselves, with source and date   lists.go
//	SpecialOf              placeholders and addresses that never route  special.go
//	PortSupported          ports a CDN carries to an origin             ports.go
//	CheckList              what an allow list misses                    checklist.go
//	Recognise              who made a response, and what it says        recognise.go
//
// Everything that ages is dated data in data/, embedded. Each list names its
// source and the day on which it was read there; a list that cannot be known
// as a whole says so. Nothing here does I/O.
package cdn

// ID names a CDN in evidence, for example "cloudflare".
type ID string

// The CDNs that are told apart. Some of them publish no ranges and are only
// recognised by their answers.
const (
	Cloudflare ID = "cloudflare"
	Originward ID = "originward"
	CloudFront ID = "cloudfront"
	Fastly     ID = "fastly"
	Akamai     ID = "akamai"
	Bunny      ID = "bunny"
	Azure      ID = "azure-front-door"
	Google     ID = "google"
	Imperva    ID = "imperva"
	Sucuri     ID = "sucuri"
	Vercel     ID = "vercel"
	Netlify    ID = "netlify"
	KeyCDN     ID = "keycdn"
	DDoSGuard  ID = "ddos-guard"
	EdgeOne    ID = "edgeone"
)

// titles are the names of those CDNs that publish no ranges; the others' names
// stand in their data file.
var titles = map[ID]string{
	Originward: "Originward", Imperva: "Imperva", Sucuri: "Sucuri", Vercel: "Vercel", Netlify: "Netlify",
	KeyCDN: "KeyCDN", DDoSGuard: "DDoS-Guard", EdgeOne: "Tencent EdgeOne",
}

// Title is the name of a CDN as people write it; the id itself when it is not
// known.
func (id ID) Title() string {
	if t, ok := titles[id]; ok {
		return t
	}
	for _, p := range load().providers {
		if p.id == id {
			return p.title
		}
	}
	return string(id)
}
