package fact

import (
	"net/url"
	"strings"
)

// Further variants of an exchange.
const (
	VariantFlexible = "flexible" // plain HTTP as mode flexible sends it: the visitor is said to be on https
	VariantBare     = "bare"     // without the header fields that an edge adds
	VariantHead     = "head"     // HEAD instead of GET: an answer that fits one packet
)

// VariantBypass is a visit through an edge that no cache can answer.
const VariantBypass = "bypass-cache"

// SameOnHTTPS reports whether the exchange, over plain HTTP, was answered with
// a redirect to the URL that was asked for, on https. For a visitor who is on
// https already this never ends.
func SameOnHTTPS(x Exchange) bool {
	if x.Scheme != "http" || x.Response == nil || x.Response.Status < 300 || x.Response.Status > 399 {
		return false
	}
	u, err := url.Parse(x.Response.Header["location"])
	if err != nil || u.Scheme != "https" || (u.Port() != "" && u.Port() != "443") {
		return false
	}
	path, _, _ := strings.Cut(x.Path, "#")
	return strings.EqualFold(u.Hostname(), hostname(x.Host)) && orSlash(u.RequestURI()) == orSlash(path)
}

// hostname is the host of a Host field, without its port.
func hostname(host string) string {
	u := url.URL{Host: host}
	return u.Hostname()
}

func orSlash(path string) string {
	if path == "" {
		return "/"
	}
	return path
}
