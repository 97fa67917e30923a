package nft

import (
	"fmt"

	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// Set decodes a set's description. Its table must have been decoded before.
func (d *Decoder) Set(m nfnl.Message) error {
	s := &ruleset.Set{Count: -1}
	var table string
	it := nfnl.Attrs(m.Attrs)
	for it.Next() {
		switch it.Type {
		case 1:
			table = it.Str()
		case 2:
			s.Name = it.Str()
		case 3:
			s.Flags = it.BE32()
		case 4:
			s.KeyType = it.BE32()
		case 5:
			s.KeyLen = int(it.BE32())
		case 6:
			s.DataType = it.BE32()
		case 7:
			s.DataLen = int(it.BE32())
		case 9:
			setDesc(it.Val, s)
		case 11:
			s.Timeout = msDuration(it.BE64())
		case 13:
			s.Comment = setComment(it.Val)
		case 15:
			s.ObjType = it.BE32()
		case 16:
			s.Handle = it.BE64()
		case 17:
			s.Stateful = stateful(decodeElemExpr(it.Val, ruleset.Family(m.Family)), s.Stateful)
		case 18:
			s.Stateful = statefulList(it.Val, ruleset.Family(m.Family), s.Stateful)
		case 20:
			// The number of elements, reported since Linux 6.16.
			if len(it.Val) == 4 {
				s.Count = int(it.BE32())
			}
		}
	}
	if it.Err != nil {
		return fmt.Errorf("nft set: %w", it.Err)
	}
	t := d.tables[tableKey{ruleset.Family(m.Family), table}]
	if t == nil {
		return fmt.Errorf("nft set %q: table %q was not in the dump", s.Name, table)
	}
	if s.KeyLen < 1 || s.KeyLen > 64 {
		s.Unread = fmt.Sprintf("key of %d bytes", s.KeyLen)
	}
	s.Table = t
	t.Sets[s.Name] = s
	return nil
}

func setDesc(b []byte, s *ruleset.Set) {
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			s.Size = int(it.BE32())
		case 2:
			field := nfnl.Attrs(it.Val)
			for field.Next() {
				f := nfnl.Attrs(field.Val)
				for f.Next() {
					if f.Type == 1 {
						s.Fields = append(s.Fields, int(f.BE32()))
					}
				}
			}
		}
	}
}

// setComment finds the comment in a set's userdata, where it is type 7 (NFTNL_UDATA_SET_COMMENT).
func setComment(b []byte) string {
	for len(b) >= 2 && 2+int(b[1]) <= len(b) {
		if b[0] == 7 {
			return string(cstr(b[2 : 2+int(b[1])]))
		}
		b = b[2+int(b[1]):]
	}
	return ""
}

// stateful says whether an expression carried by an element can refuse a match, and names it; counters cannot.
func stateful(e ruleset.Expr, before string) string {
	switch e.Kind {
	case ruleset.KindCounter, ruleset.KindLast:
		return before
	case ruleset.KindLimit, ruleset.KindQuota, ruleset.KindConnlimit:
		return e.X.Text
	case ruleset.KindUnknown:
		return "unknown expression " + e.X.Name
	}
	return "unexpected expression"
}

func statefulList(b []byte, fam ruleset.Family, before string) string {
	it := nfnl.Attrs(b)
	for it.Next() {
		before = stateful(decodeElemExpr(it.Val, fam), before)
	}
	return before
}
