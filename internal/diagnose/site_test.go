package diagnose

import (
	"strings"
	"testing"
)

func TestParseSite(t *testing.T) {
	for _, c := range []struct {
		arg, url string
		scheme   string
	}{
		{"shop.example", "https://shop.example/", ""},
		{"Shop.Example.", "https://shop.example/", ""},
		{"shop.example:8443", "https://shop.example:8443/", ""},
		{"shop.example/cart?id=1", "https://shop.example/cart?id=1", "https"},
		{"http://shop.example", "http://shop.example/", "http"},
		{"https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4", "https"},
		{"under_score.example", "https://under_score.example/", ""},
	} {
		s, err := ParseSite(c.arg)
		if err != nil || s.URL() != c.url || s.Scheme != c.scheme {
			t.Errorf("%s: %q %q %v", c.arg, s.URL(), s.Scheme, err)
		}
	}
}

func TestParseSiteRefuses(t *testing.T) {
	for arg, want := range map[string]string{
		"":                                "is empty",
		"203.0.113.10":                    "--origin 203.0.113.10",
		"https://[2001:db8::1]/":          "--origin 2001:db8::1",
		"https://me:secret@shop.example/": "leave it out",
		"me@shop.example":                 "leave it out",
		"ftp://shop.example":              "allowed are http and https",
		"shop.example:0":                  "allowed are 1 to 65535",
		"shop.example:99999":              "allowed are 1 to 65535",
		"shop example":                    "holds ' '",
		"shop..example":                   "is empty or longer",
		strings.Repeat("a.", 130):         "longer than 253",
		"http://%zz/":                     "not a URL",
	} {
		_, err := ParseSite(arg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, wanted %q", arg, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the password is in the message", arg)
		}
	}
}

func FuzzParseSite(f *testing.F) {
	for _, s := range []string{"shop.example", "https://a.b:1/x?y#z", "[::1]:80", "a:b:c", "http://[::1", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		site, err := ParseSite(s)
		if err != nil {
			return
		}
		again, err := ParseSite(site.URL())
		if err != nil || again.URL() != site.URL() {
			t.Errorf("%q became %q, which became %q, %v", s, site.URL(), again.URL(), err)
		}
	})
}
