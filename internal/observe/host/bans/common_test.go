package bans

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/hosttest"
	"github.com/originward/originward/internal/observe/host/procs"
)

var ranges = []netip.Prefix{
	netip.MustParsePrefix("173.245.48.0/20"), netip.MustParsePrefix("103.21.244.0/22"),
	netip.MustParsePrefix("104.16.0.0/13"), netip.MustParsePrefix("2400:cb00::/32"),
}

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// on makes a survey of a file tree with these processes.
func on(t testing.TB, archive string, list ...procs.Process) *survey {
	t.Helper()
	fs := hosttest.Tree(t, "/", archive)
	return of(fs.Root, list...)
}

func of(root string, list ...procs.Process) *survey {
	env := collect.NewEnv(collect.Ask{Root: root, Ranges: ranges, Now: func() time.Time { return now }}, collect.Sources{
		Processes: func(context.Context, *collect.Env) procs.Table {
			return procs.Table{Processes: list, Complete: fact.Yes}
		},
	})
	return newSurvey(env, fact.Addresses{Interfaces: []fact.Interface{
		{Name: "docker0", Kind: "bridge", Addrs: []netip.Prefix{netip.MustParsePrefix("172.17.0.1/16")}},
		{Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.5/24")}},
	}}, []netip.Addr{netip.MustParseAddr("10.0.0.1")})
}

type reader func(context.Context, *survey) ([]seen, []originward.NotObserved)

// one reads a list that must give exactly one source.
func one(t *testing.T, r reader, s *survey) seen {
	t.Helper()
	list, gone := r(t.Context(), s)
	if len(list) != 1 {
		t.Fatalf("%d sources: %+v; not observed: %+v", len(list), list, gone)
	}
	if list[0].show == "" {
		t.Error("no command shows it again")
	}
	return list[0]
}

func prefixes(list []fact.Ban) []string {
	var out []string
	for _, b := range list {
		out = append(out, b.Prefix.String())
	}
	return out
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: %v, want %v", what, got, want)
			return
		}
	}
}
