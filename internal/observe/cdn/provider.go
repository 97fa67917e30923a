package cdn

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// DefaultBase is where Cloudflare's API is.
const DefaultBase = "https://api.cloudflare.com/client/v4"

// provider is a CDN whose API is read. What it knows becomes the same facts.
type provider struct {
	id   string
	base string // where its API is; empty = wherever it runs
	host string // of its API, with everything below; empty = any
	path string // that its API's URL has
	// permission is what a token needs at the least.
	permission string
	// find looks for what holds the host, and says so; ok is false when it does not, or
	// could not look.
	find func(*observer, context.Context) (id string, ok bool)
	// parts are read at once, then.
	parts []func(*observer, context.Context, string)
}

// ownEdge is what an edge of our own is called.
const ownEdge = "originward"

// providers lists them; one more is one entry. The last one stands for every host
// that is nobody else's.
func providers() []provider {
	v4 := []func(*observer, context.Context, string){
		(*observer).records, (*observer).settings, (*observer).rules, (*observer).events, (*observer).changes, (*observer).stats,
	}
	return []provider{
		{id: "cloudflare", base: DefaultBase, host: "cloudflare.com", path: "/client/v4", permission: zoneRead, find: (*observer).zone, parts: v4},
		{id: fastly, base: "https://api.fastly.com", host: "fastly.com", permission: fastlyScope, find: (*observer).fastlyService,
			parts: []func(*observer, context.Context, string){(*observer).fastlyBackends, (*observer).fastlyChanges}},
		{id: ownEdge, path: "/client/v4", permission: zoneRead, find: (*observer).zone, parts: v4},
	}
}

// CDNs lists the CDNs whose API can be read.
func CDNs() (ids []string) {
	for _, p := range providers() {
		ids = append(ids, p.id)
	}
	return ids
}

// resolve finds the provider of an API and completes the API's URL. Without an id,
// the host tells.
func resolve(id, base string) (provider, string, error) {
	all := providers()
	i := slices.IndexFunc(all, func(p provider) bool { return p.id == id })
	if id != "" && i < 0 {
		return provider{}, "", fmt.Errorf("CDN %q: known are %s", id, strings.Join(CDNs(), ", "))
	}
	if base == "" && i >= 0 {
		base = all[i].base
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return provider{}, "", fmt.Errorf("CDN API %q: give its URL, for example https://api.cloudflare.com/client/v4", base)
	}
	if u.User != nil {
		return provider{}, "", fmt.Errorf("CDN API %s: leave the user name and password out of the URL; the token goes into a file", u.Host)
	}
	if i < 0 {
		i = slices.IndexFunc(all, func(p provider) bool {
			return p.host == "" || u.Hostname() == p.host || strings.HasSuffix(u.Hostname(), "."+p.host)
		})
	}
	path := strings.TrimSuffix(u.Path, "/")
	if path == "" {
		path = all[i].path
	}
	u.Path, u.RawQuery, u.Fragment = path+"/", "", ""
	return all[i], u.String(), nil
}

// BaseURL completes the base of an API of Cloudflare's form.
func BaseURL(s string) (string, error) {
	_, base, err := resolve(ownEdge, s)
	return base, err
}

// Resolve tells whose API it is, and completes its URL. An empty id leaves it to the
// API's host, an empty base to the CDN.
func Resolve(id, base string) (string, string, error) {
	p, url, err := resolve(id, base)
	return p.id, url, err
}

// HasRecord tells whether a CDN's API is one that can be asked for the edge's own
// record of exchanges.
func HasRecord(id string) bool { return id != fastly }

// zoneSeen says what holds the host.
func (o *observer) zoneSeen(f fact.CDNZone, text, path string) {
	o.add(f, originward.Subject{Host: o.Host, Name: f.Name}, escape.Line(text, 500), o.reproduce(path))
}
