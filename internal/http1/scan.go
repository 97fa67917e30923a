package http1

import "encoding/binary"

// Byte classes. One table look-up answers what a byte may be part of.
const (
	isToken  uint8 = 1 << iota // tchar, RFC 9110 section 5.6.2
	isPlain                    // letter, digit or hyphen
	isHost                     // byte of a host name as this codec accepts it
	isTarget                   // byte of a request target
	isHex
	isDigit
)

var class = buildClass()

func buildClass() (t [256]uint8) {
	for c := range t {
		b := byte(c)
		digit := '0' <= b && b <= '9'
		letter := 'a' <= b|0x20 && b|0x20 <= 'z'
		if digit {
			t[c] |= isDigit | isHex
		}
		if 'a' <= b|0x20 && b|0x20 <= 'f' {
			t[c] |= isHex
		}
		if letter || digit || b == '-' {
			t[c] |= isToken | isPlain | isHost
		}
		// A "#" never stands in a request target: a fragment is not sent (RFC 9112 section 3.2).
		// Bytes above 0x7f are not URI characters, yet browsers and crawlers send them and every server takes them.
		if b > 0x20 && b != 0x7f && b != '#' {
			t[c] |= isTarget
		}
	}
	for _, b := range []byte("!#$%&'*+.^_`|~") {
		t[b] |= isToken
	}
	// RFC 3986 allows more in a host; only these occur in names that resolve.
	for _, b := range []byte("._") {
		t[b] |= isHost
	}
	return t
}

var lower = buildLower()

func buildLower() (t [256]byte) {
	for c := range t {
		t[c] = byte(c)
		if 'A' <= c && c <= 'Z' {
			t[c] |= 0x20
		}
	}
	return t
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// scanText returns the index of the first control byte of b (below 0x20, HTAB
// too, or 0x7f), -1 when there is none, and whether a byte above 0x7f comes before it.
func scanText(b []byte) (control int, high bool) {
	var seen uint64
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		y := x ^ (0x7f * ones)
		// The sums are exact for "some byte matches"; which one, the loop below finds.
		if ((x-0x20*ones)&^x|(y-ones)&^y)&highs != 0 {
			break
		}
		seen |= x
	}
	for ; i < len(b); i++ {
		if b[i] < 0x20 || b[i] == 0x7f {
			return i, seen&highs != 0
		}
		seen |= uint64(b[i])
	}
	return -1, seen&highs != 0
}

// indexNot returns the index of the first byte of b outside the class, -1 when there is none.
func indexNot(b []byte, mask uint8) int {
	for i, c := range b {
		if class[c]&mask == 0 {
			return i
		}
	}
	return -1
}

// trimOWS cuts spaces and tabs from both ends.
func trimOWS(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// equalFold tells whether b equals s but for ASCII case.
func equalFold[T ~[]byte | ~string](b []byte, s T) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if lower[c] != lower[s[i]] {
			return false
		}
	}
	return true
}

// nextToken cuts the first element off a comma-separated list. ok is false at the
// end; empty elements are returned as such.
func nextToken(list []byte) (token, rest []byte, ok bool) {
	if len(list) == 0 {
		return nil, nil, false
	}
	for i, c := range list {
		if c == ',' {
			return trimOWS(list[:i]), list[i+1:], true
		}
	}
	return trimOWS(list), nil, true
}

// parseDecimal reads 1*DIGIT that fits an int64.
func parseDecimal(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 64 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		d := int64(c - '0')
		if n > (1<<63-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}
