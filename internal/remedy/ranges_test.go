package remedy

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckRanges(t *testing.T) {
	known := cdnRanges()
	add := func(s string) []netip.Prefix {
		return append(append([]netip.Prefix{}, known...), netip.MustParsePrefix(s))
	}
	v4 := rangesOf("ip4")
	for _, tt := range []struct {
		name string
		list []netip.Prefix
		ok   bool
	}{
		{"as known", known, true},
		{"one more", add("203.0.113.0/24"), true},
		{"one less", known[1:], true},
		{"empty", nil, false},
		{"no IPv6", v4, false},
		{"a third gone", known[6:], false},
		{"everything", add("0.0.0.0/0"), false},
		{"private", add("10.0.0.0/8"), false},
		{"loopback", add("127.0.0.0/8"), false},
		{"IPv6, too wide", add("2000::/3"), false},
	} {
		if err := CheckRanges(tt.list, known); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrList) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestRangesFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cdn.conf")
	st, err := RangesFile(path, "nginx-allow", cdnRanges())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		if changed, _, err := ApplyNow(t.Context(), st, false); err != nil || changed != (n == 0) {
			t.Fatalf("time %d: %v %v", n+1, changed, err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil || strings.Count(string(raw), "\nallow ") != len(cdnRanges()) {
		t.Errorf("%s %v", raw, err)
	}
	if ours, had, err := Ours(path); !ours || len(had) != len(cdnRanges()) || err != nil {
		t.Errorf("ours %v, %d ranges, %v", ours, len(had), err)
	}
	if err := os.WriteFile(path, []byte("allow 192.0.2.0/24;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if ours, _, _ := Ours(path); ours {
		t.Error("somebody else's file is taken for our own")
	}
	if _, err := RangesFile(path, "toml", nil); err == nil {
		t.Error("an unknown form is taken")
	}
}

func TestTimerUnits(t *testing.T) {
	u := TimerUnits([]string{"/usr/bin/originward", "ranges", "sync", "--set", "inet filter cdn4", "--file", "/etc/100%.conf"})
	if want := `ExecStart=/usr/bin/originward ranges sync --set "inet filter cdn4" --file /etc/100%%.conf`; !strings.Contains(u[0].Content, want) {
		t.Errorf("%s", u[0].Content)
	}
}

// TestDenied takes the CDN's networks out of lists in several shapes, and
// leaves the others.
func TestDenied(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"ALL: 173.245.48.0/255.255.240.0, 192.0.2.1\n", "ALL: 192.0.2.1\n"},
		{"ALL: 192.0.2.1, 104.16.0.0/13\n", "ALL: 192.0.2.1\n"},
		{"# ALL: 104.16.0.0/13\nsshd: 104.16.0.0/13\nALL: 192.0.2.0/24\n", "# ALL: 104.16.0.0/13\nALL: 192.0.2.0/24\n"},
		{"Require not ip 172.64.0.0/13\nRequire not ip 198.51.100.7\n", "Require not ip 198.51.100.7\n"},
	} {
		path := filepath.Join(t.TempDir(), "list")
		if err := os.WriteFile(path, []byte(tt.in), 0o644); err != nil {
			t.Fatal(err)
		}
		steps, err := (&site{m: &Machine{}}).denied(path, wordOfList)
		if err != nil {
			t.Errorf("%q: %v", tt.in, err)
			continue
		}
		if got := string(steps[0].Do.(*Config).Edits[0].Content); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestWithout splits what a block list holds into the CDN's part and the rest.
func TestWithout(t *testing.T) {
	g := &gate{ranges: cdnRanges()}
	for _, tt := range []struct {
		key   string
		holds bool
		rest  string
	}{
		{"173.245.48.0/20", true, ""},
		{"173.245.48.10", true, ""},
		{"192.0.2.0/24", false, ""},
		{"173.245.32.0/19", true, "173.245.32.0/20"},
		{"104.16.0.0-104.31.255.255", true, "104.28.0.0/14"},
		{"2606:4700::/31", true, "2606:4701::/32"},
		{"eth0", false, ""},
	} {
		holds, rest := g.without(tt.key)
		if holds != tt.holds || strings.Join(rest, " ") != tt.rest {
			t.Errorf("%s: %v %v, want %v %q", tt.key, holds, rest, tt.holds, tt.rest)
		}
	}
}
