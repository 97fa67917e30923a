package edge

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A zone says which versions of HTTP its visitors and its origins are spoken to in.
func TestHTTPVersions(t *testing.T) {
	for settings, want := range map[string]string{
		"":                              "visitor HTTP/2.0, origin HTTP/2.0",
		"http2: off,":                   "visitor HTTP/1.1, origin HTTP/2.0",
		`origin_max_http_version: "1",`: "visitor HTTP/2.0, origin HTTP/1.1",
		`origin_max_http_version: 2,`:   "visitor HTTP/2.0, origin HTTP/2.0",
	} {
		e, o, _ := hosts()
		sp := tlsOrigin(t, o, "shop.example", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })
		zone := strings.Replace(siteZone("full", o), "ssl:", settings+" ssl:", 1)
		w := start(t, fmt.Sprintf("listen: {https: ['%s:%d']}\nzones: [%s]", e, sp.Port(), zone))
		req, err := http.NewRequest("GET", "https://shop.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r := w.do(w.client(true), req)
		if got := fmt.Sprintf("visitor %s, origin %s", r.Proto, r.body); got != want {
			t.Errorf("%q: %s, want %s", settings, got, want)
		}
	}
}
