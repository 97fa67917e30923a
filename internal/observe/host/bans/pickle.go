package bans

import (
	"encoding/binary"
	"errors"
	"math"
	"math/big"
)

// Requests to fail2ban's socket and its answers are Python pickles. Only data
// is read: an object that would have to be built by calling something stays
// opaque, but for text that is wrapped in str().

// opaque stands for a value that is not plain data.
type opaque struct{}

// global is a name that a pickle refers to, "module name".
type global string

var errPickle = errors.New("not a pickle of plain data")

// maxPickle bounds nesting and size: a hostile one must not exhaust memory.
const maxPickle = 1_000_000

// pickleRequest writes a list of texts, protocol 2.
func pickleRequest(words []string) []byte {
	out := []byte{0x80, 2, ']', '('}
	for _, w := range words {
		out = append(out, 'X')
		out = binary.LittleEndian.AppendUint32(out, uint32(len(w)))
		out = append(out, w...)
	}
	return append(out, 'e', '.')
}

// mark is the stack's bracket.
type mark struct{}

type unpickler struct {
	b     []byte
	stack []any
	memo  map[uint32]any
	steps int
}

// unpickle reads plain data: nil, bool, int64, float64, string, []byte, []any
// (lists and tuples), map[string]any.
func unpickle(b []byte) (v any, err error) {
	u := &unpickler{b: b, memo: map[uint32]any{}}
	defer func() {
		if recover() != nil { // every index below is bounded by this
			v, err = nil, errPickle
		}
	}()
	for {
		if u.steps++; u.steps > maxPickle {
			return nil, errPickle
		}
		op := u.take(1)[0]
		if op == '.' {
			return u.pop(), nil
		}
		u.step(op)
	}
}

func (u *unpickler) take(n int) []byte {
	if n < 0 || n > len(u.b) {
		panic(errPickle)
	}
	out := u.b[:n]
	u.b = u.b[n:]
	return out
}

func (u *unpickler) line() string {
	for i, c := range u.b {
		if c == '\n' {
			s := string(u.b[:i])
			u.b = u.b[i+1:]
			return s
		}
	}
	panic(errPickle)
}

func (u *unpickler) push(v any) { u.stack = append(u.stack, v) }

func (u *unpickler) pop() any {
	v := u.stack[len(u.stack)-1]
	u.stack = u.stack[:len(u.stack)-1]
	return v
}

// toMark takes everything above the last mark.
func (u *unpickler) toMark() []any {
	for i := len(u.stack) - 1; i >= 0; i-- {
		if _, ok := u.stack[i].(mark); ok {
			out := append([]any{}, u.stack[i+1:]...)
			u.stack = u.stack[:i]
			return out
		}
	}
	panic(errPickle)
}

func (u *unpickler) size(n int) int {
	b := make([]byte, 8)
	copy(b, u.take(n))
	v := binary.LittleEndian.Uint64(b)
	if v > uint64(len(u.b)) {
		panic(errPickle)
	}
	return int(v)
}

// step runs one opcode (Lib/pickletools.py names them).
func (u *unpickler) step(op byte) {
	switch op {
	case 0x80: // PROTO
		u.take(1)
	case 0x95: // FRAME
		u.take(8)
	case 'N':
		u.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		u.push(op == 0x88)
	case ']', ')', 0x8f: // EMPTY_LIST, EMPTY_TUPLE, EMPTY_SET
		u.push(&[]any{})
	case '}':
		u.push(map[string]any{})
	case '(':
		u.push(mark{})
	case 't', 'l': // TUPLE, LIST
		v := u.toMark()
		u.push(&v)
	case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
		n := int(op - 0x84)
		v := append([]any{}, u.stack[len(u.stack)-n:]...)
		u.stack = u.stack[:len(u.stack)-n]
		u.push(&v)
	case 'a', 'e', 0x90: // APPEND, APPENDS, ADDITEMS
		u.appendItems(op)
	case 's', 'u': // SETITEM, SETITEMS
		u.setItems(op)
	case 'c': // GLOBAL
		u.push(global(u.line() + " " + u.line()))
	case 0x93: // STACK_GLOBAL
		name, module := u.pop(), u.pop()
		n, _ := name.(string)
		m, _ := module.(string)
		u.push(global(m + " " + n))
	case 'R', 0x81: // REDUCE, NEWOBJ
		u.reduce()
	case 'b': // BUILD
		u.pop()
	case '0':
		u.pop()
	case '2':
		u.push(u.stack[len(u.stack)-1])
	default:
		if !u.scalar(op) && !u.remember(op) {
			panic(errPickle)
		}
	}
}

func (u *unpickler) appendItems(op byte) {
	var items []any
	if op == 'a' {
		items = []any{u.pop()}
	} else {
		items = u.toMark()
	}
	list, ok := u.stack[len(u.stack)-1].(*[]any)
	if ok {
		*list = append(*list, items...)
	}
}

func (u *unpickler) setItems(op byte) {
	var items []any
	if op == 's' {
		v, k := u.pop(), u.pop()
		items = []any{k, v}
	} else {
		items = u.toMark()
	}
	m, ok := u.stack[len(u.stack)-1].(map[string]any)
	for i := 0; ok && i+1 < len(items); i += 2 {
		if k, isText := items[i].(string); isText {
			m[k] = items[i+1]
		}
	}
}

// reduce calls nothing: str(x) is x, everything else is opaque.
func (u *unpickler) reduce() {
	args, f := u.pop(), u.pop()
	if a, ok := args.(*[]any); ok && len(*a) == 1 && (f == global("builtins str") || f == global("__builtin__ str") || f == global("__builtin__ unicode")) {
		u.push((*a)[0])
		return
	}
	u.push(opaque{})
}

// scalar pushes numbers and texts.
func (u *unpickler) scalar(op byte) bool {
	switch op {
	case 'K':
		u.push(int64(u.take(1)[0]))
	case 'M':
		u.push(int64(binary.LittleEndian.Uint16(u.take(2))))
	case 'J':
		u.push(int64(int32(binary.LittleEndian.Uint32(u.take(4)))))
	case 0x8a: // LONG1
		u.push(long(u.take(u.size(1))))
	case 'G':
		u.push(math.Float64frombits(binary.BigEndian.Uint64(u.take(8))))
	case 'X':
		u.push(string(u.take(u.size(4))))
	case 0x8c: // SHORT_BINUNICODE
		u.push(string(u.take(u.size(1))))
	case 0x8d: // BINUNICODE8
		u.push(string(u.take(u.size(8))))
	case 'U', 'C':
		u.push(string(u.take(u.size(1))))
	case 'T', 'B':
		u.push(string(u.take(u.size(4))))
	default:
		return false
	}
	return true
}

func long(b []byte) int64 {
	be := make([]byte, len(b))
	for i, c := range b {
		be[len(b)-1-i] = c
	}
	v := new(big.Int).SetBytes(be)
	if len(b) > 0 && b[len(b)-1]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(len(b)*8)))
	}
	if !v.IsInt64() {
		return 0
	}
	return v.Int64()
}

// remember keeps and gives values by number.
func (u *unpickler) remember(op byte) bool {
	top := func() any { return u.stack[len(u.stack)-1] }
	switch op {
	case 0x94: // MEMOIZE
		u.memo[uint32(len(u.memo))] = top()
	case 'q':
		u.memo[uint32(u.take(1)[0])] = top()
	case 'r':
		u.memo[binary.LittleEndian.Uint32(u.take(4))] = top()
	case 'h':
		u.push(u.recall(uint32(u.take(1)[0])))
	case 'j':
		u.push(u.recall(binary.LittleEndian.Uint32(u.take(4))))
	default:
		return false
	}
	return true
}

func (u *unpickler) recall(n uint32) any {
	v, ok := u.memo[n]
	if !ok {
		panic(errPickle)
	}
	return v
}

// items is a list's content; nil for everything else.
func items(v any) []any {
	if l, ok := v.(*[]any); ok {
		return *l
	}
	return nil
}

// texts are the texts in a list.
func texts(v any) []string {
	var out []string
	for _, x := range items(v) {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// lookup finds the value of a name in a list of pairs, as fail2ban writes its
// status.
func lookup(v any, name string) any {
	for _, x := range items(v) {
		if p := items(x); len(p) == 2 && p[0] == name {
			return p[1]
		}
	}
	return nil
}
