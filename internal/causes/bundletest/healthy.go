package bundletest

import (
	"net/netip"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// Healthy is a site in order: one nginx on one IPv4 address, mode strict, an
// edge with two source addresses, and noise that means nothing.
func Healthy() *World {
	w := &World{
		Own: fact.OwnNetwork{Families: []fact.FamilyState{
			{Family: originward.IP4, Usable: fact.Yes, Source: Prober}, {Family: originward.IP6, Usable: fact.Yes, Source: Prober6},
		}},
		DNS: []fact.DNS{{
			Name: Host, Role: "site", Resolver: "198.51.100.53:53", A: []netip.Addr{Front}, AAAA: []netip.Addr{}, RCode: "NOERROR",
			InCDN: []fact.AddrCDN{{Addr: Front, CDN: "edge"}}, Colour: "orange",
		}},
		Direct: []fact.Exchange{OK(Origin4, 80), OK(Origin4, 443)},
		Local:  []fact.Exchange{OK(Origin4, 443), OK(Origin4, 80)},
		Settings: fact.CDNSettings{
			SSL: originward.SSLStrict, Source: "api", Egress: Egress, OriginPull: fact.No, HTTP2Origin: fact.Yes, EdgeCert: fact.Yes,
		},
		Records: fact.CDNRecords{Name: Host, Records: []fact.CDNRecord{{ID: "r1", Type: "A", Name: Host, Content: Origin4.String(), Proxied: fact.Yes}}},
		Zone:    fact.CDNZone{Provider: "originward", ID: "z1", Name: Host, Status: "active"},
	}
	w.Edge(200, "", "")
	w.healthyHost()
	return w
}

func (w *World) healthyHost() {
	w.Listeners = fact.Listeners{Complete: fact.Yes, Sockets: []fact.Socket{
		Sock("0.0.0.0", 80, "nginx"), Sock("0.0.0.0", 443, "nginx"), Sock("0.0.0.0", 22, "sshd"),
	}}
	w.Counters = fact.Counters{Between: 100 * time.Millisecond, First: map[string]uint64{"ListenOverflows": 0}, Growth: map[string]uint64{}, Conntrack: fact.Conntrack{Used: fact.Yes, Count: 12, Max: 262144}}
	w.Addresses = fact.Addresses{
		Interfaces: []fact.Interface{
			{Name: "lo", Up: fact.Yes, Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}},
			{Name: "eth0", Up: fact.Yes, MTU: 1500, Addrs: []netip.Prefix{netip.PrefixFrom(Origin4, 24), netip.PrefixFrom(Origin6, 64)}},
		},
		Public: []netip.Addr{Origin4, Origin6}, Asked: []fact.AskedAddr{{Addr: Origin4, Here: fact.Yes}},
	}
	w.Routes = fact.Routes{Default4: fact.Yes, Default6: fact.Yes, Groups: []fact.RouteGroup{
		Route(originward.IP4, true, Ranges(originward.IP4)...), Route(originward.IP4, false, netip.MustParsePrefix("8.8.8.8/32")),
		Route(originward.IP6, true, Ranges(originward.IP6)...), Route(originward.IP6, false, netip.MustParsePrefix("2001:4860:4860::8888/128")),
	}}
	w.Services = fact.Services{Manager: "systemd", Complete: fact.Yes, Services: []fact.Service{
		{Kind: "nginx", Role: "web", Name: "nginx", Unit: "nginx.service", State: "running", Enabled: fact.Yes, Stopped: fact.No, PIDs: []int{100}, Config: "/etc/nginx/nginx.conf", Test: &fact.Test{Command: "nginx -t", OK: fact.Yes}},
		{Kind: "apache", Role: "web", Name: "apache2", Unit: "apache2.service", State: "stopped", Enabled: fact.No, Config: "/etc/apache2/apache2.conf"},
	}}
	w.Web = []fact.WebConfig{Nginx()}
	w.Certs = fact.Certificates{Files: []fact.CertFile{{File: "/etc/ssl/shop.pem", Readable: fact.Yes, Chain: []fact.Cert{Leaf("good")}, Names: []string{Host}}}}
	w.Firewall = fact.Firewall{Engines: []string{"nft"}, Proof: "kernel", Answers: []fact.FirewallAnswer{Open(Origin4, 80), Open(Origin4, 443)}}
	w.Bans = fact.Bans{Sources: []fact.BanSource{{Tool: "fail2ban", Jail: "sshd", State: fact.Yes, Total: 3}}}
	w.Logs = fact.Logs{From: At.Add(-15 * time.Minute), To: At, Sources: []fact.LogSource{{Name: "/var/log/nginx/error.log", State: "read"}, {Name: "kernel", State: "read"}}}
	w.Load = fact.Load{CPUs: 2, Load1: 0.5, BusyPct: 10, MemTotal: 4 << 30, MemFree: 2 << 30, Disks: []fact.Disk{{Mount: "/", Type: "ext4", Size: 40 << 30, Avail: 20 << 30, Inodes: 1e6, InodeFree: 9e5, UsedBy: []string{"root", "log"}}}}
	w.Clock = fact.Clock{Synced: fact.Yes}
}

// Nginx is the configuration of the healthy nginx.
func Nginx() fact.WebConfig {
	p := func(l int) fact.Place { return fact.Place{File: "/etc/nginx/conf.d/shop.conf", Line: l} }
	listens := []fact.Listen{{Addr: "*:80", Port: 80, Place: p(2)}, {Addr: "*:443", Port: 443, TLS: true, Place: p(3)}}
	return fact.WebConfig{
		Server: "nginx", File: "/etc/nginx/nginx.conf", Parsed: fact.Yes, Running: fact.Yes, PIDs: []int{100}, Listens: listens,
		Sites:    []fact.Site{{Names: []string{Host}, Listens: listens, Cert: "/etc/ssl/shop.pem", Place: p(1)}},
		Timeouts: []fact.Setting{{Name: "keepalive_timeout", Value: "75s", Num: 75, Default: true}},
	}
}

// Sock is a listening socket.
func Sock(addr string, port uint16, program string) fact.Socket {
	a := netip.MustParseAddr(addr)
	s := fact.Socket{Addr: a, Port: port, Family: originward.FamilyOf(a), Backlog: 511, PID: 100, Program: program, Unit: program + ".service", Waiting: fact.No}
	if a.Is6() && a.IsUnspecified() {
		s.V6Only = fact.Yes
	}
	return s
}

// Route is a route group that leaves by the default route.
func Route(f originward.Family, cdn bool, ps ...netip.Prefix) fact.RouteGroup {
	gw := netip.MustParseAddr("203.0.113.1")
	if f == originward.IP6 {
		gw = netip.MustParseAddr("2001:db8:a::1")
	}
	return fact.RouteGroup{Ranges: ps, CDN: cdn, Family: f, Type: "unicast", Iface: "eth0", Gateway: gw, Default: true, InOK: fact.Yes, InIface: "eth0", Neighbor: "reachable"}
}

// Open is a packet filter that lets everyone in.
func Open(a netip.Addr, port uint16) fact.FirewallAnswer {
	f := originward.FamilyOf(a)
	return fact.FirewallAnswer{
		Dst: a, Port: port, Family: f, Iface: "eth0",
		CDN:    []fact.FirewallSegment{{Ranges: Ranges(f), All: true, Verdict: fact.VerdictAccept}},
		Others: []fact.FirewallSegment{Everyone(f, fact.VerdictAccept, nil)},
	}
}

// Everyone is the segment of all sources that are no edge.
func Everyone(f originward.Family, verdict string, r *fact.FirewallRule) fact.FirewallSegment {
	all := netip.MustParsePrefix("0.0.0.0/0")
	if f == originward.IP6 {
		all = netip.MustParsePrefix("::/0")
	}
	s := fact.FirewallSegment{Ranges: []netip.Prefix{all}, All: true, Verdict: verdict, Rule: r}
	if verdict == fact.VerdictDrop || verdict == fact.VerdictReject {
		s.Hook = "input"
	}
	return s
}

// Leaf is a certificate: good, expired, other (another name) or self.
func Leaf(kind string) fact.Cert {
	c := fact.Cert{
		Subject: "CN=" + Host, Issuer: "CN=Lab public issuer", CN: Host, Names: []string{Host},
		NotBefore: At.AddDate(0, -1, 0), NotAfter: At.AddDate(0, 2, 0), Serial: "01", SHA256: kind,
	}
	switch kind {
	case "expired":
		c.NotBefore, c.NotAfter = At.AddDate(0, -4, 0), At.AddDate(0, 0, -1)
	case "other":
		c.Subject, c.CN, c.Names = "CN=other.example", "other.example", []string{"other.example"}
	case "self":
		c.Issuer, c.SelfSigned = c.Subject, true
	}
	return c
}
