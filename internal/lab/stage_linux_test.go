package lab

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// standing builds a world's nodes and wires without edge and DNS.
func standing(t *testing.T, needs ...string) *Stage {
	t.Helper()
	if lacks := Lacks(&World{Needs: needs}); lacks != "" {
		t.Skip(lacks)
	}
	s := &Stage{World: &World{Name: "test"}, Dir: t.TempDir()}
	t.Cleanup(func() {
		if err := s.Down(); err != nil {
			t.Error(err)
		}
	})
	for _, step := range []func(context.Context) error{s.trust, s.nodes, s.wires} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestOriginServesAndTouchesNothingHere(t *testing.T) {
	s := standing(t, "nginx", "curl")
	ctx := t.Context()
	if err := healthyNginx(ctx, s); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"http://203.0.113.10/", "http://[2001:db8:a::10]/"} {
		out, err := s.Client.Run(ctx, "curl", "-s", "-m", "5", "-H", "Host: shop.example", url)
		if err != nil || !strings.Contains(out, "hello from the origin") {
			t.Errorf("%s: %q %v", url, out, err)
		}
	}
	out, err := s.Client.Run(ctx, "curl", "-s", "-m", "5", "--cacert", s.caFile(), "--resolve", "shop.example:443:203.0.113.10", "https://shop.example/")
	if err != nil || !strings.Contains(out, "hello from the origin") {
		t.Errorf("https: %q %v", out, err)
	}
	if _, err := os.Stat(certFile); err == nil {
		t.Errorf("%s of the world is on this machine", certFile)
	}
	procs, err := s.Origin.Run(ctx, "ps", "-eo", "comm=")
	if err != nil || !strings.Contains(procs, "nginx") || strings.Contains(procs, "lab.test") {
		t.Errorf("the origin sees the processes %q, %v; wanted its own only", procs, err)
	}
	if name, _ := s.Origin.Run(ctx, "hostname"); strings.TrimSpace(name) != "origin" {
		t.Errorf("host name %q", name)
	}
}

func TestDownLeavesNothing(t *testing.T) {
	s := standing(t, "nginx")
	if err := s.Nginx(t.Context(), nginxSite); err != nil {
		t.Fatal(err)
	}
	ns, root, pid := s.Origin.NS.Name(), s.Origin.root, s.Origin.pid
	if err := s.Down(); err != nil {
		t.Fatal(err)
	}
	s.Client, s.Edge, s.Origin, s.Router = nil, nil, nil, nil
	if _, err := os.Stat(filepath.Join("/run/netns", ns)); err == nil {
		t.Error("the origin's network namespace is left")
	}
	mounts, _ := os.ReadFile("/proc/self/mounts")
	if strings.Contains(string(mounts), root) {
		t.Error("the origin's file system is still mounted")
	}
	if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "root", "etc", "nginx")); err == nil {
		t.Error("the origin's first process still runs")
	}
}
