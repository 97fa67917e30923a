package interval

import "slices"

// Carve takes the members within r out of the set and appends them to out, as ranges in order.
func (s *Set) Carve(r Iv, out []Iv) []Iv {
	ci, i := s.find(r.Lo)
	for ci < len(s.c) {
		iv := s.c[ci].iv
		if r.Hi.Less(iv[i].Lo) {
			break
		}
		j := i
		for j < len(iv) && !r.Hi.Less(iv[j].Lo) {
			out = append(out, clip(iv[j], r))
			j++
		}
		var keep [2]Iv
		n := 0
		if iv[i].Lo.Less(r.Lo) {
			keep[n] = Iv{iv[i].Lo, r.Lo.Dec()}
			n++
		}
		if r.Hi.Less(iv[j-1].Hi) {
			keep[n] = Iv{r.Hi.Inc(), iv[j-1].Hi}
			n++
		}
		last := j < len(iv) || n > 0 && r.Hi.Less(keep[n-1].Hi)
		ci = s.splice(ci, i, j, keep[:n])
		if last {
			break
		}
		i = 0
	}
	return out
}

func clip(iv, r Iv) Iv {
	if iv.Lo.Less(r.Lo) {
		iv.Lo = r.Lo
	}
	if r.Hi.Less(iv.Hi) {
		iv.Hi = r.Hi
	}
	return iv
}

// splice replaces places i to j of a chunk and returns the index of the chunk that follows it.
func (s *Set) splice(ci, i, j int, with []Iv) int {
	c := &s.c[ci]
	if c.shared {
		c.iv = slices.Clone(c.iv)
		c.shared = false
	}
	c.iv = slices.Replace(c.iv, i, j, with...)
	switch {
	case len(c.iv) == 0:
		s.c = slices.Delete(s.c, ci, ci+1)
		return ci
	case len(c.iv) > maxChunk:
		half := len(c.iv) / 2
		right := chunk{iv: slices.Clone(c.iv[half:])}
		c.iv = c.iv[:half:half]
		s.c = slices.Insert(s.c, ci+1, right)
		return ci + 2
	}
	return ci + 1
}

// Extract takes the members that are also in t out of s and returns them. t is not changed.
func (s *Set) Extract(t *Set) *Set {
	if s.Empty() || t.Empty() {
		return &Set{}
	}
	n, m := s.Len(), t.Len()
	switch {
	case m <= 64 || m <= n/16:
		// Little to take: carve piece by piece.
		var out []Iv
		t.Each(func(iv Iv) bool {
			out = s.Carve(iv, out)
			return true
		})
		return FromSorted(Merge(out))
	case n <= 64:
		if k := s.hits(t); k <= 64 {
			// Few live ranges that meet little of a large set: look them up instead of walking the large one.
			var out []Iv
			for _, iv := range s.Ranges() {
				out = t.within(iv, out)
			}
			for _, iv := range out {
				s.Carve(iv, nil)
			}
			return FromSorted(Merge(out))
		}
		if s.covers(t) {
			s.load(s.without(t, m+n))
			return t.Clone()
		}
	}
	return s.extractLinear(t)
}

// hits counts the ranges of t that meet s.
func (s *Set) hits(t *Set) int {
	n := 0
	s.Each(func(iv Iv) bool {
		ci, i := t.find(iv.Lo)
		cj, j := t.find(iv.Hi)
		n += t.rank(cj, j) - t.rank(ci, i) + 1
		return true
	})
	return n
}

// rank is the number of ranges before a place.
func (s *Set) rank(ci, i int) int {
	for k := range ci {
		i += len(s.c[k].iv)
	}
	return i
}

// covers reports that every member of t is in s.
func (s *Set) covers(t *Set) bool {
	own := s.Ranges()
	k, ok := 0, true
	t.Each(func(iv Iv) bool {
		for k < len(own) && own[k].Hi.Less(iv.Lo) {
			k++
		}
		ok = k < len(own) && !iv.Lo.Less(own[k].Lo) && !own[k].Hi.Less(iv.Hi)
		return ok
	})
	return ok
}

// without returns the ranges of s that are outside t, which s covers.
func (s *Set) without(t *Set, size int) []Iv {
	rest := make([]Iv, 0, size)
	own := s.Ranges()
	k := 0
	cur, open := own[0], true
	t.Each(func(iv Iv) bool {
		for !open || cur.Hi.Less(iv.Lo) {
			if open {
				rest = append(rest, cur)
			}
			k++
			cur, open = own[k], true
		}
		if cur.Lo.Less(iv.Lo) {
			rest = append(rest, Iv{cur.Lo, iv.Lo.Dec()})
		}
		if open = iv.Hi.Less(cur.Hi); open {
			cur.Lo = iv.Hi.Inc()
		}
		return true
	})
	if open {
		rest = append(rest, cur)
	}
	return append(rest, own[k+1:]...)
}

// within appends the parts of s that lie in r.
func (s *Set) within(r Iv, out []Iv) []Iv {
	ci, i := s.find(r.Lo)
	for ; ci < len(s.c); ci, i = ci+1, 0 {
		iv := s.c[ci].iv
		for ; i < len(iv); i++ {
			if r.Hi.Less(iv[i].Lo) {
				return out
			}
			out = append(out, clip(iv[i], r))
		}
	}
	return out
}

// SizeWithin is the number of members s and t share, without building the set.
func (s *Set) SizeWithin(t *Set) float64 {
	if s.Len() > t.Len() {
		s, t = t, s
	}
	n := 0.0
	s.Each(func(r Iv) bool {
		ci, i := t.find(r.Lo)
		for ; ci < len(t.c); ci, i = ci+1, 0 {
			iv := t.c[ci].iv
			for ; i < len(iv); i++ {
				if r.Hi.Less(iv[i].Lo) {
					return true
				}
				n += clip(iv[i], r).Size()
			}
		}
		return true
	})
	return n
}

// extractLinear walks both sets once, for sets of similar size.
func (s *Set) extractLinear(t *Set) *Set {
	in := make([]Iv, 0, max(min(s.Len(), t.Len()), 16))
	rest := make([]Iv, 0, s.Len()+16)
	tc, ti := 0, 0 // the first range of t that can still matter
	s.Each(func(cur Iv) bool {
		for tc < len(t.c) && t.c[tc].iv[ti].Hi.Less(cur.Lo) {
			tc, ti = t.next(tc, ti)
		}
		for c, i := tc, ti; c < len(t.c) && !cur.Hi.Less(t.c[c].iv[i].Lo); c, i = t.next(c, i) {
			iv := t.c[c].iv[i]
			if cur.Lo.Less(iv.Lo) {
				rest = append(rest, Iv{cur.Lo, iv.Lo.Dec()})
				cur.Lo = iv.Lo
			}
			in = append(in, clip(cur, iv))
			if !iv.Hi.Less(cur.Hi) {
				return true
			}
			cur.Lo = iv.Hi.Inc()
		}
		rest = append(rest, cur)
		return true
	})
	s.load(rest)
	return FromSorted(Merge(in))
}

// next is the place after another.
func (s *Set) next(ci, i int) (int, int) {
	if i++; i < len(s.c[ci].iv) {
		return ci, i
	}
	return ci + 1, 0
}

// Intersect returns the members of both, leaving both as they are.
func (s *Set) Intersect(t *Set) *Set {
	if s.Len() > t.Len() {
		s, t = t, s
	}
	var out []Iv
	s.Each(func(iv Iv) bool {
		out = t.within(iv, out)
		return true
	})
	return FromSorted(Merge(out))
}

// Subtract returns the members of s that are not in t, leaving both as they are.
func (s *Set) Subtract(t *Set) *Set {
	out := s.Clone()
	out.Extract(t)
	return out
}

// Add puts all members of t into s. t is not changed.
func (s *Set) Add(t *Set) {
	switch {
	case t.Empty():
	case s.Empty():
		*s = *t.Clone()
	case t.Len() > 32 && t.Len() > s.Len()/16:
		s.load(union(s.Ranges(), t.Ranges()))
	default:
		t.Each(func(iv Iv) bool {
			s.AddRange(iv)
			return true
		})
	}
}

func union(a, b []Iv) []Iv {
	all := make([]Iv, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].Lo.Less(b[0].Lo) {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	all = append(append(all, a...), b...)
	return Merge(all)
}

// AddRange puts one range into the set, joining what it touches.
func (s *Set) AddRange(r Iv) {
	lo := r.Lo
	if !lo.IsZero() {
		lo = lo.Dec() // a range ending just below joins too
	}
	ci, i := s.find(lo)
	for ci < len(s.c) {
		iv := s.c[ci].iv
		j := i
		for j < len(iv) && touches(r.Hi, iv[j].Lo) {
			if iv[j].Lo.Less(r.Lo) {
				r.Lo = iv[j].Lo
			}
			if r.Hi.Less(iv[j].Hi) {
				r.Hi = iv[j].Hi
			}
			j++
		}
		if j < len(iv) || ci+1 == len(s.c) || !touches(r.Hi, s.c[ci+1].iv[0].Lo) {
			s.splice(ci, i, j, []Iv{r})
			return
		}
		// Everything from i on is swallowed and the next chunk is touched as well: go on there.
		before := len(s.c)
		s.splice(ci, i, j, nil)
		if len(s.c) == before {
			ci++
		}
		i = 0
	}
	if n := len(s.c); n > 0 {
		s.splice(n-1, len(s.c[n-1].iv), len(s.c[n-1].iv), []Iv{r})
		return
	}
	s.c = append(s.c, chunk{iv: []Iv{r}})
}
