package nft

import (
	"errors"
	"fmt"

	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// exprFunc decodes the attributes of one kind of expression into e.
type exprFunc func(b []byte, e *ruleset.Expr, fam ruleset.Family) error

// exprs lists the expressions this decoder knows. To add one: a function, a line here, and a case in the evaluator.
var exprs = map[string]exprFunc{
	"payload":      decodePayload,
	"meta":         decodeMeta,
	"ct":           decodeCt,
	"cmp":          decodeCmp,
	"range":        decodeRange,
	"bitwise":      decodeBitwise,
	"byteorder":    decodeByteorder,
	"lookup":       decodeLookup,
	"immediate":    decodeImmediate,
	"exthdr":       decodeExthdr,
	"fib":          decodeFib,
	"rt":           decodeRt,
	"socket":       decodeSocket,
	"xfrm":         decodeXfrm,
	"tunnel":       decodeTunnel,
	"osf":          decodeOsf,
	"hash":         decodeHash,
	"numgen":       decodeNumgen,
	"limit":        decodeLimit,
	"quota":        decodeQuota,
	"connlimit":    decodeConnlimit,
	"last":         decodeLast,
	"counter":      decodeCounter,
	"log":          decodeLog,
	"dynset":       decodeDynset,
	"objref":       decodeObjref,
	"nat":          decodeNat,
	"masq":         decodeMasq,
	"redir":        decodeRedir,
	"reject":       decodeReject,
	"queue":        decodeQueue,
	"notrack":      decodeNotrack,
	"tproxy":       decodeTproxy,
	"synproxy":     decodeSynproxy,
	"dup":          decodeDup,
	"fwd":          decodeFwd,
	"flow_offload": decodeFlow,
	"match":        decodeXtMatch,
	"target":       decodeXtTarget,
}

// elemExprs are those the kernel allows on a set element (NFT_EXPR_STATEFUL).
var elemExprs = map[string]exprFunc{
	"limit":     decodeLimit,
	"quota":     decodeQuota,
	"connlimit": decodeConnlimit,
	"last":      decodeLast,
	"counter":   decodeCounter,
}

// errTooLong is for constants beyond the kernel's own limit of 64 bytes.
var errTooLong = errors.New("constant longer than 64 bytes")

func unknownExpr(name string) ruleset.Expr {
	return ruleset.Expr{Kind: ruleset.KindUnknown, X: &ruleset.Extra{Name: name}}
}

// decodeExpr decodes one expression of a rule.
func decodeExpr(b []byte, fam ruleset.Family) ruleset.Expr { return decodeWith(exprs, b, fam) }

// decodeElemExpr decodes an expression carried by a set element.
func decodeElemExpr(b []byte, fam ruleset.Family) ruleset.Expr { return decodeWith(elemExprs, b, fam) }

// decodeWith decodes one NFTA_LIST_ELEM. It never fails: what cannot be decoded is an unknown with its reason.
func decodeWith(table map[string]exprFunc, b []byte, fam ruleset.Family) ruleset.Expr {
	var name, data []byte
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			name = cstr(it.Val)
		case 2:
			data = it.Val
		}
	}
	if it.Err != nil || len(name) == 0 || len(name) > 64 {
		return unknownExpr("malformed expression")
	}
	f := table[string(name)]
	if f == nil {
		return unknownExpr(fmt.Sprintf("%q", name))
	}
	var e ruleset.Expr
	if err := f(data, &e, fam); err != nil {
		return unknownExpr(fmt.Sprintf("%s (%v)", name, err))
	}
	return e
}

// reg converts a register number to its word in the register file.
func reg(it *nfnl.Iter) uint8 {
	n := it.BE32()
	switch {
	case n <= 4:
		return uint8(n) * 4
	case n >= 8 && n <= 23:
		return uint8(n) - 4
	}
	if it.Err == nil {
		it.Err = fmt.Errorf("register %d", n)
	}
	return 0
}

// setValue stores a constant.
func setValue(e *ruleset.Expr, v []byte) error {
	switch {
	case len(v) <= len(e.Val):
		e.N = uint8(copy(e.Val[:], v))
	case len(v) <= 64:
		extra(e).Data = append([]byte(nil), v...)
	default:
		return errTooLong
	}
	return nil
}

func extra(e *ruleset.Expr) *ruleset.Extra {
	if e.X == nil {
		e.X = &ruleset.Extra{Regs: ruleset.NoRegs}
	}
	return e.X
}

// dataValue reads NFTA_DATA_VALUE out of a nested data attribute.
func dataValue(b []byte) ([]byte, error) {
	it := nfnl.Attrs(b)
	if it.Next() {
		if it.Type != 1 {
			return nil, unknownAttr{"data", it.Type}
		}
		if len(it.Val) > 64 {
			return nil, errTooLong
		}
		return it.Val, it.Err
	}
	if it.Err != nil {
		return nil, it.Err
	}
	return nil, errors.New("no value")
}

func small(it *nfnl.Iter) uint8 {
	n := it.BE32()
	if n > 255 && it.Err == nil {
		it.Err = fmt.Errorf("attribute %d is %d, above 255", it.Type, n)
	}
	return uint8(n)
}

func decodePayload(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindPayload
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.DReg = reg(&it)
		case 2:
			e.Base = small(&it)
		case 3:
			e.Off = small(&it)
		case 4:
			e.Len = small(&it)
		case 5:
			e.SReg = reg(&it)
			e.Kind = ruleset.KindPayloadSet
		case 6, 7, 8: // checksum fix-up of a write
		default:
			return unknownAttr{"payload", it.Type}
		}
	}
	return it.Err
}

func decodeMeta(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindMeta
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.DReg = reg(&it)
		case 2:
			e.Op = small(&it)
		case 3:
			e.SReg = reg(&it)
			e.Kind = ruleset.KindMetaSet
		default:
			return unknownAttr{"meta", it.Type}
		}
	}
	return it.Err
}

// NoDirection is the ct direction when the expression names none.
const NoDirection = 0xff

func decodeCt(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindCt
	e.Base = NoDirection
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.DReg = reg(&it)
		case 2:
			e.Op = small(&it)
		case 3:
			e.Base = it.U8()
		case 4:
			e.SReg = reg(&it)
			e.Kind = ruleset.KindCtSet
		default:
			return unknownAttr{"ct", it.Type}
		}
	}
	return it.Err
}

func decodeCmp(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindCmp
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.SReg = reg(&it)
		case 2:
			if e.Op = small(&it); e.Op > 5 {
				return fmt.Errorf("operator %d", e.Op)
			}
		case 3:
			v, err := dataValue(it.Val)
			if err != nil {
				return err
			}
			if err := setValue(e, v); err != nil {
				return err
			}
		default:
			return unknownAttr{"cmp", it.Type}
		}
	}
	return it.Err
}

func decodeRange(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindRange
	x := extra(e)
	it := nfnl.Attrs(b)
	for it.Next() {
		var err error
		switch it.Type {
		case 1:
			e.SReg = reg(&it)
		case 2:
			e.Inv = it.BE32() == 1
		case 3:
			x.From, err = dataCopy(it.Val)
		case 4:
			x.To, err = dataCopy(it.Val)
		default:
			return unknownAttr{"range", it.Type}
		}
		if err != nil {
			return err
		}
	}
	if len(x.From) != len(x.To) || len(x.From) == 0 {
		return errors.New("bounds of different length")
	}
	return it.Err
}

func dataCopy(b []byte) ([]byte, error) {
	v, err := dataValue(b)
	return append([]byte(nil), v...), err
}

// Bitwise operators: 0 is mask and xor, 1 and 2 shift left and right, 3 to 5 combine two values (and, or, xor; since
// Linux 6.13).
func decodeBitwise(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindBitwise
	x := extra(e)
	it := nfnl.Attrs(b)
	for it.Next() {
		var err error
		switch it.Type {
		case 1:
			e.SReg = reg(&it)
		case 2:
			e.DReg = reg(&it)
		case 3:
			e.Len = small(&it)
		case 4:
			x.Mask, err = dataCopy(it.Val)
		case 5:
			x.Xor, err = dataCopy(it.Val)
		case 6:
			if e.Op = small(&it); e.Op > 5 {
				return fmt.Errorf("operator %d", e.Op)
			}
		case 7:
			x.Data, err = dataCopy(it.Val)
		case 8:
			x.Regs.Second = int8(reg(&it))
		default:
			return unknownAttr{"bitwise", it.Type}
		}
		if err != nil {
			return err
		}
	}
	if e.Op == 0 && (len(x.Mask) != int(e.Len) || len(x.Xor) != int(e.Len)) {
		return errors.New("mask of the wrong length")
	}
	return it.Err
}

func decodeByteorder(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindByteorder
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.SReg = reg(&it)
		case 2:
			e.DReg = reg(&it)
		case 3:
			e.Op = small(&it)
		case 4:
			e.Len = small(&it)
		case 5:
			e.Base = small(&it) // size of each number: 2, 4 or 8
		default:
			return unknownAttr{"byteorder", it.Type}
		}
	}
	return it.Err
}

func decodeImmediate(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindImmediate
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.DReg = reg(&it)
		case 2:
			if err := decodeData(it.Val, e); err != nil {
				return err
			}
		default:
			return unknownAttr{"immediate", it.Type}
		}
	}
	return it.Err
}

// decodeData reads a nested value or verdict into e.
func decodeData(b []byte, e *ruleset.Expr) error {
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			if err := setValue(e, it.Val); err != nil {
				return err
			}
		case 2:
			v, err := decodeVerdict(it.Val)
			if err != nil {
				return err
			}
			e.Kind = ruleset.KindVerdict
			e.Flags = uint32(v.Code)
			if v.Chain != "" {
				extra(e).Verdict = v
			}
		default:
			return unknownAttr{"data", it.Type}
		}
	}
	return it.Err
}

func decodeVerdict(b []byte) (ruleset.Verdict, error) {
	var v ruleset.Verdict
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			v.Code = ruleset.VerdictCode(int32(it.BE32()))
		case 2:
			v.Chain = it.Str()
		case 3: // chain id, only within a batch
		default:
			return v, unknownAttr{"verdict", it.Type}
		}
	}
	return v, it.Err
}
