package remedy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/firewall"
	"github.com/originward/originward/internal/netns"
	"github.com/originward/originward/internal/netns/nstest"
)

// TestHarden: the table lets the CDN's addresses and those kept through on the
// web ports and nobody else, touches no other port, refuses to lock out an
// operator who comes in on a web port, and leaves nothing behind.
func TestHarden(t *testing.T) {
	if !has("nft") {
		t.Skip("skipped: nft is not installed")
	}
	peer, host := nstest.Pair(t, "203.0.113.1/24", "", "203.0.113.10/24", "")
	sources := map[string]bool{"173.245.48.10": true, "198.51.100.5": true, "192.0.2.5": false}
	for a := range sources {
		if err := peer.AddAddr("veth0", netip.PrefixFrom(netip.MustParseAddr(a), 32)); err != nil {
			t.Fatal(err)
		}
	}
	if err := host.AddRoute(netns.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr("203.0.113.1")}); err != nil {
		t.Fatal(err)
	}
	for _, port := range []string{"443", "8080"} {
		l, err := host.Listen("tcp", "203.0.113.10:"+port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
	}
	before := nstest.Run(t, host, "nft", "list", "ruleset")
	plan := Harden(&originward.Bundle{Host: "shop.example"}, []uint16{80, 443}, []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")})
	ask := []firewall.Question{{Dst: netip.MustParseAddr("203.0.113.10"), Port: 443, Ranges: cdnRanges()}}
	try := func(l login) error {
		p := plan
		return host.Do(func() error { return simulate(context.Background(), &p, ask, []login{l}) })
	}
	if err := try(login{netip.MustParseAddr("192.0.2.5"), netip.MustParseAddrPort("203.0.113.10:443")}); !errors.Is(err, ErrLockOut) {
		t.Errorf("an operator on port 443: %v", err)
	}
	for _, ok := range []login{
		{netip.MustParseAddr("192.0.2.5"), netip.MustParseAddrPort("203.0.113.10:22")},
		{netip.MustParseAddr("198.51.100.5"), netip.MustParseAddrPort("203.0.113.10:443")},
	} {
		if err := try(ok); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	lock := plan.Steps[0].Do
	var ch Change
	in := func(f func() error) {
		t.Helper()
		if err := host.Do(f); err != nil {
			t.Fatal(err)
		}
	}
	in(func() (err error) { ch, err = lock.Plan(t.Context(), &Machine{}); return err })
	in(func() error { return lock.Apply(t.Context(), &Machine{}) })
	for a, want := range sources {
		if got := connects(t, peer, a, "203.0.113.10:443"); got != want {
			t.Errorf("%s gets in on 443: %v, want %v", a, got, want)
		}
		if !connects(t, peer, a, "203.0.113.10:8080") {
			t.Errorf("%s does not get in on 8080, which is nobody's business", a)
		}
	}
	in(func() error { return lock.Undo(t.Context(), &Machine{}, ch.Before) })
	in(func() error { return lock.Undo(t.Context(), &Machine{}, ch.Before) })
	if after := nstest.Run(t, host, "nft", "list", "ruleset"); after != before {
		t.Errorf("left behind:\n%s", after)
	}
}

// connects reports whether a TCP connection comes about.
func connects(t *testing.T, ns *netns.NS, from, to string) bool {
	t.Helper()
	d := net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	var c net.Conn
	err := ns.Do(func() (err error) { c, err = d.DialContext(t.Context(), "tcp", to); return err })
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// TestSyncSet: a set gains what it lacks, loses what the CDN withdrew, and keeps
// what somebody else put in.
func TestSyncSet(t *testing.T) {
	for _, p := range []string{"nft", "ipset"} {
		if !has(p) {
			t.Skipf("skipped: %s is not installed", p)
		}
	}
	ns := nstest.New(t, "sync")
	nstest.Run(t, ns, "nft", "add table inet f; add set inet f cdn4 { type ipv4_addr; flags interval; elements = { 173.245.48.0/20, 199.27.128.0/21, 192.0.2.0/24 } }")
	nstest.Run(t, ns, "ipset", "create", "cdn", "hash:net")
	nstest.Run(t, ns, "ipset", "add", "cdn", "192.0.2.0/24")
	list := cdnRanges()
	withdrawn := []netip.Prefix{netip.MustParsePrefix("199.27.128.0/21")}
	for _, name := range []string{"inet f cdn4", "cdn"} {
		for n := range 2 {
			var changed bool
			err := ns.Do(func() error {
				st, err := SyncSet(t.Context(), name, list, withdrawn)
				if err == nil {
					changed, _, err = ApplyNow(t.Context(), st, false)
				}
				return err
			})
			if err != nil || changed != (n == 0) {
				t.Fatalf("%s, time %d: changed %v, %v", name, n+1, changed, err)
			}
		}
	}
	var all []string
	if err := ns.Do(func() (err error) {
		all, err = setElements(t.Context(), &Machine{}, setAt{"inet", "f", "cdn4"})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want := len(rangesOf(originward.IP4)) + 1
	if len(all) != want || len(missing(all, originward.IP4)) != 0 {
		t.Errorf("set holds %v", all)
	}
	for _, e := range all {
		if e == "199.27.128.0/21" {
			t.Error("a withdrawn range is still there")
		}
	}
}
