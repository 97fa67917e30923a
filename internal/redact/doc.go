// Package redact takes out of evidence what must not leave its owner's hands,
// and keeps it readable: equal things get equal substitutes.
//
// What is replaced, and by what:
//
//	secret    passwords, tokens, keys, cookies, query values   [secret-N]
//	address   public addresses that are neither a CDN's nor    240.0.N.x, 3fff:0:N:…
//	          the origin's own
//	mail      mail addresses                                   person-N@redacted.invalid
//	site      names of other sites on the same host            site-N.invalid
//	user      names in home directories                        user-N
//	mac       hardware addresses                               02:00:00:00:00:00
//
// Kept as they are: the ranges of CDNs, addresses that nobody owns in public
// (private, loopback, documentation …), rays, names under the asked domain,
// the origin's own addresses, and ranges too wide to be a person. With
// Options.Public the asked name and the origin's addresses are replaced too.
//
// Substitutes of addresses keep /24 and /48 together, so that "a rule for this
// range, a client inside it" can still be read. What stands for what is in the
// Map, which its owner keeps; of secrets the map holds a keyed hash alone.
package redact

// Kind is what a substitute stands for.
type Kind string

// The kinds.
const (
	Secret  Kind = "secret"
	Address Kind = "address"
	Mail    Kind = "mail"
	Site    Kind = "site"
	User    Kind = "user"
	MAC     Kind = "mac"
	Own     Kind = "own" // the asked site and its origins, with Options.Public
)

// kinds lists them in the order in which a reader is told.
var kinds = []struct {
	kind  Kind
	means string
}{
	{Secret, "passwords, tokens, keys, cookies and the values of query strings"},
	{Address, "public addresses that are neither a CDN's nor the origin's"},
	{Mail, "mail addresses"},
	{Site, "names of other sites on the same host"},
	{User, "names of users, from their home directories"},
	{MAC, "hardware addresses"},
	{Own, "the site itself and its origins"},
}
