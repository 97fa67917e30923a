package firewall

import "time"

// Engine is the machinery a rule lives in.
type Engine string

// The engines. NFT is a native nf_tables rule; IptablesNFT is a rule iptables-nft wrote into nf_tables;
// IptablesLegacy lives in the old xtables and is invisible to nft.
const (
	NFT            Engine = "nft"
	IptablesNFT    Engine = "iptables-nft"
	IptablesLegacy Engine = "iptables-legacy"
)

// RuleRef names one rule, or a base chain's policy, well enough to find it, read it and remove it.
type RuleRef struct {
	Engine Engine `json:"engine"`
	// Family is ip, ip6, inet, netdev or bridge.
	Family string `json:"family"`
	Table  string `json:"table"`
	Chain  string `json:"chain"`
	// Policy is true when no rule but the base chain's policy decided; Handle and Position are then 0.
	Policy bool `json:"policy,omitempty"`
	// Handle is the nf_tables handle; 0 for legacy rules.
	Handle uint64 `json:"handle,omitempty"`
	// Position is the rule's 1-based place in its chain (what `iptables -L --line-numbers` prints).
	Position int `json:"position,omitempty"`
	// Text is the rule as `nft list` or `iptables -S` would write it.
	Text    string `json:"text"`
	Comment string `json:"comment,omitempty"`
	// Set and Element are given when a set or map look-up selected the rule for this segment.
	Set     string   `json:"set,omitempty"`
	Element *Element `json:"element,omitempty"`
	// Packets and Bytes are the rule's own counter; nil when it has none.
	Packets *uint64 `json:"packets,omitempty"`
	Bytes   *uint64 `json:"bytes,omitempty"`
	// Show is the command that prints the rule.
	Show string `json:"show"`
	// Remove is the command that takes the rule (or only the set element) away, and RemoveUndo the one that puts
	// it back; empty when there is none, such as for a policy.
	Remove     string `json:"remove,omitempty"`
	RemoveUndo string `json:"remove_undo,omitempty"`
}

// Element is the set element that matched.
type Element struct {
	// Key as the tool prints it, such as 173.245.48.0/20 or 192.0.2.1-192.0.2.9.
	Key     string `json:"key"`
	Comment string `json:"comment,omitempty"`
	// Timeout is the element's lifetime and Expires what is left of it; 0 means it stays.
	Timeout time.Duration `json:"timeout_ns,omitempty"`
	Expires time.Duration `json:"expires_ns,omitempty"`
	// Others counts further elements of the same set that matched within the segment, up to MaxOthers.
	Others int `json:"others,omitempty"`
	// IPSet is true when the set is an ipset, not an nf_tables set.
	IPSet bool `json:"ipset,omitempty"`
}

// MaxOthers is where Element.Others stops counting.
const MaxOthers = 1000

// Step is one station on the packet's path.
type Step struct {
	Engine Engine `json:"engine"`
	Family string `json:"family"`
	Table  string `json:"table"`
	Chain  string `json:"chain"`
	// Hook is set on the first step in a base chain.
	Hook   string `json:"hook,omitempty"`
	Handle uint64 `json:"handle,omitempty"`
	// Position is 0 when the step is the chain's policy.
	Position int    `json:"position,omitempty"`
	Text     string `json:"text,omitempty"`
	// Verdict is jump, goto, return, accept, drop, reject, dnat, policy accept, policy drop …
	Verdict string `json:"verdict"`
	Reply   bool   `json:"reply,omitempty"`
}
