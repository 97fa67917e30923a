package nft

import (
	"fmt"
	"strings"

	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

func decodeCounter(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindCounter
	var packets, bytes uint64
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			bytes = it.BE64()
		case 2:
			packets = it.BE64()
		case 3:
		default:
			return unknownAttr{"counter", it.Type}
		}
	}
	e.SetCounter(packets, bytes)
	return it.Err
}

func decodeLast(_ []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindLast
	return nil
}

func decodeLog(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindLog
	var text strings.Builder
	text.WriteString("log")
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			fmt.Fprintf(&text, " group %d", it.BE16())
		case 2:
			fmt.Fprintf(&text, " prefix %q", it.Str())
		case 5:
			fmt.Fprintf(&text, " level %d", it.BE32())
		case 3, 4, 6, 7:
		default:
			return unknownAttr{"log", it.Type}
		}
	}
	extra(e).Text = text.String()
	return it.Err
}

func decodeDynset(b []byte, e *ruleset.Expr, fam ruleset.Family) error {
	e.Kind = ruleset.KindDynset
	x := extra(e)
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			x.Name = it.Str()
		case 2, 8: // set id within a batch, padding
		case 3:
			e.Op = small(&it)
		case 4:
			e.SReg = reg(&it)
		case 5:
			x.Regs.Second = int8(reg(&it))
		case 6:
			x.Number = it.BE64() // timeout in ms
		case 7:
			x.Inner = append(x.Inner, decodeElemExpr(it.Val, fam))
		case 9:
			e.Inv = it.BE32()&1 != 0
		case 10:
			list := nfnl.Attrs(it.Val)
			for list.Next() {
				x.Inner = append(x.Inner, decodeElemExpr(list.Val, fam))
			}
			if list.Err != nil {
				return list.Err
			}
		default:
			return unknownAttr{"dynset", it.Type}
		}
	}
	return it.Err
}

func decodeObjref(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindObjref
	x := extra(e)
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			x.Object.Type = it.BE32()
		case 2:
			x.Object.Name = it.Str()
		case 3:
			e.SReg = reg(&it)
			e.Kind = ruleset.KindObjrefMap
		case 4:
			x.Name = it.Str()
			e.Kind = ruleset.KindObjrefMap
		case 5:
		default:
			return unknownAttr{"objref", it.Type}
		}
	}
	return it.Err
}

// Nat types (NFT_NAT_*).
const (
	NatSource = 0
	NatDest   = 1
)

func decodeNat(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindNat
	x := extra(e)
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.Op = small(&it)
		case 2:
			e.Base = small(&it) // family of the new address
		case 3:
			x.Regs.AddrMin = int8(reg(&it))
		case 4:
			x.Regs.AddrMax = int8(reg(&it))
		case 5:
			x.Regs.PortMin = int8(reg(&it))
		case 6:
			x.Regs.PortMax = int8(reg(&it))
		case 7:
			e.Flags = it.BE32()
		default:
			return unknownAttr{"nat", it.Type}
		}
	}
	return it.Err
}

func decodeMasq(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindMasq
	x := extra(e)
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.Flags = it.BE32()
		case 2:
			x.Regs.PortMin = int8(reg(&it))
		case 3:
			x.Regs.PortMax = int8(reg(&it))
		default:
			return unknownAttr{"masq", it.Type}
		}
	}
	return it.Err
}

func decodeRedir(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindRedir
	x := extra(e)
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			x.Regs.PortMin = int8(reg(&it))
		case 2:
			x.Regs.PortMax = int8(reg(&it))
		case 3:
			e.Flags = it.BE32()
		default:
			return unknownAttr{"redir", it.Type}
		}
	}
	return it.Err
}

func decodeReject(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindReject
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.Op = small(&it)
		case 2:
			e.Base = it.U8()
		default:
			return unknownAttr{"reject", it.Type}
		}
	}
	return it.Err
}

func decodeQueue(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindQueue
	x := extra(e)
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			x.Number = uint64(it.BE16())
		case 2:
			x.Number2 = uint64(it.BE16())
		case 3:
			e.Flags = uint32(it.BE16())
		case 4:
			x.Regs.Second = int8(reg(&it))
		default:
			return unknownAttr{"queue", it.Type}
		}
	}
	return it.Err
}

func decodeNotrack(_ []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindNotrack
	return nil
}

func decodeTproxy(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindTproxy
	x := extra(e)
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.Base = small(&it)
		case 2:
			x.Regs.AddrMin = int8(reg(&it))
		case 3:
			x.Regs.PortMin = int8(reg(&it))
		default:
			return unknownAttr{"tproxy", it.Type}
		}
	}
	return it.Err
}

func decodeSynproxy(_ []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindSynproxy
	return nil
}

func decodeDup(_ []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindDup
	return nil
}

func decodeFwd(_ []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindFwd
	return nil
}

func decodeFlow(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindFlowOffload
	it := nfnl.Attrs(b)
	for it.Next() {
		if it.Type == 1 {
			extra(e).Name = it.Str()
		}
	}
	return it.Err
}

// decodeXt decodes an xtables match or target carried by nft_compat.
func decodeXt(kind ruleset.Kind, b []byte, e *ruleset.Expr, fam ruleset.Family) error {
	e.Kind = kind
	x := &ruleset.Xt{}
	var info []byte
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			x.Name = it.Str()
		case 2:
			x.Rev = it.BE32()
		case 3:
			info = it.Val
		default:
			return unknownAttr{"xt", it.Type}
		}
	}
	if it.Err != nil {
		return it.Err
	}
	decode := xt.DecodeMatch
	if kind == ruleset.KindXtTarget {
		decode = xt.DecodeTarget
	}
	var err error
	if x.Info, err = decode(x.Name, x.Rev, info, fam); err != nil {
		x.Info, x.Why = nil, err.Error()
	}
	extra(e).Xt = x
	return nil
}
