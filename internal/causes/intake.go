package causes

import (
	"slices"

	"github.com/originward/originward/fact"
)

// Bounds of what a view holds. An honest run is far below all of them, but for
// hosts of very many sites, of which the asked one's are kept; a hostile
// bundle is cut to them, so that judging stays quick.
const (
	maxItems    = 256  // items of one question, rows of one fact
	maxOrigins  = 12   // addresses of one name
	maxLegs     = 40   // addresses × ports
	maxHits     = 128  // answers of the edge
	maxSockets  = 2048 // listening sockets
	maxLines    = 1024 // classified log lines
	maxSegments = 512  // segments of one side of a packet filter's answer
	maxServers  = 32   // web servers
	maxBlocks   = 48   // rules that turn the edge away
)

// first is the beginning of a list.
func first[T any](s []T, n int) []T { return s[:min(len(s), n)] }

// prefer keeps the rows that matter, then the first of the others.
func prefer[T any](s []T, n int, matters func(T) bool) []T {
	if len(s) <= n {
		return s
	}
	out := make([]T, 0, n)
	for _, want := range []bool{true, false} {
		for _, x := range s {
			if len(out) < n && matters(x) == want {
				out = append(out, x)
			}
		}
	}
	return out
}

// trim bounds every list inside the facts.
func (v *View) trim() {
	for i := range v.listeners {
		v.listeners[i].Fact.Sockets = prefer(v.listeners[i].Fact.Sockets, maxSockets, func(s fact.Socket) bool { return s.Port == 80 || s.Port == 443 })
	}
	for i := range v.services {
		f := &v.services[i].Fact
		f.Services = prefer(f.Services, maxItems, func(s fact.Service) bool { return installed(s) && isWeb(s) })
	}
	for i := range v.logs {
		v.logs[i].Fact.Lines = first(v.logs[i].Fact.Lines, maxLines)
		v.logs[i].Fact.Sources = first(v.logs[i].Fact.Sources, maxItems)
	}
	for i := range v.web {
		v.trimWeb(&v.web[i].Fact)
	}
	for i := range v.certs {
		f := &v.certs[i].Fact
		f.Files = prefer(f.Files, 64, func(c fact.CertFile) bool {
			return v.anyName(c.Names) || len(c.Chain) > 0 && v.anyName(c.Chain[0].Names)
		})
		f.Served = prefer(f.Served, 64, func(s fact.CertServed) bool { return lower(s.SNI) == lower(v.Host) })
	}
	for i := range v.firewall {
		f := &v.firewall[i].Fact
		f.Answers = slices.Clone(first(f.Answers, 64))
		for j := range f.Answers {
			f.Answers[j].CDN, f.Answers[j].Others = first(f.Answers[j].CDN, maxSegments), first(f.Answers[j].Others, maxSegments)
			f.Answers[j].Sets = first(f.Answers[j].Sets, maxItems)
		}
	}
	v.trimRest()
}

func (v *View) trimRest() {
	v.trimDrops()
	for i := range v.bans {
		f := &v.bans[i].Fact
		f.Sources = slices.Clone(prefer(f.Sources, 64, func(s fact.BanSource) bool { return len(s.CDN)+len(s.Private) > 0 }))
		for j := range f.Sources {
			f.Sources[j].CDN, f.Sources[j].Private = first(f.Sources[j].CDN, 64), first(f.Sources[j].Private, 64)
		}
	}
	for i := range v.routes {
		v.routes[i].Fact.Groups = first(v.routes[i].Fact.Groups, 64)
		v.routes[i].Fact.Special = first(v.routes[i].Fact.Special, 64)
	}
	for i := range v.jobs {
		v.jobs[i].Fact.Jobs = first(v.jobs[i].Fact.Jobs, 64)
	}
	for i := range v.containers {
		v.containers[i].Fact.Containers = first(v.containers[i].Fact.Containers, maxItems)
	}
	for i := range v.counters {
		v.counters[i].Fact.PortsInUse, v.counters[i].Fact.ClientPeers = first(v.counters[i].Fact.PortsInUse, 64), first(v.counters[i].Fact.ClientPeers, 64)
	}
	for i := range v.cdnRecs {
		v.cdnRecs[i].Fact.Records = first(v.cdnRecs[i].Fact.Records, 64)
	}
	for i := range v.rules {
		v.rules[i].Fact.Evaluated = first(v.rules[i].Fact.Evaluated, maxItems)
	}
	for i := range v.events {
		v.events[i].Fact.Events = first(v.events[i].Fact.Events, maxItems)
	}
	for i := range v.settings {
		v.settings[i].Fact.Ranges, v.settings[i].Fact.Egress = first(v.settings[i].Fact.Ranges, 1024), first(v.settings[i].Fact.Egress, 64)
	}
	for i := range v.repeats {
		v.repeats[i].Fact.Runs = first(v.repeats[i].Fact.Runs, maxItems)
	}
}

// trimWeb bounds one configuration. Of very many virtual hosts those of the
// asked name and the default ones are kept.
func (v *View) trimWeb(w *fact.WebConfig) {
	w.Sites = slices.Clone(prefer(w.Sites, 32, func(s fact.Site) bool {
		return v.anyName(s.Names) || slices.ContainsFunc(s.Listens, func(l fact.Listen) bool { return l.Default })
	}))
	for i := range w.Sites {
		w.Sites[i].Listens, w.Sites[i].Refuses = first(w.Sites[i].Listens, 16), first(w.Sites[i].Refuses, 16)
	}
	w.Listens = first(w.Listens, 128)
	w.Limits = first(w.Limits, 64)
	w.Upstreams = prefer(w.Upstreams, 64, func(u fact.Upstream) bool { return u.Site == "" || hasAny(u.Site, lower(v.Host)) })
	w.Timeouts, w.Settings, w.Closes = first(w.Timeouts, 128), first(w.Settings, 128), first(w.Closes, 64)
	w.ProxyProto, w.Errors = first(w.ProxyProto, 64), first(w.Errors, 64)
}

// anyName reports whether one of the names is the asked host's.
func (v *View) anyName(names []string) bool {
	return slices.ContainsFunc(first(names, maxItems), func(n string) bool { return nameMatches(n, v.Host) })
}
