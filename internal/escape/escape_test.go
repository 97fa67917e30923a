package escape

import (
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		max      int
		want     string
	}{
		{"plain", "nginx/1.22.1", 64, "nginx/1.22.1"},
		{"terminal escape", "\x1b[2J\x1b]0;pwned\a", 64, `\x1b[2J\x1b]0;pwned\x07`},
		{"line breaks", "a\r\nb\tc", 64, `a\r\nb\tc`},
		{"C1 control", "a\u009bm", 64, `a\u{9b}m`},
		{"bidi override", "a\u202egpj.exe", 64, `a\u{202e}gpj.exe`},
		{"zero width", "a\u200bb", 64, `a\u{200b}b`},
		{"line separator", "a\u2028b", 64, `a\u{2028}b`},
		{"astral tag", "a\U000e0041b", 64, `a\u{e0041}b`},
		{"invalid utf-8", "a\xff\xc3", 64, `a\xff\xc3`},
		{"letters stay", "Zürich – 東京", 64, "Zürich – 東京"},
		{"replacement character stays", "a\ufffdb", 64, "a\ufffdb"},
		{"cut", "abcdefghij", 8, "abcde…"},
		{"exact", "abcdefgh", 8, "abcdefgh"},
		{"cut not inside an escape", "abc\x1b\x1b\x1b", 8, "abc…"},
		{"cut not inside a rune", "aééééé", 8, "aéé…"},
		{"no room for the mark", "abcdef", 2, ".."},
		{"no room at all", "abc", 0, ""},
		{"negative", "abc", -1, ""},
	} {
		if got := Line(tt.in, tt.max); got != tt.want {
			t.Errorf("%s: Line(%q, %d) = %q, want %q", tt.name, tt.in, tt.max, got, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	if got, want := Text("a\r\nb\tc\x1b\rd", 64), "a\nb\tc\\x1b\\rd"; got != want {
		t.Errorf("Text = %q, want %q", got, want)
	}
}

func TestBytesOfHugeInput(t *testing.T) {
	got := Bytes([]byte(strings.Repeat("A", 10<<20)), 64)
	if len(got) > 64 || !strings.HasSuffix(got, "…") {
		t.Errorf("Bytes gave %d bytes: %q", len(got), got)
	}
	if got := Bytes([]byte("abc"), 3); got != "abc" {
		t.Errorf("Bytes = %q", got)
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "abc", "\x1b[31m", "\xff\xfe", "é\u202e", strings.Repeat("\x00", 40)} {
		f.Add(s, 16)
	}
	f.Fuzz(func(t *testing.T, s string, max int) {
		max %= 4096
		for _, got := range []string{Line(s, max), Bytes([]byte(s), max)} {
			if len(got) > max && max >= 0 {
				t.Errorf("Line(%q, %d) has %d bytes", s, max, len(got))
			}
			if !utf8.ValidString(got) {
				t.Errorf("Line(%q, %d) = %q: not UTF-8", s, max, got)
			}
			for _, r := range got {
				if !Printable(r) {
					t.Errorf("Line(%q, %d) = %q holds %U", s, max, got, r)
				}
			}
			if again := Line(got, max); again != got {
				t.Errorf("Line is not stable: %q then %q", got, again)
			}
		}
		if Line(s, max) != Bytes([]byte(s), max) {
			t.Errorf("Bytes and Line differ for %q, %d: %q, %q", s, max, Bytes([]byte(s), max), Line(s, max))
		}
	})
}

func TestShell(t *testing.T) {
	got := Shell("curl", "-H", "Host: shop.example", "https://shop.example/a?b=c&d", "", "it's", "--resolve=x:443:[::1]")
	want := `curl -H 'Host: shop.example' 'https://shop.example/a?b=c&d' '' 'it'\''s' '--resolve=x:443:[::1]'`
	if got != want {
		t.Errorf("Shell = %s\nwant    %s", got, want)
	}
}

// The shell itself is the judge: whatever goes in comes out as the same words.
func TestShellSplitsBack(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash to split the words with")
	}
	words := []string{
		"plain", "", "two words", "it's", `back\slash`, "$(id)", "`id`", "a;b|c&d", "*?[x]", "~root", "=x", "!x", "#x", "-n",
		"line\nbreak", "tab\t", "\x1b[31mred\x07", "\x1b1", "é", "\xff", "'\n'", `\n`, "a\u202eb",
	}
	out, err := exec.Command(bash, "-c", `printf '%s\0' `+Shell(words...)).Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(got) != len(words) {
		t.Fatalf("%d words came back of %d: %q", len(got), len(words), got)
	}
	for i := range words {
		if got[i] != words[i] {
			t.Errorf("word %d: %q came back as %q", i, words[i], got[i])
		}
	}
}

func FuzzShellWord(f *testing.F) {
	for _, s := range []string{"", "a b", "it's", "\x1b", "\xff", "$x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range ShellWord(s) {
			if !Printable(r) {
				t.Errorf("ShellWord(%q) = %q holds %U", s, ShellWord(s), r)
			}
		}
	})
}

func BenchmarkLinePlain(b *testing.B) {
	s := strings.Repeat("nginx/1.22.1 ", 20)
	b.ReportAllocs()
	for b.Loop() {
		_ = Line(s, 1024)
	}
}
