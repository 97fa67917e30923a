package compare

import (
	"fmt"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

func response(status int, kv ...string) *fact.Response {
	r := &fact.Response{Status: status, Proto: "HTTP/1.1", Header: map[string]string{}}
	for i := 0; i+1 < len(kv); i += 2 {
		r.Header[kv[i]] = kv[i+1]
	}
	return r
}

func TestDiff(t *testing.T) {
	ok := fact.Exchange{Response: response(200, "server", "nginx", "date", "now", "content-type", "text/html; charset=utf-8", "cache-control", "no-cache,private")}
	for _, tt := range []struct {
		name string
		x    fact.Exchange
		a    fact.EdgeAnswer
		want string
		same bool
	}{
		{"only what an edge always changes", ok,
			fact.EdgeAnswer{EdgeMade: fact.No, Response: response(200, "server", "cloudflare", "cf-ray", "x", "content-type", "text/html", "cache-control", "No-Cache, private")}, "[]", true},
		{"the edge cannot reach what answers directly", ok,
			fact.EdgeAnswer{EdgeMade: fact.Yes, Fault: originward.ConnectionRefused, Error: 521, Response: response(521, "content-type", "text/html")},
			"[{outcome answered connection_refused telling} {status 200 521 telling} {cache-control no-cache, private  minor}]", false},
		{"both refused", fact.Exchange{Fault: &fact.Fault{Type: originward.ConnectionRefused}},
			fact.EdgeAnswer{EdgeMade: fact.Yes, Fault: originward.ConnectionRefused, Error: 521, Response: response(521)}, "[]", true},
		{"an edge that gives a number only", fact.Exchange{Fault: &fact.Fault{Type: originward.ConnectionTimeout}},
			fact.EdgeAnswer{EdgeMade: fact.Yes, Error: 522, Response: response(522)}, "[{outcome connection_timeout error 522 telling}]", false},
		{"an edge's number that says the same", fact.Exchange{Fault: &fact.Fault{Type: originward.ConnectionTimeout, Code: 522}},
			fact.EdgeAnswer{EdgeMade: fact.Yes, Error: 522, Response: response(522)}, "[]", true},
		{"no answer from the edge", ok, fact.EdgeAnswer{Failure: &fact.Fault{Type: originward.ConnectionTimeout}},
			"[{outcome answered edge: connection_timeout telling}]", false},
		{"redirect through the edge", ok, fact.EdgeAnswer{EdgeMade: fact.No, Response: response(301, "location", "https://shop.example/", "content-type", "text/html", "cache-control", "no-cache, private")},
			"[{status 200 301 telling} {location  https://shop.example/ telling}]", false},
	} {
		got := Diff(tt.x, tt.a)
		if fmt.Sprint(got) != tt.want || Same(got) != tt.same {
			t.Errorf("%s:\n got %v same %v\nwant %s same %v", tt.name, got, Same(got), tt.want, tt.same)
		}
	}
}
