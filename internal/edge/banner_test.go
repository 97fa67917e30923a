package edge

import (
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestBanner(t *testing.T) {
	var broken atomic.Bool
	page := "<!doctype html><html><head><title>x</title></head><BODY class=a>\n" + strings.Repeat("<p>hello</p>", 20000) + "</body></html>"
	w := newCacheWorld(t, "level: everything, always_online: true, banner: true", func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			w.WriteHeader(503)
			return
		}
		w.Header().Set("Cache-Control", "max-age=10")
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch r.URL.Path {
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprint(z, page)
			z.Close()
		case "/text":
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, page)
		case "/bare":
			fmt.Fprint(w, "<p>no body tag</p>")
		case "/lookalike":
			fmt.Fprint(w, "<bodyguard>x</bodyguard>")
		default:
			fmt.Fprint(w, page)
		}
	})
	paths := []string{"/page", "/gzip", "/text", "/bare", "/lookalike"}
	fresh := map[string]string{}
	for _, p := range paths {
		fresh[p] = w.get(home + p).body
	}
	saved := time.Now().UTC()
	broken.Store(true)
	w.later(20 * time.Second)
	for _, p := range paths {
		r := w.get(home+p, "Accept-Language", "de-AT,de;q=0.9")
		if r.StatusCode != 200 || r.Header.Get("CF-Cache-Status") != "STALE" {
			t.Fatalf("%s: %d %s", p, r.StatusCode, r.Header.Get("CF-Cache-Status"))
		}
		want := p == "/page" || p == "/gzip"
		at := strings.Index(r.body, `<div role="status" lang="de"`)
		if want != (at >= 0) {
			t.Errorf("%s: banner at %d, want one: %v", p, at, want)
		}
		if !want {
			if r.body != fresh[p] {
				t.Errorf("%s: %.60q, want it unchanged", p, r.body)
			}
			continue
		}
		if !strings.HasSuffix(r.body[:at], "<BODY class=a>") || !strings.Contains(r.body, saved.Format("2006-01-02 15:")) {
			t.Errorf("%s: banner after %.40q", p, r.body[max(0, at-40):at])
		}
		end := strings.Index(r.body[at:], "</div>") + at + len("</div>")
		if rest := r.body[:at] + r.body[end:]; rest != page {
			t.Errorf("%s: %d bytes beside the banner, want the page's %d", p, len(rest), len(page))
		}
		if strings.HasPrefix(r.Header.Get("ETag"), `"`) || r.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: header %v", p, r.Header)
		}
	}
	if r := w.get(home+"/page", "Range", "bytes=0-9"); r.StatusCode != 206 || strings.Contains(r.body, "status") {
		t.Errorf("a range: %d %q", r.StatusCode, r.body)
	}
}
