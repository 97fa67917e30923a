package fact

import (
	"net/netip"

	"github.com/originward/originward"
)

// QFirewall asks what the host's packet filter does with a new connection, for
// every source at once. QBans asks who is banned, by which tool.
const (
	QFirewall originward.Question = "firewall"
	QBans     originward.Question = "bans"
)

// Verdicts of the packet filter for a group of sources.
const (
	VerdictAccept  = "accept"
	VerdictDrop    = "drop"
	VerdictReject  = "reject"
	VerdictUnknown = "unknown"  // the model cannot tell; DependsOn says why
	VerdictMayDrop = "may_drop" // depends on state (rate limit, counter, time …)
)

// Firewall is the exact answer of the host's packet filters.
type Firewall struct {
	Engines []string         `json:"engines"` // nft, iptables-legacy, …: those that hold rules
	Answers []FirewallAnswer `json:"answers"` // one per destination address, port and family
	Limits  []string         `json:"limits"`  // what could not be read or modelled
	Proof   string           `json:"proof"`   // "kernel" = confirmed in a copy of the ruleset, "model", "disagreement"
	// Probes counts the packets by which the kernel was asked, Agreed those that met the model's end and rule; of them
	// Live were sent into the host's own interfaces, the others into the copy.
	Probes int `json:"probes,omitempty"`
	Agreed int `json:"agreed,omitempty"`
	Live   int `json:"live,omitempty"`
}

// Question names the question.
func (Firewall) Question() originward.Question { return QFirewall }

// FirewallAnswer is the answer for new TCP connections to one destination.
type FirewallAnswer struct {
	Dst    netip.Addr        `json:"dst"`
	Port   uint16            `json:"port"`
	Family originward.Family `json:"family"`
	Iface  string            `json:"iface,omitempty"` // interface the packet arrives on
	CDN    []FirewallSegment `json:"cdn"`             // partition of the CDN's ranges
	Others []FirewallSegment `json:"others"`          // partition of all other sources, largest first, bounded
	Sets   []FirewallSet     `json:"sets,omitempty"`  // address sets that rules of this path look the source up in

	// SetsAll says whether Sets holds all of them: an empty list then means
	// that there is none.
	SetsAll Tri `json:"sets_all,omitempty"`
}

// FirewallSegment is a set of sources that meet the same end by the same rule.
type FirewallSegment struct {
	Ranges    []netip.Prefix `json:"ranges"`              // bounded to 64
	Addresses string         `json:"addresses,omitempty"` // how many addresses, decimal
	All       bool           `json:"all,omitempty"`       // the segment is the whole of its partition
	Verdict   string         `json:"verdict"`
	With      string         `json:"with,omitempty"`    // reject: tcp-reset, icmp-port-unreachable, icmp-host-prohibited, icmp-admin-prohibited …
	Hook      string         `json:"hook,omitempty"`    // prerouting, input, forward, output, postrouting, ingress
	Reply     bool           `json:"reply,omitempty"`   // it is the reply that is dropped
	Redirect  netip.AddrPort `json:"redirect,omitzero"` // destination after DNAT
	DependsOn []string       `json:"depends_on,omitempty"`
	Confirmed bool           `json:"confirmed,omitempty"` // the kernel did the same with addresses of the segment
	Rule      *FirewallRule  `json:"rule,omitempty"`      // the deciding rule; nil with a chain policy or accept by default
	Path      []string       `json:"path,omitempty"`      // chains walked
}

// FirewallRule is the rule, set element or policy that decides.
type FirewallRule struct {
	Engine  string `json:"engine"` // nft, iptables-nft, iptables-legacy
	Family  string `json:"family"`
	Table   string `json:"table"`
	Chain   string `json:"chain"`
	Handle  uint64 `json:"handle,omitempty"`
	Line    int    `json:"line,omitempty"`   // position in the chain, from 1
	Policy  bool   `json:"policy,omitempty"` // the chain's policy decided, not a rule
	Text    string `json:"text"`
	Comment string `json:"comment,omitempty"`
	Set     string `json:"set,omitempty"`
	Element string `json:"element,omitempty"`
	Expires string `json:"expires,omitempty"`
	Packets uint64 `json:"packets,omitempty"`
	Owner   string `json:"owner,omitempty"` // tool whose layout it is: fail2ban, ufw, firewalld, crowdsec, csf, docker …
	Jail    string `json:"jail,omitempty"`
	Show    string `json:"show,omitempty"`    // command that shows it
	Remove  string `json:"remove,omitempty"`  // command that takes it away
	Restore string `json:"restore,omitempty"` // command that brings it back
}

// Bans are addresses banned by tools, and lists that deny addresses.
type Bans struct {
	Sources []BanSource `json:"sources"` // every tool or list that was looked at
}

// Question names the question.
func (Bans) Question() originward.Question { return QBans }

// BanSource is one tool, jail, set or file that denies addresses.
type BanSource struct {
	Tool      string         `json:"tool"` // fail2ban, crowdsec, csf, ufw, firewalld, ipset, hosts.deny, htaccess, wordfence …
	Jail      string         `json:"jail,omitempty"`
	State     Tri            `json:"state"` // yes = active and read; unknown = could not be read
	Why       string         `json:"why,omitempty"`
	File      string         `json:"file,omitempty"`
	Total     int            `json:"total"`                // entries in force
	CDN       []Ban          `json:"cdn"`                  // entries that touch a CDN's ranges
	Private   []Ban          `json:"private"`              // entries that are private addresses
	Ignore    []netip.Prefix `json:"ignore,omitempty"`     // addresses the tool never bans
	LogFile   string         `json:"log_file,omitempty"`   // log it reads
	Action    string         `json:"action,omitempty"`     // what a ban does: reject, drop …
	List      Tri            `json:"list,omitempty"`       // yes = a blocklist fetched from elsewhere
	IgnoreCDN Tri            `json:"ignore_cdn,omitempty"` // every CDN range is on its ignore list
	Enforced  Tri            `json:"enforced,omitempty"`   // something that stands between edge and content asks this list: a loaded packet filter, a server linked to it, a plugin
	Sets      []string       `json:"sets,omitempty"`       // packet-filter chains or sets that the tool fills
}

// Ban is one entry.
type Ban struct {
	Prefix  netip.Prefix `json:"prefix"`
	CDN     string       `json:"cdn,omitempty"`
	Range   netip.Prefix `json:"range,omitzero"` // CDN range it lies in
	Since   string       `json:"since,omitempty"`
	Until   string       `json:"until,omitempty"`
	Reason  string       `json:"reason,omitempty"`
	Place   Place        `json:"place,omitzero"`
	Gateway Tri          `json:"gateway,omitempty"` // a private entry that is a bridge gateway or load balancer of this host
	Remove  string       `json:"remove,omitempty"`  // command that lifts it
	Restore string       `json:"restore,omitempty"`
}

// FirewallSet is an address set that a rule of the path looks the source up
// in. An allow list that was emptied shows here and nowhere else.
type FirewallSet struct {
	Engine   string        `json:"engine"` // nft, ipset
	Family   string        `json:"family,omitempty"`
	Table    string        `json:"table,omitempty"`
	Name     string        `json:"name"`
	Elements int           `json:"elements"` // -1 = not known
	Accepts  Tri           `json:"accepts"`  // yes = the rule accepts what the set holds, no = it turns it away
	CDN      int           `json:"cdn"`      // ranges of the CDN that the set covers, wholly or in part
	Rule     *FirewallRule `json:"rule,omitempty"`
}
