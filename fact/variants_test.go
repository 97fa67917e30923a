package fact

import "testing"

func TestSameOnHTTPS(t *testing.T) {
	for _, tt := range []struct {
		host, path, location string
		status               int
		want                 bool
	}{
		{"shop.example", "/", "https://shop.example/", 301, true},
		{"shop.example", "/", "https://shop.example", 302, true},
		{"shop.example:80", "/a?b=c", "https://SHOP.example:443/a?b=c", 308, true},
		{"shop.example", "/", "https://www.shop.example/", 301, false},
		{"shop.example", "/a", "https://shop.example/", 301, false},
		{"shop.example", "/", "http://shop.example/", 301, false},
		{"shop.example", "/", "/", 301, false},
		{"shop.example", "/", "https://shop.example:8443/", 301, false},
		{"shop.example", "/", "https://shop.example/", 200, false},
		{"shop.example", "/", "https://%zz", 301, false},
		{"shop.example", "/", "", 301, false},
	} {
		x := Exchange{Scheme: "http", Host: tt.host, Path: tt.path, Response: &Response{Status: tt.status, Header: map[string]string{"location": tt.location}}}
		if got := SameOnHTTPS(x); got != tt.want {
			t.Errorf("%s%s → %d %s: %v", tt.host, tt.path, tt.status, tt.location, got)
		}
		x.Scheme = "https"
		if SameOnHTTPS(x) {
			t.Errorf("https %s → %s", tt.host, tt.location)
		}
	}
}
