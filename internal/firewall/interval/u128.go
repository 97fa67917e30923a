// Package interval holds sets of addresses as sorted, disjoint, inclusive ranges of 128-bit numbers, so that IPv4 and
// IPv6 share one code. An IPv4 address is its 32-bit value; the family is the caller's to remember.
//
// Sets are chunked: carving one address out of fifty thousand ranges moves a few hundred of them, not all.
package interval

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// U128 is an unsigned 128-bit number.
type U128 struct{ Hi, Lo uint64 }

// FromUint returns n as a U128.
func FromUint(n uint64) U128 { return U128{Lo: n} }

// FromBytes reads up to 16 big-endian bytes.
func FromBytes(b []byte) U128 {
	var buf [16]byte
	copy(buf[16-len(b):], b)
	return U128{binary.BigEndian.Uint64(buf[:8]), binary.BigEndian.Uint64(buf[8:])}
}

// FromAddr returns an address's number; an IPv4 (or IPv4-mapped) address gives its 32-bit value.
func FromAddr(a netip.Addr) U128 {
	a = a.Unmap()
	if a.Is4() {
		b := a.As4()
		return U128{Lo: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return FromBytes(b[:])
}

// Bytes returns the low n bytes, big-endian; n is at most 16.
func (u U128) Bytes(n int) []byte {
	b := u.Bytes16()
	return append([]byte(nil), b[16-n:]...)
}

// Bytes16 returns all 16 bytes, big-endian.
func (u U128) Bytes16() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], u.Hi)
	binary.BigEndian.PutUint64(b[8:], u.Lo)
	return b
}

// Addr returns the address with this number in a family of the given width (32 or 128 bits).
func (u U128) Addr(width int) netip.Addr {
	if width == 32 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(u.Lo))
		return netip.AddrFrom4(b)
	}
	return netip.AddrFrom16(u.Bytes16())
}

// Cmp returns -1, 0 or 1.
func (u U128) Cmp(v U128) int {
	switch {
	case u.Hi < v.Hi, u.Hi == v.Hi && u.Lo < v.Lo:
		return -1
	case u == v:
		return 0
	}
	return 1
}

// Less reports u < v.
func (u U128) Less(v U128) bool { return u.Hi < v.Hi || u.Hi == v.Hi && u.Lo < v.Lo }

// Inc returns u+1, wrapping at the top.
func (u U128) Inc() U128 { return u.Add(U128{Lo: 1}) }

// Dec returns u-1, wrapping at zero.
func (u U128) Dec() U128 { return u.Sub(U128{Lo: 1}) }

// Add returns u+v modulo 2^128.
func (u U128) Add(v U128) U128 {
	lo, c := bits.Add64(u.Lo, v.Lo, 0)
	hi, _ := bits.Add64(u.Hi, v.Hi, c)
	return U128{hi, lo}
}

// Sub returns u-v modulo 2^128.
func (u U128) Sub(v U128) U128 {
	lo, b := bits.Sub64(u.Lo, v.Lo, 0)
	hi, _ := bits.Sub64(u.Hi, v.Hi, b)
	return U128{hi, lo}
}

// And, Or, Xor and Not are bitwise.
func (u U128) And(v U128) U128 { return U128{u.Hi & v.Hi, u.Lo & v.Lo} }

// Or is the bitwise or.
func (u U128) Or(v U128) U128 { return U128{u.Hi | v.Hi, u.Lo | v.Lo} }

// Xor is the bitwise exclusive or.
func (u U128) Xor(v U128) U128 { return U128{u.Hi ^ v.Hi, u.Lo ^ v.Lo} }

// Not is the bitwise complement.
func (u U128) Not() U128 { return U128{^u.Hi, ^u.Lo} }

// IsZero reports u == 0.
func (u U128) IsZero() bool { return u.Hi == 0 && u.Lo == 0 }

// Shl returns u << n for n from 0 to 128.
func (u U128) Shl(n int) U128 {
	switch {
	case n >= 128:
		return U128{}
	case n >= 64:
		return U128{Hi: u.Lo << (n - 64)}
	case n == 0:
		return u
	}
	return U128{u.Hi<<n | u.Lo>>(64-n), u.Lo << n}
}

// TrailingZeros counts low zero bits; 128 for zero.
func (u U128) TrailingZeros() int {
	if u.Lo != 0 {
		return bits.TrailingZeros64(u.Lo)
	}
	return 64 + bits.TrailingZeros64(u.Hi)
}

// Len is the number of bits needed to write u.
func (u U128) Len() int {
	if u.Hi != 0 {
		return 64 + bits.Len64(u.Hi)
	}
	return bits.Len64(u.Lo)
}

// OnesCount counts the bits that are set.
func (u U128) OnesCount() int { return bits.OnesCount64(u.Hi) + bits.OnesCount64(u.Lo) }

// Float returns u as a float64, rounded.
func (u U128) Float() float64 { return float64(u.Hi)*0x1p64 + float64(u.Lo) }

// Max returns the largest number of the given width in bits.
func Max(width int) U128 { return U128{Lo: 1}.Shl(width).Dec() }
