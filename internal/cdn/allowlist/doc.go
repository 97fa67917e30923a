// Package allowlist reads the files in which people list addresses that may
// connect: nginx, Apache, HAProxy and Caddy directives, ipset and iptables
// dumps, nft sets and rules, ufw and firewalld, JSON, and plain lists.
//
// It reads entries, not configurations: what a line does to addresses is read
// from that line alone, and a line whose effect is decided elsewhere (a jump to
// another chain, a negation) is given back as unread instead of being guessed.
package allowlist

import "net/netip"

// Entry is one address range of a file.
type Entry struct {
	Line   int          // from 1
	Prefix netip.Prefix // without host bits
	Deny   bool         // the line refuses the range
	Text   string       // as written
}

// Unread is a line, or a word of it, that names addresses and was not
// understood.
type Unread struct {
	Line int    `json:"line"`
	Text string `json:"text"` // bounded and escaped
	Why  string `json:"why"`
}

// List is what a file says.
type List struct {
	Entries []Entry
	Unread  []Unread
}

// Bounds of a file. A list of allowed proxies has a few hundred entries; these
// bounds leave room for block lists of single addresses.
const (
	MaxBytes   = 8 << 20
	maxEntries = 200_000
	maxUnread  = 100
	maxText    = 120
)
