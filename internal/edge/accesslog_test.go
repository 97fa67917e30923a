package edge

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/edge/events"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/http1"
)

func logVisit() *visit {
	v := newVisit()
	v.conn = &visitorInfo{text: "192.0.2.1"}
	v.st = &state{surroundings: surroundings{access: events.Everything}}
	v.began = time.Date(2026, 11, 22, 8, 0, 0, 123456789, time.UTC)
	copy(v.rayID[:], "230b030023ae2822-LAB")
	v.method, v.proto, v.head = "GET", http11, &http1.Head{}
	return v
}

func TestLogLine(t *testing.T) {
	v := logVisit()
	v.authority, v.target = []byte("shop.example\x1b[31m"), []byte("/\"\\\xff\u202e")
	v.status, v.errCode = 521, 521
	v.fault = &originward.Fault{Phase: originward.PhaseConnect, Type: originward.ConnectionRefused, Err: errors.New("line\none")}
	v.logged = []string{"a", "b"}
	line := string(v.appendLog(nil, 1234567*time.Nanosecond))
	var m map[string]any
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	if strings.Count(line, "\n") != 1 || strings.ContainsAny(line, "\x1b\x7f") {
		t.Errorf("not one clean line: %q", line)
	}
	for k, want := range map[string]any{
		"time": "2026-11-22T08:00:00.123456Z", "level": "WARN", "msg": "request", "ray": "230b030023ae2822-LAB", "status": 521.0, "error": 521.0,
		"fault": "connection_refused", "phase": "connect", "detail": "line\none", "ms": 1.234, "host": "shop.example\x1b[31m",
	} {
		if m[k] != want {
			t.Errorf("%s is %v, want %v", k, m[k], want)
		}
	}
	if l, _ := m["rules_logged"].([]any); len(l) != 2 {
		t.Errorf("rules_logged is %v", m["rules_logged"])
	}
}

func FuzzAppendJSON(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\", "\x00\x1f\x7f\x80\xff", "ünï\u2028\u202e", strings.Repeat("é", 600), "\xf0\x9f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendJSON(nil, s)
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%v in %q", err, b)
		}
		if utf8.ValidString(s) && len(s) <= logText && !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 && !escape.Printable(r) || r == utf8.RuneError }) && got != s {
			t.Fatalf("%q came back as %q", s, got)
		}
		for _, c := range b {
			if c < 0x20 || c == 0x7f {
				t.Fatalf("control byte in %q", b)
			}
		}
	})
}

func BenchmarkLogLine(b *testing.B) {
	v := logVisit()
	v.authority, v.target = []byte("shop.example"), []byte("/path?query")
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = v.appendLog(buf[:0], time.Millisecond)
	}
}
