package cidr

import (
	"net/netip"
	"slices"
	"testing"
)

func pfx(ss ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range ss {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":                "192.0.2.1/32",
		"192.0.2.77/24":            "192.0.2.0/24",
		"10.0.0.0/255.255.0.0":     "10.0.0.0/16",
		"[2001:db8::1]":            "2001:db8::1/128",
		"[2001:db8::]/32":          "2001:db8::/32",
		"::ffff:192.0.2.1":         "192.0.2.1/32",
		"::ffff:192.0.2.0/120":     "192.0.2.0/24",
		" 173.245.48.0/20 ":        "173.245.48.0/20",
		"fe80::1%eth0":             "fe80::1/128",
		"10.0.0.0/255.0.255.0":     "",
		"10.":                      "",
		"all":                      "",
		"":                         "",
		"192.0.2.1/33":             "",
		"2001:db8::/255.255.255.0": "",
	} {
		p, ok := Parse(in)
		if ok != (want != "") || (ok && p.String() != want) {
			t.Errorf("Parse(%q) = %v, %v, want %q", in, p, ok, want)
		}
	}
}

func TestCovered(t *testing.T) {
	for _, tt := range []struct {
		p    string
		list []netip.Prefix
		want bool
	}{
		{"173.245.48.0/20", pfx("173.245.48.0/20"), true},
		{"173.245.48.0/20", pfx("173.245.0.0/16"), true},
		{"173.245.48.0/20", pfx("173.245.48.0/21", "173.245.56.0/21"), true},
		{"173.245.48.0/20", pfx("173.245.48.0/21", "173.245.56.0/22"), false},
		{"173.245.48.0/20", nil, false},
		{"2400:cb00::/32", pfx("2400:cb00::/33", "2400:cb00:8000::/33"), true},
		{"2400:cb00::/32", pfx("0.0.0.0/0"), false},
		{"192.0.2.1/32", pfx("192.0.2.0/31"), true},
	} {
		if got := Covered(netip.MustParsePrefix(tt.p), tt.list); got != tt.want {
			t.Errorf("Covered(%s, %v) = %v", tt.p, tt.list, got)
		}
	}
}

func TestStale(t *testing.T) {
	ranges := pfx("173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "104.16.0.0/13")
	list := pfx("173.245.48.0/20", "103.21.244.0/22", "104.16.0.0/12", "199.27.128.0/21", "10.0.0.0/8", "203.0.113.7/32")
	if got := Stale(list, ranges); !slices.Equal(got, pfx("199.27.128.0/21")) {
		t.Errorf("Stale = %v", got)
	}
	if got := Stale(pfx("199.27.128.0/21", "198.51.100.0/24"), ranges); got != nil {
		t.Errorf("a list of others' networks gave %v", got)
	}
	if got := Uncovered(ranges, list); !slices.Equal(got, pfx("103.22.200.0/22")) {
		t.Errorf("Uncovered = %v", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"192.0.2.1/24", "[::1]/64", "10.0.0.0/255.0.0.0", "::ffff:1.2.3.4/100"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := Parse(s)
		if ok && (!p.IsValid() || p != p.Masked()) {
			t.Errorf("Parse(%q) = %v", s, p)
		}
		if ok && !Covered(p, []netip.Prefix{p}) {
			t.Errorf("%v does not cover itself", p)
		}
	})
}

func TestRepresentatives(t *testing.T) {
	r := netip.MustParsePrefix("104.16.0.0/13")
	list := pfx("104.16.0.0/16", "104.16.0.0/24", "104.17.0.0/32", "10.0.0.0/8", "104.0.0.0/8")
	got := Representatives(r, list)
	want := []string{"104.17.0.1", "104.16.1.0", "104.16.0.0", "104.17.0.0"}
	if len(got) != len(want) {
		t.Fatalf("Representatives = %v", got)
	}
	for i := range want {
		if got[i].String() != want[i] {
			t.Errorf("Representatives = %v, want %v", got, want)
			break
		}
	}
	if got := Representatives(r, pfx("104.16.0.0/14", "104.20.0.0/14")); len(got) != 2 {
		t.Errorf("a range that is cut whole gave %v", got)
	}
}
