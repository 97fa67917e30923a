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

	// Elems are the elements with one range as key, sorted and disjoint: every set whose key is at most 16 bytes and not
	// an interval concatenation.
	Elems []Elem
	// Wide are the elements of interval concatenations and of keys longer than 16 bytes.
	Wide []WideElem
	// CatchAll is the default element, nil when there is none.
	CatchAll *ElemInfo
	// Infos are referred to by Elem.Info.
	Infos []ElemInfo
	// Comments of elements, by index into Infos.
	Comments map[int32]string
	// Unread says why the elements are not here; a look-up is then unknown. Empty when they are.
	Unread string
	// Lookup asks the kernel for a single key of an unread set; nil when that is not possible.
	Points *Points
}

// IsMap reports a map, verdict map or object map.
func (s *Set) IsMap() bool { return s.Flags&(SetMap|SetObject) != 0 }

// Info returns an element's extras, or nil.
func (s *Set) Info(i int32) *ElemInfo {
	if i < 0 {
		return nil
	}
	return &s.Infos[i]
}

// Elem is an element whose key is a range of numbers (the key's bytes, big-endian).
type Elem struct {
	interval.Iv
	// Info is the index of its extras in Set.Infos; -1 when it has none.
	Info int32
}

// WideElem is an element compared byte by byte: each field of Key up to Key End, inclusive.
type WideElem struct {
	Key, End []byte
	Info     int32
}

// ElemInfo is what an element has beside its key.
type ElemInfo struct {
	// Timeout and Expires are 0 when the element stays.
	Timeout, Expires time.Duration
	// Verdict and Data are the element's value in a map; Object its name in an object map.
	Verdict Verdict
	Data    []byte
	Object  string
	// Stateful names a limit, quota or connlimit the element carries.
	Stateful string
}

// Points holds what single-key look-ups found in a set too large to dump.
type Points struct {
	// Known are the ranges of keys that were asked; a key outside stays unknown.
	Known *interval.Set
	// Found are the elements that cover some of them.
	Found []Elem
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
