package nft

import (
	"fmt"

	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
)

func decodeLookup(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindLookup
	x := extra(e)
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			x.Name = it.Str()
		case 2:
			e.SReg = reg(&it)
		case 3:
			e.DReg = reg(&it)
			e.Base = 1 // a map: DReg is used, and 0 means the verdict
		case 4: // set id, only within a batch
		case 5:
			f := it.BE32()
			if f&^1 != 0 {
				return fmt.Errorf("flags %#x", f)
			}
			e.Inv = f&1 != 0
		default:
			return unknownAttr{"lookup", it.Type}
		}
	}
	return it.Err
}

func decodeExthdr(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindExthdr
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.DReg = reg(&it)
		case 2:
			e.Base = it.U8() // header or option number
		case 3:
			e.Off = small(&it)
		case 4:
			e.Len = small(&it)
		case 5:
			e.Flags = it.BE32()
		case 6:
			e.Op = small(&it)
		case 7:
			e.SReg = reg(&it)
			e.Kind = ruleset.KindExthdrSet
		default:
			return unknownAttr{"exthdr", it.Type}
		}
	}
	return it.Err
}

func decodeFib(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindFib
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.DReg = reg(&it)
		case 2:
			e.Op = small(&it)
		case 3:
			e.Flags = it.BE32()
		default:
			return unknownAttr{"fib", it.Type}
		}
	}
	if e.Flags&^0x3f != 0 {
		return fmt.Errorf("flags %#x", e.Flags)
	}
	return it.Err
}

// keyed decodes an expression of a key and a destination, where further attributes are only kept as unknown.
func keyed(kind ruleset.Kind, name string, dreg, key uint16, b []byte, e *ruleset.Expr, ignore ...uint16) error {
	e.Kind = kind
	it := nfnl.Attrs(b)
next:
	for it.Next() {
		switch it.Type {
		case dreg:
			e.DReg = reg(&it)
			continue
		case key:
			if len(it.Val) == 1 {
				e.Op = it.U8()
			} else {
				e.Op = small(&it)
			}
			continue
		}
		for _, t := range ignore {
			if it.Type == t {
				continue next
			}
		}
		return unknownAttr{name, it.Type}
	}
	return it.Err
}

func decodeRt(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	return keyed(ruleset.KindRt, "rt", 1, 2, b, e)
}

func decodeSocket(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	return keyed(ruleset.KindSocket, "socket", 2, 1, b, e, 3)
}

func decodeXfrm(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	return keyed(ruleset.KindXfrm, "xfrm", 1, 2, b, e, 3, 4)
}

func decodeTunnel(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	return keyed(ruleset.KindTunnel, "tunnel", 2, 1, b, e, 3)
}

func decodeOsf(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	return keyed(ruleset.KindOsf, "osf", 1, 2, b, e, 3)
}

func decodeHash(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindHash
	x := extra(e)
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.SReg = reg(&it)
		case 2:
			e.DReg = reg(&it)
		case 3:
			e.Len = small(&it)
		case 4:
			x.Number = uint64(it.BE32()) // modulus
		case 5: // seed
		case 6:
			x.Number2 = uint64(it.BE32()) // offset
		case 7:
			e.Op = small(&it) // 0 jenkins, 1 symmetric
		default:
			return unknownAttr{"hash", it.Type}
		}
	}
	return it.Err
}

func decodeNumgen(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindNumgen
	x := extra(e)
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.DReg = reg(&it)
		case 2:
			x.Number = uint64(it.BE32())
		case 3:
			e.Op = small(&it)
		case 4:
			x.Number2 = uint64(it.BE32())
		default:
			return unknownAttr{"numgen", it.Type}
		}
	}
	return it.Err
}

func decodeLimit(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindLimit
	var rate, unit uint64
	var burst uint32
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			rate = it.BE64()
		case 2:
			unit = it.BE64()
		case 3:
			burst = it.BE32()
		case 4:
			e.Op = small(&it) // 0 packets, 1 bytes
		case 5:
			e.Inv = it.BE32()&1 != 0
		case 6:
		default:
			return unknownAttr{"limit", it.Type}
		}
	}
	over := ""
	if e.Inv {
		over = "over "
	}
	what := "packets"
	if e.Op == 1 {
		what = "bytes"
	}
	per := map[uint64]string{1: "second", 60: "minute", 3600: "hour", 86400: "day", 604800: "week"}[unit]
	if per == "" {
		per = fmt.Sprintf("%d s", unit)
	}
	if e.Op == 1 {
		extra(e).Text = fmt.Sprintf("limit rate %s%d bytes/%s", over, rate, per)
		if burst > 0 {
			e.X.Text += fmt.Sprintf(" burst %d %s", burst, what)
		}
	} else {
		extra(e).Text = fmt.Sprintf("limit rate %s%d/%s burst %d %s", over, rate, per, burst, what)
	}
	return it.Err
}

func decodeQuota(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindQuota
	var bytes, used uint64
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			bytes = it.BE64()
		case 2:
			e.Inv = it.BE32()&1 != 0
		case 3:
		case 4:
			used = it.BE64()
		default:
			return unknownAttr{"quota", it.Type}
		}
	}
	over := ""
	if e.Inv {
		over = "over "
	}
	extra(e).Text = fmt.Sprintf("quota %s%d bytes used %d bytes", over, bytes, used)
	return it.Err
}

func decodeConnlimit(b []byte, e *ruleset.Expr, _ ruleset.Family) error {
	e.Kind = ruleset.KindConnlimit
	var n uint32
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			n = it.BE32()
		case 2:
			e.Inv = it.BE32()&1 != 0
		default:
			return unknownAttr{"connlimit", it.Type}
		}
	}
	over := ""
	if e.Inv {
		over = "over "
	}
	extra(e).Text = fmt.Sprintf("ct count %s%d", over, n)
	return it.Err
}

func decodeXtMatch(b []byte, e *ruleset.Expr, fam ruleset.Family) error {
	return decodeXt(ruleset.KindXtMatch, b, e, fam)
}

func decodeXtTarget(b []byte, e *ruleset.Expr, fam ruleset.Family) error {
	return decodeXt(ruleset.KindXtTarget, b, e, fam)
}
