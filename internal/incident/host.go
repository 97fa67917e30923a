package incident

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// hostForms are what is seen on the origin host, but for its packet filter and
// its servers' configuration.
var hostForms = []form{
	{"host listeners", (*builder).listeners},
	{"host addresses", (*builder).hostAddresses},
	{"host service", (*builder).service},
	{"host logs", (*builder).logSources},
	{"host log", (*builder).logLine},
	{"host counters", (*builder).counts},
	{"host conntrack", (*builder).conntrack},
	{"host sysctl", (*builder).sysctl},
	{"host disk", (*builder).disk},
	{"host clock", (*builder).clock},
	{"host job", (*builder).job},
	{"host name", (*builder).name},
	{"host tunnel", (*builder).connector},
	{"host ingress", (*builder).ingress},
}

// listeners reads "listeners: [partial] PROGRAM@ADDR:PORT …".
func (b *builder) listeners(l *line) error {
	f := fact.Listeners{Complete: fact.Yes, Sockets: []fact.Socket{}}
	if l.has("partial") {
		f.Complete = fact.Unknown
	}
	queue, err := l.number("queue")
	if err != nil {
		return err
	}
	l.has("none")
	for len(l.words) > 0 {
		w := l.word()
		program, at, ok := strings.Cut(w, "@")
		ap, err := netip.ParseAddrPort(at)
		if !ok || err != nil {
			return fmt.Errorf("%q: allowed are none, partial and PROGRAM@ADDRESS:PORT", w)
		}
		s := fact.Socket{
			Addr: ap.Addr(), Port: ap.Port(), Family: originward.FamilyOf(ap.Addr()), Backlog: 511, PID: 100 + len(f.Sockets), Program: program,
			Exe: "/usr/sbin/" + program, Waiting: fact.No,
		}
		if ap.Addr() == netip.IPv6Unspecified() {
			s.V6Only = fact.Yes
		}
		if queue > 0 && (ap.Port() == 443 || ap.Port() == 80) {
			s.Queue, s.Backlog, s.Waiting, s.Drops = uint32(queue), uint32(queue-1), fact.Yes, 40 //nolint:gosec // bounded by number
		}
		f.Sockets = append(f.Sockets, s)
	}
	b.add(originward.Host, f, originward.Subject{}, "the listening sockets")
	return nil
}

// hostAddresses reads "addresses: ADDR/LEN …".
func (b *builder) hostAddresses(l *line) error {
	if b.addresses == nil {
		b.addresses = &fact.Addresses{Public: []netip.Addr{}, Interfaces: []fact.Interface{
			{Name: "lo", Index: 1, MTU: 65536, Up: fact.Yes, Kind: "loopback", Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}},
		}}
	}
	i := fact.Interface{Name: cmp.Or(l.opt("iface"), "eth0"), Index: len(b.addresses.Interfaces) + 1, MTU: 1500, Up: fact.Yes, Carrier: fact.Yes}
	for len(l.words) > 0 {
		p, err := netip.ParsePrefix(l.word())
		if err != nil {
			return fmt.Errorf("allowed are ADDRESS/LENGTH: %w", err)
		}
		i.Addrs = append(i.Addrs, p)
		if !p.Addr().IsPrivate() && p.Addr().IsGlobalUnicast() {
			b.addresses.Public = append(b.addresses.Public, p.Addr())
		}
	}
	b.addresses.Interfaces = append(b.addresses.Interfaces, i)
	return nil
}

// service reads "service KIND: STATE …".
func (b *builder) service(l *line) error {
	if b.services == nil {
		b.services = &fact.Services{Manager: "systemd", Complete: fact.Yes}
	}
	if len(l.head) != 1 {
		return fmt.Errorf("the kind of one service has to be named")
	}
	kind := l.head[0]
	s := fact.Service{Kind: kind, Role: cmp.Or(l.opt("role"), "web"), Name: cmp.Or(l.opt("name"), kind), State: l.word(), Result: l.opt("result"), Signal: l.opt("signal")}
	if err := choose("state", s.State, "running", "stopped", "failed", "activating", "not_installed"); err != nil {
		return err
	}
	s.Unit = cmp.Or(l.opt("unit"), s.Name+".service")
	s.Enabled = fact.Yes
	if l.has("disabled") {
		s.Enabled = fact.No
	}
	if s.State == "running" {
		s.PIDs, s.Stopped = []int{100}, fact.No
	}
	if l.has("frozen") {
		s.Stopped = fact.Yes
	}
	switch kind {
	case "nginx":
		s.Config = "/etc/nginx/nginx.conf"
	case "apache":
		s.Config = "/etc/apache2/apache2.conf"
	case "haproxy":
		s.Config = "/etc/haproxy/haproxy.cfg"
	}
	if t := l.opt("test"); t == "ok" {
		s.Test = &fact.Test{Command: kind + " -t", OK: fact.Yes}
	} else if t != "" {
		s.Test = &fact.Test{Command: kind + " -t", OK: fact.No, Output: t, Errors: []fact.Place{{Text: t}}}
		if at := l.opt("at"); at != "" {
			p := place(at)
			p.Text = t
			s.Test.Errors[0] = p
		}
	}
	if e := l.opt("error"); e != "" {
		s.StartError = &fact.Place{Text: e}
	}
	if s.Role == "web" && kind == "app" {
		s.Role = "backend"
	}
	b.services.Services = append(b.services.Services, s)
	return nil
}

func (b *builder) log() *fact.Logs {
	if b.logs == nil {
		b.logs = &fact.Logs{From: b.at.Add(-time.Hour), To: b.at.Add(time.Minute)}
	}
	return b.logs
}

// logSources reads "logs: read NAME … " or "logs: unreadable NAME …".
func (b *builder) logSources(l *line) error {
	f := b.log()
	state := l.word()
	if err := choose("state", state, "read", "missing", "rotated", "unreadable", "empty_window"); err != nil {
		return err
	}
	for len(l.words) > 0 {
		f.Sources = append(f.Sources, fact.LogSource{Name: l.word(), State: state, Lines: 10})
	}
	return nil
}

// logLine reads `log KIND [PROGRAM]: "TEXT" client=… status=…`.
func (b *builder) logLine(l *line) error {
	f := b.log()
	if len(l.head) < 1 || len(l.head) > 2 {
		return fmt.Errorf("allowed is log KIND [PROGRAM]")
	}
	x := fact.LogLine{Kind: l.head[0], At: b.at.Add(-time.Minute), Text: l.word(), Target: l.opt("target"), Ray: l.opt("ray")}
	if err := choose("kind", x.Kind, logKinds...); err != nil {
		return err
	}
	if len(l.head) == 2 {
		x.Program = l.head[1]
	}
	x.Source = cmp.Or(l.opt("source"), "/var/log/"+cmp.Or(x.Program, "syslog"))
	var err error
	if x.Count, err = l.number("count"); err != nil {
		return err
	}
	x.Count = max(x.Count, 1)
	if x.Status, err = l.number("status"); err != nil {
		return err
	}
	if x.Errno, err = l.number("errno"); err != nil {
		return err
	}
	if c := l.opt("client"); c != "" {
		if x.Client, err = addr(c); err != nil {
			return err
		}
		id, _ := cdn.Lookup(x.Client)
		x.CDN = string(id)
	}
	f.Lines = append(f.Lines, x)
	f.Sources = append(f.Sources, fact.LogSource{Name: x.Source, State: "read", Lines: x.Count})
	return nil
}

// logKinds are the kinds of the closed list that reports may use.
var logKinds = []string{
	fact.LogBlockedSYN, fact.LogStrayRST, fact.LogConntrackFull, fact.LogSYNFlood, fact.LogOOM, fact.LogDiskError, fact.LogDiskFull, fact.LogSegfault,
	fact.LogBindFailed, fact.LogConfigError, fact.LogUpstreamRefused, fact.LogUpstreamTimeout, fact.LogUpstreamClosed, fact.LogUpstreamTLS,
	fact.LogUpstreamHeader, fact.LogUpstreamResolve, fact.LogUpstreamDenied, fact.LogUpstreamNoPort, fact.LogHeaderTooBig, fact.LogWorkersFull,
	fact.LogTooManyFiles, fact.LogLimited, fact.LogDenied, fact.LogProxyProtocol, fact.LogTLSHandshake, fact.LogPlainToTLS, fact.LogClosed444,
	fact.LogStatus, fact.LogBan, fact.LogAVC, fact.LogChildCrash, fact.LogACME, fact.LogTunnel, fact.LogUpdater, fact.LogHTTP2, fact.LogUpstreamInvalid,
	fact.LogTLSToPlain, fact.LogSlow,
}

func (b *builder) counter() *fact.Counters {
	if b.counters == nil {
		b.counters = &fact.Counters{
			Between: time.Second, First: map[string]uint64{}, Growth: map[string]uint64{}, Values: map[string]string{},
			Conntrack: fact.Conntrack{Used: fact.Yes, Count: 120, Max: 262144}, PortRange: [2]int{32768, 60999},
		}
	}
	return b.counters
}

// counts reads "counters: NAME+GROWTH …": what grew between two readings.
func (b *builder) counts(l *line) error {
	f := b.counter()
	for len(l.words) > 0 {
		w := l.word()
		name, grown, ok := strings.Cut(w, "+")
		n, err := strconv.ParseUint(grown, 10, 63)
		if !ok || err != nil {
			return fmt.Errorf("%q: allowed is NAME+GROWTH, such as ListenOverflows+120", w)
		}
		f.First[name], f.Growth[name] = 1000, n
	}
	return nil
}

// conntrack reads "conntrack: COUNT/MAX [drops=N]".
func (b *builder) conntrack(l *line) error {
	f := b.counter()
	w := l.word()
	if _, err := fmt.Sscanf(w, "%d/%d", &f.Conntrack.Count, &f.Conntrack.Max); err != nil {
		return fmt.Errorf("%q: allowed is COUNT/MAX", w)
	}
	n, err := l.number("drops")
	f.Conntrack.Drop, f.Conntrack.DropGrowth = uint64(n), uint64(n) //nolint:gosec // not negative
	return err
}

func (b *builder) sysctl(l *line) error {
	if len(l.head) != 1 {
		return fmt.Errorf("allowed is sysctl NAME: VALUE")
	}
	b.counter().Values[l.head[0]] = l.word()
	return nil
}

// disk reads "disk MOUNT: full|no-inodes|ok used-by=log,root".
func (b *builder) disk(l *line) error {
	if len(l.head) != 1 {
		return fmt.Errorf("allowed is disk MOUNT: STATE")
	}
	if b.load == nil {
		b.load = &fact.Load{CPUs: 2, Load1: 0.4, BusyPct: 12, MemTotal: 4 << 30, MemFree: 2 << 30}
	}
	d := fact.Disk{Mount: l.head[0], Type: "ext4", Size: 40 << 30, Avail: 20 << 30, Inodes: 1e6, InodeFree: 9e5, UsedBy: l.list("used-by")}
	switch w := l.word(); w {
	case "full":
		d.Avail = 0
	case "no-inodes":
		d.InodeFree = 0
	case "ok":
	default:
		return fmt.Errorf("%q: allowed are full, no-inodes, ok", w)
	}
	b.load.Disks = append(b.load.Disks, d)
	return nil
}

// clock reads "clock: synced" or "clock: off DURATION", compared with the edge.
func (b *builder) clock(l *line) error {
	f := fact.Clock{Synced: fact.Yes}
	switch w := l.word(); w {
	case "synced":
	case "off":
		d, err := time.ParseDuration(l.word())
		if err != nil {
			return fmt.Errorf("allowed is off DURATION: %w", err)
		}
		f = fact.Clock{Synced: fact.No, Offset: d, Reference: "the edge's Date"}
	default:
		return fmt.Errorf("%q: allowed are synced and off DURATION", w)
	}
	b.add(originward.Host, f, originward.Subject{}, "the host's clock")
	return nil
}

// job reads `job KIND NAME: ok|failed ["ERROR"] [target=…]`.
func (b *builder) job(l *line) error {
	if len(l.head) != 2 {
		return fmt.Errorf("allowed is job KIND NAME")
	}
	if b.jobs == nil {
		b.jobs = &fact.Jobs{}
	}
	j := fact.Job{Kind: l.head[0], Name: l.head[1], Last: b.at.Add(-10 * time.Minute), Target: l.opt("target")}
	if err := choose("kind", j.Kind, "dyndns", "allowlist", "acme"); err != nil {
		return err
	}
	switch w := l.word(); w {
	case "ok":
		j.OK = fact.Yes
	case "failed":
		j.OK = fact.No
	default:
		return fmt.Errorf("%q: allowed are ok and failed", w)
	}
	if len(l.words) > 0 {
		j.Errors = []fact.Place{{Text: l.word()}}
	}
	b.jobs.Jobs = append(b.jobs.Jobs, j)
	return nil
}

// name reads "name NAME: ADDR … | nxdomain [used-at=FILE:LINE]".
func (b *builder) name(l *line) error {
	if len(l.head) != 1 {
		return fmt.Errorf("allowed is name NAME")
	}
	if b.names == nil {
		b.names = &fact.Resolution{}
	}
	n := fact.ResolvedName{Name: l.head[0], Addrs: []netip.Addr{}}
	if at := l.opt("used-at"); at != "" {
		n.UsedBy = []fact.Place{place(at)}
	}
	if l.has("nxdomain") {
		n.Failure = "nxdomain"
	}
	var err error
	if n.Addrs, err = addrs(l.words); err != nil {
		return err
	}
	l.words = nil
	n.InCDN = cdn.InCDN(n.Addrs)
	b.names.Names = append(b.names.Names, n)
	return nil
}

// connector reads `tunnel: running|stopped id=… ready=… conns=N error="…"`.
func (b *builder) connector(l *line) error {
	if b.tunnel == nil {
		b.tunnel = &fact.Tunnel{}
	}
	t := b.tunnel
	switch w := l.word(); w {
	case "running":
		t.Running = fact.Yes
	case "stopped":
		t.Running = fact.No
	default:
		return fmt.Errorf("%q: allowed are running and stopped", w)
	}
	t.ID, t.Version, t.Config = l.opt("id"), l.opt("version"), l.opt("config")
	var err error
	if t.Ready, err = triOf(l.opt("ready")); err != nil {
		return err
	}
	if t.Container, err = triOf(l.opt("container")); err != nil {
		return err
	}
	if t.Conns, err = l.number("conns"); err != nil {
		return err
	}
	for _, k := range []string{"error", "error2"} {
		if e := l.opt(k); e != "" {
			t.Errors = append(t.Errors, fact.Place{File: "journal of cloudflared", Text: e})
		}
	}
	return nil
}

// ingress reads "ingress HOSTNAME SERVICE: …" with the upstream's options.
func (b *builder) ingress(l *line) error {
	if len(l.head) != 2 {
		return fmt.Errorf("allowed is ingress HOSTNAME SERVICE")
	}
	if b.tunnel == nil {
		b.tunnel = &fact.Tunnel{}
	}
	r := fact.TunnelRule{Hostname: l.head[0], Service: l.head[1]}
	u, err := upstream(r.Service, l)
	if err != nil {
		return err
	}
	r.Upstream = u
	b.tunnel.Ingress = append(b.tunnel.Ingress, r)
	return nil
}
