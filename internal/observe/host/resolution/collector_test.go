package resolution

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/hosttest"
	"github.com/originward/originward/internal/observe/host/names"
	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig"
)

func TestRun(t *testing.T) {
	fs := hosttest.Tree(t, "/", "-- /etc/hosts --\n10.0.0.9 app.internal\n")
	env := collect.NewEnv(collect.Ask{Host: "Shop.example", Root: fs.Root, Ranges: []netip.Prefix{netip.MustParsePrefix("104.16.0.0/13")}}, collect.Sources{})
	book := names.New(fs, func(_ context.Context, name string) ([]netip.Addr, error) {
		if name == "shop.example" {
			return []netip.Addr{netip.MustParseAddr("104.16.1.1")}, nil
		}
		return nil, &net.DNSError{IsNotFound: true}
	})
	place := fact.Place{File: "/etc/nginx/nginx.conf", Line: 7}
	list := []webconfig.Instance{{
		WebConfig: fact.WebConfig{File: "/etc/nginx/nginx.conf", Upstreams: []fact.Upstream{
			{Name: "app.internal:8080", Place: place}, {Name: "gone.internal:80"}, {Name: "shop.example:443", Place: place},
			{Name: "127.0.0.1:80", Addr: netip.MustParseAddrPort("127.0.0.1:80")}, {Name: "unix:/x", Socket: "/x"}, {Name: "$host:80"},
		}},
		FS: rootfs.FS{Root: "/proc/77/root"},
	}}
	seen, gone := run(t.Context(), env, book, list)
	if len(seen) != 3 || len(gone) != 1 {
		t.Fatalf("%+v %+v", seen, gone)
	}
	by := map[string]fact.ResolvedName{}
	for _, e := range seen {
		r := e.Fact.(fact.Resolution).Names[0]
		by[r.Name] = r
		if e.Reproduce == "" || !strings.Contains(e.Text, r.Name) {
			t.Errorf("%+v", e)
		}
	}
	if r := by["shop.example"]; len(r.InCDN) != 1 || len(r.UsedBy) != 1 || r.UsedBy[0].Line != 7 {
		t.Errorf("%+v", r)
	}
	if r := by["app.internal"]; len(r.Addrs) != 1 || r.Failure != "" || len(r.InCDN) != 0 {
		t.Errorf("%+v", r)
	}
	if r := by["gone.internal"]; r.Failure != "nxdomain" {
		t.Errorf("%+v", r)
	}
}

func TestIsName(t *testing.T) {
	for s, want := range map[string]bool{"a.example": true, "localhost": true, "my_app": true, "": false, "10.0.0.1": false, "::1": false, "$host": false, "a b": false, "x/y": false} {
		if isName(s) != want {
			t.Errorf("isName(%q) = %v", s, !want)
		}
	}
}
