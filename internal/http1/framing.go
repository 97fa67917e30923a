package http1

// FramingKind is the way in which a body is delimited.
type FramingKind uint8

// The framings.
const (
	// NoBody: the message ends with its head.
	NoBody FramingKind = iota
	// LengthBody: Framing.Length bytes, as Content-Length says; may be 0.
	LengthBody
	// ChunkedBody: chunks, then a trailer section.
	ChunkedBody
	// UntilCloseBody: a response that lasts until the connection is closed.
	UntilCloseBody
	// TunnelBody: the connection has left HTTP (101, 2xx to CONNECT): bytes until it is closed.
	TunnelBody
)

// Framing is how a body is delimited; decided once, when the head is read.
type Framing struct {
	Kind   FramingKind
	Length int64 // for LengthBody, else 0
}

// String is "none", "length", "chunked", "until_close" or "tunnel".
func (k FramingKind) String() string {
	switch k {
	case NoBody:
		return "none"
	case LengthBody:
		return "length"
	case ChunkedBody:
		return "chunked"
	case UntilCloseBody:
		return "until_close"
	case TunnelBody:
		return "tunnel"
	}
	return "unknown"
}
