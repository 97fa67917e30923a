package http1

import "strconv"

// Side tells requests from responses.
type Side uint8

// The two sides. The zero value is unknown.
const (
	SideUnknown Side = iota
	Request
	Response
)

// String is "request", "response" or "unknown".
func (s Side) String() string {
	switch s {
	case Request:
		return "request"
	case Response:
		return "response"
	}
	return "unknown"
}

// Part is the part of a message in which something happened.
type Part uint8

// The parts, in the order in which they arrive. The zero value is unknown.
const (
	PartUnknown Part = iota
	PartStart        // request line or status line
	PartFields       // header section
	PartBody         // content, with its chunk framing
	PartTrailer      // trailer section of a chunked body
	PartAfter        // behind the end of the message
)

// String is "start", "fields", "body", "trailer", "after" or "unknown".
func (p Part) String() string {
	switch p {
	case PartStart:
		return "start"
	case PartFields:
		return "fields"
	case PartBody:
		return "body"
	case PartTrailer:
		return "trailer"
	case PartAfter:
		return "after"
	}
	return "unknown"
}

// MaxSample is the most bytes that ParseError.Got holds.
const MaxSample = 64

// ParseError says what is wrong with a message that was being read. Everything in
// it except the sample comes from closed lists or is a number; the sample is
// hostile input and must be escaped when shown (Error does).
type ParseError struct {
	Kind Kind
	Side Side
	Part Part
	// Offset is the byte, counted on the wire from the first byte of this message's
	// head (0) on through its body, at which the fault lies. For a connection that
	// ended it is the number of bytes of this message that had arrived.
	Offset int64
	// Got is a copy of at most MaxSample bytes around the fault, nil when none had arrived.
	Got []byte
	// GotAt is the offset of Got's first byte.
	GotAt int64
	// Want and Have quantify the kinds that say so: limit and size seen, or declared
	// and received length. Zero otherwise.
	Want, Have int64
	// Looks is what the bytes resemble when Kind is NotHTTP.
	Looks Protocol
	// Err is the connection's error when it ended or failed, nil when its content is at fault.
	Err error
}

// Error names side, part, fault, byte and a quoted sample.
func (e *ParseError) Error() string {
	b := append(make([]byte, 0, 256), "http1: "...)
	b = append(b, e.Side.String()...)
	b = append(b, ' ')
	b = append(b, e.Part.String()...)
	b = append(b, ": "...)
	if e.Kind < kindEnd {
		b = append(b, kinds[e.Kind].text...)
	}
	if e.Want != 0 || e.Have != 0 {
		b = append(b, " ("...)
		b = strconv.AppendInt(b, e.Have, 10)
		if e.Want != 0 {
			b = append(b, " of "...)
			b = strconv.AppendInt(b, e.Want, 10)
		}
		if e.Kind == TooManyFields {
			b = append(b, " lines)"...)
		} else {
			b = append(b, " bytes)"...)
		}
	}
	if e.Looks != LooksUnknown {
		b = append(b, ", it looks like "...)
		b = append(b, e.Looks.String()...)
	}
	b = append(b, " at byte "...)
	b = strconv.AppendInt(b, e.Offset, 10)
	if e.Got != nil {
		b = append(b, ", near "...)
		b = strconv.AppendQuoteToASCII(b, string(e.Got))
	}
	if e.Err != nil {
		b = append(b, ": "...)
		b = append(b, e.Err.Error()...)
	}
	return string(b)
}

// Unwrap returns the connection's error, if it was the connection that failed.
func (e *ParseError) Unwrap() error { return e.Err }

// WriteError says that the destination of a body or head failed, as opposed to its source.
type WriteError struct {
	// Written is how many bytes the destination had taken in this call.
	Written int64
	Err     error
}

func (e *WriteError) Error() string { return "http1: write: " + e.Err.Error() }

// Unwrap returns the destination's error.
func (e *WriteError) Unwrap() error { return e.Err }
