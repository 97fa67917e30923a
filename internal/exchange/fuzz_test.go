package exchange

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/http2"
)

// FuzzFrames holds the frame watcher to package http2's reader: both see the same
// GOAWAY, however the bytes are cut.
func FuzzFrames(f *testing.F) {
	frames := func(write func(*http2.Framer)) []byte {
		var b bytes.Buffer
		write(http2.NewFramer(&b, nil))
		return b.Bytes()
	}
	f.Add(frames(func(w *http2.Framer) {
		_ = w.WriteSettings()
		_ = w.WriteGoAway(3, http2.ErrCodeEnhanceYourCalm, []byte("x"))
	}), byte(1))
	f.Add(frames(func(w *http2.Framer) {
		_ = w.WriteSettings()
		_ = w.WriteData(1, true, make([]byte, 300))
		_ = w.WriteGoAway(1, http2.ErrCodeNo, nil)
	}), byte(7))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"), byte(3))
	f.Add([]byte{0, 0, 4, 7, 0, 0, 0, 0, 0, 1, 2, 3, 4}, byte(2)) // a GOAWAY that is too short
	f.Fuzz(func(t *testing.T, b []byte, step byte) {
		w := new(watch2)
		for rest := b; len(rest) > 0; {
			n := min(len(rest), int(step)+1)
			w.walk(rest[:n])
			rest = rest[n:]
		}
		whole := new(watch2)
		whole.walk(b)
		if w.goAway != whole.goAway || w.code != whole.code || w.settings != whole.settings || w.frames != whole.frames {
			t.Fatalf("in pieces of %d: %+v, whole: %+v", int(step)+1, w.seen(), whole.seen())
		}
		r := http2.NewFramer(nil, bytes.NewReader(b))
		r.SetMaxReadFrameSize(1<<24 - 1)
		for first := true; ; first = false {
			frame, err := r.ReadFrame()
			if err != nil {
				break
			}
			if first && whole.settings != (frame.Header().Type == http2.FrameSettings) {
				t.Fatalf("first frame is %v", frame.Header())
			}
			if g, ok := frame.(*http2.GoAwayFrame); ok {
				if !whole.goAway {
					t.Fatal("a GOAWAY was missed")
				}
				if whole.code != g.ErrCode && !laterGoAway(r) {
					t.Fatalf("code %v, want %v", whole.code, g.ErrCode)
				}
				break
			}
		}
	})
}

// laterGoAway tells whether anything follows that could hold another GOAWAY.
func laterGoAway(r *http2.Framer) bool { _, err := r.ReadFrame(); return err == nil }

// FuzzTitle: whatever a page says, its title is one bounded, printable line.
func FuzzTitle(f *testing.F) {
	f.Add([]byte("<html><TITLE lang=x>a\x1b[31m b</TITLE>"))
	f.Add([]byte("<title></title>"))
	f.Add([]byte("<title"))
	f.Add([]byte("\xff<title>\xff</title>"))
	f.Add([]byte("<title>\u202eevil</title>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := title(b)
		if len(s) > maxTitle || strings.ContainsAny(s, "\x1b\r\n\x00\u202e") || !utf8.ValidString(s) {
			t.Fatalf("%q", s)
		}
	})
}

// FuzzMatchesPattern: a wildcard never covers more or less than one label.
func FuzzMatchesPattern(f *testing.F) {
	f.Add("*.example.com", "a.example.com")
	f.Add("a.example", "A.EXAMPLE.")
	f.Add("*", "")
	f.Fuzz(func(t *testing.T, pattern, host string) {
		if !matchesPattern(pattern, host) {
			return
		}
		p, h := strings.TrimSuffix(pattern, "."), strings.TrimSuffix(host, ".")
		if strings.Count(p, ".") != strings.Count(h, ".") {
			t.Fatalf("%q covers %q", pattern, host)
		}
		if !strings.HasPrefix(p, "*.") && !strings.EqualFold(p, h) {
			t.Fatalf("%q covers %q", pattern, host)
		}
	})
}
