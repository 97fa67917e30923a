// Package firewall reads a Linux host's complete packet-filter state and answers, exactly and for the whole
// address space at once, what becomes of a new TCP connection: accepted, dropped, rejected (and with what),
// redirected (and where to), or undecided (and on what it depends), with the deciding rule and the path to it.
//
// Collect reads the current network namespace into a Snapshot: nf_tables over netlink with a strict decoder of
// our own, ipset contents, the legacy iptables tables, interfaces, addresses and routes. Snapshot.Ask walks every
// hook a SYN meets, ingress to input or forward, and the mirrored reply back out, with the source address kept
// symbolic. Snapshot.Prove replays the ruleset into a throw-away namespace and lets the kernel itself confirm the
// answer.
//
// Two rules run through all of it. Nothing is skipped: an expression, match or set this package does not know is
// an *unknown* carrying its name, and whatever it could have decided stays undecided. And a drop in any base chain
// is final, while an accept ends only its own base chain.
//
// Collect and Prove do I/O; Ask does none.
package firewall
