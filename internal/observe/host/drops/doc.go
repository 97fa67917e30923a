// Package drops watches, for a bounded window, which SYNs for the edge's ports the kernel throws away and what it names
// as the reason. It is the only evidence about real packets; everything else on the host is about rules and states.
//
// It attaches a program to the kernel's own kfree_skb tracepoint, reads the positions of what it needs from the kernel's
// type information, and lets only this namespace's handshakes through to user space. Nothing is written, and nothing is
// left when the window ends.
package drops
