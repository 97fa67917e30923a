package netns_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/originward/originward/internal/netns"
	"github.com/originward/originward/internal/netns/nstest"
)

func TestPairCarriesBothFamilies(t *testing.T) {
	a, b := nstest.Pair(t, "192.0.2.1/24", "2001:db8::1/64", "192.0.2.2/24", "2001:db8::2/64")
	for _, addr := range []string{"192.0.2.2:80", "[2001:db8::2]:80"} {
		l, err := b.Listen("tcp", addr)
		if err != nil {
			t.Fatalf("listen %s: %v", addr, err)
		}
		go func() {
			c, err := l.Accept()
			if err == nil {
				_, _ = io.WriteString(c, "hello")
				_ = c.Close()
			}
		}()
		var c net.Conn
		err = a.Do(func() (err error) {
			c, err = net.Dial("tcp", addr)
			return err
		})
		if err != nil {
			t.Fatalf("dial %s: %v", addr, err)
		}
		got, err := io.ReadAll(c)
		if err != nil || string(got) != "hello" {
			t.Fatalf("read %q, %v", got, err)
		}
		_, _ = c.Close(), l.Close()
		if _, err := net.Dial("tcp", addr); err == nil {
			t.Fatalf("%s is reachable from outside the namespace", addr)
		}
	}
}

func TestDoLeavesTheCallerOutside(t *testing.T) {
	n := nstest.New(t, "")
	before, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	var inside string
	if err := n.Do(func() (err error) { inside, err = os.Readlink("/proc/thread-self/ns/net"); return err }); err != nil {
		t.Fatal(err)
	}
	after, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if before != after || inside == before {
		t.Fatalf("before %s, inside %s, after %s", before, inside, after)
	}
}

func TestDoPassesErrorsAndPanics(t *testing.T) {
	n := nstest.New(t, "")
	want := errors.New("x")
	if err := n.Do(func() error { return want }); !errors.Is(err, want) {
		t.Fatalf("got %v", err)
	}
	defer func() {
		if recover() != "boom" {
			t.Fatal("panic was not passed on")
		}
	}()
	_ = n.Do(func() error { panic("boom") })
}

func TestCommandsRunInside(t *testing.T) {
	n := nstest.New(t, "cmd")
	out := nstest.Run(t, n, "ip", "-o", "link")
	if lines := strings.Count(out, "\n"); lines != 1 || !strings.Contains(out, "lo") {
		t.Fatalf("links in a new namespace:\n%s", out)
	}
	if _, err := n.Run(context.Background(), "ip", "link", "show", "absent0"); err == nil {
		t.Fatal("a failing command gave no error")
	}
	var exit *exec.ExitError
	if _, err := n.RunInput(context.Background(), "exit 3", "sh"); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("got %v", err)
	}
}

func TestSysctlAndRoutes(t *testing.T) {
	n := nstest.New(t, "")
	if err := n.Sysctl("net.ipv4.tcp_syn_retries", "2"); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(nstest.Run(t, n, "cat", "/proc/sys/net/ipv4/tcp_syn_retries")); got != "2" {
		t.Fatalf("inside: %s", got)
	}
	if err := n.Sysctl("kernel.hostname", "x"); err == nil {
		t.Fatal("a setting of the whole machine was accepted")
	}
	dst := netip.MustParsePrefix("203.0.113.0/24")
	if err := n.AddRoute(netns.Route{Dst: dst, Type: "prohibit"}); err != nil {
		t.Fatal(err)
	}
	if out := nstest.Run(t, n, "ip", "route"); !strings.Contains(out, "prohibit 203.0.113.0/24") {
		t.Fatalf("routes:\n%s", out)
	}
	if err := n.AddRoute(netns.Route{Dst: dst, Type: "teleport"}); err == nil {
		t.Fatal("an unknown route type was accepted")
	}
}

func TestCloseRemovesAndSweepKeepsTheLiving(t *testing.T) {
	n := nstest.New(t, "sweep")
	if _, err := netns.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/run/netns/" + n.Name()); err != nil {
		t.Fatalf("swept a living process's namespace: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/run/netns/" + n.Name()); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("still there: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatalf("second close: %v", err)
	}
	if err := n.Do(func() error { return nil }); err == nil {
		t.Fatal("a closed namespace was entered")
	}
}
