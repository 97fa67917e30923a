// Package eval runs a packet filter on one packet whose source address is every address at once.
//
// Only the source address (and, where a rule asks for it, the source port) is symbolic; destination, port, protocol,
// interface, marks and connection-tracking state are concrete. A state is a set of sources with such concrete values.
// Expressions split states: what matches goes on in the rule, the rest falls through to the next one. What cannot be
// known (a rate limit, the clock, an expression nobody told us about) takes both branches, with a tag that names it, so
// that a source with two possible ends is never given one.
//
// The semantics are those of the kernel's nf_tables and xtables cores; tests compare them with the kernel's own trace.
package eval

// Assumptions about the packet, where clients could differ but a CDN's edge does not: a plain SYN (flags 0x02, no ECN
// negotiation, no data), no IP options or extension headers, not a fragment, IPv4 header of 20 bytes, source port 1024
// to 65535, an MSS option of at least 536. All other fields that a client chooses (TTL, length, DSCP, window …) are
// unknown within their possible range.
