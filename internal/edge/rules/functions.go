package rules

import (
	"bytes"
	"net/netip"
	"strconv"
)

// functions lists every function but any and all, which take conditions.
var functions = map[string]function{
	"lower":               {params: []param{text}, build: mapText(func(b []byte) []byte { return mapASCII(b, 'A', 'Z') })},
	"upper":               {params: []param{text}, build: mapText(func(b []byte) []byte { return mapASCII(b, 'a', 'z') })},
	"len":                 {params: []param{textAny}, build: length},
	"starts_with":         {params: []param{source, text}, build: compareText(bytes.HasPrefix)},
	"ends_with":           {params: []param{source, text}, build: compareText(bytes.HasSuffix)},
	"concat":              {params: []param{textAny, textAnys}, build: concat},
	"join":                {params: []param{items, text}, build: join},
	"split":               {params: []param{text, textLit, numLit}, build: split},
	"substring":           {params: []param{source, number, {kinds: []kind{kindInt}, optional: true}}, build: substring},
	"remove_bytes":        {params: []param{source, textLit}, build: removeBytes},
	"has_key":             {params: []param{mapping, textLit}, build: hasKey},
	"has_value":           {params: []param{items, textLit}, build: hasValue},
	"cidr":                {params: []param{address, numLit, numLit}, build: cidr},
	"cidr6":               {params: []param{address, numLit}, build: cidr6},
	"url_decode":          {params: []param{source, textOpt}, build: urlDecode},
	"decode_base64":       {params: []param{source}, build: decodeBase64},
	"lookup_json_string":  {params: []param{source, step, stepRest}, build: lookupString},
	"lookup_json_integer": {params: []param{source, step, stepRest}, build: lookupInteger},
	"is_timed_hmac_valid_v0": {params: []param{textLit, source, numLit, number, numOpt, textOpt},
		build: timedHMAC},
	"to_string":         {params: []param{scalar}, build: toString, rewrite: true},
	"regex_replace":     {params: []param{text, textLit, textLit}, build: regexReplace, rewrite: true, once: true},
	"wildcard_replace":  {params: []param{source, textLit, textLit, textOpt}, build: wildcardReplace, rewrite: true, once: true},
	"remove_query_args": {params: []param{source, textLit, textRest}, build: removeQueryArgs, rewrite: true},
	"encode_base64":     {params: []param{text, textOpt}, build: encodeBase64, rewrite: true},
	"sha256":            {params: []param{text}, build: sha256Of, rewrite: true},
	"uuidv4":            {params: []param{source}, build: uuid4, rewrite: true},
}

// mapText makes a function of one string; a missing one stays missing.
func mapText(f func([]byte) []byte) func([]operand) (operand, string) {
	return func(a []operand) (operand, string) {
		s := a[0].s
		return stringOf(func(r *Request) []byte {
			v := s(r)
			if v == nil {
				return nil
			}
			return f(v)
		}), ""
	}
}

func compareText(f func(a, b []byte) bool) func([]operand) (operand, string) {
	return func(a []operand) (operand, string) {
		l, m := a[0].s, a[1].s
		return boolOf(func(r *Request) bool {
			x := l(r)
			if x == nil {
				return false
			}
			y := m(r)
			return y != nil && f(x, y)
		}), ""
	}
}

func length(a []operand) (operand, string) {
	if a[0].isArray() {
		return intOf(a[0].count()), ""
	}
	s := a[0].s
	return intOf(func(r *Request) (int64, bool) {
		v := s(r)
		return int64(len(v)), v != nil
	}), ""
}

// maxText bounds what a function may build.
const maxText = 64 << 10

// concat joins strings, or arrays; a missing part is left out.
func concat(a []operand) (operand, string) {
	for i := range a {
		if a[i].isArray() != a[0].isArray() {
			return operand{}, "concat() takes strings or arrays, not both"
		}
	}
	if !a[0].isArray() {
		return stringOf(func(r *Request) []byte {
			out := make([]byte, 0, 64)
			for i := range a {
				if out = append(out, a[i].s(r)...); len(out) > maxText {
					return nil
				}
			}
			return out
		}), ""
	}
	lists := make([]func(*Request) [][]byte, len(a))
	for i := range a {
		lists[i] = a[i].items()
	}
	return operand{kind: kindString, form: formArray, list: func(r *Request) [][]byte {
		out := [][]byte{}
		for _, l := range lists {
			out = append(out, l(r)...)
		}
		return out
	}}, ""
}

func join(a []operand) (operand, string) {
	if a[0].kind != kindString {
		return operand{}, "join() takes an array of strings"
	}
	list, sep := a[0].items(), a[1].s
	return stringOf(func(r *Request) []byte {
		l, s := list(r), sep(r)
		if l == nil || s == nil {
			return nil
		}
		return bytes.Join(l, s)
	}), ""
}

// maxParts is the largest limit of split (functions, split).
const maxParts = 128

func split(a []operand) (operand, string) {
	sep, limit := []byte(a[1].text), a[2].number
	switch {
	case len(sep) == 0:
		return operand{}, "the separator of split() must not be empty"
	case limit < 1 || limit > maxParts:
		return operand{}, "the limit of split() must be between 1 and 128"
	case a[0].over != nil:
		return operand{}, "split() does not go through arrays"
	}
	s := a[0].s
	return operand{kind: kindString, form: formArray, list: func(r *Request) [][]byte {
		v := s(r)
		if v == nil {
			return nil
		}
		return bytes.SplitN(v, sep, int(limit))
	}}, ""
}

func substring(a []operand) (operand, string) {
	s, from := a[0].s, a[1].i
	to := func(*Request) (int64, bool) { return 1 << 62, true }
	if len(a) > 2 {
		to = a[2].i
	}
	return stringOf(func(r *Request) []byte {
		v := s(r)
		i, ok := from(r)
		j, ok2 := to(r)
		if v == nil || !ok || !ok2 {
			return nil
		}
		n := int64(len(v))
		at := func(x int64) int64 {
			if x < 0 {
				x += n
			}
			return min(max(x, 0), n)
		}
		if i, j = at(i), at(j); i >= j {
			return emptyText
		}
		return v[i:j]
	}), ""
}

func removeBytes(a []operand) (operand, string) {
	s, cut := a[0].s, a[1].text
	return stringOf(func(r *Request) []byte {
		v := s(r)
		if v == nil || !bytes.ContainsAny(v, cut) && !hasByte(v, cut) {
			return v
		}
		out := make([]byte, 0, len(v))
		for _, c := range v {
			if !hasByte([]byte{c}, cut) {
				out = append(out, c)
			}
		}
		return out
	}), ""
}

func hasByte(v []byte, set string) bool {
	for i := range len(set) {
		if bytes.IndexByte(v, set[i]) >= 0 {
			return true
		}
	}
	return false
}

func hasKey(a []operand) (operand, string) {
	look, key := a[0].look, a[1].text
	return boolOf(func(r *Request) bool { return look(r, key) != nil }), ""
}

func hasValue(a []operand) (operand, string) {
	if a[0].kind != kindString {
		return operand{}, "has_value() takes an array of strings"
	}
	list, want := a[0].items(), a[1].text
	return boolOf(func(r *Request) bool {
		for _, v := range list(r) {
			if string(v) == want {
				return true
			}
		}
		return false
	}), ""
}

func cidr(a []operand) (operand, string) { return network(a[0], a[1].number, a[2].number) }

func cidr6(a []operand) (operand, string) { return network(a[0], 32, a[1].number) }

func network(o operand, bits4, bits6 int64) (operand, string) {
	switch {
	case bits4 < 1 || bits4 > 32:
		return operand{}, "the bits of an IPv4 network must be between 1 and 32"
	case bits6 < 1 || bits6 > 128:
		return operand{}, "the bits of an IPv6 network must be between 1 and 128"
	}
	ip := o.ip
	return operand{kind: kindIP, ip: func(r *Request) netip.Addr {
		a := ip(r).Unmap()
		bits := bits4
		if a.Is6() {
			bits = bits6
		}
		p, err := a.Prefix(int(bits))
		if err != nil {
			return netip.Addr{} // missing
		}
		return p.Addr()
	}}, ""
}

func toString(a []operand) (operand, string) {
	o := a[0]
	return stringOf(func(r *Request) []byte {
		switch o.kind {
		case kindInt:
			if n, ok := o.i(r); ok {
				return strconv.AppendInt(nil, n, 10)
			}
		case kindBool:
			return strconv.AppendBool(nil, o.b(r))
		case kindIP:
			if ip := o.ip(r); ip.IsValid() {
				return ip.AppendTo(nil)
			}
		}
		return nil
	}), ""
}

// mapASCII flips the case of the letters from lo to hi; it copies only when
// there is one.
func mapASCII(b []byte, lo, hi byte) []byte {
	at := -1
	for i, c := range b {
		if c >= lo && c <= hi {
			at = i
			break
		}
	}
	if at < 0 {
		return b
	}
	out := bytes.Clone(b)
	for i := at; i < len(out); i++ {
		if out[i] >= lo && out[i] <= hi {
			out[i] ^= 0x20
		}
	}
	return out
}
