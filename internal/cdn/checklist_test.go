package cdn

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/cdn/allowlist"
)

func nginxList(skip ...string) string {
	var b strings.Builder
	ranges, _ := Ranges(Cloudflare, "")
next:
	for _, r := range ranges {
		for _, s := range skip {
			if r.String() == s {
				continue next
			}
		}
		fmt.Fprintf(&b, "allow %s;\n", r)
	}
	b.WriteString("deny all;\n")
	return b.String()
}

func check(t *testing.T, text string, id ID) *Check {
	t.Helper()
	c, err := CheckList(strings.NewReader(text), "list.conf", id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCheckListWhole(t *testing.T) {
	c := check(t, nginxList(), "")
	if !c.OK || c.CDN != Cloudflare || c.Covered != 22 || len(c.Missing)+len(c.Partly)+len(c.Stale)+len(c.Wide) != 0 || c.Kind != "allow" {
		t.Errorf("whole list: %+v", c)
	}
}

func TestCheckListMissing(t *testing.T) {
	c := check(t, nginxList("172.64.0.0/13", "2606:4700::/32"), "")
	if c.OK || c.Covered != 20 || fmt.Sprint(c.Missing) != "[172.64.0.0/13 2606:4700::/32]" {
		t.Errorf("missing = %v, covered %d", c.Missing, c.Covered)
	}
}

func TestCheckListPartly(t *testing.T) {
	c := check(t, nginxList("104.16.0.0/13")+"allow 104.16.0.0/14;\n", Cloudflare)
	if c.OK || len(c.Partly) != 1 || fmt.Sprint(c.Partly[0].Missing) != "[104.20.0.0/14]" || fmt.Sprint(c.Partly[0].Lines) != "[23]" {
		t.Errorf("partly = %+v", c.Partly)
	}
	// Halves make a whole.
	c = check(t, nginxList("104.16.0.0/13")+"allow 104.16.0.0/14;\nallow 104.20.0.0/14;\n", Cloudflare)
	if !c.OK {
		t.Errorf("two halves: %+v", c.Partly)
	}
}

func TestCheckListStaleAndWide(t *testing.T) {
	c := check(t, nginxList("104.16.0.0/13", "104.24.0.0/14")+"allow 104.16.0.0/12;\nallow 199.27.128.0/21;\nallow 104.28.3.0/24;\nallow 10.0.0.0/8;\n", Cloudflare)
	var lines []int
	for _, s := range c.Stale {
		lines = append(lines, s.Line)
	}
	if !c.OK || fmt.Sprint(lines) != "[22 23 24]" || len(c.Wide) != 0 || c.Elsewhere != 1 {
		t.Errorf("stale %+v, wide %+v, elsewhere %d, ok %v", c.Stale, c.Wide, c.Elsewhere, c.OK)
	}
	c = check(t, "0.0.0.0/0\n::/0\n", Cloudflare)
	if !c.OK || len(c.Wide) != 2 || len(c.Stale) != 0 {
		t.Errorf("everyone: %+v", c)
	}
}

func TestCheckListDenied(t *testing.T) {
	c := check(t, "deny 173.245.48.0/24;\n"+nginxList(), Cloudflare)
	if c.OK || len(c.Denied) != 1 || c.Denied[0].Line != 1 || fmt.Sprint(c.Denied[0].Of) != "[173.245.48.0/20]" {
		t.Errorf("denied = %+v", c.Denied)
	}
	// A list that only refuses misses nothing.
	c = check(t, "deny 1.2.3.4;\n", Cloudflare)
	if !c.OK || c.Kind != "block" || len(c.Missing) != 0 {
		t.Errorf("block list: %+v", c)
	}
}

func TestCheckListEmpty(t *testing.T) {
	c := check(t, "# updated by cron\n", "")
	if c.OK || c.Kind != "empty" || len(c.Missing) != 22 || len(c.Absent) != 2 {
		t.Errorf("empty list: %+v", c)
	}
	c = check(t, "173.245.48.0/20\n", "")
	if len(c.Absent) != 1 || c.Absent[0] != originward.IP6 {
		t.Errorf("absent = %v", c.Absent)
	}
}

func TestCheckListGuesses(t *testing.T) {
	c := check(t, "151.101.0.0/16\n199.232.0.0/16\n173.245.48.0/20\n", "")
	if c.CDN != Fastly || !c.Guessed {
		t.Errorf("guessed %q", c.CDN)
	}
	if _, err := CheckList(strings.NewReader(""), "x", "nobody"); err == nil || !strings.Contains(err.Error(), "cloudflare") {
		t.Errorf("unknown CDN: %v", err)
	}
	if _, err := CheckList(strings.NewReader("\x00"), "x.bin", ""); err == nil || !strings.Contains(err.Error(), "x.bin") {
		t.Errorf("binary: %v", err)
	}
}

func TestCheckJSON(t *testing.T) {
	b, err := json.Marshal(check(t, "allow 1.2.3.4;\n173.245.48.0/99\n", Cloudflare))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"missing":["103.21.244.0/22"`, `"partly":[]`, `"unread":[{"line":2,`, `"as_of":"2026-`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
}

// What is left of a range and what is allowed of it make the range.
func FuzzUncovered(f *testing.F) {
	f.Add("104.16.0.0/14\n104.20.5.0/24", uint32(0x68140500))
	f.Add("104.16.0.0-104.17.3.4", uint32(0x68110304))
	f.Fuzz(func(t *testing.T, text string, n uint32) {
		c, err := CheckList(strings.NewReader(text), "f", Cloudflare)
		if err != nil {
			return
		}
		r := netip.MustParsePrefix("104.16.0.0/13")
		a := netip.AddrFrom4([4]byte{104, 16 + byte(n>>16)&7, byte(n >> 8), byte(n)})
		if c.Kind == "block" {
			return
		}
		missing := false
		for _, m := range c.Missing {
			missing = missing || m == r
		}
		for _, p := range c.Partly {
			if p.More {
				return
			}
			for _, m := range p.Missing {
				missing = missing || m.Contains(a)
			}
		}
		if allowed := allows(text, a); allowed == missing {
			t.Errorf("%s: allowed %v, missing %v in %q", a, allowed, missing, text)
		}
	})
}

func allows(text string, a netip.Addr) bool {
	l, err := allowlist.Read(strings.NewReader(text))
	if err != nil {
		return false
	}
	for _, e := range l.Entries {
		if !e.Deny && e.Prefix.Contains(a) {
			return true
		}
	}
	return false
}

func BenchmarkCheckList(b *testing.B) {
	text := nginxList()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := CheckList(strings.NewReader(text), "f", Cloudflare); err != nil {
			b.Fatal(err)
		}
	}
}
