package edge

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

// flow is how much passes in each direction; flat is by how much the process, which
// holds visitor, edge and origin, may grow meanwhile.
const (
	flow = int64(1100 << 20)
	part = int64(256 << 20) // where the way is the same but for its ends
	flat = 48 << 20
)

// rss is the resident size of this process in bytes.
func rss(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skipf("needs /proc: %v", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// zeros is an endless body that costs no memory.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// More than a gigabyte passes in both directions, over every kind of connection,
// with flat memory.
func TestFlatMemory(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("moves several gigabytes, and the race detector's own memory is not the edge's; make test runs it without")
	}
	w := plain(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n, err)
			return
		}
		n, _ := strconv.ParseInt(r.URL.RawQuery, 10, 64)
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		}
		io.CopyN(w, zeros{}, n)
	})
	small := w.get("http://shop.example/cdn-cgi/trace") // everything that is made once is there
	if small.StatusCode != 200 {
		t.Fatal(small.Status)
	}
	for _, tc := range []struct {
		name, url string
		h2        bool
		flow      int64
	}{
		{"plain, spliced", "http://shop.example/length", false, flow},
		{"plain, chunked", "http://shop.example/chunked", false, part},
		{"TLS, HTTP/1.1", "https://shop.example/length", false, part},
		{"HTTP/2", "https://shop.example/chunked", true, flow},
	} {
		c := w.client(tc.h2)
		c.Timeout = 0
		runtime.GC()
		debug.FreeOSMemory()
		before := rss(t)
		resp, err := c.Get(fmt.Sprintf("%s?%d", tc.url, tc.flow))
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || n != tc.flow {
			t.Errorf("%s: %d bytes came, %v", tc.name, n, err)
		}
		down := rss(t) - before
		resp, err = c.Post(tc.url, "application/octet-stream", io.LimitReader(zeros{}, tc.flow))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != fmt.Sprint(tc.flow, nil) {
			t.Errorf("%s: the origin got %s", tc.name, b)
		}
		up := rss(t) - before
		t.Logf("%s: memory grew by %d KiB for %d MiB down, %d KiB with as much up", tc.name, down>>10, tc.flow>>20, up>>10)
		if down > flat || up > flat {
			t.Errorf("%s: memory grew by %d MiB", tc.name, max(down, up)>>20)
		}
	}
}

// A visitor that reads slowly slows the origin down instead of filling memory.
func TestBackPressure(t *testing.T) {
	var sent int64
	stopped := make(chan struct{})
	w := plain(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(stopped)
		buf := make([]byte, 64<<10)
		for {
			n, err := w.Write(buf)
			if err != nil {
				return
			}
			sent += int64(n)
		}
	})
	for _, url := range []string{"http://shop.example/"} {
		resp, err := w.client(false).Get(url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, resp.Body, 1<<20); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close() // the visitor goes: the origin's write fails
		<-stopped
		// Sockets and pipe hold what was in flight: far less than an origin can write in
		// the time, and bounded.
		if sent > 64<<20 {
			t.Errorf("the origin wrote %d MiB although the visitor took one", sent>>20)
		}
	}
	if l := w.last(1); !l.Cut {
		t.Errorf("log %+v", l)
	}
}
