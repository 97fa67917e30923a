package nft

import (
	"errors"
	"fmt"
	"time"

	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// Element flags (NFT_SET_ELEM_*).
const (
	elemEnd      = 0x1
	elemCatchAll = 0x2
)

// elemReader collects the elements of one set.
type elemReader struct {
	set  *ruleset.Set
	fam  ruleset.Family
	wide bool
	// points are the interval ends and starts as they come, before they are paired.
	points []point
	max    int
}

type point struct {
	key  interval.U128
	info int32
	end  bool
}

// errTooLarge stops a dump that outgrows its limit.
var errTooLarge = errors.New("set is larger than the limit")

func newElemReader(s *ruleset.Set, limit int) *elemReader {
	r := &elemReader{set: s, fam: s.Table.Family, max: limit}
	r.wide = s.KeyLen > 16 || s.Flags&ruleset.SetInterval != 0 && s.Flags&ruleset.SetConcat != 0
	if n := s.Count; n > 0 && n <= limit && !r.wide {
		r.points = make([]point, 0, n)
	}
	return r
}

// message decodes one NEWSETELEM.
func (r *elemReader) message(m nfnl.Message) error {
	it := nfnl.Attrs(m.Attrs)
	for it.Next() {
		if it.Type != 3 {
			continue
		}
		list := nfnl.Attrs(it.Val)
		for list.Next() {
			if err := r.elem(list.Val); err != nil {
				return err
			}
		}
		if list.Err != nil {
			return list.Err
		}
		if len(r.points)+len(r.set.Wide) > r.max {
			return errTooLarge
		}
	}
	return it.Err
}

// rawElem is an element before it is filed.
type rawElem struct {
	key, keyEnd []byte
	flags       uint32
	info        ruleset.ElemInfo
	comment     string
	has         bool // info or comment is not zero
	expired     bool
}

func (r *elemReader) elem(b []byte) error {
	var e rawElem
	it := nfnl.Attrs(b)
	for it.Next() {
		if err := r.attr(&it, &e); err != nil {
			return err
		}
	}
	if it.Err != nil {
		return it.Err
	}
	if e.expired {
		return nil
	}
	return r.file(&e)
}

func (r *elemReader) attr(it *nfnl.Iter, e *rawElem) error {
	var err error
	switch it.Type {
	case 1:
		e.key, err = dataValue(it.Val)
	case 2:
		e.has = true
		err = elemData(it.Val, &e.info)
	case 3:
		e.flags = it.BE32()
	case 4:
		e.info.Timeout = msDuration(it.BE64())
		e.has = e.has || e.info.Timeout > 0
	case 5:
		ms := it.BE64()
		e.info.Expires = msDuration(ms)
		// Zero means that it is expired and only waits to be collected.
		e.expired = ms == 0
		e.has = true
	case 6:
		if e.comment = comment(it.Val); e.comment != "" {
			e.has = true
		}
	case 7:
		e.info.Stateful = stateful(decodeElemExpr(it.Val, r.fam), e.info.Stateful)
		e.has = e.has || e.info.Stateful != ""
	case 8:
	case 9:
		e.info.Object = it.Str()
		e.has = true
	case 10:
		e.keyEnd, err = dataValue(it.Val)
	case 11:
		e.info.Stateful = statefulList(it.Val, r.fam, e.info.Stateful)
		e.has = e.has || e.info.Stateful != ""
	default:
		return unknownAttr{"element", it.Type}
	}
	return err
}

func elemData(b []byte, info *ruleset.ElemInfo) error {
	var e ruleset.Expr
	if err := decodeData(b, &e); err != nil {
		return err
	}
	if e.Kind == ruleset.KindVerdict {
		info.Verdict = e.Verdict()
		return nil
	}
	info.Data = append([]byte(nil), e.Value()...)
	return nil
}

func (r *elemReader) file(e *rawElem) error {
	s := r.set
	if e.flags&^(elemEnd|elemCatchAll) != 0 {
		return fmt.Errorf("element flags %#x", e.flags)
	}
	if e.flags&elemCatchAll != 0 {
		info := e.info
		s.CatchAll = &info
		return nil
	}
	if len(e.key) != s.KeyLen || e.keyEnd != nil && len(e.keyEnd) != s.KeyLen {
		return fmt.Errorf("element key of %d bytes in a set of %d", len(e.key), s.KeyLen)
	}
	idx := int32(-1)
	if e.has {
		s.Infos = append(s.Infos, e.info)
		idx = int32(len(s.Infos) - 1)
		if e.comment != "" {
			if s.Comments == nil {
				s.Comments = map[int32]string{}
			}
			s.Comments[idx] = e.comment
		}
	}
	if r.wide {
		end := e.keyEnd
		if end == nil {
			end = e.key
		}
		s.Wide = append(s.Wide, ruleset.WideElem{
			Key: append([]byte(nil), e.key...), End: append([]byte(nil), end...), Info: idx,
		})
		return nil
	}
	if e.keyEnd != nil {
		return errors.New("range element in a set without ranges")
	}
	r.points = append(r.points, point{interval.FromBytes(e.key), idx, e.flags&elemEnd != 0})
	return nil
}

// finish pairs starts with ends, sorts, and files the elements.
func (r *elemReader) finish() {
	s := r.set
	if r.wide {
		return
	}
	sortPoints(r.points)
	s.Elems = make([]ruleset.Elem, 0, len(r.points))
	if s.Flags&ruleset.SetInterval == 0 {
		for _, p := range r.points {
			s.Elems = append(s.Elems, ruleset.Elem{Iv: interval.Iv{Lo: p.key, Hi: p.key}, Info: p.info})
		}
		r.points = nil
		return
	}
	top := interval.Max(8 * s.KeyLen)
	for i := 0; i < len(r.points); i++ {
		if r.points[i].end {
			continue
		}
		hi := top
		// Whatever comes next ends the range: its own end, or the start of a neighbour.
		if i+1 < len(r.points) {
			hi = r.points[i+1].key.Dec()
		}
		s.Elems = append(s.Elems, ruleset.Elem{Iv: interval.Iv{Lo: r.points[i].key, Hi: hi}, Info: r.points[i].info})
	}
	r.points = nil
}

// age takes the time since the dump off the remaining lifetimes.
func age(s *ruleset.Set, d time.Duration) {
	for i := range s.Infos {
		if e := &s.Infos[i]; e.Expires > 0 {
			e.Expires = max(e.Expires-d, 1)
		}
	}
}
