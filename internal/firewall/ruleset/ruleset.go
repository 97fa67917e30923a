// Package ruleset is the neutral model of a host's packet filters: tables, base chains, rules as lists of expressions,
// sets and ipsets. The nft decoder, the legacy parser and the ipset reader fill it; the evaluator and the renderer
// read it. It holds data only.
package ruleset

// Family is a netfilter protocol family (NFPROTO_*).
type Family uint8

// The families.
const (
	INET   Family = 1
	IP     Family = 2
	ARP    Family = 3
	NETDEV Family = 5
	BRIDGE Family = 7
	IP6    Family = 10
)

// String returns the name nft uses.
func (f Family) String() string {
	switch f {
	case INET:
		return "inet"
	case IP:
		return "ip"
	case ARP:
		return "arp"
	case NETDEV:
		return "netdev"
	case BRIDGE:
		return "bridge"
	case IP6:
		return "ip6"
	}
	return "unknown"
}

// Hook is a place in the packet's path where base chains run.
type Hook uint8

// The hooks. HookUnknown is the zero value.
const (
	HookUnknown Hook = iota
	Ingress
	Prerouting
	Input
	Forward
	Output
	Postrouting
	Egress
)

// String returns the name nft uses.
func (h Hook) String() string {
	return [...]string{"unknown", "ingress", "prerouting", "input", "forward", "output", "postrouting", "egress"}[h]
}

// Ruleset is everything that was read.
type Ruleset struct {
	// Generation is nf_tables' generation id, 0 when it was not read.
	Generation uint32
	Tables     []*Table
	IPSets     map[string]*IPSet
	// IPSetNames maps the kernel's index, which xt set matches carry, to the name.
	IPSetNames map[uint16]string
}

// Table is one nf_tables table, or one legacy iptables table.
type Table struct {
	Family Family
	Name   string
	Handle uint64
	// Legacy marks a table of the old xtables; its chains never show in nft.
	Legacy bool
	// Dormant tables are skipped by the kernel.
	Dormant bool
	// Owner is the port id of the process that owns the table, 0 when nobody does.
	Owner   uint32
	Comment string
	Chains  []*Chain
	Sets    map[string]*Set
	Objects map[ObjectKey]*Object
}

// Chain finds a chain by name; nil when there is none.
func (t *Table) Chain(name string) *Chain {
	for _, c := range t.Chains {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Chain is a chain; Base is nil unless it hangs on a hook.
type Chain struct {
	Table  *Table
	Name   string
	Handle uint64
	Base   *Base
	Rules  []*Rule
	// Unknown is set when part of the chain could not be decoded, and says what.
	Unknown string
}

// Base is what makes a chain a base chain.
type Base struct {
	// Type is filter, nat or route.
	Type     string
	Hook     Hook
	Priority int32
	// Drop is the policy: true for drop, false for accept.
	Drop    bool
	Devices []string
	// Packets and Bytes count what the policy decided, when HasCounter.
	HasCounter     bool
	Packets, Bytes uint64
}

// Rule is one rule. Its expressions run in order; the first that does not match ends it.
type Rule struct {
	Chain    *Chain
	Handle   uint64
	Position int // 1-based place in the chain
	Exprs    []Expr
	Comment  string
	// Line is the rule as the legacy save tool wrote it, without counters; empty for nf_tables rules.
	Line string
}

// Counter returns the rule's own counter, if it has one.
func (r *Rule) Counter() (packets, bytes uint64, ok bool) {
	for i := range r.Exprs {
		if r.Exprs[i].Kind == KindCounter {
			packets, bytes = r.Exprs[i].Counter()
			return packets, bytes, true
		}
	}
	return 0, 0, false
}

// ObjectKey names a stateful object within a table.
type ObjectKey struct {
	Type uint32
	Name string
}

// Object types (NFT_OBJECT_*).
const (
	ObjectCounter   = 1
	ObjectQuota     = 2
	ObjectCtHelper  = 3
	ObjectLimit     = 4
	ObjectConnlimit = 5
	ObjectTunnel    = 6
	ObjectCtTimeout = 7
	ObjectSecmark   = 8
	ObjectCtExpect  = 9
	ObjectSynproxy  = 10
)

// Object is a named stateful object.
type Object struct {
	ObjectKey
	Text string
}
