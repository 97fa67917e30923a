package challenge

import (
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// solve does a browser's work.
func solve(k *Keeper, token string, v Visitor, now time.Time) string {
	for i := 0; ; i++ {
		if s := strconv.Itoa(i); k.Solved(token, s, v, now) {
			return s
		}
	}
}

func cleared(k *Keeper, value string, v Visitor, now time.Time) bool {
	_, ok := k.Cleared(value, v, now)
	return ok
}

func TestChallenge(t *testing.T) {
	k, now := New(), time.Unix(1700000000, 0)
	v := Visitor{"shop.example", netip.MustParseAddr("192.0.2.1"), []byte("UA/1")}
	token := k.Token(v, now)
	answer := solve(k, token, v, now)
	pass := k.Clearance(v, now)
	if given, ok := k.Cleared(pass, v, now.Add(Lifetime)); !ok || !given.Equal(now) {
		t.Error("a clearance is refused")
	}
	for name, x := range map[string]Visitor{
		"zone":    {"other.example", v.Addr, v.Agent},
		"address": {v.Zone, netip.MustParseAddr("192.0.2.2"), v.Agent},
		"agent":   {v.Zone, v.Addr, []byte("UA/2")},
	} {
		if k.Solved(token, answer, x, now) || cleared(k, pass, x, now) {
			t.Errorf("another %s passes", name)
		}
	}
	late := now.Add(Lifetime + time.Second)
	if cleared(k, pass, v, late) || k.Solved(token, answer, v, now.Add(patience+time.Second)) {
		t.Error("it does not end")
	}
	if k.Solved(token, answer+"1", v, now) && k.Solved(token, answer+"2", v, now) || k.Solved(token, "", v, now) && k.Solved(token, "x", v, now) {
		t.Error("anything is a solution")
	}
	if cleared(k, token, v, now) {
		t.Error("a challenge is its own clearance")
	}
	for _, bad := range []string{"", "a", "1.2.3", "9999999999.salt.", strings.Replace(pass, "17000", "97000", 1), pass + "x"} {
		if cleared(k, bad, v, now) {
			t.Errorf("%q passes", bad)
		}
	}
	if cleared(New(), pass, v, now) {
		t.Error("another key passes")
	}
	same, ok := FromKey(k.Key())
	if !ok || !cleared(same, pass, v, now) {
		t.Error("the same key does not pass")
	}
	if _, ok := FromKey([]byte("short")); ok {
		t.Error("a short key is taken")
	}
}

// The page's script finds what the edge takes.
func TestScript(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs node to run the page's script")
	}
	k, now := New(), time.Unix(1700000000, 0)
	v := Visitor{"shop.example", netip.MustParseAddr("192.0.2.1"), []byte("UA/1")}
	for range 3 {
		token := k.Token(v, now)
		src := `var module={};` + script + `;module.exports("` + token + `",` + strconv.Itoa(Bits) + `,function(a){console.log(a)})`
		out, err := exec.CommandContext(t.Context(), node, "-e", src).CombinedOutput()
		if err != nil || !k.Solved(token, strings.TrimSpace(string(out)), v, now) {
			t.Fatalf("%v: %s is no solution of %s", err, out, token)
		}
	}
}

func TestPage(t *testing.T) {
	p := string(Page(`<script>alert(1)</script>`, "0123456789abcdef", "1.2.3"))
	if strings.Contains(p, "<script>alert") || !strings.Contains(p, `data-token="1.2.3"`) || !strings.Contains(p, script) || !strings.Contains(p, "0123456789abcdef") {
		t.Error(p)
	}
	if !strings.Contains(Policy(), "script-src 'sha256-") {
		t.Error(Policy())
	}
}

func FuzzOpen(f *testing.F) {
	k, now := New(), time.Unix(1700000000, 0)
	v := Visitor{"shop.example", netip.MustParseAddr("192.0.2.1"), []byte("UA/1")}
	f.Add(k.Clearance(v, now), "1")
	f.Add("1.2.3", "")
	f.Fuzz(func(t *testing.T, text, answer string) {
		k.Solved(text, answer, v, now)
		if cleared(New(), text, v, now) {
			t.Fatal("passes under a key nobody has")
		}
	})
}
