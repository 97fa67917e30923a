package rules

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// eachArg goes through a query's arguments as they were sent.
func eachArg(query []byte, take func(name, value []byte)) {
	for len(query) > 0 {
		var part []byte
		part, query, _ = bytes.Cut(query, []byte("&"))
		if len(part) == 0 {
			continue
		}
		name, value, _ := bytes.Cut(part, []byte("="))
		take(name, value)
	}
}

func argsMap(query func(*Request) []byte) operand {
	return operand{kind: kindString, form: formMap, look: func(r *Request, key string) [][]byte {
		mark := len(r.arena)
		eachArg(query(r), func(name, value []byte) {
			if string(name) == key {
				r.arena = append(r.arena, present(value))
			}
		})
		return r.gather(mark, true)
	}}
}

func argsColumn(query func(*Request) []byte, names bool) operand {
	return operand{kind: kindString, form: formArray, list: func(r *Request) [][]byte {
		mark := len(r.arena)
		eachArg(query(r), func(name, value []byte) {
			if names {
				value = name
			}
			r.arena = append(r.arena, present(value))
		})
		if len(r.arena) == mark {
			return noItems
		}
		return r.gather(mark, false)
	}}
}

// cookies are the values of a cookie; names are compared after URL decoding
// (fields http.request.cookies).
func cookies(r *Request, key string) [][]byte {
	if r.Headers == nil {
		return nil
	}
	mark := len(r.arena)
	for i := range r.Headers.Len() {
		n, v := r.Headers.At(i)
		if !fold(n, "Cookie") {
			continue
		}
		for len(v) > 0 {
			var part []byte
			part, v, _ = bytes.Cut(v, []byte(";"))
			name, value, found := bytes.Cut(bytes.TrimSpace(part), []byte("="))
			if found && cookieName(name, key) {
				r.arena = append(r.arena, present(value))
			}
		}
	}
	return r.gather(mark, true)
}

// cookieName compares a name, decoding it as it goes.
func cookieName(name []byte, key string) bool {
	n := 0
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(name):
			if hi, lo := unhex(name[i+1]), unhex(name[i+2]); hi < 16 && lo < 16 {
				c = hi<<4 | lo
				i += 2
			}
		}
		if n == len(key) || key[n] != c {
			return false
		}
		n++
	}
	return n == len(key)
}

// unhex is a hex digit's value, 16 for what is none.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

// languages are those of Accept-Language, the most wanted first.
func languages(r *Request) [][]byte {
	type wish struct {
		tag string
		q   float64
	}
	var all []wish
	for item := range strings.SplitSeq(string(r.header("Accept-Language")), ",") {
		tag, params, _ := strings.Cut(item, ";")
		if tag = strings.TrimSpace(tag); tag == "" || tag == "*" {
			continue
		}
		w := wish{tag, 1}
		if q, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			if w.q, _ = strconv.ParseFloat(q, 64); w.q <= 0 {
				continue
			}
		}
		all = append(all, w)
	}
	slices.SortStableFunc(all, func(a, b wish) int {
		switch {
		case a.q > b.q:
			return -1
		case a.q < b.q:
			return 1
		}
		return 0
	})
	out := make([][]byte, len(all))
	for i, w := range all {
		out[i] = []byte(w.tag)
	}
	return out
}
