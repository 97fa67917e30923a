package rules

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/originward/originward/fact"
)

// Values of rewrites and redirects; the examples are those of the functions'
// reference.
func TestValues(t *testing.T) {
	sum := sha256.Sum256([]byte("/a"))
	for _, tc := range []struct{ path, expr, want string }{
		{"/", `"plain"`, "plain"},
		{"/foo/bar", `regex_replace(http.request.uri.path, "/bar$", "/baz")`, "/foo/baz"},
		{"/x", `regex_replace(http.request.uri.path, "^/y$", "/mumble")`, "/x"},
		{"/foo", `regex_replace(http.request.uri.path, "^/FOO$", "/x")`, "/foo"},
		{"/a/a", `regex_replace(http.request.uri.path, "/a", "/b")`, "/b/a"},
		{"/b", `regex_replace(http.request.uri.path, "^/b$", "/b$$")`, "/b$"},
		{"/foo/a/path", `regex_replace(http.request.uri.path, "^/foo/([^/]*)/(.*)$", "/bar/${2}/${1}")`, "/bar/path/a"},
		{`/a\b`, `regex_replace(http.request.uri.path, r"\\", "x")`, "/axb"},
		{`/a\b`, `regex_replace(http.request.uri.path, "\\\\", "x")`, "/axb"},
		{"/calendar/admin?expand=true", `wildcard_replace(http.request.full_uri, "https://*.example/*/*", "https://example.com/${1}/${2}/${3}")`, "https://example.com/shop/calendar/admin?expand=true"},
		{"/applications/app1", `wildcard_replace(http.request.full_uri, "/applications/*", "/apps/${1}")`, "https://shop.example/applications/app1"},
		{"/calendar", `wildcard_replace(http.request.uri.path, "/*", "/apps/${1}")`, "/apps/calendar"},
		{"/Apps/calendar", `wildcard_replace(http.request.uri.path, "/apps/*", "/${1}")`, "/calendar"},
		{"/Apps/calendar", `wildcard_replace(http.request.uri.path, "/apps/*", "/${1}", "s")`, "/Apps/calendar"},
		{"/apps/calendar/login", `wildcard_replace(http.request.uri.path, "/apps/*/login", "/${1}/login")`, "/calendar/login"},
		{"/?order=asc&country=GB", `remove_query_args(http.request.uri.query, "country")`, "order=asc"},
		{"/?category=Foo&order=desc&category=Bar", `remove_query_args(http.request.uri.query, "category")`, "order=desc"},
		{"/?category=Foo&order=desc&category=Bar", `remove_query_args(http.request.uri.query, "order", "none")`, "category=Foo&category=Bar"},
		{"/John%20Doe", `url_decode(http.request.uri.path)`, "/John Doe"},
		{"/John+Doe", `url_decode(http.request.uri.path)`, "/John Doe"},
		{"/%2520", `url_decode(http.request.uri.path)`, "/%20"},
		{"/%2520", `url_decode(http.request.uri.path, "r")`, "/ "},
		{"/%u2601", `url_decode(http.request.uri.path, "u")`, "/\xe2\x98\x81"},
		{"/%zz%4", `url_decode(http.request.uri.path)`, "/%zz%4"},
		{"/", `to_string(cf.edge.server_port)`, "443"},
		{"/", `to_string(ssl)`, "true"},
		{"/", `to_string(ip.src)`, "192.0.2.7"},
		{"/x?y", `concat("https://new.example", http.request.uri)`, "https://new.example/x?y"},
		{"/ab", `encode_base64(http.request.uri.path)`, "L2Fi"},
		{"/a", `encode_base64(http.request.uri.path, "up")`, "L2E="},
		{"/a", `encode_base64(sha256(http.request.uri.path))`, base64.RawStdEncoding.EncodeToString(sum[:])},
	} {
		v, err := CompileValue(tc.expr, Options{})
		if err != nil {
			t.Errorf("%s: %v", tc.expr, err)
			continue
		}
		r := request()
		r.Target = []byte(tc.path)
		path, query, _ := strings.Cut(tc.path, "?")
		r.Path, r.Query = []byte(path), []byte(query)
		if got, ok := v.Of(r); !ok || string(got) != tc.want {
			t.Errorf("%s of %s = %q, want %q", tc.expr, tc.path, got, tc.want)
		}
	}
	v, err := CompileValue("uuidv4(cf.random_seed)", Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := v.Of(request())
	b, _ := v.Of(request())
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).Match(a) || string(a) == string(b) {
		t.Errorf("uuidv4: %s, %s", a, b)
	}
	if v, err := CompileValue(`http.request.headers["absent"][0]`, Options{}); err != nil {
		t.Error(err)
	} else if _, ok := v.Of(request()); ok {
		t.Error("a missing value is there")
	}
}

func TestValueErrors(t *testing.T) {
	for _, tc := range []struct {
		expr string
		col  int
		msg  string
	}{
		{`ssl`, 1, "gives a boolean"},
		{`http.request.headers["a"]`, 1, "array of strings"},
		{`http.host eq "a"`, 11, "unexpected"},
		{`regex_replace(http.host, "(", "x")`, 1, "not a regular expression"},
		{`regex_replace(http.host, "a", "${1}")`, 1, "there are 0 groups"},
		{`regex_replace(http.host, "a", "$1")`, 1, `"$" in a replacement`},
		{`regex_replace(http.host, "(a)", "${1}${1}${1}${1}${1}${1}${1}${1}${1}")`, 1, "8 references"},
		{`regex_replace(regex_replace(http.host, "a", "b"), "a", "b")`, 15, "only once"},
		{`wildcard_replace("a", "a", "b")`, 18, "must be a field"},
		{`wildcard_replace(http.host, "a**", "b")`, 1, `"**"`},
		{`remove_query_args(http.host, "a")`, 1, "takes http.request.uri.query"},
		{`concat(http.host, http.request.headers.names)`, 1, "strings or arrays"},
		{`substring(http.host)`, 20, "2 to 3 arguments"},
		{`concat(http.host, http.request.headers.names[*])`, 19, "first argument"},
	} {
		_, err := CompileValue(tc.expr, Options{})
		var se *SyntaxError
		if !errors.As(err, &se) || se.Column != tc.col || !strings.Contains(se.Msg, tc.msg) {
			t.Errorf("%s: %v, want column %d: %s", tc.expr, err, tc.col, tc.msg)
		}
	}
}

func TestTimedHMAC(t *testing.T) {
	sign := func(message string, at int64) string {
		h := hmac.New(sha256.New, []byte("mysecretkey"))
		fmt.Fprintf(h, "%s%d", message, at)
		return url.QueryEscape(base64.StdEncoding.EncodeToString(h.Sum(nil)))
	}
	e := must(t, `is_timed_hmac_valid_v0("mysecretkey", http.request.uri, 100, http.request.timestamp.sec, 8)`)
	const now = 1700000000
	for _, tc := range []struct {
		name, target string
		want         bool
	}{
		{"valid", fmt.Sprintf("/download/cat.jpg?verify=%d-%s", now-50, sign("/download/cat.jpg", now-50)), true},
		{"expired", fmt.Sprintf("/download/cat.jpg?verify=%d-%s", now-101, sign("/download/cat.jpg", now-101)), false},
		{"another message", fmt.Sprintf("/download/dog.jpg?verify=%d-%s", now-50, sign("/download/cat.jpg", now-50)), false},
		{"another time", fmt.Sprintf("/download/cat.jpg?verify=%d-%s", now-49, sign("/download/cat.jpg", now-50)), false},
		{"none", "/download/cat.jpg", false},
		{"short", fmt.Sprintf("/download/cat.jpg?verify=%d-abc", now), false},
	} {
		r := request()
		r.Target = []byte(tc.target)
		if got := e.Match(r); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestDecide(t *testing.T) {
	known := func(f string) bool { return f == "ip.src" || f == "http.host" }
	for _, tc := range []struct {
		expr    string
		want    fact.Tri
		depends []string
	}{
		{`ip.src eq 192.0.2.7`, fact.Yes, nil},
		{`http.cookie contains "x"`, fact.Unknown, []string{"http.cookie"}},
		{`ip.src eq 192.0.2.7 or http.cookie contains "x"`, fact.Yes, nil},
		{`ip.src eq 192.0.2.8 and http.cookie contains "x"`, fact.No, nil},
		{`ip.src eq 192.0.2.7 and http.cookie contains "x"`, fact.Unknown, []string{"http.cookie"}},
		{`not http.cookie contains "x"`, fact.Unknown, []string{"http.cookie"}},
		{`ip.src eq 192.0.2.7 xor http.cookie contains "x"`, fact.Unknown, []string{"http.cookie"}},
		{`ip.src eq 192.0.2.7 xor http.host eq "x"`, fact.Yes, nil},
		{`ip.src in $office`, fact.Unknown, []string{"$office"}},
		{`lower(concat(http.host, http.cookie)) eq "a"`, fact.Unknown, []string{"http.cookie"}},
	} {
		e, err := CompileWith(tc.expr, lists(t))
		if err != nil {
			t.Errorf("%s: %v", tc.expr, err)
			continue
		}
		if got, depends := e.Decide(request(), known); got != tc.want || !slices.Equal(depends, tc.depends) {
			t.Errorf("%s: %v %v, want %v %v", tc.expr, got, depends, tc.want, tc.depends)
		}
	}
}

// What rules make of a visitor's fields can stand in a request line and in Location.
func FuzzTargets(f *testing.F) {
	to := must2(f, `concat("/", url_decode(http.request.uri.args["a"][0], "ru"), http.request.headers["x-two"][0])`)
	path := must2(f, `url_decode(http.request.uri.path, "ru")`)
	query := must2(f, `url_decode(http.request.uri.query, "r")`)
	yes, err := Compile("true")
	if err != nil {
		f.Fatal(err)
	}
	h := Head{ID: "1", Enabled: true, Expression: yes}
	set := Set{Rewrites: []RewriteRule{{Head: h, Path: &path, Query: &query}}, Redirects: []RedirectRule{{Head: h, Target: to, PreserveQuery: true}}}
	f.Add("/a%0d%0ab", "a=%0aX", "v")
	f.Add("//evil", "a=/evil.example", "\r\n")
	f.Add("/%u000a?", "a=%23x", "\\")
	f.Fuzz(func(t *testing.T, p, q, v string) {
		r := request()
		r.Path, r.Query, r.Target = []byte(p), []byte(q), []byte(p+"?"+q)
		r.Headers = headers{"X-Two", v}
		clean := func(what string, b []byte) {
			for _, c := range b {
				if c <= ' ' || c >= 0x7f {
					t.Fatalf("%s %q holds %q", what, b, c)
				}
			}
		}
		if strings.ContainsFunc(q, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
			return // no request has such a query
		}
		if rule, to := set.Redirected(r); rule != nil {
			clean("Location", []byte(to))
			if strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`) {
				t.Fatalf("Location %q leads to another site", to)
			}
		}
		set.Rewritten(r)
		if len(p) > 0 {
			clean("target", r.Target)
			if r.Path[0] != '/' && len(r.Path) > 0 {
				t.Fatalf("path %q", r.Path)
			}
		}
	})
}

func must2(t testing.TB, src string) Value {
	t.Helper()
	v, err := CompileValue(src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
