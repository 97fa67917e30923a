package exchange

import (
	"encoding/binary"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/originward/originward"
)

// synTimes captures the SYNs that arrive at port in the origin's namespace until
// stop is closed, and returns when each came.
func (w world) synTimes(t *testing.T, port uint16, stop <-chan struct{}) func() []time.Time {
	t.Helper()
	var fd int
	err := w.origin.Do(func() (err error) {
		all := int(binary.NativeEndian.Uint16([]byte{unix.ETH_P_IP >> 8, unix.ETH_P_IP & 0xff})) // in network order
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, all)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var times []time.Time
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { _ = unix.Close(fd) }()
		_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000})
		b := make([]byte, 2048)
		for {
			select {
			case <-stop:
				return
			default:
			}
			n, from, err := unix.Recvfrom(fd, b, 0)
			if err != nil || n < 40 || b[9] != unix.IPPROTO_TCP {
				continue
			}
			if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
				continue
			}
			tcp := b[int(b[0]&15)*4:]
			if binary.BigEndian.Uint16(tcp[2:]) == port && tcp[13]&0x12 == 0x02 {
				mu.Lock()
				times = append(times, time.Now())
				mu.Unlock()
			}
		}
	}()
	return func() []time.Time { <-ended; mu.Lock(); defer mu.Unlock(); return times }
}

// kernelHasLinearSYN tells whether the kernel sends the first SYNs a second apart
// (6.5 and later), which the documented schedule needs.
func kernelHasLinearSYN(t *testing.T) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_syn_linear_timeouts")
	if err != nil || strings.TrimSpace(string(b)) != "4" {
		t.Skipf("skipped: tcp_syn_linear_timeouts is not 4 here (%v)", err)
	}
}

// TestSYNSchedule: 1, 1, 1, 1, 1, 2, 4 and 8 seconds, then 522 after 19 s (cloudflare
// 522 page). -short looks at the beginning only.
func TestSYNSchedule(t *testing.T) {
	t.Parallel()
	kernelHasLinearSYN(t)
	w := newWorld(t)
	w.nft(t, "table inet t { chain in { type filter hook input priority 0; tcp dport 80 drop; }; };\n")
	p, gaps := Patient(), []float64{1, 1, 1, 1, 1, 2, 4}
	if testing.Short() {
		p.Connect, gaps = 3500*time.Millisecond, []float64{1, 1, 1}
	}
	stop := make(chan struct{})
	times := w.synTimes(t, 80, stop)
	x := w.probe(t, ProbeSpec{Target: Target{Addr: netip.MustParseAddrPort(origin4 + ":80")}, Profile: p})
	close(stop)
	want{originward.PhaseConnect, originward.ConnectionTimeout, 522, "", "timeout", ""}.check(t, x)
	if ms := p.Connect.Seconds() * 1000; x.Fault.AfterMS < ms-200 || x.Fault.AfterMS > ms+1500 {
		t.Errorf("given up after %v ms, want %v", x.Fault.AfterMS, ms)
	}
	got := times()
	if len(got) != len(gaps)+1 {
		t.Fatalf("%d SYNs, want %d", len(got), len(gaps)+1)
	}
	for i, want := range gaps {
		if d := got[i+1].Sub(got[i]).Seconds(); d < want-0.3 || d > want+0.7 {
			t.Errorf("SYN %s came %.2f s after the one before, want %v", strconv.Itoa(i+2), d, want)
		}
	}
}

// TestKeepaliveSettings: what the kernel was told.
func TestKeepaliveSettings(t *testing.T) {
	conn := dialTo(t, serve(t, wait), Patient())
	raw, err := conn.wire.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		for _, o := range []struct {
			name             string
			level, opt, want int
		}{
			{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 30},
			{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
			{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 2},
			{"TCP_SYNCNT", unix.IPPROTO_TCP, unix.TCP_SYNCNT, 3},
			{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0}, // it would replace the keepalive count
			{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		} {
			got, err := unix.GetsockoptInt(int(fd), o.level, o.opt)
			if err != nil || got != o.want {
				t.Errorf("%s is %d, want %d (%v)", o.name, got, o.want, err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
