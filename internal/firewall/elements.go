package firewall

import (
	"fmt"
	"net/netip"
	"sort"

	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/render"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// elementRef names the element of an nf_tables set that selected a rule for an address.
func (s *Snapshot) elementRef(ref *RuleRef, set *ruleset.Set, seg *interval.Set, at interval.U128) {
	if set.Flags&ruleset.SetAnonymous == 0 {
		ref.Set = set.Name
	}
	e := findElement(set, seg, at, plainAddrs(set))
	if e == nil {
		return
	}
	ref.Element = e
	key := e.Key
	if ref.Set == "" || set.IsMap() {
		return // written into the rule, or a map whose element carries a value: only the rule can go
	}
	at2 := fmt.Sprintf("%s %s %s", ref.Family, arg(ref.Table), arg(ref.Set))
	ref.Show = "nft list set " + at2
	ref.Remove = fmt.Sprintf("nft delete element %s '{ %s }'", at2, key)
	back := key
	if ref.Element.Timeout > 0 {
		back += " timeout " + render.Duration(ref.Element.Timeout)
		if ref.Element.Expires > 0 {
			back += " expires " + render.Duration(ref.Element.Expires)
		}
	}
	if ref.Element.Comment != "" {
		back += fmt.Sprintf(" comment %q", ref.Element.Comment)
	}
	ref.RemoveUndo = fmt.Sprintf("nft add element %s '{ %s }'", at2, back)
}

// plainAddrs reports a set whose key is one address.
func plainAddrs(set *ruleset.Set) bool {
	return len(set.Wide) == 0 && (set.KeyLen == 4 || set.KeyLen == 16) && set.Flags&ruleset.SetConcat == 0 && len(set.Fields) < 2 && set.KeyType < 64
}

// findElement finds the element of a set that covers an address, and counts the others within the segment.
func findElement(set *ruleset.Set, seg *interval.Set, at interval.U128, plain bool) *Element {
	if plain {
		i := sort.Search(len(set.Keys), func(k int) bool { return !set.Keys[k].Hi.Less(at) })
		if i == len(set.Keys) || at.Less(set.Keys[i].Lo) {
			return nil
		}
		e := keyElement(set, i)
		for ; i+1 < len(set.Keys) && e.Others < MaxOthers; i++ {
			if seg.Overlaps(set.Keys[i+1]) {
				e.Others++
			}
		}
		return e
	}
	// A concatenation: the address is one of its fields, in the network's byte order.
	for _, width := range []int{4, 16} {
		addr := at.Bytes(width)
		for i := range set.Wide {
			if w := &set.Wide[i]; fieldHolds(set, w.Key, w.End, addr) {
				return &Element{Key: render.WideKey(set, w), Comment: w.Comment, Timeout: w.Life.Timeout, Expires: w.Life.Expires}
			}
		}
		for i := range set.Keys {
			lo, hi := set.Keys[i].Lo.Bytes16(), set.Keys[i].Hi.Bytes16()
			if fieldHolds(set, lo[16-set.KeyLen:], hi[16-set.KeyLen:], addr) {
				return keyElement(set, i)
			}
		}
	}
	return nil
}

func keyElement(set *ruleset.Set, i int) *Element {
	e := &Element{Key: render.Key(set, set.Keys[i]), Comment: set.Comments[int32(i)]}
	if set.Life != nil {
		e.Timeout, e.Expires = set.Life[i].Timeout, set.Life[i].Expires
	}
	return e
}

// fieldHolds reports whether some word-aligned field of an element covers the address.
func fieldHolds(set *ruleset.Set, lo, hi, addr []byte) bool {
	for at := 0; at+len(addr) <= len(lo); at += 4 {
		if string(lo[at:at+len(addr)]) <= string(addr) && string(addr) <= string(hi[at:at+len(addr)]) {
			return true
		}
	}
	return false
}

// ipsetRef names the ipset entry that selected a rule.
func (s *Snapshot) ipsetRef(ref *RuleRef, set *ruleset.IPSet, seg *interval.Set, at interval.U128) {
	ref.Set = set.Name
	width := 32
	if set.Family == ruleset.IP6 {
		width = 128
	}
	ref.Show = "ipset list " + arg(set.Name)
	e := ipsetElement(set, seg, at, width)
	if e == nil {
		return
	}
	ref.Element = e
	ref.Remove = fmt.Sprintf("ipset del %s %s", arg(set.Name), e.Key)
	ref.RemoveUndo = fmt.Sprintf("ipset add %s %s", arg(set.Name), e.Key)
	if e.Expires > 0 {
		ref.RemoveUndo += fmt.Sprintf(" timeout %d", int(e.Expires.Seconds()))
	}
	if e.Comment != "" {
		ref.RemoveUndo += fmt.Sprintf(" comment %q", e.Comment)
	}
}

// ipsetElement finds the most specific entry that covers an address, and counts the others within the segment.
func ipsetElement(set *ruleset.IPSet, seg *interval.Set, at interval.U128, width int) *Element {
	best, others := -1, 0
	var bestSize interval.U128
	consider := func(i int, iv interval.Iv) {
		size := iv.Hi.Sub(iv.Lo)
		if iv.Lo.Cmp(at) <= 0 && at.Cmp(iv.Hi) <= 0 {
			if best < 0 || size.Less(bestSize) {
				best, bestSize = i, size
			}
			return
		}
		if others < MaxOthers && seg.Overlaps(iv) {
			others++
		}
	}
	e := &Element{Timeout: set.Timeout, IPSet: true}
	if set.Plain() {
		for i, iv := range set.Keys {
			if set.Except == nil || !set.Except[i] {
				consider(i, iv)
			}
		}
		if best < 0 {
			return nil
		}
		e.Key, e.Comment = render.IPSetKey(set.Keys[best], width), set.Comments[int32(best)]
		if set.Life != nil {
			e.Expires = set.Life[best]
		}
	} else {
		for i := range set.Entries {
			if iv, ok := ipsetRange(set, &set.Entries[i], width); ok && !set.Entries[i].NoMatch {
				consider(i, iv)
			}
		}
		if best < 0 {
			return nil
		}
		en := &set.Entries[best]
		e.Key, e.Comment, e.Expires = render.IPSetEntry(set, en), en.Comment, en.Timeout
	}
	e.Others = others
	return e
}

// ipsetRange is the first address of an entry as a range.
func ipsetRange(set *ruleset.IPSet, e *ruleset.IPSetEntry, width int) (interval.Iv, bool) {
	if !e.IP.IsValid() {
		return interval.Iv{}, false
	}
	if e.IPTo.IsValid() {
		return interval.Iv{Lo: interval.FromAddr(e.IP), Hi: interval.FromAddr(e.IPTo)}, true
	}
	bits := width
	if e.CIDR > 0 {
		bits = min(bits, int(e.CIDR))
	}
	if set.Netmask > 0 {
		bits = min(bits, int(set.Netmask))
	}
	return interval.FromPrefix(netip.PrefixFrom(e.IP.Unmap(), min(bits, e.IP.Unmap().BitLen()))), true
}
