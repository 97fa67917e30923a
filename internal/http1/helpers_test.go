package http1

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// sources are the ways in which the same bytes may arrive; what is read must not depend on it.
var sources = []struct {
	name string
	make func(string) io.Reader
}{
	{"whole", func(s string) io.Reader { return strings.NewReader(s) }},
	{"byte by byte", func(s string) io.Reader { return iotest.OneByteReader(strings.NewReader(s)) }},
	{"in halves", func(s string) io.Reader { return iotest.HalfReader(strings.NewReader(s)) }},
	{"with the error", func(s string) io.Reader { return iotest.DataErrReader(strings.NewReader(s)) }},
}

// wantFault checks kind and offset of err, and that the sample lies where it says.
func wantFault(t *testing.T, err error, raw string, kind Kind, part Part, offset int64) *ParseError {
	t.Helper()
	var e *ParseError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a ParseError of kind %v", err, kind)
	}
	if e.Kind != kind || e.Offset != offset || part != PartUnknown && e.Part != part {
		t.Errorf("got %v in %v at %d, want %v in %v at %d (%v)", e.Kind, e.Part, e.Offset, kind, part, offset, e)
	}
	if len(e.Got) > MaxSample {
		t.Errorf("sample of %d bytes", len(e.Got))
	}
	if len(e.Got) > 0 {
		at := int(e.GotAt)
		if at < 0 || at+len(e.Got) > len(raw) || raw[at:at+len(e.Got)] != string(e.Got) {
			t.Errorf("sample %q is not at byte %d", e.Got, at)
		}
	}
	return e
}

func fieldString(fields []Field) string {
	var b strings.Builder
	for _, f := range fields {
		b.Write(f.Name)
		b.WriteByte('=')
		b.Write(f.Value)
		b.WriteByte(';')
	}
	return b.String()
}

func readAll(t *testing.T, b *Body) string {
	t.Helper()
	var out bytes.Buffer
	if _, err := b.WriteTo(&out); err != nil {
		t.Fatalf("body: %v", err)
	}
	return out.String()
}

const getHead = "GET / HTTP/1.1\r\nHost: a\r\n"
