package rules

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/fact"
)

// headers are names and values in turn.
type headers []string

func (h headers) Get(name string) []byte {
	for i := 0; i < len(h); i += 2 {
		if strings.EqualFold(h[i], name) {
			return []byte(h[i+1])
		}
	}
	return nil
}

func (h headers) Len() int { return len(h) / 2 }

func (h headers) At(i int) (name, value []byte) { return []byte(h[2*i]), []byte(h[2*i+1]) }

// prepared are headers that cost nothing to read, as those of a real request.
type prepared [][]byte

func (h prepared) Get(name string) []byte {
	for i := 0; i < len(h); i += 2 {
		if fold(h[i], name) {
			return h[i+1]
		}
	}
	return nil
}

func (h prepared) Len() int { return len(h) / 2 }

func (h prepared) At(i int) (name, value []byte) { return h[2*i], h[2*i+1] }

func (h headers) prepare() prepared {
	out := make(prepared, len(h))
	for i := range h {
		out[i] = []byte(h[i])
	}
	return out
}

// places knows 192.0.2.7 only.
type places struct{}

func (places) Place(a netip.Addr) *Place {
	if a != netip.MustParseAddr("192.0.2.7") {
		return nil
	}
	return &Place{Country: "DE", Continent: "EU", EU: true, ASN: 64496, City: "Jena", Subdivision: "DE-TH"}
}

func request() *Request {
	uri := URI{Path: []byte("/Admin/login"), Query: []byte("a=1"), Target: []byte("/Admin/login?a=1")}
	return &Request{
		IP: netip.MustParseAddr("192.0.2.7"), Host: []byte("shop.example"), Method: []byte("GET"),
		URI: uri, Raw: uri, At: time.Unix(1700000000, 857e6), Places: places{}, Zone: "shop.example",
		HTTPS: true, Version: []byte("HTTP/1.1"), Port: 443, TLS: "TLSv1.3",
		Headers: headers{
			"User-Agent", "BadBot/1.0", "referer", "https://elsewhere.example/", "Accept", "application/json", "X-Two", "a", "x-two", "b",
			"Cookie", "app=test; %73ess=one; sess=two", "X-Json", `{"product":{"id":356,"name":"x"},"l":["first",-234]}`,
			"X-B64", "MTIzYWJj", "X-Cats", "groceries,electronics,diy,auto", "X-Empty", "", "Accept-Language", "de;q=0.5, fr, en;q=0.7",
		},
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
		{`http.x_forwarded_for eq ""`, true},
		{`cf.tls_version eq "TLSv1.3"`, true},
		{`cf.zone.name eq "shop.example"`, true},
		{`http.request.timestamp.sec eq 1700000000 and http.request.timestamp.msec == 857`, true},
		{`ip.src.country in {"DE" "FR"} and ip.geoip.country eq "DE" and ip.src.continent eq "EU"`, true},
		{`ip.src.asnum eq 64496 and ip.src.is_in_european_union`, true},
		// Regular expressions in quotes keep their backslashes (rules-language values).
		{`http.user_agent matches "Bot/\d\.\d$"`, true},
		{`http.user_agent matches "a\"b"`, false},
		// Arrays and maps.
		{`http.request.headers["accept"][0] eq "application/json"`, true},
		{`any(http.request.headers["accept"][*] == "application/json")`, true},
		{`any(http.request.headers["accept"][*] == "text/plain")`, false},
		{`all(http.request.headers["x-two"][*] in {"a" "b"})`, true},
		{`all(http.request.headers["x-two"][*] == "a")`, false},
		{`any(http.request.headers["x-two"][*] == "a" and not http.request.headers["x-two"][*] contains "b")`, true},
		{`any(http.request.headers["absent"][*] == "a")`, false},
		{`all(http.request.headers["absent"][*] == "a")`, false},
		{`len(http.request.headers["x-two"]) eq 2`, true},
		{`len(http.request.headers["absent"]) >= 0`, false},
		{`not len(http.request.headers["absent"]) >= 0`, true},
		{`http.request.headers["absent"][0] ne "a"`, false},
		{`http.request.headers["absent"][0] eq ""`, false},
		{`http.request.headers["x-empty"][0] eq ""`, true},
		{`http.request.headers["x-two"][7] eq "a"`, false},
		{`any(http.request.headers.names[*] == "Accept")`, true},
		{`any(http.request.headers.names[*] == "accept")`, false},
		{`any(lower(http.request.headers.names[*])[*] == "accept")`, true},
		{`lower(http.request.headers.names[*])[0] eq "user-agent"`, true},
		{`any(len(http.request.headers.values[*])[*] gt 10)`, true},
		{`any(starts_with(http.request.headers.names[*], "X-T"))`, true},
		{`http.request.headers.names[0] == "User-Agent"`, true},
		{`has_key(http.request.headers, "accept") and not has_key(http.request.headers, "absent")`, true},
		{`has_value(http.request.headers["x-two"], "b")`, true},
		{`any(http.request.cookies["app"][*] == "test")`, true},
		{`len(http.request.cookies["sess"]) eq 2`, true},
		{`http.request.uri.args["a"][0] eq "1" and http.request.uri.args.names[0] eq "a"`, true},
		{`join(http.request.accepted_languages, ",") eq "fr,en,de"`, true},
		{`join(http.request.headers["x-two"], "-") eq "a-b"`, true},
		{`join(split(http.request.headers["x-cats"][0], ",", 3), "|") eq "groceries|electronics|diy,auto"`, true},
		{`join(concat(http.request.headers["x-two"], http.request.headers["accept"]), ",") eq "a,b,application/json"`, true},
		{`any(decode_base64(http.request.headers["x-b64"][*])[*] eq "123abc")`, true},
		// Functions.
		{`concat("String1", " ", "String", "2") eq "String1 String2"`, true},
		{`substring(http.host, 1, 4) eq "hop" and substring(http.host, -7) eq "example" and substring(http.host, 0, -8) eq "shop"`, true},
		{`substring(http.host, 5, 2) eq ""`, true},
		{`remove_bytes(http.host, "\x2e\x65") eq "shopxampl"`, true},
		{`cidr(ip.src, 24, 24) eq 192.0.2.0 and cidr6(ip.src, 24) eq 192.0.2.7`, true},
		{`url_decode(http.request.uri.path) eq "/Admin/login"`, true},
		{`lookup_json_integer(http.request.headers["x-json"][0], "product", "id") eq 356`, true},
		{`lookup_json_string(http.request.headers["x-json"][0], "product", "name") eq "x"`, true},
		{`lookup_json_string(http.request.headers["x-json"][0], "l", 0) eq "first"`, true},
		{`lookup_json_integer(http.request.headers["x-json"][0], "l", 1) eq -234`, true},
		{`lookup_json_integer(http.request.headers["x-json"][0], "product", "name") ge -9`, false},
		{`http.request.uri.path.extension eq ""`, true},
		{`raw.http.request.uri.path eq "/Admin/login"`, true},
		// Named lists.
		{`ip.src in $office`, true},
		{`not ip.src in $office`, false},
		{`ip.src.asnum in $nets`, true},
		{`http.host in $sites`, true},
		{`http.host eq "sho\x70.example"`, true},
		{`http.host eq "sho\160.example"`, true},
		{"http.host\n  eq\n  \"shop.example\"", true},
		{`http.host lt "t"`, true},
		{`true and not false`, true},
	} {
		e, err := CompileWith(tc.expr, lists(t))
		if err != nil {
			t.Errorf("%s: %v", tc.expr, err)
			continue
		}
		if got := e.Match(request()); got != tc.want {
			t.Errorf("%s = %v, want %v", tc.expr, got, tc.want)
		}
	}
}

func lists(t testing.TB) Options {
	t.Helper()
	o := Options{Lists: map[string]*List{}}
	for name, x := range map[string]struct {
		kind  ListKind
		items []string
	}{
		"office": {ListIP, []string{"192.0.2.0/29", "2001:db8::/32"}}, "nets": {ListASN, []string{"AS64496", "13335"}},
		"sites": {ListHostname, []string{"*.elsewhere.example", "Shop.example."}},
	} {
		l, err := NewList(x.kind, x.items)
		if err != nil {
			t.Fatal(err)
		}
		o.Lists[name] = l
	}
	return o
}

func TestListItems(t *testing.T) {
	for kind, bad := range map[ListKind]string{ListIP: "192.0.2.1/24", ListASN: "ASX", "redirect": "a"} {
		if _, err := NewList(kind, []string{bad}); err == nil {
			t.Errorf("%s takes %s", kind, bad)
		}
	}
	l, err := NewList(ListHostname, []string{"*.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a.example.com": true, "a.b.example.com": true, "example.com": false, "xexample.com": false} {
		if l.hasName([]byte(name)) != want {
			t.Errorf("%s: %v", name, !want)
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
		{`http.request.headrs["a"][0] eq "a"`, 1, 1, "unknown field", "http.request.headers"},
		{`request.path eq "a"`, 1, 1, "unknown field", "http.request.uri.path"},
		{`lowr(http.host) eq "a"`, 1, 1, "unknown function", "lower"},
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
		{`starts_with("a", "a")`, 1, 13, "must be a field", ""},
		{`http.request.headers eq "a"`, 1, 1, "is a map", `["key"]`},
		{`http.request.headers["a"] eq "a"`, 1, 1, "is an array", "any("},
		{`http.request.headers["a"][*] eq "a"`, 1, 1, "function around", "any("},
		{`lower(http.request.headers["a"][*]) eq "a"`, 1, 1, "array of strings", "[*]"},
		{`any(ssl)`, 1, 5, "condition on the elements", "any("},
		{`any(http.request.headers["a"][*] eq "x" and ssl)`, 1, 45, "cannot be joined", ""},
		{`any(http.request.headers["a"][*] eq "x" and http.request.headers["b"][*] eq "x")`, 1, 45, "goes through", "the same array"},
		{`any(any(http.request.headers["a"][*] eq "x"))`, 1, 9, "do not nest", ""},
		{`http.host[0] eq "a"`, 1, 10, "indexes belong to arrays", ""},
		{`http.host["a"] eq "a"`, 1, 10, "keys belong to maps", ""},
		{`http.request.headers["a"][-1] eq "a"`, 1, 26, "counts from 0", ""},
		{`http.request.headers["a"[0] eq "a"`, 1, 25, "in an index", "]"},
		{`ip.src in $home`, 1, 12, `no list named "home"`, "$office"},
		{`http.host in $office`, 1, 15, "holds ip", ""},
		{`cf.bot_management.score lt 30`, 1, 1, "does not tell bots", ""},
		{`http.request.body.raw contains "x"`, 1, 1, "bodies pass through", ""},
		{`http.response.code eq 200`, 1, 1, "field of the response", ""},
		{`regex_replace(http.host, "a", "b") eq "x"`, 1, 1, "belongs to rewrites", ""},
		{`split(http.host, "", 3)[0] eq "x"`, 1, 1, "must not be empty", ""},
		{`split(http.host, ".", 300)[0] eq "x"`, 1, 1, "between 1 and 128", ""},
		{`cidr(ip.src, 40, 64) eq 192.0.2.0`, 1, 1, "between 1 and 32", ""},
		{`url_decode(http.host, "x") eq "a"`, 1, 1, "options of url_decode", ""},
		{`lookup_json_string(http.host, http.host) eq "a"`, 1, 31, "written out", "literal"},
		{`nope(http.host)`, 1, 1, `unknown function "nope"`, "lower"},
		{`http.host eq "\q"`, 1, 15, "unknown escape", ""},
		{`cf.edge.server_port eq x`, 1, 24, "no integer", ""},
		{`cf.edge.server_port in {9..3}`, 1, 28, "ends before", ""},
		{strings.Repeat("(", 100) + "ssl", 1, 65, "nested more than 64", ""},
		{strings.Repeat(" ", 5000), 1, 4097, "at most 4096", ""},
	} {
		_, err := CompileWith(tc.expr, lists(t))
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
	e, err := Compile(`ip.src in {198.51.100.0/24 203.0.113.0/24} or http.user_agent contains "Evil" or starts_with(http.request.uri.path, "/x") or http.host in {"a" "b"} or any(http.request.uri.args["a"][*] eq "x") or len(http.request.cookies["app"]) gt 3`)
	if err != nil {
		t.Fatal(err)
	}
	r := request()
	r.Headers = r.Headers.(headers).prepare()
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
	o := lists(f)
	o.Response = true
	f.Fuzz(func(t *testing.T, s string) {
		e, err := CompileWith(s, o)
		if err == nil {
			e.Match(request())
			e.Match(&Request{})
			// A request of which everything is known decides as it matches, and one of which
			// nothing is known never contradicts it.
			got := e.Match(request())
			if d, _ := e.Decide(request(), func(string) bool { return true }); d != fact.TriOf(got) && !strings.Contains(s, "random_seed") {
				t.Fatalf("decided %v, matches %v", d, got)
			}
			if d, _ := e.Decide(request(), func(string) bool { return false }); d != fact.Unknown && d != fact.TriOf(got) {
				t.Fatalf("decided %v knowing nothing, matches %v", d, got)
			}
			return
		}
		var se *SyntaxError
		if !errors.As(err, &se) || se.Line < 1 || se.Column < 1 || se.Offset > len(s) {
			t.Fatalf("bad error %#v", err)
		}
	})
}
