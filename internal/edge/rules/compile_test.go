package rules

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

type headers map[string]string

func (h headers) Get(name string) []byte {
	v, ok := h[strings.ToLower(name)]
	if !ok {
		return nil
	}
	return []byte(v)
}

func request() *Request {
	return &Request{
		IP: netip.MustParseAddr("192.0.2.7"), Host: []byte("shop.example"), Method: []byte("GET"),
		Path: []byte("/Admin/login"), Query: []byte("a=1"), Target: []byte("/Admin/login?a=1"),
		HTTPS: true, Version: []byte("HTTP/1.1"), Port: 443,
		Headers: headers{"user-agent": "BadBot/1.0", "referer": "https://elsewhere.example/"},
	}
}

func TestExpressions(t *testing.T) {
	for _, tc := range []struct {
		expr string
		want bool
	}{
		{`ip.src eq 192.0.2.7`, true},
		{`ip.src == 192.0.2.8`, false},
		{`ip.src ne 192.0.2.8`, true},
		{`ip.src in {192.0.2.0/24}`, true},
		{`ip.src in {198.51.100.0/24 2001:db8::/32 192.0.2.7}`, true},
		{`ip.src in {192.0.2.1..192.0.2.6}`, false},
		{`ip.src in {192.0.2.1..192.0.2.7}`, true},
		{`ip.src in {2001:db8::/32}`, false},
		{`not ip.src in {192.0.2.0/24}`, false},
		{`!(ip.src in {192.0.2.0/24})`, false},
		{`http.host eq "shop.example"`, true},
		{`http.host in {"a.example" "shop.example"}`, true},
		{`http.host in {"a.example"}`, false},
		{`http.request.uri.path contains "/login"`, true},
		{`http.request.uri.path contains "/LOGIN"`, false},
		{`lower(http.request.uri.path) contains "/admin"`, true},
		{`upper(http.host) eq "SHOP.EXAMPLE"`, true},
		{`starts_with(http.request.uri.path, "/Admin")`, true},
		{`ends_with(http.request.uri.path, "/Admin")`, false},
		{`len(http.host) eq 12`, true},
		{`http.user_agent contains "BadBot" and ssl`, true},
		{`http.user_agent contains "BadBot" && !ssl`, false},
		{`http.user_agent matches "^bad"`, false},
		{`http.user_agent ~ "^(?i)bad"`, true},
		{`http.user_agent matches r"Bot/\d"`, true},
		{`http.user_agent matches r#"Bot/"?"#`, true},
		{`http.host wildcard "*.EXAMPLE"`, true},
		{`http.host strict wildcard "*.EXAMPLE"`, false},
		{`http.host wildcard "shop.*"`, true},
		{`http.host wildcard "*ho*exam*"`, true},
		{`http.host wildcard "shop"`, false},
		{`http.request.uri.query eq "a=1"`, true},
		{`http.request.full_uri eq "https://shop.example/Admin/login?a=1"`, true},
		{`cf.edge.server_port in {80 443}`, true},
		{`cf.edge.server_port in {1..79}`, false},
		{`cf.edge.server_port gt 442 and cf.edge.server_port le 443`, true},
		{`ssl eq true`, true},
		{`ssl ne true`, false},
		// not binds tighter than and, and than xor, xor than or.
		{`not ssl or ssl`, true},
		{`ssl or ssl and not ssl`, true},
		{`(ssl or ssl) and not ssl`, false},
		{`ssl xor ssl and not ssl`, true},
		{`ssl or ssl xor ssl`, true},
		{`ssl ^^ ssl || not ssl`, false},
		{`http.referer eq "https://elsewhere.example/"`, true},
		{`http.cookie eq ""`, true},
		{`http.host eq "sho\x70.example"`, true},
		{`http.host eq "sho\160.example"`, true},
		{"http.host\n  eq\n  \"shop.example\"", true},
		{`http.host lt "t"`, true},
		{`true and not false`, true},
	} {
		e, err := Compile(tc.expr)
		if err != nil {
			t.Errorf("%s: %v", tc.expr, err)
			continue
		}
		if got := e.Match(request()); got != tc.want {
			t.Errorf("%s = %v, want %v", tc.expr, got, tc.want)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	for _, tc := range []struct {
		expr      string
		line, col int
		msg, want string
	}{
		{``, 1, 1, "empty", "condition"},
		{`ip.scr eq 192.0.2.1`, 1, 1, `unknown field "ip.scr"`, "ip.src"},
		{`http.hots eq "a"`, 1, 1, `unknown field "http.hots"`, "http.host"},
		{`ip.src eq "192.0.2.1"`, 1, 11, "unexpected", "an address"},
		{`ip.src eq 192.0.2.300`, 1, 11, `"192.0.2.300" is no address`, ""},
		{`ip.src in {192.0.2.1/24}`, 1, 12, "did you mean 192.0.2.0/24", ""},
		{`ip.src lt 192.0.2.1`, 1, 8, `"lt" does not apply`, "in"},
		{`ip.src contains "1"`, 1, 8, `"contains" does not apply`, "in"},
		{`http.host is "a"`, 1, 11, `"is" is no operator`, "contains"},
		{`http.host`, 1, 10, "needs a comparison", "eq"},
		{`http.host eq "a`, 1, 14, "no end", `"`},
		{`http.host eq shop`, 1, 14, "a string was expected", ""},
		{`http.host in {"a","b"}`, 1, 18, "separated by spaces", ""},
		{`http.host in {}`, 1, 15, "empty", ""},
		{`http.host in {"a"`, 1, 18, "no end", "}"},
		{`(ssl and ssl`, 1, 13, "unexpected end", ")"},
		{`ssl and`, 1, 8, "unexpected end", "a field"},
		{`ssl ssl`, 1, 5, `unexpected "ssl"`, "and"},
		{"ssl and\n  http.hosst eq \"x\"", 2, 3, "unknown field", ""},
		{`http.host wildcard "a**b"`, 1, 20, `"**"`, ""},
		{`http.host matches "("`, 1, 19, "not a regular expression", ""},
		{`starts_with(http.host)`, 1, 22, "2 arguments", ","},
		{`starts_with(ip.src, "a")`, 1, 13, "IP address", "a string"},
		{`nope(http.host)`, 1, 1, `unknown function "nope"`, "lower"},
		{`http.host eq "\q"`, 1, 15, "unknown escape", ""},
		{`cf.edge.server_port eq x`, 1, 24, "no integer", ""},
		{`cf.edge.server_port in {9..3}`, 1, 28, "ends before", ""},
		{strings.Repeat("(", 100) + "ssl", 1, 65, "nested more than 64", ""},
		{strings.Repeat(" ", 5000), 1, 4097, "at most 4096", ""},
	} {
		_, err := Compile(tc.expr)
		var se *SyntaxError
		if !errors.As(err, &se) {
			t.Errorf("%.40s: error %v, want a SyntaxError", tc.expr, err)
			continue
		}
		if se.Line != tc.line || se.Column != tc.col || !strings.Contains(se.Error(), tc.msg) || !strings.Contains(strings.Join(se.Want, " "), tc.want) {
			t.Errorf("%.60s:\n  got  %v\n  want line %d, column %d: %s; expected … %s", tc.expr, se, tc.line, tc.col, tc.msg, tc.want)
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	e, err := Compile(`ip.src in {198.51.100.0/24 203.0.113.0/24} or http.user_agent contains "Evil" or starts_with(http.request.uri.path, "/x") or http.host in {"a" "b"}`)
	if err != nil {
		t.Fatal(err)
	}
	r := request()
	if n := testing.AllocsPerRun(100, func() { e.Match(r) }); n != 0 {
		t.Errorf("%v allocations per evaluation, want 0", n)
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		`ip.src in {192.0.2.0/24}`, `http.host eq "a" and not (ssl or http.user_agent contains "b")`,
		`http.host wildcard "*.\*x"`, `lower(http.host) matches r#"a"#`, `cf.edge.server_port in {1..2 5}`, "((((", `"`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Compile(s)
		if err == nil {
			e.Match(request())
			e.Match(&Request{})
			return
		}
		var se *SyntaxError
		if !errors.As(err, &se) || se.Line < 1 || se.Column < 1 || se.Offset > len(s) {
			t.Fatalf("bad error %#v", err)
		}
	})
}
