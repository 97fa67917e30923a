package causes

import (
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// lossCodes are the codes that lost or unanswered connections give.
var lossCodes = []int{522, 520}

// capacity opens a case for every leg of the host that fails with one of the
// codes; a verdict comes only where more finds its own evidence.
func (v *View) capacity(id originward.CauseID, codes []int, judge func(l *Leg, c *Case) bool) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) {
			continue
		}
		fails, keys := v.proxyFails(l, codes...)
		c := newCase(id, l.Subject()).Explains(keys...)
		worst := originward.Possible
		c.Ask("Does the site fail as this would make it fail?", fails, worst, originward.Likely)
		if judge(l, c) {
			out = append(out, c.Done())
		}
	}
	return out
}

func judgeConntrack(v *View) []Verdict {
	return v.capacity("capacity.conntrack-full", lossCodes, func(_ *Leg, c *Case) bool {
		full := v.tableFull()
		logged := v.Logged("the kernel's log", nil, fact.LogConntrackFull)
		if !full.IsYes() && !logged.IsYes() {
			return false
		}
		c.Ask("Is the connection-tracking table full?", full, originward.Possible, originward.Likely)
		c.Ask("Does the kernel drop flows for it?", either(v.tableDrops(), logged), originward.Likely, originward.Likely)
		c.Says("the connection-tracking table is full", "The kernel drops new connections"+because(full)+".")
		f := fix("Raise the maximum, shorten the timeouts, or skip tracking for the web ports.",
			onHost("sysctl -w net.netfilter.nf_conntrack_max=524288", "sysctl -w net.netfilter.nf_conntrack_max="+v.sysctlMax()))
		f.Verify = "cat /proc/sys/net/netfilter/nf_conntrack_count is below the maximum, and " + v.diagnoseAgain()
		c.Fix(f)
		return true
	})
}

func (v *View) sysctlMax() string {
	for _, it := range v.counters {
		if it.Fact.Conntrack.Max > 0 {
			return u64(it.Fact.Conntrack.Max)
		}
	}
	return "262144"
}

func (v *View) tableDrops() Ans {
	for _, it := range v.counters {
		if it.Fact.Conntrack.DropGrowth > 0 {
			return Yes("the kernel dropped "+u64(it.Fact.Conntrack.DropGrowth)+" flows between two readings", it.ID)
		}
	}
	return Unseen(lookCounters)
}

func judgeBacklog(v *View) []Verdict {
	return v.capacity("capacity.accept-backlog", lossCodes, func(l *Leg, c *Case) bool {
		full := v.queueFull(l)
		n, by := v.growth("ListenOverflows", "ListenDrops", "TCPReqQFullDrop")
		flood := v.Logged("the kernel's log", nil, fact.LogSYNFlood)
		if !full.IsYes() && n == 0 && !flood.IsYes() {
			return false
		}
		socks, sby := v.SocketsOf(l)
		if len(socks) == 0 {
			return false
		}
		c.v.Subject.Unit = firstOf(socks[0].Unit, socks[0].Program)
		c.Ask("Is the accept queue of the server's socket full?", full, originward.Possible, originward.Possible)
		grows := Unseen(lookCounters)
		switch {
		case n > 0:
			grows = Yes("the kernel's overflow counters grew by "+u64(n)+" between two readings", by...)
		case socks[0].Drops > 0 || v.since("ListenOverflows") > 0:
			grows = Yes("the socket or the kernel counts overflows since it was opened", append(sby, v.counterIDs()...)...)
		}
		c.Ask("Do overflows grow?", grows, originward.Likely, originward.Likely)
		c.Apart("Does the packet filter let the edge in?", v.gateOpen(l))
		c.Says("the server's accept queue overflows", "New connections wait in the queue of "+socketText(socks[0])+" and are dropped: the server does not accept them fast enough.")
		f := fix("Find why the server does not accept; raise its backlog and somaxconn.",
			onHost("sysctl -w net.core.somaxconn=4096", ""), onHost("listen … backlog=4096 in the server's configuration, and restart it", ""))
		f.Verify = "ss -ltn 'sport = :" + itoa(int(l.Port)) + "' shows Recv-Q below Send-Q, and " + v.diagnoseAgain()
		c.Fix(f)
		return true
	})
}

func (v *View) counterIDs() []string {
	var out []string
	for _, it := range v.counters {
		out = append(out, it.ID)
	}
	return out
}

// since is a kernel counter at the first reading.
func (v *View) since(name string) uint64 {
	var n uint64
	for _, it := range v.counters {
		n += it.Fact.First[name]
	}
	return n
}

// gateOpen answers whether the packet filter admits the CDN.
func (v *View) gateOpen(l *Leg) Ans {
	g := v.Gate(l)
	if !g.Seen || g.CDN.Empty() {
		return Unseen(lookFirewall)
	}
	return when(len(g.CDN.Blocked) == 0, "the packet filter turns away: "+rangesText(segRanges(g.CDN.Blocked)), g.By...)
}

// workerCodes are the codes of a server without a free worker. 521 is not
// among them: a server that is there does not refuse.
var workerCodes = []int{500, 502, 503, 504, 520, 522, 524, 525}

func judgeWorkers(v *View) []Verdict {
	return v.capacity("capacity.workers-exhausted", workerCodes, func(l *Leg, c *Case) bool {
		full := v.Logged("the server's log names the limit", v.busyNow, fact.LogWorkersFull)
		lines, _ := v.Lines(v.busyNow, fact.LogWorkersFull)
		if queue, up := v.backlogged(l); queue.IsYes() && len(lines) == 0 {
			full, lines = queue, []fact.LogLine{{Program: up.Name, Text: queue.Says}}
		}
		if taken := v.allTaken(); taken.IsYes() && len(lines) == 0 {
			full, lines = taken, []fact.LogLine{{Program: "haproxy", Text: taken.Says}}
		}
		if !full.IsYes() || len(lines) == 0 {
			return false
		}
		c.v.Subject.Unit = lines[0].Program
		c.Must("Does the server's log name an exhausted limit, a connect meet a full queue, or are all connections taken?", full)
		c.Apart("Is its backend not refused or gone?", v.backendNotRefused(l))
		place := v.workerSetting(lines[0].Program)
		c.v.Subject.File, c.v.Subject.Line = place.File, place.Line
		c.Says("all workers of "+firstOf(lines[0].Program, "the server")+" are busy", "Seen at the failing time: "+lines[0].Text)
		f := fix("Find what holds the workers; raise the limit within the machine's memory.",
			edit(place, "raise "+limitOf(lines[0].Program)), onHost("reload "+firstOf(lines[0].Program, "the server"), ""))
		f.Verify = "no new line of that limit in the log, and " + v.diagnoseAgain()
		c.Fix(f)
		return true
	})
}

// busyNow reports whether the program of a line runs: one that is stopped has no
// workers to be busy.
func (v *View) busyNow(l fact.LogLine) bool {
	same := v.Services(func(s fact.Service) bool { return sameProgram(s, l.Program) })
	return len(same) == 0 || slices.ContainsFunc(same, func(s Service) bool { return running(s.Service) })
}

// limitOf is the name of a program's limit of workers or connections.
func limitOf(program string) string {
	switch {
	case hasAny(program, "php"):
		return "pm.max_children"
	case hasAny(program, "apache", "httpd"):
		return "MaxRequestWorkers"
	case hasAny(program, "nginx"):
		return "worker_connections"
	case hasAny(program, "haproxy"):
		return "maxconn"
	case hasAny(program, "lighttpd"):
		return "server.max-connections"
	}
	return "the limit of workers that the log names"
}

// backendNotRefused answers whether no backend refuses connections: that
// failure has another cause.
func (v *View) backendNotRefused(l *Leg) Ans {
	n := 0
	for _, u := range v.upstreams() {
		if u.leg != l {
			continue
		}
		n++
		if u.up.Answers == fact.No && u.up.Errno == "ECONNREFUSED" && v.noBackendSocket(u).IsYes() {
			return No(u.up.Name+" refuses connections", u.item.ID)
		}
	}
	if n == 0 && len(v.web) == 0 {
		return Unseen(lookWeb)
	}
	return Yes("no backend refuses connections")
}

// workerSetting is where a program's limit is set. Of several, the last one
// counts in Apache's configuration; elsewhere the first is the whole server's.
func (v *View) workerSetting(program string) (p fact.Place) {
	for _, it := range v.Live() {
		for _, s := range it.Fact.Settings {
			if !hasAny(s.Name, "worker_connections", "maxrequestworkers", "maxconn", "max-connections") || program != "" && !hasAny(program, it.Fact.Server) {
				continue
			}
			if p = s.Place; it.Fact.Server != "apache" {
				return p
			}
		}
	}
	return p
}

func judgeFDLimit(v *View) []Verdict {
	return v.capacity("capacity.fd-limit", []int{500, 502, 503, 520, 522, 524, 525}, func(l *Leg, c *Case) bool {
		logged := v.Logged("the server's log", nil, fact.LogTooManyFiles)
		near, waits := v.fdsUsed(l)
		if !logged.IsYes() && !near.IsYes() {
			return false
		}
		silent := originward.Likely
		if waits {
			silent = originward.Proved // who may open nothing accepts nothing, and not every program tells
		}
		c.Ask("Does the log say too many open files?", logged, silent, silent)
		c.Ask("Does the process stand at its limit?", near, originward.Likely, originward.Likely)
		if logged.IsYes() && !near.IsYes() {
			// The line was written at the failing time; the number is of now.
			c.v.Checks[len(c.v.Checks)-1].No, c.v.Checks[len(c.v.Checks)-1].Unseen = originward.Proved, originward.Proved
		}
		c.Says("the server runs out of file descriptors", "The process may not open more files or connections"+because(firstYes(logged, near))+".")
		f := fix("Raise the limit of the unit or container, not of the shell.",
			onHost("systemctl edit SERVICE   # [Service] LimitNOFILE=65536; then restart; nginx: worker_rlimit_nofile 65536", "systemctl revert SERVICE"))
		f.Verify = "grep 'open files' /proc/PID/limits, and " + v.diagnoseAgain()
		c.Fix(f)
		return true
	})
}

// fdsUsed answers whether the owner of the leg's socket, or of a backend's, is at
// its limit of descriptors; waits says that connections wait for it to accept
// them.
func (v *View) fdsUsed(l *Leg) (a Ans, waits bool) {
	socks, by := v.SocketsOf(l)
	for _, u := range v.upstreams() {
		if u.leg == l && u.up.Addr.IsValid() {
			more, mby := v.Sockets(func(s fact.Socket) bool { return s.Port == u.up.Addr.Port() && s.Serves(u.up.Addr.Addr()) })
			socks, by = slices.Concat(socks, more), addIDs(by, mby)
		}
	}
	a = Unseen(lookListeners)
	for _, s := range socks {
		if s.FDLimit > 0 && s.FDs > 0 {
			full := uint64(s.FDs)*100 >= s.FDLimit*98 || uint64(s.FDs)+1 >= s.FDLimit //nolint:gosec // positive
			if a = when(full, s.Program+" holds "+itoa(s.FDs)+" of "+u64(s.FDLimit)+" descriptors", by...); full {
				return a, s.Queue > 0
			}
		}
	}
	return a, false
}

func judgePorts(v *View) []Verdict {
	return v.capacity("capacity.ephemeral-ports", []int{502, 503, 504}, func(_ *Leg, c *Case) bool {
		logged := v.Logged("the proxy's log", nil, fact.LogUpstreamNoPort)
		busy := v.portsBusy()
		if !logged.IsYes() && !busy.IsYes() {
			return false
		}
		c.Ask("Can the proxy assign no source address?", logged, originward.Likely, originward.Likely)
		moment := originward.Likely
		if logged.IsYes() {
			moment = originward.Proved // the line tells of the failing moment, the count of another
		}
		c.Ask("Are the source ports towards one backend used up?", busy, moment, moment)
		c.Says("the proxy has run out of source ports to its backend", "Connects to the backend fail for want of a source port"+because(firstYes(busy, logged))+".")
		f := fix("Keep connections to the backend alive, widen the port range, or give more addresses.",
			onHost("sysctl -w net.ipv4.ip_local_port_range='1024 65000'", "sysctl -w net.ipv4.ip_local_port_range='32768 60999'"), onHost("nginx: keepalive 64 in the upstream block, with proxy_http_version 1.1", ""))
		f.Verify = v.diagnoseAgain()
		c.Fix(f)
		return true
	})
}

func (v *View) portsBusy() Ans {
	for _, it := range v.counters {
		span := it.Fact.PortRange[1] - it.Fact.PortRange[0] + 1
		for _, t := range it.Fact.PortsInUse {
			if span > 1 && t.Count*100 >= span*90 {
				return Yes(itoa(t.Count)+" of "+itoa(span)+" source ports towards "+t.Remote.String()+" are in use", it.ID)
			}
		}
	}
	if len(v.counters) == 0 {
		return Unseen(lookCounters)
	}
	return No("source ports are free", v.counters[0].ID)
}

func judgeTWRecycle(v *View) []Verdict {
	return v.capacity("kernel.tw-recycle", []int{522}, func(_ *Leg, c *Case) bool {
		for _, it := range v.counters {
			if strings.TrimSpace(it.Fact.Values["net.ipv4.tcp_tw_recycle"]) != "1" {
				continue
			}
			n, by := v.growth("PAWSPassive", "PAWSPassiveRejected")
			grows := No("no connection was rejected by timestamp between the readings", it.ID)
			if n > 0 {
				grows = Yes(u64(n)+" connections were rejected by timestamp", by...)
			}
			c.Must("Is tcp_tw_recycle on?", Yes("net.ipv4.tcp_tw_recycle is 1", it.ID))
			c.Ask("Do rejects by timestamp grow?", grows, originward.Likely, originward.Likely)
			c.Says("an old TCP setting drops connections of the edge", "net.ipv4.tcp_tw_recycle is 1: the kernel drops SYNs of clients that share an address, as those of an edge do.")
			f := fix("Switch it off.", onHost("sysctl -w net.ipv4.tcp_tw_recycle=0", "sysctl -w net.ipv4.tcp_tw_recycle=1"), onHost("take it out of /etc/sysctl.conf and /etc/sysctl.d", ""))
			f.Verify = v.diagnoseAgain()
			c.Fix(f)
			return true
		}
		return false
	})
}
