package h2

// Responses are encoded without a dynamic table (RFC 7541 section 6.2.2): no state,
// and nothing of one response can be guessed by another's size (RFC 7541 section
// 7.1). nginx does the same.

// staticNames are the names of the static table (RFC 7541 appendix A) that responses use.
var staticNames = map[string]byte{
	"accept-ranges": 18, "access-control-allow-origin": 20, "age": 21, "allow": 22, "cache-control": 24,
	"content-disposition": 25, "content-encoding": 26, "content-language": 27, "content-length": 28,
	"content-location": 29, "content-range": 30, "content-type": 31, "date": 33, "etag": 34, "expires": 36,
	"last-modified": 44, "link": 45, "location": 46, "proxy-authenticate": 48, "refresh": 52, "retry-after": 53,
	"server": 54, "set-cookie": 55, "strict-transport-security": 56, "transfer-encoding": 57, "vary": 59,
	"via": 60, "www-authenticate": 61,
}

// staticStatus are the statuses of the static table.
var staticStatus = map[int]byte{200: 8, 204: 9, 206: 10, 304: 11, 400: 12, 404: 13, 500: 14}

const statusName = 8 // any entry of :status

func appendStatus(b []byte, status int) []byte {
	if i, ok := staticStatus[status]; ok {
		return append(b, 0x80|i)
	}
	b = appendInt(b, 0, 4, statusName)
	return append(b, 3, byte('0'+status/100%10), byte('0'+status/10%10), byte('0'+status%10))
}

// appendField appends a literal field without indexing; the name goes in lower case.
func appendField(b, name, value []byte) []byte {
	var low [64]byte
	lower := low[:0]
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		lower = append(lower, c)
	}
	if i, ok := staticNames[string(lower)]; ok {
		b = appendInt(b, 0, 4, int(i))
	} else {
		b = append(b, 0)
		b = appendInt(b, 0, 7, len(lower))
		b = append(b, lower...)
	}
	b = appendInt(b, 0, 7, len(value))
	return append(b, value...)
}

// appendInt appends an integer with a prefix of n bits (RFC 7541 section 5.1).
func appendInt(b []byte, first byte, n uint, v int) []byte {
	limit := 1<<n - 1
	if v < limit {
		return append(b, first|byte(v))
	}
	b = append(b, first|byte(limit))
	for v -= limit; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}
