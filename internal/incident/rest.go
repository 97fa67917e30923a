package incident

import (
	"net/netip"
	"slices"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// restForm says that whatever the other lines do not tell of the host was
// looked at and is in order.
var restForm = []form{{"host rest", func(b *builder, l *line) error {
	b.rest = l.opt("server")
	if b.rest == "" {
		b.rest = "nginx"
	}
	b.without = l.list("but")
	return choose("word", l.word(), "in-order")
}}}

// fill gives a host that was looked at whole the facts that no line told.
func (b *builder) fill() {
	if b.rest == "" {
		return
	}
	skip := func(q originward.Question) bool {
		return slices.Contains(b.without, string(q)) || slices.ContainsFunc(b.out, func(e originward.Evidence) bool {
			return e.Vantage == originward.Host && e.Question == q && q != fact.QExchange
		})
	}
	if b.addresses == nil && !skip(fact.QAddresses) {
		b.fillAddresses()
	}
	if !skip(fact.QListeners) {
		f := fact.Listeners{Complete: fact.Yes}
		for i, at := range []string{"0.0.0.0:80", "0.0.0.0:443", "[::]:80", "[::]:443", "0.0.0.0:22"} {
			ap := netip.MustParseAddrPort(at)
			program := b.rest
			if ap.Port() == 22 {
				program = "sshd"
			}
			s := fact.Socket{Addr: ap.Addr(), Port: ap.Port(), Family: originward.FamilyOf(ap.Addr()), Backlog: 511, PID: 100 + i, Program: program, Exe: "/usr/sbin/" + program, Waiting: fact.No}
			if ap.Addr().Is6() {
				s.V6Only = fact.Yes
			}
			f.Sockets = append(f.Sockets, s)
		}
		b.add(originward.Host, f, originward.Subject{}, "the listening sockets")
	}
	if b.services == nil && !skip(fact.QServices) {
		b.services = &fact.Services{Manager: "systemd", Complete: fact.Yes, Services: []fact.Service{
			{Kind: b.rest, Role: "web", Name: b.rest, Unit: b.rest + ".service", State: "running", Enabled: fact.Yes, Stopped: fact.No, PIDs: []int{100}, Config: configs[b.rest], Test: &fact.Test{Command: b.rest + " -t", OK: fact.Yes}},
		}}
	}
	if len(b.web) == 0 && !skip(fact.QWebConfig) && configs[b.rest] != "" {
		at := fact.Place{File: "/etc/" + b.rest + "/sites-enabled/site", Line: 1}
		ls := []fact.Listen{{Addr: "*:80", Port: 80, Place: at}, {Addr: "*:443", Port: 443, TLS: true, Place: at}}
		b.web = []*fact.WebConfig{{Server: b.rest, File: configs[b.rest], Parsed: fact.Yes, Running: fact.Yes, PIDs: []int{100}, Listens: ls,
			Sites: []fact.Site{{Names: []string{b.site}, Listens: ls, Cert: "/etc/ssl/site.pem", Place: at}}}}
	}
	b.fillKernel(skip)
}

// fillAddresses gives the host every origin address that the report names.
func (b *builder) fillAddresses() {
	i := fact.Interface{Name: "eth0", Index: 2, MTU: 1500, Up: fact.Yes, Carrier: fact.Yes}
	b.addresses = &fact.Addresses{Interfaces: []fact.Interface{{Name: "lo", Index: 1, MTU: 65536, Up: fact.Yes, Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}}}}
	put := func(a netip.Addr) {
		if bits := 24; a.IsValid() && !slices.Contains(b.addresses.Public, a) {
			if a.Is6() {
				bits = 64
			}
			i.Addrs, b.addresses.Public = append(i.Addrs, netip.PrefixFrom(a, bits)), append(b.addresses.Public, a)
		}
	}
	put(origin4)
	for _, e := range b.out {
		if x, ok := e.Fact.(fact.Exchange); ok && e.Vantage == originward.Outside {
			put(x.Target.Addr())
		}
	}
	b.addresses.Interfaces = append(b.addresses.Interfaces, i)
}

func (b *builder) fillKernel(skip func(originward.Question) bool) {
	if b.addresses != nil && !skip(fact.QFirewall) {
		for _, i := range b.addresses.Interfaces {
			for _, p := range i.Addrs {
				if !p.Addr().IsLoopback() {
					b.answer(p.Addr(), 80)
					b.answer(p.Addr(), 443)
				}
			}
		}
	}
	if b.bans == nil && !skip(fact.QBans) {
		b.bans = &fact.Bans{Sources: []fact.BanSource{{Tool: "fail2ban", State: fact.No, Why: "not installed", CDN: []fact.Ban{}, Private: []fact.Ban{}}}}
	}
	if !skip(fact.QRoutes) {
		b.ways()
	}
	if !skip(fact.QCounters) {
		b.counter()
	}
	if !skip(fact.QLogs) {
		f := b.log()
		for _, n := range []string{"/var/log/" + b.rest + "/error.log", "/var/log/" + b.rest + "/access.log", "kernel"} {
			f.Sources = append(f.Sources, fact.LogSource{Name: n, State: "read", Lines: 40, First: b.at.Add(-time.Hour)})
		}
	}
	if b.load == nil && !skip(fact.QLoad) {
		b.load = &fact.Load{CPUs: 2, Load1: 0.4, BusyPct: 12, MemTotal: 4 << 30, MemFree: 2 << 30, Disks: []fact.Disk{
			{Mount: "/", Type: "ext4", Size: 40 << 30, Avail: 20 << 30, Inodes: 1e6, InodeFree: 9e5, UsedBy: []string{"root", "log"}},
		}}
	}
	if b.jobs == nil && !skip(fact.QJobs) {
		b.jobs = &fact.Jobs{Jobs: []fact.Job{}}
	}
	if !skip(fact.QClock) {
		b.add(originward.Host, fact.Clock{Synced: fact.Yes}, originward.Subject{}, "the host's clock")
	}
}
