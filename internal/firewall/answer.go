package firewall

import "net/netip"

// Question is one new TCP connection: destination concrete, source symbolic.
type Question struct {
	// Dst is the address the edge connects to. Its family is the family of the answer.
	Dst netip.Addr `json:"dst"`
	// Port is the TCP destination port.
	Port uint16 `json:"port"`
	// Interface is the name of the interface the SYN arrives on. Empty means every interface it could arrive on:
	// those a default route or a route to one of Ranges leaves by, else the one that carries Dst, else every
	// non-loopback interface that is up. The loopback interface is chosen for a loopback address, and where nothing
	// else is up: the answer is then about connections the host makes to itself, from any address it may have.
	Interface string `json:"interface,omitempty"`
	// Ranges are the CDN's ranges; those of the other family are ignored.
	Ranges []netip.Prefix `json:"ranges,omitempty"`
}

// Answer is what becomes of the connection for every source address there is.
type Answer struct {
	Question
	// Delivery says where the packet goes once prerouting let it pass.
	Delivery Delivery `json:"delivery"`
	// In lists the interfaces the answer was computed for.
	In []Ingress `json:"in"`
	// CDN covers the question's ranges, blocked segments first, then the larger ones.
	CDN Side `json:"cdn"`
	// Others covers the rest of the family's address space.
	Others Side `json:"others"`
	// Limits says what could not be modelled and therefore is not part of the answer, or makes parts of it unknown.
	Limits []Limit `json:"limits,omitempty"`
	// Generation is the nf_tables generation the answer belongs to; 0 when nf_tables could not be read.
	Generation uint32 `json:"generation"`
}

// Side is the answer for one part of the address space.
type Side struct {
	// Segments are maximal groups of sources that meet the same end by the same rule. At most MaxSegments are
	// kept; Omitted counts the rest, which Shares still include.
	Segments []Segment `json:"segments,omitempty"`
	Omitted  int       `json:"omitted,omitempty"`
	// Shares of this part of the address space by verdict; they sum to 1 unless the part is empty.
	Shares Shares `json:"shares"`
	// Public are the shares within publicly routable unicast space only (what an internet client can come from).
	Public Shares `json:"public"`
}

// MaxSegments bounds Side.Segments, and MaxPrefixes bounds Segment.Prefixes, so that an answer stays readable and
// storable whatever the ruleset does. The cut is always stated.
const (
	MaxSegments = 256
	MaxPrefixes = 64
)

// Shares says which fraction (0 to 1) of a part of the address space meets which verdict.
type Shares struct {
	Accept  float64 `json:"accept"`
	Drop    float64 `json:"drop"`
	Reject  float64 `json:"reject"`
	Depends float64 `json:"depends"`
	Unknown float64 `json:"unknown"`
}

// Blocked is the fraction that certainly does not get through.
func (s Shares) Blocked() float64 { return s.Drop + s.Reject }

// Verdict is what becomes of a packet. The zero value means not determined.
type Verdict string

// The verdicts. Depends means that more than one end is possible and DependsOn names every condition that decides
// (a rate limit, the time of day, the source port …); Unknown means that at least one condition could not be read
// or understood, so nothing may be concluded.
const (
	Accept  Verdict = "accept"
	Drop    Verdict = "drop"
	Reject  Verdict = "reject"
	Depends Verdict = "depends"
	Unknown Verdict = "unknown"
)

// Segment is a group of source addresses that meet the same end.
type Segment struct {
	// Prefixes cover the segment exactly; at most MaxPrefixes are listed, PrefixCount is their real number.
	Prefixes    []netip.Prefix `json:"prefixes"`
	PrefixCount int            `json:"prefix_count"`
	// Interfaces are those of Answer.In this holds for.
	Interfaces []string `json:"interfaces,omitempty"`
	Verdict    Verdict  `json:"verdict"`
	// Confirmed is set by Proof.Apply: the kernel did the same with addresses of this segment in a copy of the ruleset.
	Confirmed bool `json:"confirmed,omitempty"`
	// Outcome is the one end, or the worst of several possible ones (reject and drop before accept).
	Outcome
	// Alternatives are the other possible ends, when Verdict is Depends or Unknown (or when it is Drop or Reject
	// either way, but by different rules).
	Alternatives []Outcome `json:"alternatives,omitempty"`
}

// Outcome is one possible end of the packet.
type Outcome struct {
	End        End        `json:"end"`
	RejectWith RejectKind `json:"reject_with,omitempty"`
	// Redirect is set when the destination was rewritten on the way.
	Redirect *Redirect `json:"redirect,omitempty"`
	// DependsOn lists the conditions this outcome takes for granted; empty means it is certain.
	DependsOn []Tag `json:"depends_on,omitempty"`
	// Hook is where it ended: ingress, prerouting, input, forward, output or postrouting. Empty for an accept that
	// passed everything.
	Hook string `json:"hook,omitempty"`
	// Reply is true when the SYN passes and it is the answer (SYN-ACK) that meets this end.
	Reply bool `json:"reply,omitempty"`
	// Rule decided. For an accept it is the last rule that accepted explicitly, or the policy that let it pass; nil
	// when no base chain exists on the way.
	Rule *RuleRef `json:"rule,omitempty"`
	// Path lists the jumps and verdicts on the way in order, of all base chains passed.
	Path []Step `json:"path,omitempty"`
}

// End is how one outcome ends: accept, drop or reject, or stolen when the packet leaves the modelled path (a queue to
// user space, a tproxy socket, a forward to another device).
type End string

// The ends.
const (
	EndAccept End = "accept"
	EndDrop   End = "drop"
	EndReject End = "reject"
	EndStolen End = "stolen"
)

// RejectKind says what a reject answers: "tcp-reset" or the ICMP kind, spelled as nft and iptables spell it,
// such as "icmp port-unreachable", "icmpx admin-prohibited", "icmpv6 no-route".
type RejectKind string

// Redirect is a destination rewrite.
type Redirect struct {
	// Kind is dnat, redirect or tproxy.
	Kind string `json:"kind"`
	// To is the new destination; invalid when only the port changes or the address is chosen from several.
	To netip.Addr `json:"to,omitzero"`
	// ToPort is the new port; 0 when unchanged or chosen from several.
	ToPort uint16   `json:"to_port,omitempty"`
	Rule   *RuleRef `json:"rule,omitempty"`
	// ToText is the target as written when it is not one address and port (a range, a map).
	ToText string `json:"to_text,omitempty"`
}

// TagKind classifies what an outcome depends on.
type TagKind string

// The kinds of dependency. Only TagUnknown makes a segment Unknown; the others make it Depends.
const (
	// TagUnknown: an expression, match, target, set or table this package could not read or does not know.
	TagUnknown TagKind = "unknown"
	// TagStateful: counted state such as limit, hashlimit, connlimit, recent, quota, numgen, random.
	TagStateful TagKind = "stateful"
	// TagTime: the clock.
	TagTime TagKind = "time"
	// TagExternal: a program or table outside netfilter rules: queue listener, XDP, tc, BPF, IPVS, bridge.
	TagExternal TagKind = "external"
	// TagSocket: a socket on the host (socket match, cgroup, owner).
	TagSocket TagKind = "socket"
	// TagPacket: a field of the packet that differs from client to client (source port, TTL, length, MSS, MAC …).
	TagPacket TagKind = "packet"
	// TagRoute: a routing decision that could not be modelled (policy routing, VRF).
	TagRoute TagKind = "route"
)

// Tag is one dependency: a kind, the name of the expression or match, and its readable form.
type Tag struct {
	Kind TagKind `json:"kind"`
	Name string  `json:"name"`
	Text string  `json:"text,omitempty"`
}

// Delivery says what routing does with the packet after prerouting (and after a rewrite, per outcome).
type Delivery string

// The deliveries. DeliveryUnknown is the zero value.
const (
	DeliveryUnknown Delivery = ""
	DeliveryLocal   Delivery = "local"
	DeliveryForward Delivery = "forward"
	// DeliveryNone: the destination is neither local nor forwarded by this host.
	DeliveryNone Delivery = "none"
)

// Ingress is an interface the packet may arrive on, and why it was taken.
type Ingress struct {
	Name  string `json:"name"`
	Index int    `json:"index"`
	// Why is asked, default-route, range-route, carries-dst, up, loopback or only.
	Why string `json:"why"`
}

// Limit is something that could not be read or modelled.
type Limit struct {
	// What could not be read or modelled.
	What string `json:"what"`
	// Why, with the error's text when there was one.
	Why string `json:"why,omitempty"`
	// How it would become visible, such as "run as root".
	How string `json:"how,omitempty"`
	// Hides is true when it can change a verdict: every outcome it could touch is then unknown.
	Hides bool `json:"hides,omitempty"`
}
