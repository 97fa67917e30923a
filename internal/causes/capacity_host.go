package causes

import (
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// judgeOOM: memory ran out and a needed process was killed.
func judgeOOM(v *View) []Verdict {
	var out []Verdict
	for _, k := range v.killed() {
		for _, l := range v.Legs {
			if l.Used == fact.No || !v.Here(l) {
				continue
			}
			fails, keys := v.proxyFails(l, 520, 521, 502, 503, 522, 504)
			if r, rk := v.refusal(l); r.IsYes() {
				fails, keys = r, append(keys, rk...)
			}
			c := newCase("capacity.oom", l.Subject()).Explains(keys...)
			c.v.Subject.Unit = k.unit
			c.Ask("Does the site fail?", fails, originward.Possible, originward.Likely)
			c.Must("Was a process killed for memory?", Yes(k.says, k.by...))
			c.Ask("Was it one that the site needs, and is it gone?", k.needed, originward.Possible, originward.Likely)
			c.Says("a process was killed for lack of memory", k.says+".")
			f := fix("Start it again; limit what takes the memory, or add some.", k.step)
			f.Verify = "journalctl -k -g 'Out of memory' shows no new line, and " + v.diagnoseAgain()
			out = append(out, c.Fix(f).Done())
		}
	}
	return out
}

// kill is one process that was killed for memory.
type kill struct {
	unit, says string
	by         []string
	needed     Ans
	step       originward.Step
}

// killed lists the kills: by the service manager's word, by a container
// engine's, by the kernel's log.
func (v *View) killed() []kill {
	var out []kill
	for _, s := range v.Services(func(s fact.Service) bool { return s.Result == "oom-kill" && !running(s) && v.ofSite(s) }) {
		out = append(out, kill{nameOf(s.Service), nameOf(s.Service) + " was killed for memory and is " + s.State, []string{s.By},
			Yes(nameOf(s.Service)+" is "+s.State, s.By), onHost(v.control("start", s.Service), "")})
	}
	for _, it := range v.containers {
		for _, c := range it.Fact.Containers {
			if c.OOM == fact.Yes && c.State != "running" {
				out = append(out, kill{c.Name, "container " + c.Name + " was killed for memory", []string{it.ID},
					Yes("container "+c.Name+" is "+c.State, it.ID), onHost(firstOf(it.Fact.Engine, "docker")+" start "+c.Name, "")})
			}
		}
	}
	if k := v.childrenKilled(); k.unit != "" {
		out = append(out, k)
	}
	lines, by := v.Lines(nil, fact.LogOOM)
	for _, l := range lines {
		name := firstOf(l.Target, l.Program)
		if len(out) > 0 && hasAny(name, out[0].unit) {
			continue
		}
		if slices.ContainsFunc(out, func(k kill) bool { return k.unit == name }) || len(out) >= maxShown {
			continue
		}
		out = append(out, kill{name, "the kernel's log: " + l.Text, by, v.gone(name, l), v.startOf(name)})
	}
	return out
}

// behindAny reports whether a running proxy of the host forwards to a service.
func (v *View) behindAny(s Service) bool {
	return slices.ContainsFunc(v.upstreams(), func(u inner) bool {
		b, ok := v.backendService(u.up)
		return ok && b.Kind == s.Kind && b.Name == s.Name
	})
}

// gone answers whether the program that the kernel killed is one of the
// host's services and does not run now. The kernel's log is the whole
// machine's, so the name alone is not enough.
func (v *View) gone(name string, l fact.LogLine) Ans {
	if len(v.services) == 0 {
		return Unseen(lookServices)
	}
	same := v.Services(func(s fact.Service) bool { return sameProgram(s, name) && v.ofSite(s) })
	for _, s := range same {
		if dead(s.Service) && !v.missed(s.Service) {
			return No(nameOf(s.Service)+" is "+s.State+", and nothing of the site asks for it", s.By)
		}
		if dead(s.Service) {
			if l.Source == "kernel" && !isWeb(s.Service) && !v.behindAny(s) {
				continue // the machine's log, and nothing of the site leads to it
			}
			if l.Source == "kernel" && s.Signal != "SIGKILL" && s.Result != "oom-kill" && s.Result != "signal" {
				return Ans{By: []string{s.By}, Says: nameOf(s.Service) + " is " + s.State, Look: &lookServices}
			}
			return Yes(nameOf(s.Service)+" is "+s.State+diedOf(s.Service), s.By)
		}
	}
	if len(same) > 0 {
		return No(nameOf(same[0].Service)+" runs", same[0].By)
	}
	if appProgram(name) && v.At.Sub(l.At) < killBack {
		for _, u := range v.upstreams() {
			if refused := v.refusedBackend(u.up, u.item.ID); refused.IsYes() && v.noBackendSocket(u).IsYes() {
				return Ans{By: refused.By, Says: refused.Says, Look: &lookServices} // it may have been the one: the name is all that tells
			}
		}
	}
	return No(firstOf(name, "what was killed")+" is no service of the site that is known", v.services[0].ID)
}

// killBack is how long before the look a process without a service may have been
// killed to be taken for the one that is missing.
const killBack = 15 * time.Minute

// missed reports whether something of the site asks for a service that is gone: a
// proxy that cannot reach it, or the edge at a port on which nothing listens.
func (v *View) missed(s fact.Service) bool {
	if isWeb(s) {
		return slices.ContainsFunc(v.Legs, func(l *Leg) bool { return l.Used != fact.No && v.Here(l) && v.Listening(l).IsNo() })
	}
	return slices.ContainsFunc(v.upstreams(), func(u inner) bool {
		fpm := hasAny(u.up.Scheme+u.up.Socket, "fastcgi", "php", "fpm")
		return u.up.Answers != fact.Yes && fpm == hasAny(s.Kind, "php")
	})
}

// childrenKilled finds a server of the site whose children the kernel kills for
// their memory, while it runs on itself: its own log tells of SIGKILL, and the
// kernel's of the same program.
func (v *View) childrenKilled() kill {
	exits, by := v.Lines(killedBy9, fact.LogChildCrash)
	kills, kby := v.Lines(nil, fact.LogOOM)
	for _, x := range exits {
		for _, k := range kills {
			if !hasAny(k.Target, x.Program) || x.Program == "" || k.At.Sub(x.At).Abs() > time.Minute {
				continue
			}
			for _, s := range v.Services(func(s fact.Service) bool { return sameProgram(s, x.Program) && running(s) }) {
				return kill{x.Program, "the kernel kills the children of " + nameOf(s.Service) + " for their memory: " + k.Text, addIDs(by, kby),
					Yes("its log: "+x.Text, by...), onHost("journalctl -k -g oom-kill; then raise the unit's MemoryMax or the machine's memory, or lower the children's memory_limit", "")}
			}
		}
	}
	return kill{}
}

// ofSite reports whether a service can be one of the site's: an application of
// which the ports are known has to listen where a proxy of the site forwards.
func (v *View) ofSite(s fact.Service) bool {
	return s.Role != "backend" || len(s.Ports) == 0 || slices.ContainsFunc(v.upstreams(), func(u inner) bool { return slices.Contains(s.Ports, u.up.Addr.Port()) })
}

func sameProgram(s fact.Service, name string) bool {
	if name == "" {
		return false
	}
	return s.Kind == name || s.Name == name || nameOf(s) == name || hasAny(s.Exe, "/"+lower(name)) || name == "apache2" && s.Kind == "apache" || hasAny(name, "php-fpm") && s.Kind == "php-fpm"
}

func (v *View) startOf(name string) originward.Step {
	for _, s := range v.Services(func(s fact.Service) bool { return sameProgram(s, name) && dead(s) }) {
		return onHost(v.control("start", s.Service), "")
	}
	return originward.Step{}
}

// judgeDiskFull: a full or failing disk stops the service.
func judgeDiskFull(v *View) []Verdict {
	var out []Verdict
	full, mount, used := v.diskFull()
	logged := either(v.Logged("the logs", nil, fact.LogDiskFull, fact.LogDiskError), v.saysDiskFull())
	if !full.IsYes() && !logged.IsYes() {
		return nil
	}
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) {
			continue
		}
		fails, keys := v.proxyFails(l, 500, 502, 503, 520, 521, 504, cutShort)
		if r, rk := v.refusal(l); r.IsYes() {
			fails, keys = r, append(keys, rk...)
		}
		c := newCase("capacity.disk-full", l.Subject()).Explains(keys...)
		c.v.Subject.Name = mount
		c.Ask("Does the site fail?", fails, originward.Possible, originward.Likely)
		c.Ask("Is a disk that the site needs full?", full, originward.Possible, originward.Likely)
		if !used && !(logged.IsYes() && v.onlyFull()) {
			unseen := originward.Possible
			if logged.IsYes() {
				unseen = originward.Likely
			}
			c.Ask("Is it known that the site uses that disk?", Unseen(lookLogs), unseen, unseen)
		}
		silent := originward.Likely
		if full.IsYes() && v.holdsLogs(mount) {
			silent = originward.Proved // the line that would tell of it found no room either
		}
		c.Ask("Do the logs of that time name writes that failed?", logged, silent, silent)
		c.Says("a disk is full", "The site cannot write"+because(firstYes(full, logged))+".")
		f := fix("Free space on it, and be told earlier.", onHost("du -xh --max-depth=2 "+firstOf(mount, "/")+" | sort -h | tail; journalctl --vacuum-size=200M", ""))
		f.Verify = "df -h " + firstOf(mount, "/") + " and df -i " + firstOf(mount, "/") + " show room, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// holdsLogs reports whether the site's logs are written to a file system.
func (v *View) holdsLogs(mount string) bool {
	for _, it := range v.load {
		for _, d := range it.Fact.Disks {
			if d.Mount == mount && slices.Contains(d.UsedBy, "log") {
				return true
			}
		}
	}
	return false
}

// saysDiskFull answers whether an error page itself tells of the full disk.
func (v *View) saysDiskFull() Ans {
	for _, l := range v.Legs {
		for _, x := range slices.Concat(l.Direct, l.Local) {
			if r := x.Fact.Response; r != nil && r.Status >= 500 && hasAny(r.Body+r.Title, "no space left", "disk full", "errno 28", "enospc") {
				return Yes("the error page says that no space is left", x.ID)
			}
		}
	}
	return v.LogsSeen().Not()
}

// diskFull answers whether a file system has no room: no byte, or no inode,
// for an ordinary user. used says that the site is known to need it; of
// several, such a one is named.
func (v *View) diskFull() (a Ans, mount string, used bool) {
	var by []string
	found := false
	for _, it := range v.load {
		by = addIDs(by, []string{it.ID})
		for _, d := range it.Fact.Disks {
			says := fullText(d)
			if says == "" || found && (used || len(d.UsedBy) == 0) {
				continue
			}
			found, mount, used = true, d.Mount, len(d.UsedBy) > 0
			a = Yes(says, it.ID)
		}
	}
	switch {
	case found:
		return a, mount, used
	case len(by) == 0:
		return Unseen(lookLoad), "", false
	}
	return No("every disk has room", by...), "", false
}

// onlyFull reports whether just one file system is full: a write that failed
// for want of room then failed there.
func (v *View) onlyFull() bool {
	full := map[string]bool{}
	for _, it := range v.load {
		for _, d := range it.Fact.Disks {
			if fullText(d) != "" {
				full[d.Mount] = true
			}
		}
	}
	return len(full) == 1
}

// fullText says how a file system is full; empty = it is not, or it is of a
// kind that always is.
func fullText(d fact.Disk) string {
	if hasAny(d.Type, "squashfs", "iso9660", "erofs", "udf") || strings.HasPrefix(d.Mount, "/snap/") {
		return ""
	}
	switch {
	case d.Size > 0 && d.Avail*1000 < d.Size && d.Avail < 16<<20:
		return d.Mount + " has " + u64(d.Avail>>10) + " KiB left of " + u64(d.Size>>20) + " MiB"
	case d.Inodes > 0 && d.InodeFree*1000 < d.Inodes:
		return d.Mount + " has " + u64(d.InodeFree) + " inodes left of " + u64(d.Inodes)
	case d.ReadOnly && len(d.UsedBy) > 0 && d.Type != "overlay":
		return d.Mount + " is mounted read-only"
	}
	return ""
}

// judgeFlood: crawlers or an attack saturate the origin.
func judgeFlood(v *View) []Verdict {
	flood := v.Logged("the kernel's log", nil, fact.LogSYNFlood)
	busy := v.flooded()
	if !flood.IsYes() && !busy.IsYes() {
		return nil
	}
	return v.capacity("capacity.flood", []int{522, 520, 524, 521, 503, 525, 500, 502}, func(_ *Leg, c *Case) bool {
		c.Must("Do connections far beyond the usual arrive?", firstYes(busy, flood))
		c.Ask("Does it come from the outside past the edge, or through it, in numbers?", busy, originward.Possible, originward.Possible)
		c.AtMost(originward.Likely, "what is usual for this host is not known")
		c.Says("the origin is flooded", "Connections arrive in numbers that the server cannot take"+because(firstYes(busy, flood))+".")
		f := fix("Challenge or rate-limit at the edge, and admit the CDN's ranges only at the origin.", onCDN("a rate limit or challenge for the paths that are asked for", "delete it"))
		f.Verify = v.diagnoseAgain()
		c.Fix(f)
		return true
	})
}

// Connections beyond which a host is called flooded: far above what an origin
// behind an edge holds, since the edge reuses its connections.
const (
	floodPeers   = 1000 // from one network that is no edge
	floodSynRecv = 256
)

func (v *View) flooded() Ans {
	for _, it := range v.counters {
		for _, p := range it.Fact.ClientPeers {
			if p.CDN == "" && p.Count >= floodPeers {
				return Yes(itoa(p.Count)+" connections come from "+p.Net.String(), it.ID)
			}
		}
		if it.Fact.SynRecv >= floodSynRecv {
			return Yes(itoa(it.Fact.SynRecv)+" half-open connections wait", it.ID)
		}
	}
	return Unseen(lookCounters)
}

// judgeStampede: a purge sends all traffic to the origin at once.
func judgeStampede(v *View) []Verdict {
	purge := Unseen(lookEvents)
	for _, it := range v.events {
		for _, e := range it.Fact.Events {
			if d := v.At.Sub(e.At); hasAny(e.Action+" "+e.Text, "purge") && d >= 0 && d.Minutes() <= 30 {
				purge = Yes("the cache was purged "+d.Round(time.Second).String()+" before", it.ID)
			}
		}
	}
	if !purge.IsYes() {
		return nil
	}
	var out []Verdict
	for _, l := range v.Legs {
		fails, keys := v.Fails(l, 500, 503, 524, 504, 502)
		if l.Used == fact.No || !fails.IsYes() {
			continue
		}
		c := newCase("capacity.origin-stampede", l.Subject()).Explains(keys...)
		c.Must("Does the origin fail under load?", fails)
		c.Must("Was the cache purged shortly before?", purge)
		c.Ask("Is the origin's capacity used up?", v.loaded(), originward.Possible, originward.Possible)
		c.AtMost(originward.Likely, "that the load comes of the purge is told by its time")
		c.Says("a purge of the cache sent all traffic to the origin", purge.Says+", and the origin cannot take the traffic that the cache carried.")
		f := fix("Purge narrowly, use a tiered cache, and warm what matters.", onCDN("switch tiered cache on", "switch it off"))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// loaded answers whether the host is short of processor or workers.
func (v *View) loaded() Ans {
	if a := v.Logged("a limit is reached", nil, fact.LogWorkersFull); a.IsYes() {
		return a
	}
	for _, it := range v.load {
		if it.Fact.BusyPct >= 95 || it.Fact.Pressure["cpu.some"] >= 60 || it.Fact.Pressure["memory.full"] >= 20 {
			return Yes("the host's processors or memory are used up", it.ID)
		}
	}
	if len(v.load) > 0 {
		return No("the host has processor and memory to spare", v.load[0].ID)
	}
	return Unseen(lookLoad)
}
