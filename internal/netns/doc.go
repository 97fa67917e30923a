// Package netns makes Linux network namespaces for tests and lab worlds: create,
// connect by veth pairs, run functions and commands inside, and remove again.
// Sockets stay in the namespace in which they were created, so a listener made in
// [NS.Do] keeps serving from there.
//
// Names are "ow-<pid>-<random>[-<hint>]"; [Sweep] removes what dead processes left.
// On systems other than Linux everything builds and returns an error that wraps
// errors.ErrUnsupported.
package netns

import "net/netip"

// End is one end of a veth pair.
type End struct {
	// Link is the interface's name in its namespace, at most 15 bytes.
	Link string
	// Addrs are its addresses; a packet towards the prefix goes through it. IPv6 ones are
	// usable at once (no duplicate address detection).
	Addrs []netip.Prefix
	// MTU in bytes; 0 = the kernel's default of 1500.
	MTU int
}

// Route is a route inside a namespace.
type Route struct {
	// Dst is the destination; the zero prefix is invalid, use 0.0.0.0/0 for a default.
	Dst netip.Prefix
	// Via is the next hop; zero = none.
	Via netip.Addr
	// Link is the outgoing interface; empty = found by Via.
	Link string
	// Type is unicast (empty), "blackhole", "unreachable", "prohibit".
	Type string
}
