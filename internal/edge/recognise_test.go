package edge

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// recognise reads a response as a probe would that knows nothing of this edge.
func recognise(r reply) fact.EdgeAnswer {
	h := map[string]string{}
	for k, v := range r.Header {
		h[strings.ToLower(k)] = strings.Join(v, ", ")
	}
	return cdn.Recognise(cdn.Response{Status: r.StatusCode, Header: h, Body: []byte(r.body)})
}

// What the edge answers is understood by the part that diagnoses edges: who made
// the answer, the number, fault and phase, in every form.
func TestAnswersAreRecognised(t *testing.T) {
	_, dead, _ := hosts()
	w := plain(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/521" {
			w.WriteHeader(521)
		}
	})
	e, _, _ := hosts()
	down := start(t, fmt.Sprintf("listen: {http: ['%s:0']}\nzones: [{name: shop.example, rules: {custom: [{expression: 'http.request.uri.path eq \"/block\"', action: block}]}, records: [{type: A, name: shop.example, content: %s, proxied: true}, {type: CNAME, name: gone.shop.example, content: nothing.invalid, proxied: true}, {type: A, name: grey.shop.example, content: %s}]}]", e, dead, dead))
	for _, accept := range []string{"text/html", "application/json", "text/markdown"} {
		for _, tc := range []struct {
			w           *world
			url         string
			made        fact.Tri
			number      int
			fault, phas string
		}{
			{w, "http://shop.example/", fact.No, 0, "", ""},
			{w, "http://shop.example/521", fact.No, 0, "", ""},
			{w, "http://nowhere.example/", fact.Yes, 1001, "", ""},
			{down, "http://shop.example/", fact.Yes, 521, "connection_refused", "connect"},
			{down, "http://gone.shop.example/", fact.Yes, 1016, "dns_error", "resolve"},
			{down, "http://grey.shop.example/", fact.Yes, 1004, "", ""},
			{down, "http://shop.example/block", fact.Yes, 1020, "http_request_denied", "rules"},
		} {
			a := recognise(tc.w.get(tc.url, "Accept", accept))
			if a.CDN != "originward" || a.EdgeMade != tc.made || a.Error != tc.number || string(a.Fault) != tc.fault || string(a.Phase) != tc.phas || len(a.Ray) != 16 || a.Colo != "LAB" {
				t.Errorf("%s as %s: %+v; want made %s, %d, %s in %s", tc.url, accept, a, tc.made, tc.number, tc.fault, tc.phas)
			}
		}
	}
}
