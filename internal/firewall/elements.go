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
	key, info, others := findElement(set, seg, at, plainAddrs(set))
	if key == "" {
		return
	}
	ref.Element = &Element{Key: key, Others: others}
	if info >= 0 {
		ref.Element.Comment = set.Comments[info]
		ref.Element.Timeout, ref.Element.Expires = set.Infos[info].Timeout, set.Infos[info].Expires
	}
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
func findElement(set *ruleset.Set, seg *interval.Set, at interval.U128, plain bool) (key string, info int32, others int) {
	info = -1
	if plain {
		i := sort.Search(len(set.Elems), func(k int) bool { return !set.Elems[k].Hi.Less(at) })
		if i == len(set.Elems) || at.Less(set.Elems[i].Lo) {
			return "", -1, 0
		}
		key, info = render.Key(set, set.Elems[i]), set.Elems[i].Info
		for ; i+1 < len(set.Elems) && others < 1<<20; i++ {
			if seg.Overlaps(set.Elems[i+1].Iv) {
				others++
			}
		}
		return key, info, others
	}
	// A concatenation: the address is one of its fields, in the network's byte order.
	for _, width := range []int{4, 16} {
		addr := at.Bytes(width)
		for i := range set.Wide {
			if fieldHolds(set, set.Wide[i].Key, set.Wide[i].End, addr) {
				return render.WideKey(set, &set.Wide[i]), set.Wide[i].Info, 0
			}
		}
		for i := range set.Elems {
			lo, hi := set.Elems[i].Lo.Bytes16(), set.Elems[i].Hi.Bytes16()
			if fieldHolds(set, lo[16-set.KeyLen:], hi[16-set.KeyLen:], addr) {
				return render.Key(set, set.Elems[i]), set.Elems[i].Info, 0
			}
		}
	}
	return "", -1, 0
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
	best, others := -1, 0
	for i := range set.Entries {
		e := &set.Entries[i]
		iv, ok := ipsetRange(set, e, width)
		if !ok || e.NoMatch {
			continue
		}
		switch {
		case iv.Lo.Cmp(at) <= 0 && at.Cmp(iv.Hi) <= 0 && (best < 0 || e.CIDR > set.Entries[best].CIDR):
			best = i
		case seg.Overlaps(iv):
			others++
		}
	}
	if best < 0 {
		return
	}
	e := &set.Entries[best]
	key := render.IPSetEntry(set, e)
	ref.Element = &Element{Key: key, Comment: e.Comment, Expires: e.Timeout, Timeout: set.Timeout, Others: others, IPSet: true}
	ref.Remove = fmt.Sprintf("ipset del %s %s", arg(set.Name), key)
	ref.RemoveUndo = fmt.Sprintf("ipset add %s %s", arg(set.Name), key)
	if e.Timeout > 0 {
		ref.RemoveUndo += fmt.Sprintf(" timeout %d", int(e.Timeout.Seconds()))
	}
	if e.Comment != "" {
		ref.RemoveUndo += fmt.Sprintf(" comment %q", e.Comment)
	}
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
