package rules

import "errors"

// wildcard is a compiled pattern: it matches the whole value, "*" stands for
// any number of characters, `\*` and `\\` for themselves.
type wildcard struct {
	parts [][]byte // the literals between the stars
	fold  bool     // ignore the case of ASCII letters
}

func newWildcard(pattern string, fold bool) (wildcard, error) {
	w := wildcard{fold: fold}
	var lit []byte
	star := false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		if c == '*' {
			if star {
				return wildcard{}, errors.New(`"**" is not allowed in a wildcard pattern`)
			}
			star = true
			w.parts, lit = append(w.parts, lit), nil
			continue
		}
		if c == '\\' {
			i++
			if i == len(pattern) || pattern[i] != '*' && pattern[i] != '\\' {
				return wildcard{}, errors.New(`"\" in a wildcard pattern must be followed by "*" or "\"`)
			}
			c = pattern[i]
		}
		star = false
		if fold {
			c = foldASCII(c)
		}
		lit = append(lit, c)
	}
	w.parts = append(w.parts, lit)
	return w, nil
}

func foldASCII(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func (w wildcard) match(v []byte) bool {
	first, last := w.parts[0], w.parts[len(w.parts)-1]
	if len(w.parts) == 1 {
		return len(v) == len(first) && w.at(v, first)
	}
	if len(v) < len(first)+len(last) || !w.at(v, first) || !w.at(v[len(v)-len(last):], last) {
		return false
	}
	v = v[len(first) : len(v)-len(last)]
	for _, p := range w.parts[1 : len(w.parts)-1] {
		i := w.index(v, p)
		if i < 0 {
			return false
		}
		v = v[i+len(p):]
	}
	return true
}

func (w wildcard) at(v, lit []byte) bool {
	for i, c := range lit {
		x := v[i]
		if w.fold {
			x = foldASCII(x)
		}
		if x != c {
			return false
		}
	}
	return true
}

func (w wildcard) index(v, lit []byte) int {
	for i := 0; i+len(lit) <= len(v); i++ {
		if w.at(v[i:], lit) {
			return i
		}
	}
	return -1
}

// groups gives what each star stands for, the shortest that fits; nil when v does
// not match.
func (w wildcard) groups(v []byte) [][]byte {
	if !w.match(v) {
		return nil
	}
	out := make([][]byte, 0, len(w.parts))
	first, last := w.parts[0], w.parts[len(w.parts)-1]
	if len(w.parts) == 1 {
		return out
	}
	v = v[len(first) : len(v)-len(last)]
	for _, p := range w.parts[1 : len(w.parts)-1] {
		i := w.index(v, p)
		out = append(out, v[:i])
		v = v[i+len(p):]
	}
	return append(out, v)
}
