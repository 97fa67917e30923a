package eval

import (
	"encoding/binary"

	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// TagKind classifies what an outcome depends on; the values are those of the public API.
type TagKind string

// The kinds.
const (
	TagUnknown  TagKind = "unknown"
	TagStateful TagKind = "stateful"
	TagTime     TagKind = "time"
	TagExternal TagKind = "external"
	TagSocket   TagKind = "socket"
	TagPacket   TagKind = "packet"
	TagRoute    TagKind = "route"
)

// Tag is one dependency.
type Tag struct {
	Kind TagKind
	Name string
	Text string
}

// maxTags bounds the tags of one outcome: more explain nothing.
const maxTags = 12

func addTag(tags []Tag, t Tag) []Tag {
	for _, have := range tags {
		if have == t {
			return tags
		}
	}
	if len(tags) >= maxTags {
		return tags
	}
	return append(tags[:len(tags):len(tags)], t)
}

func addTags(tags, more []Tag) []Tag {
	for _, t := range more {
		tags = addTag(tags, t)
	}
	return tags
}

// val is a 32-bit value of the packet that rules set and read; unk is 1 plus its slot when it is not known.
type val struct {
	v   uint32
	unk uint8
}

// ctState is what connection tracking has attached to the packet.
type ctState uint8

const (
	ctNone      ctState = iota // before the conntrack hook, or conntrack is not active
	ctNew                      // the SYN
	ctReply                    // the answer to a tracked SYN
	ctUntracked                // notrack
	ctInvalid                  // an answer whose SYN was not tracked
	ctTemplate                 // a zone was set before the conntrack hook
	ctRelated                  // a reject's answer to a tracked SYN
)

// Conntrack status bits (IPS_*) the model keeps.
const (
	ipsSeenReply  = 1 << 1
	ipsConfirmed  = 1 << 3
	ipsSrcNat     = 1 << 4
	ipsDstNat     = 1 << 5
	ipsSrcNatDone = 1 << 7
	ipsDstNatDone = 1 << 8
)

// env is everything concrete about a packet. States with equal env merge.
type env struct {
	// reply is true for packets towards the client.
	reply bool
	// refusal is what a reject sends; zero for the connection's own packets.
	refusal refusal
	// dst and dport are the SYN's destination as it is now; the answer's source.
	dst   interval.U128
	dport uint16
	// unkDst and unkPort are 1 plus a slot when the rewritten destination is not known.
	unkDst, unkPort uint8
	// origDst and origPort are the destination the client used.
	origDst  interval.U128
	origPort uint16
	nat      *natRef
	ct       ctState
	status   uint32
	mark     val
	ctmark   val
	prio     val
	pkttype  uint8
	// snat is the source after source NAT; hasSnat 1 known, 2 unknown.
	snat    interval.U128
	hasSnat uint8
	// touched has a bit per set that a rule on the way has changed.
	touched uint64
	// rewritten is 1 plus a slot when a rule wrote into the headers.
	rewritten uint8
	// zoned and labelled say that ct zone or labels were set.
	zoned, labelled bool
	// tproxy is set when the packet was handed to a transparent proxy's socket.
	tproxy bool
}

// refusal is the packet a reject answers with: a RST, or an ICMP error of a type and code.
type refusal struct {
	rst       bool
	typ, code uint8
}

func (r refusal) icmp() bool { return r.typ != 0 }

// natRef is a destination rewrite: by which rule, to what.
type natRef struct {
	rule *ruleset.Rule
	kind string
	to   interval.U128
	port uint16
	// unkAddr and unkPort say that one of several is chosen.
	unkAddr, unkPort bool
}

// state is a set of packets: sources times source ports, with one env.
type state struct {
	a    *interval.Set
	p    *interval.Set // nil means every port
	env  env
	tags []Tag // why it is only possible that they are here
}

func (s *state) empty() bool { return s.a.Empty() || s.p != nil && s.p.Empty() }

// allPorts are the source ports a client uses; see the assumptions.
var allPorts = interval.Iv{Lo: interval.FromUint(1024), Hi: interval.FromUint(65535)}

// portSet is p with nil spelled out.
func portSet(p *interval.Set) *interval.Set {
	if p == nil {
		return interval.Of(allPorts)
	}
	return p
}

func samePorts(a, b *interval.Set) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(b)
}

func sameTags(a, b []Tag) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// nativeOrder reverses bytes on a little-endian host.
func nativeOrder(s []sym) {
	var probe [2]byte
	binary.NativeEndian.PutUint16(probe[:], 1)
	if probe[0] == 0 {
		return
	}
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
}

// putU32 writes a 32-bit value in the host's order.
func putU32(dst []sym, v uint32) {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], v)
	putConst(dst, b[:])
}

func putU16(dst []sym, v uint16) {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], v)
	putConst(dst, b[:])
}

// putVal writes a val.
func putVal(dst []sym, v val) {
	if v.unk != 0 {
		symNative(dst, v.unk-1)
		return
	}
	putU32(dst, v.v)
}

// getVal reads a val back from four bytes; ok is false when it is neither constant nor one whole unknown.
func (e *engine) getVal(s []sym) (val, bool) {
	var buf [4]byte
	if b, ok := constants(s, buf[:]); ok {
		return val{v: binary.NativeEndian.Uint32(b)}, true
	}
	cp := append([]sym(nil), s...)
	nativeOrder(cp)
	if _, ok := e.fullSlot(cp); ok {
		return val{unk: cp[0].idx + 1}, true
	}
	return val{}, false
}
