package webconfig

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
)

// Collector answers how the web servers and proxies of this host are
// configured, one item for each.
func Collector(c *Configs) collect.Collector {
	return collect.Collector{
		Name: "web servers' configuration", Question: fact.QWebConfig, Budget: 4 * time.Second, Bytes: 8 << 20,
		Run: func(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
			return run(ctx, env, c)
		},
	}
}

func run(ctx context.Context, env *collect.Env, c *Configs) ([]originward.Evidence, []originward.NotObserved) {
	list, found, err := c.All(ctx, env)
	if err != nil {
		return nil, []originward.NotObserved{collect.Missing(fact.QWebConfig, originward.Subject{},
			"the configurations were not read in time: "+err.Error(), "run again")}
	}
	var seen []originward.Evidence
	var missing []originward.NotObserved
	for i := range list {
		inst := list[i]
		inst.Upstreams = try(ctx, env, c.Book(env), inst.Upstreams, ownListen(inst.Listens))
		s := originward.Subject{Unit: inst.Server, File: inst.File}
		seen = append(seen, env.Item(s, inst.WebConfig, describe(inst), dump(inst)))
		missing = append(missing, unread(s, inst)...)
	}
	if len(list) == 0 {
		missing = append(missing, collect.Missing(fact.QWebConfig, originward.Subject{},
			"no web server whose configuration can be read was found: looked for nginx, Apache, HAProxy, Caddy and lighttpd", "name the configuration file of the program that listens on the port"))
	}
	if found.Complete != fact.Yes {
		missing = append(missing, collect.Missing(fact.QWebConfig, originward.Subject{},
			"not every process of this host could be seen, so a server with a configuration in an unusual place may be missing", "run as root"))
	}
	return seen, missing
}

// ownListen tells whether an address is one on which the server itself listens.
func ownListen(list []fact.Listen) func(netip.AddrPort) bool {
	return func(ap netip.AddrPort) bool {
		for _, l := range list {
			if l.Port != ap.Port() {
				continue
			}
			own, err := netip.ParseAddrPort(l.Addr)
			if err != nil || own.Addr().IsUnspecified() || own.Addr().Unmap() == ap.Addr().Unmap() {
				return true
			}
		}
		return false
	}
}

func describe(i Instance) string {
	state := "whether it runs is not known"
	switch i.Running {
	case fact.Yes:
		state = "running"
	case fact.No:
		state = "not running in this network namespace"
	}
	s := fmt.Sprintf("%s reads %s (%s): %s, %s", i.Server, escape.Line(i.File, 200), state, count(len(i.Listens), "listen address", "listen addresses"), count(len(i.Sites), "site", "sites"))
	if n := len(i.Errors); n > 0 {
		s += fmt.Sprintf("; %s, the first: %s", count(n, "error", "errors"), at(i.Errors[0]))
	}
	if i.Newer == fact.Yes {
		s += "; files changed after the running processes took them"
	}
	return s
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func at(p fact.Place) string {
	return escape.Line(fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text), 300)
}

// dump is the command by which the server shows its own configuration.
func dump(i Instance) string {
	switch i.Server {
	case "nginx":
		return escape.Shell("nginx", "-T", "-c", i.File)
	case "apache":
		return escape.Shell("apachectl", "-f", i.File, "-S")
	}
	return escape.Shell("cat", i.File)
}

// unread says which included files could not be read.
func unread(s originward.Subject, i Instance) []originward.NotObserved {
	if len(i.Unread) == 0 {
		return nil
	}
	var parts []string
	for n, p := range i.Unread {
		if n == 3 {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, p.Text)
	}
	return []originward.NotObserved{collect.Missing(fact.QWebConfig, s,
		fmt.Sprintf("%d of %s's files could not be read: %s", len(i.Unread), i.Server, strings.Join(parts, "; ")), "run as root")}
}
