// Package ipset reads the kernel's ipsets over netlink, without the ipset tool. Attribute numbers are those of
// include/uapi/linux/netfilter/ipset/ip_set.h.
package ipset

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// Flags of create and entry data (IPSET_FLAG_*).
const (
	flagBefore    = 1 << 0
	flagPhysDev   = 1 << 1
	flagNoMatch   = 1 << 2
	flagIfaceWild = 1 << 7
)

// knownFlags are all entry flags this decoder understands or may ignore (counters, comments, skbinfo, forceadd).
const knownFlags = 0xff

// Decoder collects the sets of a listing, which come in several messages each.
type Decoder struct {
	Sets    map[string]*ruleset.IPSet
	ByIndex map[uint16]string
	// max bounds the entries kept of one set.
	max int
}

// NewDecoder returns an empty decoder that keeps at most max entries of one set.
func NewDecoder(max int) *Decoder {
	return &Decoder{Sets: map[string]*ruleset.IPSet{}, ByIndex: map[uint16]string{}, max: max}
}

// Message decodes one message of a listing.
func (d *Decoder) Message(m nfnl.Message) error {
	var name string
	var head ruleset.IPSet
	var data, entries []byte
	it := nfnl.Attrs(m.Attrs)
	for it.Next() {
		switch it.Type {
		case 2:
			name = it.Str()
		case 3:
			head.Type = it.Str()
		case 4:
			head.Rev = it.U8()
		case 5:
			head.Family = ruleset.Family(it.U8())
		case 7:
			data = it.Val
		case 8:
			entries = it.Val
		case 11:
			head.Index = it.BE16()
		}
	}
	if it.Err != nil {
		return fmt.Errorf("ipset: %w", it.Err)
	}
	if name == "" {
		return errors.New("ipset: a set without a name")
	}
	s := d.Sets[name]
	if s == nil {
		head.Name = name
		s = &head
		d.Sets[name] = s
		d.ByIndex[head.Index] = name
		if err := createData(data, s); err != nil {
			s.Unread = err.Error()
		}
	}
	list := nfnl.Attrs(entries)
	for list.Next() && s.Unread == "" {
		e, expired, err := entry(list.Val)
		switch {
		case err != nil:
			s.Unread = err.Error()
		case expired:
		case len(s.Entries)+len(s.Keys) >= d.max:
			s.Unread = fmt.Sprintf("it holds more than %d entries", d.max)
			s.Entries, s.Keys = nil, nil
		case s.Plain():
			d.plain(s, &e)
		default:
			s.Entries = append(s.Entries, e)
		}
	}
	return list.Err
}

// plain files an entry of a set of plain addresses.
func (d *Decoder) plain(s *ruleset.IPSet, e *ruleset.IPSetEntry) {
	at := len(s.Keys)
	s.Keys = append(s.Keys, keyOf(s, e))
	if e.NoMatch || s.Except != nil {
		for len(s.Except) < at {
			s.Except = append(s.Except, false)
		}
		s.Except = append(s.Except, e.NoMatch)
	}
	if e.Timeout > 0 || s.Life != nil {
		for len(s.Life) < at {
			s.Life = append(s.Life, 0)
		}
		s.Life = append(s.Life, e.Timeout)
	}
	if e.Comment != "" {
		if s.Comments == nil {
			s.Comments = map[int32]string{}
		}
		s.Comments[int32(at)] = e.Comment
	}
}

// keyOf is an entry's range of addresses.
func keyOf(s *ruleset.IPSet, e *ruleset.IPSetEntry) interval.Iv {
	if e.IPTo.IsValid() {
		return interval.Iv{Lo: interval.FromAddr(e.IP), Hi: interval.FromAddr(e.IPTo)}
	}
	bits := e.IP.BitLen()
	if e.CIDR > 0 {
		bits = min(bits, int(e.CIDR))
	}
	if s.Netmask > 0 {
		bits = min(bits, int(s.Netmask))
	}
	return interval.FromPrefix(netip.PrefixFrom(e.IP, bits))
}

// Finish sorts what was read. It has to be called once, after the last message.
func (d *Decoder) Finish() {
	for _, s := range d.Sets {
		if s.Except == nil && s.Life == nil && s.Comments == nil {
			interval.Sort(s.Keys)
			continue
		}
		sortWith(s)
	}
}

// sortWith sorts keys together with what belongs to them.
func sortWith(s *ruleset.IPSet) {
	order := make([]int32, len(s.Keys))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return s.Keys[a].Lo.Cmp(s.Keys[b].Lo) })
	keys := make([]interval.Iv, len(order))
	var except []bool
	var life []time.Duration
	comments := map[int32]string{}
	for i, from := range order {
		keys[i] = s.Keys[from]
		if s.Except != nil {
			except = append(except, int(from) < len(s.Except) && s.Except[from])
		}
		if s.Life != nil {
			var l time.Duration
			if int(from) < len(s.Life) {
				l = s.Life[from]
			}
			life = append(life, l)
		}
		if c, ok := s.Comments[from]; ok {
			comments[int32(i)] = c
		}
	}
	s.Keys, s.Except, s.Life, s.Comments = keys, except, life, comments
}

// maxHint bounds what is set aside on the kernel's word for a set's size.
const maxHint = 4_000_000

// createData decodes what a set was created with.
func createData(b []byte, s *ruleset.IPSet) error {
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 6:
			s.Timeout = time.Duration(it.BE32()) * time.Second
		case 11:
			s.MarkMask = it.BE32()
		case 12:
			return errors.New("created with a bitmask, which is not modelled")
		case 20:
			s.Netmask = it.U8()
		case 24:
			if n := it.BE32(); s.Plain() && n < maxHint {
				s.Keys = make([]interval.Iv, 0, n)
			}
		}
	}
	return it.Err
}

// entry decodes one entry. expired is true for one that only waits to be collected.
func entry(b []byte) (e ruleset.IPSetEntry, expired bool, err error) {
	it := nfnl.Attrs(b)
	for it.Next() {
		switch it.Type {
		case 1:
			e.IP, err = address(it.Val)
		case 2:
			e.IPTo, err = address(it.Val)
		case 3:
			e.CIDR = it.U8()
		case 4:
			e.Port = it.BE16()
		case 5:
			e.PTo = it.BE16()
		case 6:
			e.Timeout = time.Duration(it.BE32()) * time.Second
		case 7:
			e.Proto = it.U8()
		case 8:
			err = entryFlags(it.BE32(), &e)
		case 9, 24, 25, 27, 28, 29, 30:
			// line number, counters, skb extensions, padding: nothing a look-up depends on
		case 10:
			e.Mark = it.BE32()
		case 17:
			e.HasMAC = len(it.Val) == 6
			copy(e.MAC[:], it.Val)
		case 18:
			e.Set = it.Str()
		case 20:
			e.IP2, err = address(it.Val)
		case 21:
			e.CIDR2 = it.U8()
		case 22:
			e.IP2To, err = address(it.Val)
		case 23:
			e.Iface = it.Str()
		case 26:
			e.Comment = it.Str()
		default:
			err = fmt.Errorf("entry attribute %d is not known", it.Type)
		}
		if err != nil {
			return e, false, err
		}
	}
	return e, false, it.Err
}

func entryFlags(f uint32, e *ruleset.IPSetEntry) error {
	if f&^knownFlags != 0 {
		return fmt.Errorf("entry flags %#x are not known", f)
	}
	e.Before, e.PhysDev, e.NoMatch = f&flagBefore != 0, f&flagPhysDev != 0, f&flagNoMatch != 0
	e.IfaceWild = f&flagIfaceWild != 0
	return nil
}

// address decodes a nested address.
func address(b []byte) (netip.Addr, error) {
	it := nfnl.Attrs(b)
	for it.Next() {
		switch {
		case it.Type == 1 && len(it.Val) == 4, it.Type == 2 && len(it.Val) == 16:
			a, _ := netip.AddrFromSlice(it.Val)
			return a, nil
		}
	}
	if it.Err != nil {
		return netip.Addr{}, it.Err
	}
	return netip.Addr{}, errors.New("an address of neither family")
}
