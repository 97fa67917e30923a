// Package cdn asks the CDN's own API how the site is configured: the zone,
// every record of the name, the settings that decide how the edge speaks to
// the origin, and the rules, evaluated offline for the failing request. It
// speaks Cloudflare's API v4 through the official SDK's sub-packages, so it
// reads Cloudflare and an Originward edge alike.
//
// A second provider, Fastly, is read through the same seam (provider.go) and
// becomes the same facts; one suite runs over all of them.
//
// It only reads. A permission that the token lacks becomes NotObserved, naming
// the permission.
package cdn
