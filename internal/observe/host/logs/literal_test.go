package logs

import (
	"strings"
	"testing"
)

func TestLiterals(t *testing.T) {
	for expr, want := range map[string]string{
		`a\(b\) x+`: "a(b) ", `(?i)abc`: "", `ab|cd(?:e|f)`: "ab|cd", `a|\d`: "", `(?P<t>\d+) failed \((\d+):`: " failed (", `x*`: "", `(?:abc)+d`: "abc", `ab?c`: "a", `[`: "",
		`client sent too (?:long|big)`: "client sent too ",
	} {
		if got := strings.Join(literals(expr), "|"); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

func BenchmarkClassifyNothing(b *testing.B) {
	line := `2026/11/22 10:00:05 [notice] 1234#1234: signal 17 (SIGCHLD) received from 1250, client: 10.0.0.1, server: shop.example, request: "GET / HTTP/1.1", host: "shop.example"`
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := classify("nginx", line); ok {
			b.Fatal("a line that says nothing has a kind")
		}
	}
}
