package xt

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// reader walks a blob in the host's byte order. Reading past the end sets bad instead of failing each time.
type reader struct {
	b   []byte
	at  int
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.at+n > len(r.b) {
		r.bad = true
		return make([]byte, n)
	}
	v := r.b[r.at : r.at+n]
	r.at += n
	return v
}

func (r *reader) align(n int) {
	for r.at%n != 0 && r.at < len(r.b) {
		r.at++
	}
}

func (r *reader) u8() uint8    { return r.take(1)[0] }
func (r *reader) u16() uint16  { return binary.NativeEndian.Uint16(r.take(2)) }
func (r *reader) be16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) u32() uint32  { return binary.NativeEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64  { return binary.NativeEndian.Uint64(r.take(8)) }
func (r *reader) bool32() bool { return r.u32() != 0 }
func (r *reader) flag8() bool  { return r.u8() != 0 }
func (r *reader) skip(n int)   { r.take(n) }
func (r *reader) rest() []byte { return r.b[min(r.at, len(r.b)):] }
func (r *reader) str(n int) string {
	v := r.take(n)
	for i, c := range v {
		if c == 0 {
			return string(v[:i])
		}
	}
	return string(v)
}

// addr reads a union nf_inet_addr.
func (r *reader) addr(fam ruleset.Family) netip.Addr {
	v := r.take(16)
	if fam == ruleset.IP6 {
		return netip.AddrFrom16([16]byte(v))
	}
	return netip.AddrFrom4([4]byte(v[:4]))
}

func (r *reader) addrMask(fam ruleset.Family) AddrMask {
	return AddrMask{r.addr(fam), r.addr(fam)}
}

// errUnknown says that a name and revision are not in the table.
func errUnknown(what, name string, rev uint32) error {
	return fmt.Errorf("unknown xt %s %q revision %d", what, name, rev)
}

// blobFunc decodes one match or target.
type blobFunc func(r *reader, rev uint32, fam ruleset.Family) (any, error)

// entry says which revisions a decoder knows and how large the blob is at least.
type entry struct {
	maxRev uint32
	f      blobFunc
}

// slack is how much longer than its struct a blob may be: padding to 8 bytes plus a pointer the kernel keeps there.
const slack = 16

func decode(table map[string]entry, what, name string, rev uint32, b []byte, fam ruleset.Family) (any, error) {
	e, ok := table[name]
	if !ok || rev > e.maxRev {
		return nil, errUnknown(what, name, rev)
	}
	r := &reader{b: b}
	v, err := e.f(r, rev, fam)
	if err != nil {
		return nil, fmt.Errorf("xt %s %s: %w", what, name, err)
	}
	if r.bad {
		return nil, fmt.Errorf("xt %s %s revision %d: blob of %d bytes is too short", what, name, rev, len(b))
	}
	if len(r.rest()) > slack {
		return nil, fmt.Errorf("xt %s %s revision %d: %d bytes too many", what, name, rev, len(r.rest()))
	}
	return v, nil
}

// DecodeMatch decodes a match; an error means that its effect is unknown.
func DecodeMatch(name string, rev uint32, b []byte, fam ruleset.Family) (any, error) {
	return decode(matches, "match", name, rev, b, fam)
}

// DecodeTarget decodes a target; an error means that its effect is unknown.
func DecodeTarget(name string, rev uint32, b []byte, fam ruleset.Family) (any, error) {
	return decode(targets, "target", name, rev, b, fam)
}
