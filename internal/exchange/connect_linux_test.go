package exchange

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/netns"
	"github.com/originward/originward/internal/netns/nstest"
)

// world is an edge's and an origin's namespace, joined by a cable.
type world struct {
	edge, origin *netns.NS
}

const (
	edge4, origin4 = "192.0.2.1", "192.0.2.2"
	edge6, origin6 = "2001:db8::1", "2001:db8::2"
)

func newWorld(t testing.TB) world {
	t.Helper()
	e, o := nstest.Pair(t, edge4+"/24", edge6+"/64", origin4+"/24", origin6+"/64")
	// Several refusals follow each other here; the kernel's limit of one ICMP error per
	// second and peer is not what is tested.
	for _, n := range []*netns.NS{e, o} {
		for _, key := range []string{"net.ipv4.icmp_ratelimit", "net.ipv6.icmp.ratelimit"} {
			if err := n.Sysctl(key, "0"); err != nil {
				t.Fatal(err)
			}
		}
	}
	return world{e, o}
}

func (w world) nft(t testing.TB, rules string) {
	t.Helper()
	if out, err := w.origin.RunInput(context.Background(), rules, "nft", "-f", "-"); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
}

// probe runs a probe from the edge's namespace.
func (w world) probe(t testing.TB, s ProbeSpec) (x fact.Exchange) {
	t.Helper()
	err := w.edge.Do(func() error { x = Probe(t.Context(), s); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (w world) serve(t testing.TB, addr string, handle func(net.Conn)) {
	t.Helper()
	l, err := w.origin.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, handle)
}

// connectRow is what stands in the way at a port of its own.
type connectRow struct {
	name   string
	rule4  string // nft verdict; empty = none
	rule6  string
	typ    originward.FaultType
	code   int
	errno4 string
	errno6 string
}

var connectRows = []connectRow{
	{"nothing listening", "", "", originward.ConnectionRefused, 521, "ECONNREFUSED", "ECONNREFUSED"},
	{"drop", "drop", "drop", originward.ConnectionTimeout, 522, "", ""},
	{"reject with tcp reset", "reject with tcp reset", "reject with tcp reset", originward.ConnectionRefused, 521, "ECONNREFUSED", "ECONNREFUSED"},
	{"port-unreachable", "reject with icmp type port-unreachable", "reject with icmpv6 type port-unreachable", originward.ConnectionRefused, 521, "ECONNREFUSED", "ECONNREFUSED"},
	{"admin-prohibited", "reject with icmp type admin-prohibited", "reject with icmpv6 type admin-prohibited", originward.DestinationIPUnroutable, 523, "EHOSTUNREACH", "EACCES"},
	{"host-prohibited; policy-fail", "reject with icmp type host-prohibited", "reject with icmpv6 type policy-fail", originward.DestinationIPUnroutable, 523, "EHOSTUNREACH", "EACCES"},
	{"host-unreachable; addr-unreachable", "reject with icmp type host-unreachable", "reject with icmpv6 type addr-unreachable", originward.DestinationIPUnroutable, 523, "EHOSTUNREACH", "EHOSTUNREACH"},
	{"net-unreachable; no-route", "reject with icmp type net-unreachable", "reject with icmpv6 type no-route", originward.DestinationIPUnroutable, 523, "ENETUNREACH", "ENETUNREACH"},
	{"net-prohibited; reject-route", "reject with icmp type net-prohibited", "reject with icmpv6 type reject-route", originward.DestinationIPUnroutable, 523, "ENETUNREACH", "EACCES"},
	{"prot-unreachable", "reject with icmp type prot-unreachable", "", originward.DestinationIPUnroutable, 523, "ENOPROTOOPT", ""},
}

// TestConnectFaults is cloudflare.md §3b and causes.md §1, in both families.
func TestConnectFaults(t *testing.T) {
	w := newWorld(t)
	var rules strings.Builder
	rules.WriteString("table inet t { chain in { type filter hook input priority 0;\n")
	for i, r := range connectRows {
		port := 8000 + i
		if r.rule4 != "" {
			fmt.Fprintf(&rules, "meta nfproto ipv4 tcp dport %d %s\n", port, r.rule4)
		}
		if r.rule6 != "" {
			fmt.Fprintf(&rules, "meta nfproto ipv6 tcp dport %d %s\n", port, r.rule6)
		}
	}
	rules.WriteString("};\n};\n")
	w.nft(t, rules.String())
	p := quick()
	p.Connect = 2500 * time.Millisecond // ICMP errors arrive with the first retransmission, after a second
	for i, r := range connectRows {
		for _, fam := range []struct{ addr, rule, errno string }{{origin4, r.rule4, r.errno4}, {origin6, r.rule6, r.errno6}} {
			if fam.rule == "" && r.rule4 != "" {
				continue
			}
			t.Run(r.name+" "+fam.addr, func(t *testing.T) {
				t.Parallel()
				addr := netip.AddrPortFrom(netip.MustParseAddr(fam.addr), uint16(8000+i))
				x := w.probe(t, ProbeSpec{Target: Target{Addr: addr}, Profile: p})
				want{originward.PhaseConnect, r.typ, r.code, "", "", ""}.check(t, x)
				if x.Fault.Errno != fam.errno {
					t.Errorf("errno %q, want %q", x.Fault.Errno, fam.errno)
				}
				if x.Connected() {
					t.Error("reported as connected")
				}
			})
		}
	}
}

func TestNoRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.edge.AddRoute(netns.Route{Dst: netip.MustParsePrefix("203.0.113.0/24"), Type: "unreachable"}); err != nil {
		t.Fatal(err)
	}
	for addr, errno := range map[string]string{
		"198.51.100.1:80":       "ENETUNREACH", // no route of any kind
		"[2001:db8:dead::1]:80": "ENETUNREACH",
		"203.0.113.1:80":        "EHOSTUNREACH", // a route that says unreachable
		"192.0.2.99:80":         "EHOSTUNREACH", // nobody answers ARP on the link
	} {
		t.Run(addr, func(t *testing.T) {
			p := quick()
			p.Connect = 5 * time.Second // ARP is given up after three seconds
			x := w.probe(t, ProbeSpec{Target: Target{Addr: netip.MustParseAddrPort(addr)}, Profile: p})
			want{originward.PhaseConnect, originward.DestinationIPUnroutable, 523, "", "", errno}.check(t, x)
		})
	}
	for _, addr := range []string{"192.0.2.98:80", "[2001:db8::98]:80"} {
		t.Run("fast "+addr, func(t *testing.T) { // before the kernel says so
			target := netip.MustParseAddrPort(addr)
			x := w.probe(t, ProbeSpec{Target: Target{Addr: target}})
			want{originward.PhaseConnect, originward.DestinationIPUnroutable, 523, "", "timeout", ""}.check(t, x)
			if x.Fault.Neighbour != target.Addr().String() {
				t.Errorf("neighbour %q", x.Fault.Neighbour)
			}
		})
	}
	err := w.edge.Do(func() error {
		if _, err := RouteSource(netip.MustParseAddrPort("198.51.100.1:80")); err == nil {
			t.Error("a source address without a route")
		}
		src, err := RouteSource(netip.MustParseAddrPort(origin4 + ":80"))
		if err == nil && src.String() != edge4 {
			t.Errorf("source %v", src)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// neverAccept listens without ever accepting.
func (w world) neverAccept(t testing.TB, addr string) {
	t.Helper()
	l, err := w.origin.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // and not before, by the garbage collector
}

// TestBacklog parts the two meanings of "never accepted".
func TestBacklog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.neverAccept(t, origin4+":80") // never accepts, queue free
	x := w.probe(t, ProbeSpec{Target: Target{Addr: netip.MustParseAddrPort(origin4 + ":80")}, Profile: quick()})
	want{originward.PhaseFirstByte, originward.HTTPResponseTimeout, 524, "", "timeout", ""}.check(t, x)
	if x.Fault.Unacked != 0 {
		t.Errorf("%d segments unacknowledged: the kernel acknowledges for the sleeping program", x.Fault.Unacked)
	}

	if err := w.origin.Sysctl("net.core.somaxconn", "0"); err != nil {
		t.Fatal(err)
	}
	w.neverAccept(t, origin4+":81")
	full := netip.MustParseAddrPort(origin4 + ":81")
	err := w.edge.Do(func() error { // the one place in the queue
		c, err := net.DialTimeout("tcp", full.String(), time.Second)
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	x = w.probe(t, ProbeSpec{Target: Target{Addr: full}, Profile: quick()})
	want{originward.PhaseConnect, originward.ConnectionTimeout, 522, "", "timeout", ""}.check(t, x)
}

// TestUnacknowledgedRequest is the second timer of 522: connected, then nothing
// that is sent is acknowledged any more.
func TestUnacknowledgedRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(t, origin4+":80", wait)
	conn := w.dial(t, origin4+":80", quick())
	w.nft(t, "table inet t { chain in { type filter hook input priority 0; tcp dport 80 drop; }; };")
	var tr Trace
	_, f := conn.RoundTrip(t.Context(), get("/"), &tr)
	if f == nil || f.Phase != originward.PhaseWrite || f.Type != originward.ConnectionTimeout || f.Code().Error != 522 {
		t.Fatalf("fault %v", f)
	}
	if u := FactOf(f, 0, 0).Unacked; u == 0 {
		t.Error("no segment counted as unacknowledged")
	}
}

// TestKeepaliveDeath: the request was acknowledged, then the origin vanishes.
func TestKeepaliveDeath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(t, origin4+":80", wait)
	p := quick()
	p.Ack, p.Read = 20*time.Second, 20*time.Second
	p.KeepIdle, p.KeepInterval, p.KeepCount = time.Second, time.Second, 2
	conn := w.dial(t, origin4+":80", p)
	done := make(chan *originward.Fault, 1)
	start := time.Now()
	go func() {
		_, f := conn.RoundTrip(context.Background(), get("/"), nil)
		done <- f
	}()
	for conn.wire.query.tcp().unacked > 0 || time.Since(start) < 50*time.Millisecond { // sent and acknowledged
		time.Sleep(time.Millisecond)
	}
	w.nft(t, "table inet t { chain in { type filter hook input priority 0; tcp dport 80 drop; }; };")
	f := <-done
	if f == nil || f.Phase != originward.PhaseFirstByte || f.Type != originward.ConnectionTerminated || f.Code().Error != 520 {
		t.Fatalf("fault %v", f)
	}
	if x := FactOf(f, 0, 0); x.Errno != "ETIMEDOUT" || x.Ended != "timeout" {
		t.Errorf("fact %+v", x)
	}
	if d := time.Since(start); d < 2500*time.Millisecond || d > 15*time.Second {
		t.Errorf("noticed after %v, want about 3 s", d)
	}
}

// TestBodyWriteTimeout: the origin's kernel takes what its buffers hold and no more.
func TestBodyWriteTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.neverAccept(t, origin4+":80")
	conn := w.dial(t, origin4+":80", quick())
	req := &Request{
		Method: "POST",
		Head:   []byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n"),
		Body: func(dst io.Writer) error {
			_, err := io.Copy(dst, io.LimitReader(zeros{}, 1000000000))
			return err
		},
	}
	_, f := conn.RoundTrip(t.Context(), req, nil)
	if f == nil || f.Phase != originward.PhaseWrite || f.Type != originward.ConnectionWriteTimeout || f.Code().Error != 524 {
		t.Fatalf("fault %v", f)
	}
}

func (w world) dial(t testing.TB, addr string, p Profile) *Conn {
	t.Helper()
	var conn *Conn
	err := w.edge.Do(func() error {
		c, f := NewDialer(p).Dial(t.Context(), Target{Addr: netip.MustParseAddrPort(addr)}, nil)
		if f != nil {
			return f
		}
		conn = c
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestSource: the egress address is the one asked for, or the fault is our own.
func TestSource(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct{ egress, origin, foreign string }{
		{"173.245.48.10", origin4 + ":80", "203.0.113.77"},
		{"2400:cb00::10", "[" + origin6 + "]:80", "2001:db8:ffff::1"},
	} {
		t.Run(tc.egress, func(t *testing.T) {
			cdn := netip.MustParseAddr(tc.egress)
			only := netip.PrefixFrom(cdn, cdn.BitLen())
			if err := w.edge.AddAddr("veth0", only); err != nil {
				t.Fatal(err)
			}
			if err := w.origin.AddRoute(netns.Route{Dst: only, Link: "veth0"}); err != nil {
				t.Fatal(err)
			}
			peers := make(chan string, 1)
			w.serve(t, tc.origin, func(c net.Conn) {
				peers <- c.RemoteAddr().(*net.TCPAddr).IP.String()
				replies("HTTP/1.1 204 No Content\r\n\r\n")(c)
			})
			target := Target{Addr: netip.MustParseAddrPort(tc.origin), Source: cdn}
			x := w.probe(t, ProbeSpec{Target: target, Profile: quick()})
			if x.Fault != nil || x.Source != cdn {
				t.Fatalf("fault %+v, source %v", x.Fault, x.Source)
			}
			if p := <-peers; p != cdn.String() {
				t.Errorf("the origin saw %s", p)
			}
			target.Source = netip.MustParseAddr(tc.foreign)
			x = w.probe(t, ProbeSpec{Target: target, Profile: quick()})
			want{originward.PhaseConnect, originward.ProxyConfigurationError, 500, "", "", "EADDRNOTAVAIL"}.check(t, x)
		})
	}
}

// TestConnectCutOff: an error that the kernel reports for connect(2) although the
// handshake was done belongs to the step that follows.
func TestConnectCutOff(t *testing.T) {
	err := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNRESET)}
	if f := connectFault(err, Target{}, 0); f.Phase != originward.PhaseWrite || f.Code().Error != 520 {
		t.Errorf("plain: %v", f)
	}
	if f := connectFault(err, Target{TLS: &TLSPolicy{}}, 0); f.Phase != originward.PhaseTLS || f.Code().Error != 525 || FactOf(f, 0, 0).Ended != "reset" {
		t.Errorf("TLS: %v", f)
	}
	for errno, want := range map[syscall.Errno]int{
		syscall.EMFILE: 500, syscall.EPERM: 500, syscall.ENOBUFS: 500, syscall.EADDRNOTAVAIL: 500,
		syscall.ENETDOWN: 523, syscall.EHOSTDOWN: 523, syscall.EAFNOSUPPORT: 523, syscall.ETIMEDOUT: 522,
	} {
		f := connectFault(os.NewSyscallError("connect", errno), Target{Addr: netip.MustParseAddrPort("192.0.2.1:80")}, 0)
		if f.Code().Error != want || f.Phase != originward.PhaseConnect {
			t.Errorf("%v: %v", errno, f)
		}
	}
	six := connectFault(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL), Target{Addr: netip.MustParseAddrPort("[2001:db8::1]:80")}, 0)
	if six.Type != originward.DestinationIPUnroutable {
		t.Errorf("no IPv6 address of our own: %v", six)
	}
}
