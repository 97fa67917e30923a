package ruleset

import (
	"bytes"
	"time"

	"github.com/originward/originward/internal/firewall/interval"
)

// Set flags (NFT_SET_*).
const (
	SetAnonymous = 0x1
	SetConstant  = 0x2
	SetInterval  = 0x4
	SetMap       = 0x8
	SetTimeout   = 0x10
	SetEval      = 0x20
	SetObject    = 0x40
	SetConcat    = 0x80
	SetExpr      = 0x100
)

// Set is an nf_tables set or map.
type Set struct {
	Table    *Table
	Name     string
	Handle   uint64
	Flags    uint32
	KeyType  uint32
	KeyLen   int
	DataType uint32
	DataLen  int
	ObjType  uint32
	// Fields are the byte lengths of a concatenation's fields, when the kernel reports them; each starts on a word.
	Fields []int
	// Timeout is the default lifetime of elements.
	Timeout time.Duration
	// Size is the largest number of elements, 0 for no limit; Count what the kernel says it holds, -1 when it does not say.
	Size, Count int
	Comment     string
	// Stateful names a limit, quota or connlimit every element carries; empty when there is none.
	Stateful string

	// Keys are the elements whose key is one range of numbers (its bytes, big-endian), sorted and disjoint: every set whose
	// key is at most 16 bytes and not an interval concatenation. Half a million of them must stay small, so what else an
	// element has is kept beside them, and only when some element has it.
	Keys []interval.Iv
	// Info gives each key's extras as an index into Infos, -1 for none; nil when no key has any.
	Info []int32
	// Life gives each key's lifetime; nil when none expires.
	Life []Lifetime
	// Comments are by index into Keys.
	Comments map[int32]string
	// Wide are the elements of interval concatenations and of keys longer than 16 bytes.
	Wide []WideElem
	// CatchAll is the default element, nil when there is none.
	CatchAll *ElemInfo
	// Infos are values and conditions of elements.
	Infos []ElemInfo
	// Unread says why the elements are not here; a look-up is then unknown. Empty when they are.
	Unread string
}

// IsMap reports a map, verdict map or object map.
func (s *Set) IsMap() bool { return s.Flags&(SetMap|SetObject) != 0 }

// Extra returns the extras with an index, or nil.
func (s *Set) Extra(i int32) *ElemInfo {
	if i < 0 {
		return nil
	}
	return &s.Infos[i]
}

// KeyInfo is the index of a key's extras, -1 for none.
func (s *Set) KeyInfo(i int) int32 {
	if s.Info == nil {
		return -1
	}
	return s.Info[i]
}

// Lifetime is how long an element lives in all, and still; zero when it stays.
type Lifetime struct{ Timeout, Expires time.Duration }

// WideElem is an element compared byte by byte: each field of Key up to Key End, inclusive.
type WideElem struct {
	Key, End []byte
	Info     int32
	Life     Lifetime
	Comment  string
}

// ElemInfo is what an element decides beside matching.
type ElemInfo struct {
	// Verdict and Data are the element's value in a map; Object its name in an object map.
	Verdict Verdict
	Data    []byte
	Object  string
	// Stateful names a limit, quota or connlimit the element carries.
	Stateful string
}

// Matches reports whether a concrete key lies in every field's range. Without fields the key is one field.
func (w *WideElem) Matches(fields []int, key []byte) bool {
	if len(key) != len(w.Key) {
		return false
	}
	if len(fields) == 0 {
		fields = []int{len(key)}
	}
	at := 0
	for _, n := range fields {
		if at+n > len(key) {
			return false
		}
		k := key[at : at+n]
		if bytes.Compare(k, w.Key[at:at+n]) < 0 || bytes.Compare(k, w.End[at:at+n]) > 0 {
			return false
		}
		at += (n + 3) &^ 3
	}
	return true
}
