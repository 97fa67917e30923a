package nft

import (
	"errors"
	"fmt"

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
	// points are interval starts and ends, or single keys, as they come.
	points []point
	// info, life and comments are by order of arrival; nil while no element had any.
	info     []int32
	life     []ruleset.Lifetime
	comments map[int32]string
	max      int
}

// point is one key; at is its order of arrival.
type point struct {
	key interval.U128
	at  int32
	end bool
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
	life        ruleset.Lifetime
	comment     string
	has         bool // info is not zero
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
		e.life.Timeout = msDuration(it.BE64())
	case 5:
		ms := it.BE64()
		e.life.Expires = msDuration(ms)
		// Zero means that it is expired and only waits to be collected.
		e.expired = ms == 0
	case 6:
		e.comment = comment(it.Val)
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
	}
	if e.life.Timeout == 0 && e.life.Expires > 0 {
		e.life.Timeout = s.Timeout // the set's default is not repeated with each element
	}
	if r.wide {
		end := e.keyEnd
		if end == nil {
			end = e.key
		}
		s.Wide = append(s.Wide, ruleset.WideElem{
			Key: append([]byte(nil), e.key...), End: append([]byte(nil), end...), Info: idx, Life: e.life, Comment: e.comment,
		})
		return nil
	}
	if e.keyEnd != nil {
		return errors.New("range element in a set without ranges")
	}
	r.point(e, idx)
	return nil
}

// point files a key, and what it has beside it.
func (r *elemReader) point(e *rawElem, idx int32) {
	at := len(r.points)
	if idx >= 0 || r.info != nil {
		for len(r.info) < at {
			r.info = append(r.info, -1)
		}
		r.info = append(r.info, idx)
	}
	if e.life != (ruleset.Lifetime{}) || r.life != nil {
		for len(r.life) < at {
			r.life = append(r.life, ruleset.Lifetime{})
		}
		r.life = append(r.life, e.life)
	}
	if e.comment != "" {
		if r.comments == nil {
			r.comments = map[int32]string{}
		}
		r.comments[int32(at)] = e.comment
	}
	r.points = append(r.points, point{interval.FromBytes(e.key), int32(at), e.flags&elemEnd != 0})
}

// finish pairs starts with ends, sorts, and files the elements.
func (r *elemReader) finish() {
	s := r.set
	if r.wide {
		return
	}
	sortPoints(r.points)
	ranged := s.Flags&ruleset.SetInterval != 0
	n := 0
	for i := range r.points {
		if !r.points[i].end {
			n++
		}
	}
	s.Keys = make([]interval.Iv, 0, n)
	top := interval.Max(8 * s.KeyLen)
	for i := range r.points {
		p := &r.points[i]
		if p.end || i+1 < len(r.points) && !r.points[i+1].end && r.points[i+1].key == p.key {
			continue // a hash table that grows while it is dumped may show an element twice
		}
		hi := p.key
		// Whatever comes next ends a range: its own end, or the start of a neighbour.
		switch {
		case ranged && i+1 < len(r.points):
			hi = r.points[i+1].key.Dec()
		case ranged:
			hi = top
		}
		r.keep(int32(len(s.Keys)), p.at)
		s.Keys = append(s.Keys, interval.Iv{Lo: p.key, Hi: hi})
	}
	r.points, r.info, r.life, r.comments = nil, nil, nil, nil
}

// keep moves what came with the element that arrived at a place to its key's place.
func (r *elemReader) keep(key, at int32) {
	s := r.set
	if r.info != nil {
		idx := int32(-1)
		if int(at) < len(r.info) {
			idx = r.info[at]
		}
		s.Info = append(s.Info, idx)
	}
	if r.life != nil {
		var l ruleset.Lifetime
		if int(at) < len(r.life) {
			l = r.life[at]
		}
		s.Life = append(s.Life, l)
	}
	if c := r.comments[at]; c != "" {
		if s.Comments == nil {
			s.Comments = map[int32]string{}
		}
		s.Comments[key] = c
	}
}
