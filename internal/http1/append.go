package http1

// AppendRequestLine appends "method target HTTP/1.1\r\n". Both come from a parsed
// head or must satisfy ValidMethod and ValidTarget.
func AppendRequestLine(dst, method, target []byte) []byte { panic("unwritten") }

// AppendStatusLine appends "HTTP/1.1 status reason\r\n". An empty reason is replaced
// by the registered phrase.
func AppendStatusLine(dst []byte, status int, reason []byte) []byte { panic("unwritten") }

// AppendField appends one line of a parsed head as it is.
func AppendField(dst []byte, f *Field) []byte { panic("unwritten") }

// AppendFields appends parsed fields, leaving out those that are Hop.
func AppendFields(dst []byte, fields []Field) []byte { panic("unwritten") }

// AppendHeader appends a line made from any strings. Bytes that would break the line
// or are not allowed in a value become spaces; a line whose name is not valid is left out.
func AppendHeader(dst []byte, name, value string) []byte { panic("unwritten") }

// AppendHeaderBytes is AppendHeader for a value in bytes.
func AppendHeaderBytes(dst []byte, name string, value []byte) []byte { panic("unwritten") }

// AppendContentLength appends a Content-Length line.
func AppendContentLength(dst []byte, n int64) []byte { panic("unwritten") }

// AppendChunked appends "Transfer-Encoding: chunked\r\n".
func AppendChunked(dst []byte) []byte { panic("unwritten") }

// AppendEnd appends the empty line that ends a head.
func AppendEnd(dst []byte) []byte { panic("unwritten") }

// AppendChunk appends p as one chunk; nothing when p is empty.
func AppendChunk(dst, p []byte) []byte { panic("unwritten") }

// AppendLastChunk appends the last chunk, the trailer fields and the empty line.
func AppendLastChunk(dst []byte, trailers []Field) []byte { panic("unwritten") }

// ValidMethod tells whether s is a token of at most 32 bytes.
func ValidMethod(s string) bool { panic("unwritten") }

// ValidTarget tells whether s can stand in a request line: not empty, visible bytes only, no "#".
func ValidTarget(s string) bool { panic("unwritten") }

// ValidFieldName tells whether s is a token.
func ValidFieldName(s string) bool { panic("unwritten") }

// ValidFieldValue tells whether s can be a field value: no control bytes but HTAB.
func ValidFieldValue(s string) bool { panic("unwritten") }

// ValidHost tells whether s is host[:port] as the codec accepts it in Host.
func ValidHost(s string) bool { panic("unwritten") }
