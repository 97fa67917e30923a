package ruleset

import "encoding/binary"

// Kind is what an expression does.
type Kind uint8

// The expressions the evaluator knows. KindUnknown is the zero value: whatever was not recognised.
const (
	KindUnknown Kind = iota
	KindPayload
	KindPayloadSet
	KindMeta
	KindMetaSet
	KindCt
	KindCtSet
	KindCmp
	KindRange
	KindBitwise
	KindByteorder
	KindLookup
	KindImmediate
	KindVerdict
	KindExthdr
	KindExthdrSet
	KindFib
	KindRt
	KindSocket
	KindXfrm
	KindTunnel
	KindOsf
	KindHash
	KindNumgen
	KindLimit
	KindQuota
	KindConnlimit
	KindLast
	KindCounter
	KindLog
	KindDynset
	KindObjref
	KindObjrefMap
	KindNat
	KindMasq
	KindRedir
	KindReject
	KindQueue
	KindNotrack
	KindTproxy
	KindSynproxy
	KindDup
	KindFwd
	KindFlowOffload
	KindXtMatch
	KindXtTarget
)

// Expr is one expression: a small fixed part for the common ones, and X for what few need. Registers are numbered in
// 32-bit words of the register file (NFT_REG_1 is word 4).
type Expr struct {
	Kind Kind
	// Op is the operator: of cmp, range, bitwise, byteorder, dynset, exthdr, limit; the key of meta, ct, fib, rt, socket.
	Op uint8
	// DReg and SReg are words of the register file; which are used depends on Kind.
	DReg, SReg uint8
	// N is the number of bytes in Val.
	N uint8
	// Inv marks an inverted lookup, range, limit, dynset …
	Inv bool
	// Len, Base and Off describe a load: payload base and offset, byte count.
	Len, Base, Off uint8
	// Flags are the expression's own flags.
	Flags uint32
	// Val is the constant of cmp and immediate when it has at most 16 bytes; longer ones are in X.Data.
	Val [16]byte
	X   *Extra
}

// Extra holds what only some expressions have.
type Extra struct {
	// Name of a set, object, chain, device, or of the unknown expression or attribute.
	Name string
	// Text is a readable rendering for expressions whose parameters do not matter to a verdict.
	Text string
	// Data is a constant longer than 16 bytes; Mask and Xor belong to bitwise; From and To to range.
	Data, Mask, Xor, From, To []byte
	Set                       *Set
	Verdict                   Verdict
	Object                    ObjectKey
	// Regs are further registers: nat address and port bounds, dynset data, tproxy address and port, second bitwise
	// source. -1 is absent.
	Regs Regs
	// Inner are the expressions a dynset runs on its element.
	Inner []Expr
	// Number carries a rate, quota, modulus, queue number, reject code, log group, timeout in milliseconds …
	Number, Number2 uint64
	// Xt is the decoded match or target.
	Xt *Xt
}

// Regs are register words of an expression with many; -1 is absent.
type Regs struct{ AddrMin, AddrMax, PortMin, PortMax, Second int8 }

// NoRegs is the empty Regs.
var NoRegs = Regs{-1, -1, -1, -1, -1}

// Value returns the constant of a cmp or immediate.
func (e *Expr) Value() []byte {
	if e.X != nil && e.X.Data != nil {
		return e.X.Data
	}
	return e.Val[:e.N]
}

// Counter returns the packets and bytes of a counter, which are kept in Val.
func (e *Expr) Counter() (packets, bytes uint64) {
	return binary.NativeEndian.Uint64(e.Val[:8]), binary.NativeEndian.Uint64(e.Val[8:])
}

// SetCounter stores packets and bytes.
func (e *Expr) SetCounter(packets, bytes uint64) {
	binary.NativeEndian.PutUint64(e.Val[:8], packets)
	binary.NativeEndian.PutUint64(e.Val[8:], bytes)
}

// Verdict returns an immediate verdict. The code is kept in Flags; only a jump or goto needs X.
func (e *Expr) Verdict() Verdict {
	if e.X != nil {
		return e.X.Verdict
	}
	return Verdict{Code: VerdictCode(int32(e.Flags))}
}

// VerdictCode is a verdict of nf_tables; the numbers are the kernel's.
type VerdictCode int32

// The verdicts.
const (
	VDrop     VerdictCode = 0
	VAccept   VerdictCode = 1
	VStolen   VerdictCode = 2
	VQueue    VerdictCode = 3
	VContinue VerdictCode = -1
	VBreak    VerdictCode = -2
	VJump     VerdictCode = -3
	VGoto     VerdictCode = -4
	VReturn   VerdictCode = -5
)

// String returns the name nft uses.
func (v VerdictCode) String() string {
	switch v & 0xff {
	case VDrop:
		return "drop"
	case VAccept:
		return "accept"
	case VStolen:
		return "stolen"
	case VQueue:
		return "queue"
	}
	switch v {
	case VContinue:
		return "continue"
	case VBreak:
		return "break"
	case VJump:
		return "jump"
	case VGoto:
		return "goto"
	case VReturn:
		return "return"
	}
	return "unknown"
}

// Verdict is a verdict with the chain a jump or goto leads to.
type Verdict struct {
	Code  VerdictCode
	Chain string
	// To is the chain once names are resolved; nil for a jump means the chain is missing from the dump.
	To *Chain
}

// Xt is an xtables match or target inside nf_tables or in a legacy table.
type Xt struct {
	Name string
	Rev  uint32
	// Info is the decoded parameters, a type of package xt; nil when the name or revision is not known.
	Info any
	// Why says why Info is nil.
	Why string
}
