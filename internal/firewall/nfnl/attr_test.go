package nfnl

import (
	"bytes"
	"errors"
	"testing"
)

func TestBuilderAndIter(t *testing.T) {
	var b Builder
	b.PutStr(1, "filter")
	b.PutBE32(2, 0x01020304)
	b.Nest(3, func() {
		b.PutU8(1, 7)
		b.PutBE64(2, 1<<40)
	})
	b.Put(4, []byte{1, 2, 3})
	it := Attrs(b.B)
	var seen []uint16
	for it.Next() {
		seen = append(seen, it.Type)
		switch it.Type {
		case 1:
			if it.Str() != "filter" {
				t.Errorf("string %q", it.Str())
			}
		case 2:
			if it.BE32() != 0x01020304 {
				t.Errorf("number %#x", it.BE32())
			}
		case 3:
			in := Attrs(it.Val)
			for in.Next() {
				if in.Type == 1 && in.U8() != 7 || in.Type == 2 && in.BE64() != 1<<40 {
					t.Errorf("nested attribute %d", in.Type)
				}
			}
			if in.Err != nil {
				t.Error(in.Err)
			}
		case 4:
			if !bytes.Equal(it.Val, []byte{1, 2, 3}) {
				t.Errorf("bytes %x", it.Val)
			}
		}
	}
	if it.Err != nil || len(seen) != 4 {
		t.Errorf("%v, attributes %v", it.Err, seen)
	}
}

// TestIterRefuses lists framings that must be errors, not guesses.
func TestIterRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"length below the header": {3, 0, 1, 0},
		"length past the end":     {9, 0, 1, 0, 1, 2},
		"stray bytes":             {4, 0, 1, 0, 9, 9},
	} {
		it := Attrs(b)
		for it.Next() {
		}
		if !errors.Is(it.Err, ErrMalformed) {
			t.Errorf("%s: %v", name, it.Err)
		}
	}
	it := Attrs([]byte{6, 0, 1, 0, 1, 2, 0, 0})
	it.Next()
	if it.BE32(); !errors.Is(it.Err, ErrMalformed) {
		t.Errorf("a number of the wrong size: %v", it.Err)
	}
}

func FuzzAttrs(f *testing.F) {
	var b Builder
	b.PutStr(1, "x")
	b.Nest(2, func() { b.PutBE32(1, 5) })
	f.Add(b.B)
	f.Add([]byte{0xff, 0xff, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		it := Attrs(b)
		n := 0
		for it.Next() {
			n += len(it.Val)
			in := Attrs(it.Val)
			for in.Next() {
				_, _, _, _, _ = in.U8(), in.BE16(), in.BE32(), in.BE64(), in.Str()
			}
		}
		if n > len(b) {
			t.Fatalf("values of %d bytes in %d", n, len(b))
		}
	})
}
