package host

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"golang.org/x/sys/unix"
)

const nobody = 65534

func TestListeners(t *testing.T) {
	n := origin(t)
	listen(t, n, "tcp4", "127.0.0.1:80")
	listen(t, n, "tcp6", "[::]:443") // Go sets v6-only for tcp6
	listen(t, n, "tcp", "[::]:8080") // and clears it here
	listen(t, n, "tcp4", "203.0.113.10:8443")
	sh(t, n, "sysctl -qw net.core.somaxconn=64")

	l := only[fact.Listeners](t, first(look(t, n, question{}, 0)))
	if l.Complete != fact.Yes || len(l.Sockets) != 4 {
		t.Fatalf("complete %q, %d sockets: %+v", l.Complete, len(l.Sockets), l.Sockets)
	}
	self := os.Getpid()
	for _, tt := range []struct {
		port     uint16
		addr     string
		family   originward.Family
		v6only   fact.Tri
		four, is bool // serves the IPv4 origin address, the IPv6 one
	}{
		{80, "127.0.0.1", originward.IP4, fact.Unknown, false, false},
		{443, "::", originward.IP6, fact.Yes, false, true},
		{8080, "::", originward.IP6, fact.No, true, true},
		{8443, "203.0.113.10", originward.IP4, fact.Unknown, true, false},
	} {
		i := slices.IndexFunc(l.Sockets, func(s fact.Socket) bool { return s.Port == tt.port })
		if i < 0 {
			t.Errorf("port %d is missing", tt.port)
			continue
		}
		s := l.Sockets[i]
		if s.Addr.String() != tt.addr || s.Family != tt.family || s.V6Only != tt.v6only || s.Serves(origin4) != tt.four || s.Serves(origin6) != tt.is {
			t.Errorf("port %d: %+v", tt.port, s)
		}
		if s.PID != self || s.Program == "" || s.FDs == 0 || s.FDLimit == 0 || s.Backlog == 0 || s.Waiting != fact.No {
			t.Errorf("port %d, owner and queue: %+v, this process is %d", tt.port, s, self)
		}
	}
}

// TestForeignNamespace: what lives in another network namespace of the same
// machine, with the same process table, is not this host's.
func TestForeignNamespace(t *testing.T) {
	other, n := origin(t), origin(t)
	listen(t, other, "tcp4", "0.0.0.0:8080")
	conf := nginxConf(t, "server { listen 80; }")
	startNginx(t, other, conf)
	for _, uid := range []uint32{0, nobody} {
		b, _ := look(t, n, question{}, uid)
		if l := only[fact.Listeners](t, b); l.Complete != fact.Yes || len(l.Sockets) != 0 {
			t.Errorf("as %d: listeners of another namespace: %+v", uid, l)
		}
		for _, s := range only[fact.Services](t, b).Services {
			if s.State == "running" {
				t.Errorf("as %d: a service of another namespace runs here: %+v", uid, s)
			}
		}
	}
}

func TestFullBacklog(t *testing.T) {
	n := origin(t)
	var fd int
	must(t, n.Do(func() (err error) { // net.Listen cannot set the backlog
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err = unix.Bind(fd, &unix.SockaddrInet4{Port: 80}); err != nil {
			return err
		}
		return unix.Listen(fd, 1)
	}))
	t.Cleanup(func() { unix.Close(fd) })
	must(t, n.Do(func() error { // nobody accepts
		for range 6 {
			c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				return err
			}
			t.Cleanup(func() { unix.Close(c) })
			if err := unix.Connect(c, &unix.SockaddrInet4{Port: 80, Addr: [4]byte{127, 0, 0, 1}}); err != nil && err != unix.EINPROGRESS {
				return err
			}
		}
		return nil
	}))
	b, _ := look(t, n, question{}, 0)
	s := only[fact.Listeners](t, b).Sockets[0]
	if s.Backlog != 1 || s.Queue <= s.Backlog || s.Waiting != fact.Yes || s.Drops == 0 {
		t.Errorf("the queue is full and nobody accepts: %+v", s)
	}
	c := only[fact.Counters](t, b)
	if c.First["ListenOverflows"]+c.Growth["ListenOverflows"] == 0 || c.Between == 0 {
		t.Errorf("counters: %+v", c)
	}
}

func TestRoutes(t *testing.T) {
	n := origin(t)
	sh(t, n, `
ip route add blackhole 173.245.48.0/24
ip route add unreachable 103.21.244.0/22
ip route add prohibit 103.22.200.0/22
ip route add throw 103.31.4.0/22
ip link add wg0 type bridge; ip addr add 10.9.0.2/24 dev wg0; ip link set wg0 up
ip route add 104.16.0.0/13 via 10.9.0.1
ip -6 route add blackhole 2400:cb00::/32
ip rule add from 10.77.0.0/16 lookup 100
sysctl -qw net.ipv4.conf.veth0.rp_filter=1`)
	b, _ := look(t, n, question{Origins: []netip.Addr{origin4, origin6, netip.MustParseAddr("198.51.100.7")}}, 0)
	a := only[fact.Addresses](t, b)
	here := map[string]fact.Tri{}
	for _, q := range a.Asked {
		here[q.Addr.String()] = q.Here
	}
	if here["203.0.113.10"] != fact.Yes || here["2001:db8::10"] != fact.Yes || here["198.51.100.7"] != fact.No || !a.Has(origin4) || len(a.Public) != 2 {
		t.Errorf("addresses: %+v", a)
	}
	routes := fact.All[fact.Routes](b)
	if len(routes) != 2 || routes[0].Subject.Addr != origin4 || routes[1].Subject.Addr != origin6 {
		t.Fatalf("routes of both addresses: %+v", routes)
	}
	r := routes[0].Fact
	if r.Default4 != fact.Yes || r.Default6 != fact.Yes || len(r.Rules) != 1 || !strings.Contains(r.Rules[0], "from 10.77.0.0/16 lookup 100") {
		t.Errorf("defaults and rules: %q %q %q", r.Default4, r.Default6, r.Rules)
	}
	for _, tt := range []struct {
		at, typ, errno, iface string
		in                    fact.Tri
		private, byDefault    bool
	}{
		{"173.245.48.9", "blackhole", "EINVAL", "", fact.No, false, false},
		{"173.245.49.9", "unicast", "", "veth0", fact.Yes, false, true},
		{"103.21.244.9", "unreachable", "EHOSTUNREACH", "", fact.No, false, false},
		{"103.22.200.9", "prohibit", "EACCES", "", fact.No, false, false},
		{"103.31.4.9", "none", "ENETUNREACH", "", fact.No, false, false},
		{"104.16.0.9", "unicast", "", "wg0", fact.No, true, false},
		{"8.8.8.8", "unicast", "", "veth0", fact.Yes, false, true},
	} {
		g := groupOf(r, tt.at)
		if g.Type != tt.typ || g.Errno != tt.errno || g.Iface != tt.iface || g.InOK != tt.in || g.Private != tt.private || g.Default != tt.byDefault || g.InIface != "veth0" {
			t.Errorf("%s: %+v", tt.at, g)
		}
		if g.CDN == (tt.at == "8.8.8.8") {
			t.Errorf("%s: cdn is %v", tt.at, g.CDN)
		}
	}
	if g := groupOf(routes[1].Fact, "2400:cb00::1"); g.Type != "blackhole" {
		t.Errorf("IPv6: %+v", g)
	}
	var special []string
	for _, s := range r.Special {
		special = append(special, s.Text)
	}
	want := "unreachable 103.21.244.0/22, prohibit 103.22.200.0/22, throw 103.31.4.0/22, 104.16.0.0/13 via 10.9.0.1 dev wg0, blackhole 173.245.48.0/24"
	if got := strings.Join(special, ", "); got != want {
		t.Errorf("special routes:\n%s, want\n%s", got, want)
	}
}

func groupOf(r fact.Routes, addr string) fact.RouteGroup {
	for _, g := range r.Groups {
		for _, p := range g.Ranges {
			if p.Contains(netip.MustParseAddr(addr)) {
				return g
			}
		}
	}
	return fact.RouteGroup{}
}

// TestAsNobody: both looks at the same host are valid evidence; the second
// says exactly what it could not see, and how to see it.
func TestAsNobody(t *testing.T) {
	n := origin(t)
	startNginx(t, n, nginxConf(t, "server { listen 80; listen [::]:80; return 200 hello; }"))
	sh(t, n, "ip route add blackhole 173.245.48.0/24")
	root, _ := look(t, n, question{Host: "shop.example"}, 0)
	nob, _ := look(t, n, question{Host: "shop.example"}, nobody)
	if a, b := only[fact.Listeners](t, root), only[fact.Listeners](t, nob); len(a.Sockets) != 2 || len(b.Sockets) != 2 || b.Complete != fact.Yes ||
		a.Sockets[0].Program != "nginx" || b.Sockets[0].Program != "" {
		t.Errorf("listeners as root: %+v\nas nobody: %+v", a, b)
	}
	if why := missing(nob, fact.QListeners); !strings.Contains(why, "2 of the listening sockets") || !strings.Contains(why, "run as root") {
		t.Errorf("owners not seen: %q", why)
	}
	if why := missing(root, fact.QListeners); why != "" {
		t.Errorf("as root: %q", why)
	}
	if why := missing(nob, fact.QFirewall); !strings.Contains(why, "root") {
		t.Errorf("firewall as nobody: %q", why)
	}
	for name, b := range map[string]*originward.Bundle{"root": root, "nobody": nob} {
		if g := groupOf(fact.All[fact.Routes](b)[0].Fact, "173.245.48.9"); g.Type != "blackhole" {
			t.Errorf("as %s: route %+v", name, g)
		}
		s := service(t, b, "nginx")
		if s.State != "running" || s.Since.IsZero() || s.Children == 0 || s.Config == "" {
			t.Errorf("as %s: %+v", name, s)
		}
		answered := 0
		for _, x := range fact.All[fact.Exchange](b, originward.Host) {
			if x.Fact.Response != nil && x.Fact.Response.Status == 200 {
				answered++
			}
		}
		if answered != 4 {
			t.Errorf("as %s: %d exchanges answered, want 127.0.0.1, ::1 and both public addresses", name, answered)
		}
	}
	if s := service(t, root, "nginx"); s.Test == nil || s.Test.OK != fact.Yes {
		t.Errorf("self-test as root: %+v", s.Test)
	}
	for _, e := range append(root.Evidence, nob.Evidence...) {
		if e.Vantage != originward.Host || e.Text == "" || e.Reproduce == "" || e.At.IsZero() {
			t.Errorf("item without vantage, text, command or time: %+v", e)
		}
	}
}

// TestWhole measures a whole run. Figures are logged; the bounds leave room
// for a busy machine.
func TestWhole(t *testing.T) {
	n := origin(t)
	startNginx(t, n, nginxConf(t, "server { listen 80; return 200 hello; }"))
	_, took := look(t, n, question{Host: "shop.example"}, 0)
	t.Logf("whole run: %v, %d MiB", took.wall, took.rss/1024)
	if took.rss > 160<<10 {
		t.Errorf("%d MiB at most, want well under 160", took.rss/1024)
	}
}

func first(b *originward.Bundle, _ used) *originward.Bundle { return b }
