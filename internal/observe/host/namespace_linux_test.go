package host

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/netns"
	"github.com/originward/originward/internal/netns/nstest"
)

// A process has one network namespace that all of its threads should share, so
// tests run this binary again inside the namespace: childEnv holds the
// question.
const childEnv = "ORIGINWARD_TEST_ASK"

func TestMain(m *testing.M) {
	if q := os.Getenv(childEnv); q != "" {
		os.Exit(child(q))
	}
	os.Exit(m.Run())
}

// question is what the child is asked.
type question struct {
	Host    string
	Origins []netip.Addr
	Ports   []uint16
	Prove   bool
	Window  time.Duration
}

// watching is what the child says when its watch of drops stands.
const watching = "watching"

func child(q string) int {
	var a question
	if err := json.Unmarshal([]byte(q), &a); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	b := Collect(context.Background(), Ask{Host: a.Host, Origins: a.Origins, Ports: a.Ports, Prove: a.Prove, Window: a.Window,
		Watching: func() { fmt.Fprintln(os.Stderr, watching) }})
	if err := json.NewEncoder(os.Stdout).Encode(b); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return 0
}

// used is what one run took.
type used struct {
	wall time.Duration
	rss  int64 // KiB
}

// look collects inside a namespace, as a user.
func look(t *testing.T, n *netns.NS, q question, uid uint32) (*originward.Bundle, used) {
	t.Helper()
	ask, err := json.Marshal(q)
	must(t, err)
	cmd := exec.Command(program(t))
	cmd.Env = append(os.Environ(), childEnv+"="+string(ask))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, Groups: []uint32{uid}}}
	}
	began := time.Now()
	must(t, n.Start(cmd))
	if err := cmd.Wait(); err != nil {
		t.Fatalf("collect: %v\n%s", err, errs.String())
	}
	took := used{time.Since(began), cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss}
	b, err := fact.ReadBundle(&out)
	must(t, err)
	return b, took
}

var programPath string

// program is this test binary where any user may run it.
func program(t *testing.T) string {
	t.Helper()
	if programPath != "" {
		if _, err := os.Stat(programPath); err == nil {
			return programPath
		}
	}
	self, err := os.Executable()
	must(t, err)
	in, err := os.Open(self)
	must(t, err)
	defer in.Close()
	file := filepath.Join(t.TempDir(), "originward.test")
	out, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o755)
	must(t, err)
	_, err = io.Copy(out, in)
	must(t, err)
	must(t, out.Close())
	for d := filepath.Dir(file); d != "/"; d = filepath.Dir(d) {
		if st, err := os.Stat(d); err == nil && st.Mode().Perm()&0o005 != 0o005 {
			must(t, os.Chmod(d, st.Mode().Perm()|0o055))
		}
	}
	programPath = file
	return file
}

// origin is a namespace with the addresses of an origin and a default route
// for each family.
func origin(t *testing.T) *netns.NS {
	t.Helper()
	_, n := nstest.Pair(t, "203.0.113.1/24", "2001:db8::1/64", "203.0.113.10/24", "2001:db8::10/64")
	sh(t, n, "ip link set lo up; ip route add default via 203.0.113.1; ip -6 route add default via 2001:db8::1")
	return n
}

var (
	origin4 = netip.MustParseAddr("203.0.113.10")
	origin6 = netip.MustParseAddr("2001:db8::10")
)

func sh(t *testing.T, n *netns.NS, script string) string {
	t.Helper()
	out, err := n.Run(t.Context(), "sh", "-ec", script)
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// listen opens a socket in the namespace and keeps it for the test.
func listen(t *testing.T, n *netns.NS, network, addr string) net.Listener {
	t.Helper()
	l, err := n.Listen(network, addr)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// only gives the one item of a type.
func only[T originward.Fact](t *testing.T, b *originward.Bundle) T {
	t.Helper()
	all := fact.All[T](b, originward.Host)
	if len(all) != 1 {
		var zero T
		t.Fatalf("%d items of %T; not observed: %+v", len(all), zero, b.NotObserved)
	}
	return all[0].Fact
}

// missing joins what was not observed of a question.
func missing(b *originward.Bundle, q originward.Question) string {
	var out []string
	for _, n := range b.NotObserved {
		if n.Question == q {
			out = append(out, n.Why+" | "+n.How)
		}
	}
	return strings.Join(out, "\n")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
