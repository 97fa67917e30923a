package host

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/netns"
	"github.com/originward/originward/internal/netns/nstest"
)

// watchDrops collects with a window and calls send as soon as the watch stands.
func watchDrops(t *testing.T, n *netns.NS, send func()) *originward.Bundle {
	t.Helper()
	ask, err := json.Marshal(question{Window: 2 * time.Second})
	must(t, err)
	cmd := exec.Command(program(t))
	cmd.Env = append(os.Environ(), childEnv+"="+string(ask))
	var out bytes.Buffer
	cmd.Stdout = &out
	said, err := cmd.StderrPipe()
	must(t, err)
	must(t, n.Start(cmd))
	lines := bufio.NewScanner(said)
	for lines.Scan() && lines.Text() != watching {
		t.Log(lines.Text())
	}
	send()
	for lines.Scan() {
		t.Log(lines.Text())
	}
	must(t, cmd.Wait())
	b, err := fact.ReadBundle(&out)
	must(t, err)
	return b
}

// knock sends one SYN from each address to each destination and waits for nothing.
func knock(t *testing.T, n *netns.NS, flows map[string]string) {
	t.Helper()
	must(t, n.Do(func() error {
		for from, to := range flows {
			src, dst := netip.MustParseAddr(from), netip.MustParseAddrPort(to)
			family := unix.AF_INET
			var a, b unix.Sockaddr = &unix.SockaddrInet4{Addr: as4(src)}, &unix.SockaddrInet4{Addr: as4(dst.Addr()), Port: int(dst.Port())}
			if src.Is6() {
				family, a, b = unix.AF_INET6, &unix.SockaddrInet6{Addr: src.As16()}, &unix.SockaddrInet6{Addr: dst.Addr().As16(), Port: int(dst.Port())}
			}
			fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			t.Cleanup(func() { unix.Close(fd) })
			if err := unix.Bind(fd, a); err != nil {
				return err
			}
			_ = unix.Connect(fd, b)
		}
		return nil
	}))
}

func as4(a netip.Addr) [4]byte {
	if a.Is4() {
		return a.As4()
	}
	return [4]byte{}
}

// TestDrops: the kernel's own reasons for SYNs that it drops in this namespace, of both families, and for answers; what
// is dropped elsewhere is not this host's.
func TestDrops(t *testing.T) {
	edge, n := nstest.Pair(t, "203.0.113.1/24", "2001:db8::1/64", "203.0.113.10/24", "2001:db8::10/64")
	sh(t, edge, "ip link set lo up; for a in 173.245.48.9 172.64.9.9 198.51.100.4 104.16.0.7; do ip addr add $a/32 dev lo; done; ip addr add 2400:cb00::9/128 dev lo nodad")
	sh(t, n, `ip link set lo up; ip route add default via 203.0.113.1; ip -6 route add default via 2001:db8::1
ip link add other type dummy 2>/dev/null || ip link add other type veth peer name other2
ip link set other up; [ ! -e /sys/class/net/other2 ] || ip link set other2 up; ip route add 104.16.0.0/13 dev other
sysctl -qw net.ipv4.conf.all.rp_filter=1
nft -f - <<'N'
table inet f {
	chain i { type filter hook input priority 0; ip saddr 173.245.48.0/20 tcp dport 443 drop; ip6 saddr 2400:cb00::/32 drop; }
	chain o { type filter hook output priority 0; ip daddr 172.64.0.0/13 tcp sport 80 drop; }
}
N`)
	listen(t, n, "tcp4", "203.0.113.10:80")
	neighbours(t, edge)
	elsewhere := origin(t)
	sh(t, elsewhere, "ip addr add 173.245.48.77/32 dev lo")

	b := watchDrops(t, n, func() {
		knock(t, edge, map[string]string{
			"173.245.48.9": "203.0.113.10:443", "172.64.9.9": "203.0.113.10:80", "198.51.100.4": "203.0.113.10:443",
			"104.16.0.7": "203.0.113.10:80", "2400:cb00::9": "[2001:db8::10]:80",
		})
		knock(t, elsewhere, map[string]string{"173.245.48.77": "203.0.113.10:443"}) // no listener there
	})
	f := only[fact.Drops](t, b)
	if f.Lost != 0 || f.Window < time.Second || f.From.IsZero() {
		t.Errorf("%+v", f)
	}
	type want struct {
		cdn, reason string
		port        uint16
		reply       bool
	}
	for example, w := range map[string]want{
		"173.245.48.9": {"cloudflare", "NETFILTER_DROP", 443, false},
		"172.64.9.9":   {"cloudflare", "NETFILTER_DROP", 80, true},
		"198.51.100.4": {"", "NO_SOCKET", 443, false},
		"104.16.0.7":   {"cloudflare", "IP_RPFILTER", 80, false},
		"2400:cb00::9": {"cloudflare", "NETFILTER_DROP", 80, false},
	} {
		found := false
		for _, g := range f.Groups {
			if g.Example.String() != example {
				continue
			}
			found = true
			if (want{g.CDN, g.Reason, g.Port, g.Reply}) != w || !g.From.Contains(g.Example) || g.Packets == 0 || g.Location == "" {
				t.Errorf("%s: %+v, want %+v", example, g, w)
			}
		}
		if !found {
			t.Errorf("%s: no group in %+v", example, f.Groups)
		}
	}
	for _, g := range f.Groups {
		if g.Example == netip.MustParseAddr("173.245.48.77") {
			t.Errorf("of another namespace: %+v", g)
		}
	}
}

// neighbours has both address families resolved before anything is counted.
func neighbours(t *testing.T, n *netns.NS) {
	t.Helper()
	sh(t, n, "ping -qc1 -W2 203.0.113.10 >/dev/null; for i in 1 2 3 4 5 6 7 8 9 10; do ping -6 -qc1 -W1 2001:db8::10 >/dev/null 2>&1 && break; done")
}

// TestDropsUnprivileged: who may not watch is told so, and what it needs.
func TestDropsUnprivileged(t *testing.T) {
	n := origin(t)
	b, took := look(t, n, question{Window: 10 * time.Second}, nobody)
	if got := missing(b, fact.QDrops); !strings.Contains(got, "not watched") || !strings.Contains(got, "CAP_BPF") {
		t.Errorf("%q", got)
	}
	if took.wall > 8*time.Second {
		t.Errorf("took %v for a watch that cannot be", took.wall)
	}
}
