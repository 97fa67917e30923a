// Package xt knows the xtables matches and targets: their parameters as plain types, decoded from the kernel's binary
// blobs (nft_compat) or built by the parser of legacy save text. Struct layouts are those of
// include/uapi/linux/netfilter/xt_*.h.
package xt

import (
	"net/netip"
)

// PortRange is an inclusive range of ports.
type PortRange struct{ Lo, Hi uint16 }

// Match inversion flags of TCP.
const (
	InvSrcPort = 0x01
	InvDstPort = 0x02
	InvFlags   = 0x04
	InvOption  = 0x08
)

// TCP is `-m tcp`.
type TCP struct {
	Src, Dst           PortRange
	Option             uint8 // option number that must be present, 0 for none
	FlagMask, FlagComp uint8
	Inv                uint8
}

// NeverTCP is a match on another protocol or on a header a plain SYN does not have: it cannot match.
type NeverTCP struct{ Name string }

// Multiport is `-m multiport`. Mode is 0 source, 1 destination, 2 either.
type Multiport struct {
	Mode  uint8
	Ports []PortRange
	Inv   bool
}

// SetMatch is `-m set`. Flags has bit 1<<i set when dimension i+1 is the source (IPSET_DIM_*_SRC shifted).
type SetMatch struct {
	Index uint16
	Name  string // known at once in legacy text, else by index
	Dim   uint8
	// Src says for each dimension whether it is taken from the packet's source.
	Src [6]bool
	Inv bool
	// Counters is true when the match also compares the entry's packet or byte counters.
	Counters bool
	// ReturnNoMatch is --return-nomatch.
	ReturnNoMatch bool
}

// Conntrack match flags (XT_CONNTRACK_*).
const (
	CtState       = 1 << 0
	CtProto       = 1 << 1
	CtOrigSrc     = 1 << 2
	CtOrigDst     = 1 << 3
	CtReplSrc     = 1 << 4
	CtReplDst     = 1 << 5
	CtStatus      = 1 << 6
	CtExpires     = 1 << 7
	CtOrigSrcPort = 1 << 8
	CtOrigDstPort = 1 << 9
	CtReplSrcPort = 1 << 10
	CtReplDstPort = 1 << 11
	CtDirection   = 1 << 12
)

// Conntrack state bits of this match (XT_CONNTRACK_STATE_*).
const (
	StateInvalid     = 1 << 0
	StateEstablished = 1 << 1
	StateRelated     = 1 << 2
	StateNew         = 1 << 3
	StateSNAT        = 1 << 6
	StateDNAT        = 1 << 7
	StateUntracked   = 1 << 8
)

// AddrMask is an address with a mask.
type AddrMask struct{ Addr, Mask netip.Addr }

// Conntrack is `-m conntrack` and `-m state`.
type Conntrack struct {
	Flags, Inv               uint16
	State, Status            uint16
	Proto                    uint16
	OrigSrc, OrigDst         AddrMask
	ReplSrc, ReplDst         AddrMask
	OrigSrcPort, OrigDstPort PortRange
	ReplSrcPort, ReplDstPort PortRange
	ExpiresMin, ExpiresMax   uint32
	DirectionOriginal        bool
}

// AddrType is `-m addrtype`; the masks have bit 1<<RTN_* set.
type AddrType struct {
	Src, Dst          uint16
	InvSrc, InvDst    bool
	LimitIn, LimitOut bool
}

// IPRange is `-m iprange`.
type IPRange struct {
	HasSrc, HasDst bool
	SrcMin, SrcMax netip.Addr
	DstMin, DstMax netip.Addr
	InvSrc, InvDst bool
}

// Always is a match that cannot fail, such as comment.
type Always struct{ Name, Text string }

// MarkMatch is `-m mark` or, with Conn, `-m connmark`.
type MarkMatch struct {
	Mark, Mask uint32
	Inv        bool
	Conn       bool
}

// Stateful is a match whose result depends on counted state.
type Stateful struct{ Name, Text string }

// RecentSet is `-m recent --set`, which always matches.
type RecentSet struct {
	Name string
	Inv  bool
}

// Packet is a match on a property that differs from packet to packet or client to client.
type Packet struct{ Name, Text string }

// Socket is a match on a socket on this host.
type Socket struct{ Name, Text string }

// External is a match decided outside netfilter rules.
type External struct{ Name, Text string }

// RPFilter is `-m rpfilter`.
type RPFilter struct{ Loose, ValidMark, AcceptLocal, Inv bool }

// PktType is `-m pkttype`.
type PktType struct {
	Type uint32
	Inv  bool
}

// Time is `-m time`.
type Time struct{ Text string }

// Length is `-m length`: IPv4 total length, or IPv6 payload plus header.
type Length struct {
	Min, Max uint16
	Inv      bool
}

// TTL is `-m ttl` or `-m hl`. Mode: 0 equal, 1 not equal, 2 less, 3 greater.
type TTL struct{ Mode, Value uint8 }

// TCPMSS is `-m tcpmss`.
type TCPMSS struct {
	Min, Max uint16
	Inv      bool
}

// Policy is `-m policy`. None is `--pol none`.
type Policy struct {
	None, In bool
	Len      int
}

// Helper is `-m helper`.
type Helper struct {
	Name string
	Inv  bool
}

// Owner is `-m owner`; Match and Inv are its flag bits.
type Owner struct {
	Match, Inv uint8
	Text       string
}

// DevGroup is `-m devgroup`.
type DevGroup struct {
	Flags          uint32
	Src, SrcM, Dst uint32
	DstM           uint32
}

// PhysDev is `-m physdev`, on bridges only.
type PhysDev struct {
	In, Out string
	Op, Inv uint8
}

// MAC is `-m mac`.
type MAC struct {
	Addr [6]byte
	Inv  bool
}

// DSCP is `-m dscp` or `-m tos`: TOS byte & Mask == Value.
type DSCP struct {
	Mask, Value uint8
	Inv         bool
}

// Reject is the REJECT target; With is the answer as iptables spells it.
type Reject struct{ With string }

// NAT range flags (NF_NAT_RANGE_*).
const (
	NATMapIPs  = 1 << 0
	NATPorts   = 1 << 1
	NATNetmap  = 1 << 6
	NATOffset  = 1 << 5
	natRandom  = 1<<2 | 1<<4
	natPersist = 1 << 3
)

// NAT is DNAT, SNAT, REDIRECT, MASQUERADE or NETMAP.
type NAT struct {
	Name                      string
	Flags                     uint32
	AddrMin, AddrMax          netip.Addr
	PortMin, PortMax, PortOff uint16
}

// Continue is a target that changes nothing a rule can see and lets the packet go on.
type Continue struct{ Name, Text string }

// MarkSet is the MARK target: mark = (mark &^ Mask) ^ Mark.
type MarkSet struct{ Mark, Mask uint32 }

// ConnmarkSet is the CONNMARK target. Mode: 0 set, 1 save, 2 restore.
type ConnmarkSet struct {
	Mode                   uint8
	CtMark, CtMask, NfMask uint32
	ShiftRight             bool
	Shift                  uint8
}

// CT is the CT target (and NOTRACK).
type CT struct {
	NoTrack bool
	Zone    uint16
	Helper  string
}

// Queue is NFQUEUE (and QUEUE).
type Queue struct {
	Num, Total uint16
	Bypass     bool
}

// SetTarget is the SET target: it changes an ipset while the packet passes.
type SetTarget struct {
	Index         uint16
	Name          string
	Add, Del, Map bool
	Src           [6]bool
	Dim           uint8
}

// TProxy is the TPROXY target.
type TProxy struct {
	Addr       netip.Addr
	Port       uint16
	Mark, Mask uint32
}

// Synproxy is the SYNPROXY target.
type Synproxy struct{}
