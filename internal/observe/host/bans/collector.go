// Package bans reads what tools and lists of this host deny: fail2ban,
// CrowdSec, CSF, ufw, firewalld, ipset, TCP wrappers, .htaccess files and
// security plugins, each crossed with the edge's ranges and with the host's
// own internal hops.
//
// A list says what its tool wants. What the packet filter does with it is the
// answer of another collector.
package bans

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig"
)

// seen is one source with the command that shows it.
type seen struct {
	fact.BanSource
	show string
}

// source is one kind of ban list: one line in sources.
type source struct {
	name string
	read func(ctx context.Context, s *survey) ([]seen, []originward.NotObserved)
}

func sources(c *webconfig.Configs) []source {
	return []source{
		{"fail2ban", fail2ban},
		{"crowdsec", crowdsec},
		{"csf", csf},
		{"ufw", ufw},
		{"firewalld", firewalld},
		{"ipset", ipset},
		{"hosts.deny", wrappers},
		{"sshguard", sshguard},
		{"htaccess", func(ctx context.Context, s *survey) ([]seen, []originward.NotObserved) { return htaccess(ctx, s, c) }},
		{"wordfence", func(ctx context.Context, s *survey) ([]seen, []originward.NotObserved) { return wordfence(ctx, s, c) }},
	}
}

// Collector answers who is banned, one item for each list.
func Collector(c *webconfig.Configs) collect.Collector {
	return collect.Collector{
		Name: "bans", Question: fact.QBans, Budget: 5 * time.Second,
		Run: func(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
			return run(ctx, env, sources(c))
		},
	}
}

func run(ctx context.Context, env *collect.Env, list []source) ([]originward.Evidence, []originward.NotObserved) {
	s := newSurvey(env, env.Addresses(ctx), routers(rootfs.FS{Root: env.Root}))
	type part struct {
		seen    []seen
		missing []originward.NotObserved
	}
	parts := make([]part, len(list))
	var wg sync.WaitGroup
	for i, src := range list {
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() { // one broken list costs no other
				if p := recover(); p != nil {
					parts[i] = part{missing: []originward.NotObserved{missing(src.name, fmt.Sprintf("internal error: %v", p), "report this as a bug")}}
				}
			}()
			parts[i].seen, parts[i].missing = src.read(ctx, s)
		}()
	}
	wg.Wait()
	var items []originward.Evidence
	var gone []originward.NotObserved
	for _, p := range parts {
		for _, x := range p.seen {
			items = append(items, env.Item(originward.Subject{Unit: x.Tool, Name: x.Jail, File: x.File}, fact.Bans{Sources: []fact.BanSource{x.BanSource}}, describe(x.BanSource), x.show))
		}
		gone = append(gone, p.missing...)
	}
	if len(items) == 0 {
		items = append(items, env.Item(originward.Subject{}, fact.Bans{Sources: []fact.BanSource{}},
			"No ban list was found: no fail2ban, CrowdSec, CSF, ufw, firewalld, ipset, TCP wrappers, .htaccess deny or security plugin's list is in use here.", "ls /etc/fail2ban /etc/crowdsec /etc/csf /etc/ufw /etc/firewalld /etc/hosts.deny"))
	}
	return items, gone
}

func missing(tool, why, how string) originward.NotObserved {
	return collect.Missing(fact.QBans, originward.Subject{Unit: tool}, tool+": "+escape.Line(why, 300), how)
}

func describe(b fact.BanSource) string {
	name := b.Tool
	if b.Jail != "" {
		name += " " + escape.Line(b.Jail, 100)
	}
	switch b.State {
	case fact.No:
		return name + " is not in force" + because(b.Why)
	case fact.Unknown:
		return "what " + name + " bans is not known" + because(b.Why)
	}
	text := fmt.Sprintf("%s bans %s", name, plural(b.Total, "address or network", "addresses and networks"))
	if n := len(b.CDN); n > 0 {
		text += fmt.Sprintf(", %s of the edge's: %s", some(n), list(b.CDN))
	} else {
		text += ", none of the edge's"
	}
	hops := 0
	for _, p := range b.Private {
		if p.Gateway == fact.Yes {
			hops++
			if hops == 1 {
				text += "; internal hop " + p.Prefix.String()
			}
		}
	}
	return text + because(b.Why)
}

func some(n int) string {
	if n >= maxListed {
		return fmt.Sprintf("at least %d", n)
	}
	return fmt.Sprint(n)
}

func because(why string) string {
	if why == "" {
		return "."
	}
	return ": " + strings.TrimSuffix(escape.Line(why, 300), ".") + "."
}

func plural(n int, one, many string) string {
	switch n {
	case 0:
		return "no " + one
	case 1:
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func list(bans []fact.Ban) string {
	var p []netip.Prefix
	for _, b := range bans {
		p = append(p, b.Prefix)
	}
	return cidr.List(p, 4)
}

// routers are the default gateways, from /proc/net/route.
func routers(fs rootfs.FS) []netip.Addr {
	b, _ := fs.Read("/proc/net/route", 1<<20)
	var out []netip.Addr
	for _, l := range strings.Split(string(b), "\n") {
		f := strings.Fields(l)
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" || len(f[2]) != 8 {
			continue
		}
		var a [4]byte
		if _, err := fmt.Sscanf(f[2], "%02X%02X%02X%02X", &a[3], &a[2], &a[1], &a[0]); err == nil && a != [4]byte{} {
			out = append(out, netip.AddrFrom4(a))
		}
	}
	return out
}
