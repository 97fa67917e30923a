package interval

import "net/netip"

// Prefixes returns the fewest prefixes that cover r exactly, in a family of the given width, at most limit of them
// (0 = all), and how many there are in all.
func Prefixes(r Iv, width, limit int) (out []netip.Prefix, total int) {
	for lo := r.Lo; ; {
		bits := min(lo.TrailingZeros(), width)
		for bits > 0 && r.Hi.Less(lo.Or(Max(bits))) {
			bits--
		}
		total++
		if limit == 0 || len(out) < limit {
			out = append(out, netip.PrefixFrom(lo.Addr(width), width-bits))
		}
		end := lo.Or(Max(bits))
		if !end.Less(r.Hi) {
			return out, total
		}
		lo = end.Inc()
	}
}

// Prefixes returns the prefixes of all ranges, at most limit of them (0 = all), and how many there are in all.
func (s *Set) Prefixes(width, limit int) (out []netip.Prefix, total int) {
	s.Each(func(iv Iv) bool {
		left := 0
		if limit > 0 {
			if left = limit - len(out); left <= 0 {
				total += countPrefixes(iv, width)
				return true
			}
		}
		p, n := Prefixes(iv, width, left)
		out = append(out, p...)
		total += n
		return true
	})
	return out, total
}

// countPrefixes is how many prefixes cover r. Around the most aligned number within r each side needs one prefix per bit
// of its length.
func countPrefixes(r Iv, width int) int {
	end := r.Hi.Inc()
	if r.Hi == Max(width) {
		if r.Lo.IsZero() {
			return 1
		}
		return end.Sub(r.Lo).OnesCount()
	}
	k := r.Lo.Xor(end).Len() - 1
	mid := end.And(Max(k).Not())
	return mid.Sub(r.Lo).OnesCount() + end.Sub(mid).OnesCount()
}

// Masked returns the numbers x of the given width with x & mask == value, as ranges; ok is false when that takes more
// than limit ranges.
func Masked(mask, value U128, width, limit int) (ivs []Iv, ok bool) {
	all := Max(width)
	mask = mask.And(all)
	if !value.And(mask.Not()).IsZero() {
		return nil, true // a bit outside the mask can never be equal
	}
	low := 0 // width of the free block at the low end
	if free := mask.Not().And(all); !free.IsZero() {
		low = min(mask.TrailingZeros(), width)
	}
	// Free bits above the low block double the number of ranges each.
	var spread []int
	for b := low; b < width; b++ {
		if mask.And(U128{Lo: 1}.Shl(b)).IsZero() {
			spread = append(spread, b)
		}
	}
	if len(spread) > 20 || 1<<len(spread) > limit {
		return nil, false
	}
	for n := 0; n < 1<<len(spread); n++ {
		lo := value
		for k, b := range spread {
			if n>>k&1 == 1 {
				lo = lo.Or(U128{Lo: 1}.Shl(b))
			}
		}
		ivs = append(ivs, Iv{lo, lo.Or(Max(low))})
	}
	return ivs, true
}
