// Package nfnl speaks nfnetlink to the kernel over a raw NETLINK_NETFILTER socket: attribute trees, dumps that are
// streamed instead of collected, batches, and multicast groups. It knows framing only; what a message means is for the
// packages above.
package nfnl

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed is wrapped by every framing error: a length that runs past its container, an attribute of the wrong
// size.
var ErrMalformed = errors.New("nfnl: malformed message")

// typeMask takes the flag bits (nested, network byte order) off an attribute type.
const typeMask = 0x3fff

// Iter walks the attributes of one level. Use as: for it.Next() { it.Type, it.Val }, then look at Err.
type Iter struct {
	Type uint16
	Val  []byte
	Err  error
	rest []byte
}

// Attrs starts a walk over a run of attributes.
func Attrs(b []byte) Iter { return Iter{rest: b} }

// Next advances to the next attribute; false at the end or on a framing error, which Err then holds.
func (it *Iter) Next() bool {
	if it.Err != nil || len(it.rest) == 0 {
		return false
	}
	if len(it.rest) < 4 {
		// Up to three bytes of padding may follow the last attribute of a container.
		for _, b := range it.rest {
			if b != 0 {
				it.Err = fmt.Errorf("%w: %d stray bytes after the last attribute", ErrMalformed, len(it.rest))
			}
		}
		it.rest = nil
		return false
	}
	n := int(binary.NativeEndian.Uint16(it.rest))
	if n < 4 || n > len(it.rest) {
		it.Err = fmt.Errorf("%w: attribute length %d in %d bytes", ErrMalformed, n, len(it.rest))
		return false
	}
	it.Type = binary.NativeEndian.Uint16(it.rest[2:]) & typeMask
	it.Val = it.rest[4:n]
	it.rest = it.rest[min((n+3)&^3, len(it.rest)):]
	return true
}

// U8 reads a one-byte attribute.
func (it *Iter) U8() uint8 {
	if len(it.Val) != 1 {
		it.size(1)
		return 0
	}
	return it.Val[0]
}

// BE16 reads a big-endian 16-bit attribute.
func (it *Iter) BE16() uint16 {
	if len(it.Val) != 2 {
		it.size(2)
		return 0
	}
	return binary.BigEndian.Uint16(it.Val)
}

// BE32 reads a big-endian 32-bit attribute.
func (it *Iter) BE32() uint32 {
	if len(it.Val) != 4 {
		it.size(4)
		return 0
	}
	return binary.BigEndian.Uint32(it.Val)
}

// BE64 reads a big-endian 64-bit attribute.
func (it *Iter) BE64() uint64 {
	if len(it.Val) != 8 {
		it.size(8)
		return 0
	}
	return binary.BigEndian.Uint64(it.Val)
}

// Str reads a string attribute, with or without its terminating NUL.
func (it *Iter) Str() string {
	for i, b := range it.Val {
		if b == 0 {
			return string(it.Val[:i])
		}
	}
	return string(it.Val)
}

func (it *Iter) size(want int) {
	if it.Err == nil {
		it.Err = fmt.Errorf("%w: attribute %d has %d bytes, want %d", ErrMalformed, it.Type, len(it.Val), want)
	}
}

// Builder writes attributes.
type Builder struct{ B []byte }

// Put appends an attribute with a raw value.
func (b *Builder) Put(typ uint16, val []byte) {
	b.B = binary.NativeEndian.AppendUint16(b.B, uint16(4+len(val)))
	b.B = binary.NativeEndian.AppendUint16(b.B, typ)
	b.B = append(b.B, val...)
	b.pad()
}

func (b *Builder) pad() {
	for len(b.B)%4 != 0 {
		b.B = append(b.B, 0)
	}
}

// PutStr appends a NUL-terminated string attribute.
func (b *Builder) PutStr(typ uint16, s string) { b.Put(typ, append([]byte(s), 0)) }

// PutU8 appends a one-byte attribute.
func (b *Builder) PutU8(typ uint16, v uint8) { b.Put(typ, []byte{v}) }

// PutBE16 appends a big-endian 16-bit attribute.
func (b *Builder) PutBE16(typ uint16, v uint16) {
	b.Put(typ, binary.BigEndian.AppendUint16(nil, v))
}

// PutBE32 appends a big-endian 32-bit attribute.
func (b *Builder) PutBE32(typ uint16, v uint32) {
	b.Put(typ, binary.BigEndian.AppendUint32(nil, v))
}

// PutBE64 appends a big-endian 64-bit attribute.
func (b *Builder) PutBE64(typ uint16, v uint64) {
	b.Put(typ, binary.BigEndian.AppendUint64(nil, v))
}

// Nest appends a container whose content f writes.
func (b *Builder) Nest(typ uint16, f func()) {
	at := len(b.B)
	b.B = binary.NativeEndian.AppendUint16(b.B, 0)
	b.B = binary.NativeEndian.AppendUint16(b.B, typ|0x8000)
	f()
	binary.NativeEndian.PutUint16(b.B[at:], uint16(len(b.B)-at))
	b.pad()
}
