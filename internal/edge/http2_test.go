package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

// Many streams at once over one connection, each with its own answer.
func TestStreams(t *testing.T) {
	w := plain(t, echo)
	c := w.client(true)
	w.do(c, mustRequest(t, "GET", "https://shop.example/", nil)) // one connection for all
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			body := strings.Repeat(strconv.Itoa(i), 5000)
			resp, err := c.Do(mustRequest(t, "POST", fmt.Sprintf("https://shop.example/%d", i), strings.NewReader(body)))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if err != nil || string(b) != body || resp.Header.Get("X-Target") != "/"+strconv.Itoa(i) {
				t.Errorf("stream %d: %v, %d bytes, %s", i, err, len(b), resp.Header.Get("X-Target"))
			}
		})
	}
	wg.Wait()
}

func mustRequest(t *testing.T, method, url string, body io.Reader) *http.Request {
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// A visitor that gives up frees the origin.
func TestStreamReset(t *testing.T) {
	gone := make(chan struct{})
	w := plain(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(gone)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		waitFor(t, "the exchange", func() bool { return w.edge.turn.Load() > 0 })
		time.AfterFunc(50*time.Millisecond, cancel)
	}()
	if _, err := w.client(true).Do(mustRequest(t, "GET", "https://shop.example/", nil).WithContext(ctx)); err == nil {
		t.Error("no error")
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the origin was not told")
	}
	if l := w.last(1); l.Status != 499 || !l.Left || l.Phase != "first_byte" || l.Fault != "" {
		t.Errorf("logged as %+v", l)
	}
	if n := w.scrape()[`originward_visitors_left_total{phase="first_byte",zone="shop.example"}`]; n != 1 {
		t.Errorf("%v visitors who left are counted", n)
	}
}

// An upload that the origin does not want ends early. Over HTTP/2 to the origin
// that needs nothing more from the visitor.
func TestEarlyAnswer(t *testing.T) {
	w := plain(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "enough", http.StatusRequestEntityTooLarge)
	})
	stalls, end := io.Pipe()
	defer end.Close()
	go io.WriteString(end, "beginning") // and then nothing more
	for _, v := range []struct {
		url  string
		h2   bool
		body io.Reader
	}{
		{"http://shop.example/", false, io.LimitReader(zeros{}, 1<<30)},
		{"https://shop.example/", false, io.LimitReader(zeros{}, 1<<30)},
		{"https://shop.example/", true, io.LimitReader(zeros{}, 1<<30)},
		{"https://shop.example/", true, stalls},
	} {
		resp, err := w.client(v.h2).Do(mustRequest(t, "POST", v.url, v.body))
		if err != nil {
			t.Errorf("%s, HTTP/2 %v: %v", v.url, v.h2, err)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge || string(b) != "enough\n" || err != nil {
			t.Errorf("%s, HTTP/2 %v: %s %q %v", v.url, v.h2, resp.Status, b, err)
		}
	}
}

// Announced trailers of a request reach origins of either protocol, from visitors of either.
func TestRequestTrailers(t *testing.T) {
	w := plain(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "HTTP/%d %s %q %v", r.ProtoMajor, b, r.Trailer.Get("X-Sum"), err)
	})
	for _, c := range []struct {
		url  string
		h2   bool
		want string
	}{
		{"http://shop.example/", false, `HTTP/1 body "42" <nil>`},
		{"https://shop.example/", false, `HTTP/2 body "42" <nil>`},
		{"https://shop.example/", true, `HTTP/2 body "42" <nil>`},
	} {
		req := mustRequest(t, "POST", c.url, io.MultiReader(strings.NewReader("bo"), strings.NewReader("dy")))
		req.Trailer = http.Header{"X-Sum": {"42"}}
		if r := w.do(w.client(c.h2), req); r.body != c.want {
			t.Errorf("%s (HTTP/2 %v): %s, not %s", c.url, c.h2, r.body, c.want)
		}
	}
}
