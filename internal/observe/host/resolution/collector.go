package resolution

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/names"
	"github.com/originward/originward/internal/observe/host/webconfig"
)

// Bounds of a run.
const (
	maxNames = 64
	atOnce   = 16
	maxUses  = 8
)

// Collector answers what names mean on this host, one item for each name.
func Collector(c *webconfig.Configs) collect.Collector {
	return collect.Collector{
		Name: "names", Question: fact.QResolution, Budget: 3 * time.Second,
		Run: func(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
			list, _, err := c.All(ctx, env)
			if err != nil {
				return nil, []originward.NotObserved{collect.Missing(fact.QResolution, originward.Subject{}, "the configurations were not read in time: "+err.Error(), "run again")}
			}
			return run(ctx, env, c.Book(env), list)
		},
	}
}

// wanted is a name to look up, with the lines that use it.
type wanted struct {
	name string
	uses []fact.Place
}

func run(ctx context.Context, env *collect.Env, book *names.Book, list []webconfig.Instance) ([]originward.Evidence, []originward.NotObserved) {
	want, elsewhere := gather(env, list)
	out := make([]originward.Evidence, len(want))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, w := range want {
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			out[i] = item(env, w, book.Lookup(ctx, w.name))
		}()
	}
	wg.Wait()
	var gone []originward.NotObserved
	for _, f := range elsewhere {
		gone = append(gone, collect.Missing(fact.QResolution, originward.Subject{File: f},
			"the names that "+escape.Line(f, 200)+" uses were asked here, and its program has a file tree of its own: its resolver may answer otherwise", "run getent hosts NAME inside the container"))
	}
	return out, gone
}

// gather lists the site's name and the names of backends.
func gather(env *collect.Env, list []webconfig.Instance) (want []wanted, elsewhere []string) {
	add := func(name string, use *fact.Place) {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if !isName(name) {
			return
		}
		i := slices.IndexFunc(want, func(w wanted) bool { return w.name == name })
		if i < 0 {
			if len(want) >= maxNames {
				return
			}
			want = append(want, wanted{name: name})
			i = len(want) - 1
		}
		if use != nil && len(want[i].uses) < maxUses {
			want[i].uses = append(want[i].uses, *use)
		}
	}
	add(env.Host, nil)
	for _, inst := range list {
		foreign := false
		for _, u := range inst.Upstreams {
			if u.Socket != "" || u.Addr.IsValid() {
				continue
			}
			host, _, err := net.SplitHostPort(u.Name)
			if err != nil {
				host = u.Name
			}
			add(host, &u.Place)
			foreign = foreign || isName(strings.ToLower(host))
		}
		if foreign && inst.FS.Root != env.Root && inst.FS.Root != "" && inst.FS.Root != "/" {
			elsewhere = append(elsewhere, inst.File)
		}
	}
	return want, elsewhere
}

// isName reports whether a text can be a host name that is to be looked up.
func isName(s string) bool {
	if s == "" || len(s) > 253 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return false
	}
	_, err := netip.ParseAddr(s)
	return err != nil
}

func item(env *collect.Env, w wanted, a names.Answer) originward.Evidence {
	r := fact.ResolvedName{Name: w.name, Addrs: a.Addrs, Failure: a.Failure, UsedBy: w.uses}
	if r.Addrs == nil {
		r.Addrs = []netip.Addr{}
	}
	for _, x := range a.Addrs {
		if cdn, in, ok := env.CDN(x); ok {
			r.InCDN = append(r.InCDN, fact.AddrCDN{Addr: x, CDN: cdn, Range: in})
		}
	}
	return env.Item(originward.Subject{Name: w.name}, fact.Resolution{Names: []fact.ResolvedName{r}}, describe(r, a), escape.Shell("getent", "ahosts", w.name))
}

func describe(r fact.ResolvedName, a names.Answer) string {
	if a.Failure == "timeout" {
		return fmt.Sprintf("On this host the resolver did not say within %v what the name %s means.", names.Timeout, r.Name)
	}
	if a.Failure != "" {
		return fmt.Sprintf("On this host the name %s does not resolve: %s.", r.Name, a.Failure)
	}
	var addrs []string
	for i, x := range r.Addrs {
		if i == 4 {
			addrs = append(addrs, "…")
			break
		}
		addrs = append(addrs, x.String())
	}
	s := fmt.Sprintf("On this host the name %s means %s", r.Name, strings.Join(addrs, ", "))
	if a.From == "/etc/hosts" {
		s += fmt.Sprintf(" (/etc/hosts, line %d)", a.Line)
	}
	if len(r.InCDN) > 0 {
		s += ", which is the edge (" + r.InCDN[0].CDN + ")"
	}
	return s + "."
}
