package eval

import "github.com/originward/originward/internal/firewall/interval"

// symKind is what is known about a byte.
type symKind uint8

const (
	symConst symKind = iota // val
	symSrc                  // (byte idx of the symbolic address & mask) ^ val
	symPort                 // (byte idx of the symbolic port & mask) ^ val
	symUnk                  // (byte sub of unknown slot idx & mask) ^ val
)

// sym is one symbolic byte.
type sym struct {
	kind symKind
	idx  uint8 // byte of the address or port, most significant first; or the slot
	sub  uint8 // byte within an unknown, most significant first
	mask uint8
	val  uint8
}

func konst(v uint8) sym { return sym{kind: symConst, val: v} }

// fold turns a byte no bit of which is open any more into a constant.
func (s sym) fold() sym {
	if s.kind != symConst && s.mask == 0 {
		return konst(s.val)
	}
	return s
}

func (s sym) and(m uint8) sym {
	s.mask &= m
	s.val &= m
	return s.fold()
}

func (s sym) xor(v uint8) sym {
	s.val ^= v
	return s
}

// regBytes is the size of the register file: the verdict and 16 words of data (NFT_REG32_COUNT plus four).
const regBytes = 80

type regs [regBytes]sym

// maxSlots is how many unknowns one evaluation tells apart.
const maxSlots = 250

// slot is an unknown quantity with the range it must lie in.
type slot struct {
	tag    Tag
	lo, hi uint64
	width  uint8 // bytes
}

// unknown returns the slot of an unknown quantity, one per name and range, and creates it when new.
func (e *engine) unknown(t Tag, width uint8, lo, hi uint64) uint8 {
	for i := range e.slots {
		if e.slots[i] == (slot{tag: t, lo: lo, hi: hi, width: width}) {
			return uint8(i)
		}
	}
	if len(e.slots) >= maxSlots-1 {
		// One slot stands for all that come late: still unknown, only without a name, a range or a width that fits.
		if len(e.slots) == maxSlots-1 {
			e.slots = append(e.slots, slot{tag: Tag{TagUnknown, "many", "more unknown quantities than are told apart"}, hi: ^uint64(0)})
		}
		return maxSlots - 1
	}
	e.slots = append(e.slots, slot{tag: t, lo: lo, hi: hi, width: width})
	return uint8(len(e.slots) - 1)
}

// symBE writes the bytes of an unknown, most significant first.
func symBE(dst []sym, slot uint8) {
	for i := range dst {
		dst[i] = sym{kind: symUnk, idx: slot, sub: uint8(i), mask: 0xff}
	}
}

// symNative writes the bytes of an unknown in the host's order.
func symNative(dst []sym, slot uint8) {
	symBE(dst, slot)
	nativeOrder(dst)
}

// putConst writes constant bytes.
func putConst(dst []sym, b []byte) {
	for i, v := range b {
		dst[i] = konst(v)
	}
}

// symAddr writes the bytes of the symbolic address.
func symAddr(dst []sym) {
	for i := range dst {
		dst[i] = sym{kind: symSrc, idx: uint8(i), mask: 0xff}
	}
}

// constants returns the bytes when all are constant.
func constants(s []sym, buf []byte) ([]byte, bool) {
	if len(s) == 0 {
		return nil, false
	}
	for i := range s {
		if s[i].kind != symConst {
			return nil, false
		}
		buf[i] = s[i].val
	}
	return buf[:len(s)], true
}

// fullAddr reports that the bytes are the whole symbolic address, unmasked.
func fullAddr(s []sym, width int) bool {
	if len(s)*8 != width {
		return false
	}
	for i := range s {
		if s[i] != (sym{kind: symSrc, idx: uint8(i), mask: 0xff}) {
			return false
		}
	}
	return true
}

// fullPort reports that the bytes are the whole symbolic port, unmasked.
func fullPort(s []sym) bool {
	return len(s) == 2 && s[0] == (sym{kind: symPort, idx: 0, mask: 0xff}) && s[1] == (sym{kind: symPort, idx: 1, mask: 0xff})
}

// fullSlot reports that the bytes are a whole unknown, most significant first, unmasked.
func (e *engine) fullSlot(s []sym) (slot, bool) {
	if len(s) == 0 || s[0].kind != symUnk {
		return slot{}, false
	}
	sl := e.slots[s[0].idx]
	if int(sl.width) != len(s) {
		return slot{}, false
	}
	for i := range s {
		if s[i] != (sym{kind: symUnk, idx: s[0].idx, sub: uint8(i), mask: 0xff}) {
			return slot{}, false
		}
	}
	return sl, true
}

// addrPrefix reports that the bytes are the leading bytes of the address under a prefix mask, and returns its length in
// bits and the mask's over the given bytes.
func addrPrefix(s []sym) (bits int, ok bool) {
	open := true
	for i := range s {
		b := s[i]
		if b.kind == symConst && b.val == 0 && !open {
			continue
		}
		if !open || b.kind != symSrc || int(b.idx) != i || b.val != 0 {
			return 0, false
		}
		switch b.mask {
		case 0xff:
			bits += 8
			continue
		case 0x80, 0xc0, 0xe0, 0xf0, 0xf8, 0xfc, 0xfe:
			for m := b.mask; m != 0; m <<= 1 {
				bits++
			}
		default:
			return 0, false
		}
		open = false
	}
	return bits, bits > 0
}

// firstUnknown returns the tags of all unknowns among the bytes.
func (e *engine) tagsOf(s []sym) []Tag {
	var out []Tag
	for i := range s {
		if s[i].kind == symUnk {
			out = addTag(out, e.slots[s[i].idx].tag)
		}
	}
	return out
}

func number(b []byte) interval.U128 { return interval.FromBytes(b) }
