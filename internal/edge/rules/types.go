package rules

import "net/netip"

// kind is the type of a single value in an expression.
type kind uint8

const (
	kindBool kind = iota + 1
	kindInt
	kindString
	kindIP
)

func (k kind) String() string {
	switch k {
	case kindBool:
		return "boolean"
	case kindInt:
		return "integer"
	case kindString:
		return "string"
	case kindIP:
		return "IP address"
	}
	return "unknown"
}

// form is how values are held together.
type form uint8

const (
	formOne   form = iota // one value
	formArray             // Array<String>
	formMap               // Map<Array<String>>
)

// operand is a typed value that is worked out per request. Exactly the function
// of its kind and form is set.
//
// A value can be missing: an absent key of a map, an index behind the end. A
// missing string is nil (an empty one is not), a missing integer says so, a missing
// address is the zero one, a missing array is nil. Comparing a missing value is
// false (rules-language values, "missing value").
type operand struct {
	kind kind
	form form
	b    func(*Request) bool
	i    func(*Request) (int64, bool)
	s    func(*Request) []byte
	ip   func(*Request) netip.Addr
	list func(*Request) [][]byte
	look func(*Request, string) [][]byte

	// over is the array whose elements the functions above are worked out for, one by
	// one, as Request.element; nil = none. Such an operand is itself an array, until "[*]"
	// unpacks it for the function or comparison around it.
	over     *array
	unpacked bool

	literal bool
	text    string // of a string literal
	number  int64  // of an integer literal
	field   string // name of the field that the operand is, empty for anything else
	name    string // for messages
	needs   []string
}

// array is what "[*]" goes through.
type array struct {
	text string // as written, for "the same array"
	list func(*Request) [][]byte
}

// describe says what the operand is, for an error.
func (o *operand) describe() string {
	switch {
	case o.form == formMap:
		return "map of arrays"
	case o.form == formArray, o.over != nil && !o.unpacked:
		return "array of " + o.kind.String() + "s"
	}
	return o.kind.String()
}

// isArray tells an operand that functions of arrays take.
func (o *operand) isArray() bool { return o.form == formArray || o.over != nil && !o.unpacked }

// items is an array operand's content, as strings.
func (o *operand) items() func(*Request) [][]byte {
	if o.over == nil {
		return o.list
	}
	over, each := o.over.list, o.s
	return func(r *Request) [][]byte {
		in := over(r)
		if in == nil {
			return nil
		}
		out := make([][]byte, 0, len(in))
		for _, e := range in {
			r.element = e
			if v := each(r); v != nil {
				out = append(out, v)
			}
		}
		return out
	}
}

// count is an array operand's number of elements; false = missing.
func (o *operand) count() func(*Request) (int64, bool) {
	list := o.list
	if o.over != nil {
		list = o.over.list
	}
	return func(r *Request) (int64, bool) {
		l := list(r)
		return int64(len(l)), l != nil
	}
}

func stringOf(f func(*Request) []byte) operand { return operand{kind: kindString, s: f} }

func intOf(f func(*Request) (int64, bool)) operand { return operand{kind: kindInt, i: f} }

func boolOf(f func(*Request) bool) operand { return operand{kind: kindBool, b: f} }

// emptyText is a string that is there and empty.
var emptyText = []byte{}

func present(b []byte) []byte {
	if b == nil {
		return emptyText
	}
	return b
}
