package logs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var base = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func logFile(t testing.TB, text string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.log")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// inWindow counts the lines of a file inside a window.
func inWindow(t testing.TB, f *os.File, from, to time.Time) (n int, r *reader) {
	t.Helper()
	r, err := openReader(f, clock{loc: time.UTC, now: base.Add(48 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	start, end, _ := r.window(from, to)
	r.lines(start, end, func(at time.Time, _ []byte) bool {
		if !at.Before(from) && !at.After(to) {
			n++
		}
		return true
	})
	return n, r
}

func TestWindow(t *testing.T) {
	var b strings.Builder
	for i := range 86400 {
		at := base.Add(time.Duration(i) * time.Second)
		fmt.Fprintf(&b, "104.16.1.1 - - [%s] \"GET /%d HTTP/1.1\" 200 5\n", at.Format("02/Jan/2006:15:04:05 -0700"), i)
		if i%1000 == 0 {
			b.WriteString("a continuation without a time\n")
		}
	}
	f := logFile(t, b.String())
	for _, tt := range []struct {
		from, to int
		want     int
	}{{0, 9, 11}, {86390, 86399, 10}, {40001, 40100, 100}, {90000, 90100, 0}, {-100, -1, 0}, {0, 86399, 86400 + 87}} {
		got, _ := inWindow(t, f, base.Add(time.Duration(tt.from)*time.Second), base.Add(time.Duration(tt.to)*time.Second))
		if got != tt.want {
			t.Errorf("window %d–%d: %d lines, want %d", tt.from, tt.to, got, tt.want)
		}
	}
}

// A file of 20 GiB with a hole, as a log has that was truncated under a writer.
func TestHugeSparseFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "huge.log")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 20 << 30
	if err := f.Truncate(size); err != nil {
		t.Skipf("no sparse files here: %v", err)
	}
	var tail bytes.Buffer
	for i := range 3600 {
		fmt.Fprintf(&tail, "%s [error] 1#1: line %d\n", base.Add(time.Duration(i)*time.Second).Format("2006/01/02 15:04:05"), i)
	}
	if _, err := f.WriteAt(append([]byte("\n"), tail.Bytes()...), size); err != nil {
		t.Skipf("no room for a sparse file: %v", err)
	}
	begin := time.Now()
	if n, _ := inWindow(t, f, base.Add(1000*time.Second), base.Add(1099*time.Second)); n != 100 {
		t.Errorf("%d lines", n)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestOtherZone(t *testing.T) {
	local := base.Add(10 * time.Hour)
	f := logFile(t, local.Format("2006/01/02 15:04:05")+" [error] x\n")
	// Written in UTC+5:30 while our zone is UTC: the file's own time tells.
	if err := os.Chtimes(f.Name(), time.Time{}, local.Add(-5*time.Hour-30*time.Minute)); err != nil {
		t.Fatal(err)
	}
	n, r := inWindow(t, f, base.Add(4*time.Hour), base.Add(5*time.Hour))
	if n != 1 || r.shift != -5*time.Hour-30*time.Minute {
		t.Errorf("%d lines, shift %v", n, r.shift)
	}
	// A file that was touched at another moment says nothing.
	if err := os.Chtimes(f.Name(), time.Time{}, local.Add(-5*time.Hour-7*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, r := inWindow(t, f, base, base); r.shift != 0 {
		t.Errorf("shift %v", r.shift)
	}
}

func TestEndlessLineAndBinary(t *testing.T) {
	at := base.Format("2006/01/02 15:04:05")
	f := logFile(t, at+" [error] first\n"+at+" "+strings.Repeat("\xff\x00", 20<<10)+"\n"+at+" [error] last")
	if n, _ := inWindow(t, f, base, base); n != 3 {
		t.Errorf("%d lines", n)
	}
	// A line longer than a probe hides what stands before it, never what stands
	// behind it.
	f = logFile(t, at+" [error] first\n"+at+" "+strings.Repeat("\xff\x00", 400<<10)+"\n"+at+" [error] last")
	if n, _ := inWindow(t, f, base, base); n < 1 {
		t.Errorf("%d lines", n)
	}
}

func TestCutToTheNewest(t *testing.T) {
	var b strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&b, "%s [error] %060d\n", base.Add(time.Duration(i/100)*time.Second).Format("2006/01/02 15:04:05"), i)
	}
	r, err := openReader(logFile(t, b.String()), clock{loc: time.UTC, now: base})
	if err != nil {
		t.Fatal(err)
	}
	start, end, cut := r.window(base, base.Add(time.Hour))
	if !cut || end != r.size || end-start != maxWindow {
		t.Errorf("%d–%d of %d, cut %v", start, end, r.size, cut)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("2026/11/22 10:00:05 x\ny\n\n2026/11/22 10:00:06"), int64(3))
	f.Add([]byte(strings.Repeat("x", 70<<10)), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, off int64) {
		r := &reader{f: bytes.NewReader(b), size: int64(len(b)), clock: clock{loc: time.UTC, now: base}}
		r.search(base)
		r.last()
		total := 0
		r.lines(max(0, off%int64(len(b)+1)), r.size, func(_ time.Time, l []byte) bool { total += len(l); return true })
		if total > len(b) {
			t.Errorf("%d bytes of %d were visited", total, len(b))
		}
	})
}
