package spans

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"
)

// Context is a request's place in its trace. The zero Context is none.
type Context struct {
	Trace   trace.TraceID
	Span    trace.SpanID
	Parent  trace.SpanID // of who asked; zero = the trace begins here
	Sampled bool
}

// Valid tells a place from none.
func (c Context) Valid() bool { return c.Span.IsValid() }

// Lengths of a traceparent field of version 00 (W3C Trace Context section 3.2).
const (
	parentLen  = 2 + 1 + 32 + 1 + 16 + 1 + 2
	flagSample = 1
)

// AppendParent appends the traceparent field that the origin gets.
func (c Context) AppendParent(b []byte) []byte {
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, c.Trace[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, c.Span[:])
	if c.Sampled {
		return append(b, "-01"...)
	}
	return append(b, "-00"...)
}

// parse reads a traceparent field. Later versions are read as far as they are like
// version 00, as the specification asks for.
func parse(s []byte) (t trace.TraceID, parent trace.SpanID, sampled, ok bool) {
	if len(s) < parentLen || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return t, parent, false, false
	}
	var version, flags [1]byte
	for _, x := range []struct{ to, from []byte }{{version[:], s[:2]}, {t[:], s[3:35]}, {parent[:], s[36:52]}, {flags[:], s[53:55]}} {
		if !lowerHex(x.from) {
			return t, parent, false, false
		}
		_, _ = hex.Decode(x.to, x.from) // digits only
	}
	switch {
	case version[0] == 0xff, version[0] == 0 && len(s) != parentLen, len(s) > parentLen && s[parentLen] != '-':
		return t, parent, false, false
	}
	return t, parent, flags[0]&flagSample != 0, t.IsValid() && parent.IsValid()
}

// lowerHex tells digits as the specification allows them: no capitals.
func lowerHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// begin is the place of a request that brings this traceparent, nil for none.
func begin(parent []byte, bound uint64) Context {
	var c Context
	var ok bool
	if parent != nil {
		c.Trace, c.Parent, c.Sampled, ok = parse(parent)
	}
	if !ok {
		c = Context{}
		for !c.Trace.IsValid() {
			binary.BigEndian.PutUint64(c.Trace[:8], rand.Uint64())
			binary.BigEndian.PutUint64(c.Trace[8:], rand.Uint64())
		}
		// As TraceIDRatioBased does, so that all who sample by the id agree.
		c.Sampled = binary.BigEndian.Uint64(c.Trace[8:])>>1 < bound
	}
	for !c.Span.IsValid() {
		binary.BigEndian.PutUint64(c.Span[:], rand.Uint64())
	}
	return c
}
