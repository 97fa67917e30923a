// Package replica builds a throw-away network namespace that looks like a host's (same interface names, indices,
// addresses and routes), replays a ruleset into it at bytecode level, injects SYNs from any source address, and reads
// from the kernel's own trace what became of them.
//
// Nothing leaves the namespace: every interface is one end of a veth pair whose other end stays inside as well.
package replica
