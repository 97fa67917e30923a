package http1

import "strconv"

// AppendRequestLine appends "method target HTTP/1.1\r\n". Both come from a parsed
// head or must satisfy ValidMethod and ValidTarget.
func AppendRequestLine(dst, method, target []byte) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	return append(dst, " HTTP/1.1\r\n"...)
}

// AppendStatusLine appends "HTTP/1.1 status reason\r\n". An empty reason is replaced
// by the registered phrase.
func AppendStatusLine(dst []byte, status int, reason []byte) []byte {
	if status == 200 && len(reason) == 0 {
		return append(dst, "HTTP/1.1 200 OK\r\n"...)
	}
	dst = append(dst, "HTTP/1.1 "...)
	if status < 100 || status > 999 {
		status = 500 // never a line that no peer could read
	}
	dst = append(dst, byte('0'+status/100), byte('0'+status/10%10), byte('0'+status%10), ' ')
	if len(reason) == 0 {
		dst = append(dst, StatusText(status)...)
	} else {
		dst = append(dst, reason...)
	}
	return append(dst, "\r\n"...)
}

// AppendField appends one line of a parsed head as it is.
func AppendField(dst []byte, f *Field) []byte {
	dst = append(dst, f.Name...)
	dst = append(dst, ": "...)
	dst = append(dst, f.Value...)
	return append(dst, "\r\n"...)
}

// AppendFields appends parsed fields, leaving out those that are Hop. Content-Length goes
// along with the others; a chunked message needs AppendChunked, for Transfer-Encoding is Hop.
func AppendFields(dst []byte, fields []Field) []byte {
	for i := range fields {
		if !fields[i].Hop {
			dst = AppendField(dst, &fields[i])
		}
	}
	return dst
}

// AppendHeader appends a line made from any strings. Bytes that would break the line
// or are not allowed in a value become spaces; a line whose name is not valid is left out.
func AppendHeader(dst []byte, name, value string) []byte {
	return appendHeader(dst, name, value)
}

// AppendHeaderBytes is AppendHeader for a value in bytes.
func AppendHeaderBytes(dst []byte, name string, value []byte) []byte {
	return appendHeader(dst, name, value)
}

func appendHeader[V []byte | string](dst []byte, name string, value V) []byte {
	if !ValidFieldName(name) {
		return dst
	}
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	at := len(dst)
	dst = append(dst, value...)
	for {
		ctl, _ := scanText(dst[at:])
		if ctl < 0 {
			return append(dst, "\r\n"...)
		}
		at += ctl
		if dst[at] != '\t' {
			dst[at] = ' '
		}
		at++
	}
}

// AppendContentLength appends a Content-Length line.
func AppendContentLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, "\r\n"...)
}

// AppendChunked appends "Transfer-Encoding: chunked\r\n".
func AppendChunked(dst []byte) []byte { return append(dst, "Transfer-Encoding: chunked\r\n"...) }

// AppendEnd appends the empty line that ends a head.
func AppendEnd(dst []byte) []byte { return append(dst, "\r\n"...) }

// AppendChunk appends p as one chunk; nothing when p is empty.
func AppendChunk(dst, p []byte) []byte {
	if len(p) == 0 {
		return dst
	}
	dst = strconv.AppendUint(dst, uint64(len(p)), 16)
	dst = append(dst, "\r\n"...)
	dst = append(dst, p...)
	return append(dst, "\r\n"...)
}

// AppendLastChunk appends the last chunk, the trailer fields and the empty line.
func AppendLastChunk(dst []byte, trailers []Field) []byte {
	dst = append(dst, "0\r\n"...)
	dst = AppendFields(dst, trailers)
	return append(dst, "\r\n"...)
}

// ValidMethod tells whether s is a token of at most 32 bytes.
func ValidMethod(s string) bool { return len(s) <= maxMethod && ValidFieldName(s) }

// ValidTarget tells whether s can stand in a request line: not empty, visible bytes only, no "#".
func ValidTarget(s string) bool { return len(s) > 0 && allIn(s, isTarget) }

// ValidTargetBytes is ValidTarget for bytes.
func ValidTargetBytes(b []byte) bool { return len(b) > 0 && indexNot(b, isTarget) < 0 }

// ValidFieldName tells whether s is a token.
func ValidFieldName(s string) bool { return len(s) > 0 && allIn(s, isToken) }

// ValidFieldValue tells whether s can be a field value: no control bytes but HTAB.
func ValidFieldValue(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

func allIn(s string, mask uint8) bool {
	for i := range len(s) {
		if class[s[i]]&mask == 0 {
			return false
		}
	}
	return true
}
