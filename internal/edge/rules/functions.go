package rules

import (
	"bytes"
)

// function is one function of the language: the kinds it takes and how a call
// is built from its compiled arguments.
type function struct {
	args  []kind
	build func(args []operand) operand
}

// functions lists every function.
var functions = map[string]function{
	"lower": {[]kind{kindString}, func(a []operand) operand {
		return stringField(func(r *Request) []byte { return mapASCII(a[0].s(r), 'A', 'Z') })
	}},
	"upper": {[]kind{kindString}, func(a []operand) operand {
		return stringField(func(r *Request) []byte { return mapASCII(a[0].s(r), 'a', 'z') })
	}},
	"len": {[]kind{kindString}, func(a []operand) operand {
		return operand{kind: kindInt, i: func(r *Request) int64 { return int64(len(a[0].s(r))) }}
	}},
	"starts_with": {[]kind{kindString, kindString}, func(a []operand) operand {
		return operand{kind: kindBool, b: func(r *Request) bool { return bytes.HasPrefix(a[0].s(r), a[1].s(r)) }}
	}},
	"ends_with": {[]kind{kindString, kindString}, func(a []operand) operand {
		return operand{kind: kindBool, b: func(r *Request) bool { return bytes.HasSuffix(a[0].s(r), a[1].s(r)) }}
	}},
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
