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
	var out []Iv
	if s.Len() < t.Len()/8 {
		// Few live ranges against a large set: look each one up instead of walking the large one.
		for _, iv := range s.Ranges() {
			out = t.within(iv, out)
		}
		for _, iv := range out {
			s.Carve(iv, nil)
		}
		return FromSorted(Merge(out))
	}
	if t.Len() > 64 && t.Len() > s.Len()/16 {
		return s.extractLinear(t)
	}
	t.Each(func(iv Iv) bool {
		out = s.Carve(iv, out)
		return true
	})
	return FromSorted(Merge(out))
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

// extractLinear walks both sets once, for sets of similar size.
func (s *Set) extractLinear(t *Set) *Set {
	a, b := s.Ranges(), t.Ranges()
	in := make([]Iv, 0, min(len(a), len(b)))
	rest := make([]Iv, 0, len(a)+8)
	k := 0
	for _, iv := range a {
		for k < len(b) && b[k].Hi.Less(iv.Lo) {
			k++
		}
		cur, done := iv, false
		for m := k; m < len(b) && !cur.Hi.Less(b[m].Lo); m++ {
			if cur.Lo.Less(b[m].Lo) {
				rest = append(rest, Iv{cur.Lo, b[m].Lo.Dec()})
				cur.Lo = b[m].Lo
			}
			in = append(in, clip(cur, b[m]))
			if !b[m].Hi.Less(cur.Hi) {
				done = true
				break
			}
			cur.Lo = b[m].Hi.Inc()
		}
		if !done {
			rest = append(rest, cur)
		}
	}
	s.load(rest)
	return FromSorted(Merge(in))
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
