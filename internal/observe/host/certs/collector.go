package certs

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/exchange"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/webconfig"
)

// Bounds of a run. The site asked about comes first, so it is never among what
// is left out.
const (
	maxFiles  = 256
	maxServed = 24
	atOnce    = 6
	shake     = 1500 * time.Millisecond // one handshake over loopback
)

// Collector answers which certificates lie on disk and which are served, one
// item for each file, and one for what is served without a known file.
func Collector(c *webconfig.Configs) collect.Collector {
	return collect.Collector{
		Name: "certificates", Question: fact.QCertificates, Budget: 5 * time.Second,
		Run: func(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
			return run(ctx, env, c)
		},
	}
}

// entry is a certificate file with the sites that use it.
type entry struct {
	fact.CertFile
	leaf string // SHA-256 of its first certificate
}

// ask is a handshake to make: an address, a server name, and the files of the
// site that should answer.
type ask struct {
	addr  netip.AddrPort
	name  string
	files []*entry // of the site; empty = no configuration says
	known bool     // every file of the site was readable
}

func run(ctx context.Context, env *collect.Env, c *webconfig.Configs) ([]originward.Evidence, []originward.NotObserved) {
	list, _, err := c.All(ctx, env)
	if err != nil {
		return nil, []originward.NotObserved{collect.Missing(fact.QCertificates, originward.Subject{}, "the configurations were not read in time: "+err.Error(), "run again")}
	}
	files, asks := plan(ctx, env, list)
	served := shakeAll(ctx, asks, files)
	return items(env, files, served), unread(files)
}

// plan gathers the files of all sites and the handshakes that show what is
// served for them.
func plan(ctx context.Context, env *collect.Env, list []webconfig.Instance) ([]*entry, []ask) {
	var files []*entry
	index := map[string]*entry{}
	var asks []ask
	for i := range list {
		inst := &list[i]
		for _, s := range inst.Sites {
			mine, known := siteFiles(inst, s, &files, index)
			if inst.Running != fact.Yes {
				continue
			}
			for _, l := range s.Listens {
				if !l.TLS || l.Proxy || l.Port == 0 {
					continue
				}
				addr := dial(l)
				known := known && answers(ctx, env, inst, addr)
				for _, name := range namesOf(env, s, l) {
					asks = append(asks, ask{addr: addr, name: name, files: mine, known: known})
				}
			}
		}
	}
	asks = append(asks, plain(ctx, env, asks)...)
	slices.SortStableFunc(asks, func(a, b ask) int { return first(env, a) - first(env, b) })
	asks = slices.CompactFunc(asks, func(a, b ask) bool { return a.addr == b.addr && a.name == b.name })
	return files, asks[:min(len(asks), maxServed)]
}

// answers is false when a socket there belongs to another program: what it
// serves then says nothing about this configuration.
func answers(ctx context.Context, env *collect.Env, inst *webconfig.Instance, at netip.AddrPort) bool {
	for _, s := range env.Listeners(ctx).Sockets {
		if s.Port == at.Port() && s.Serves(at.Addr()) && s.PID != 0 && !slices.Contains(inst.PIDs, s.PID) {
			return false
		}
	}
	return true
}

func first(env *collect.Env, a ask) int {
	if strings.EqualFold(a.name, env.Host) {
		return 0
	}
	return 1
}

// siteFiles reads the certificate files of a site. known is false when one of
// them could not be read, or is only named at run time.
func siteFiles(inst *webconfig.Instance, s fact.Site, files *[]*entry, index map[string]*entry) (mine []*entry, known bool) {
	known = true
	pairs := s.MoreCerts
	if s.Cert != "" {
		pairs = append([]fact.CertPair{{Cert: s.Cert, Key: s.Key}}, pairs...)
	}
	if inst.Server == "caddy" && s.Cert == "" {
		pairs = append(pairs, caddyStore(inst, s)...)
	}
	for _, p := range pairs {
		if !filepath.IsAbs(p.Cert) || strings.Contains(p.Cert, "$") || strings.Contains(p.Cert, "{") {
			known = false
			continue
		}
		key := inst.FS.Root + "\x00" + p.Cert
		e := index[key]
		if e == nil {
			if len(*files) >= maxFiles {
				known = false
				continue
			}
			f, chain := readFile(inst.FS, p)
			e = &entry{CertFile: f}
			e.Program, e.Loaded, e.Place = inst.Server, inst.Loaded.UTC(), s.Place
			if inst.Loaded.IsZero() {
				e.Loaded = time.Time{}
			}
			if len(chain) > 0 {
				e.leaf = f.Chain[0].SHA256
			}
			index[key] = e
			*files = append(*files, e)
		}
		known = known && e.leaf != ""
		for _, n := range s.Names {
			if !slices.Contains(e.Names, n) && len(e.Names) < 64 {
				e.Names = append(e.Names, n)
			}
		}
		mine = append(mine, e)
	}
	return mine, known && len(mine) > 0
}

// caddyStore finds what Caddy's own certificate management keeps for a site.
func caddyStore(inst *webconfig.Instance, s fact.Site) []fact.CertPair {
	var out []fact.CertPair
	for _, n := range s.Names {
		n = strings.Replace(n, "*", "wildcard_", 1)
		if strings.ContainsAny(n, "/$?[") {
			continue
		}
		for _, base := range []string{"/var/lib/caddy/.local/share/caddy", "/data/caddy", "/root/.local/share/caddy"} {
			found, _ := inst.FS.Glob(base + "/certificates/*/" + n + "/" + n + ".crt")
			for _, f := range found {
				out = append(out, fact.CertPair{Cert: f, Key: strings.TrimSuffix(f, ".crt") + ".key"})
			}
		}
	}
	return out
}

// dial is where a listen address is reached on the host itself.
func dial(l fact.Listen) netip.AddrPort {
	host := l.Addr[:max(0, strings.LastIndexByte(l.Addr, ':'))]
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	switch {
	case err != nil: // a wildcard or a name
		a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case a == netip.IPv6Unspecified():
		a = netip.IPv6Loopback()
	case a.IsUnspecified():
		a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.AddrPortFrom(a, l.Port)
}

// namesOf are the server names to ask a site for: its own, and the host asked
// about where the site is the default.
func namesOf(env *collect.Env, s fact.Site, l fact.Listen) []string {
	var out []string
	for _, n := range s.Names {
		n = strings.ToLower(n)
		switch {
		case n == "_" || strings.HasPrefix(n, "~") || strings.ContainsAny(n, "$()^ /"):
		case strings.HasPrefix(n, "*."):
			out = append(out, "originward-check"+n[1:])
		case strings.HasPrefix(n, "."):
			out = append(out, n[1:])
		case strings.HasSuffix(n, ".*"):
		default:
			out = append(out, n)
		}
	}
	if len(out) > 4 {
		host := strings.ToLower(env.Host)
		slices.SortStableFunc(out, func(a, b string) int {
			return map[bool]int{true: 0, false: 1}[a == host] - map[bool]int{true: 0, false: 1}[b == host]
		})
		out = out[:4]
	}
	if len(out) == 0 && l.Default && env.Host != "" {
		out = append(out, strings.ToLower(env.Host))
	}
	return out
}

// plain asks for the site's name on the TLS ports of the edge that listen and
// that no configuration spoke of.
func plain(ctx context.Context, env *collect.Env, have []ask) []ask {
	if env.Host == "" {
		return nil
	}
	var out []ask
	for _, s := range env.Listeners(ctx).Sockets {
		if !slices.Contains(env.Ports, s.Port) || !slices.Contains([]uint16{443, 2053, 2083, 2087, 2096, 8443}, s.Port) {
			continue
		}
		a := s.Addr
		if a.IsUnspecified() {
			a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
			if s.Addr.Is6() && s.V6Only == fact.Yes {
				a = netip.IPv6Loopback()
			}
		}
		x := ask{addr: netip.AddrPortFrom(a, s.Port), name: strings.ToLower(env.Host)}
		if !slices.ContainsFunc(have, func(h ask) bool { return h.addr == x.addr && h.name == x.name }) {
			out = append(out, x)
		}
	}
	return out
}

// result is what came of an ask.
type result struct {
	fact.CertServed
	owner *entry // file of the site, for the item that it belongs to
}

func shakeAll(ctx context.Context, asks []ask, files []*entry) []result {
	out := make([]result, len(asks))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, a := range asks {
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			out[i] = one(ctx, a, files)
		}()
	}
	wg.Wait()
	return out
}

// one makes a handshake and finds the served certificate among the files.
func one(ctx context.Context, a ask, files []*entry) result {
	x := exchange.Probe(ctx, exchange.ProbeSpec{
		Target:    exchange.Target{Addr: a.addr, TLS: &exchange.TLSPolicy{}, SNI: a.name, Host: a.name},
		NoRequest: true, Budget: shake,
	})
	r := result{CertServed: fact.CertServed{Addr: a.addr, SNI: escape.Line(a.name, 253), TLS: x.TLS, Fault: x.Fault}}
	if len(a.files) > 0 {
		r.owner = a.files[0]
	}
	if x.TLS == nil || len(x.TLS.Chain) == 0 {
		return r
	}
	leaf := x.TLS.Chain[0].SHA256
	for _, f := range a.files {
		if f.leaf == leaf {
			r.Same, r.File, r.owner = fact.Yes, f.File, f
			return r
		}
	}
	for _, f := range files {
		if f.leaf == leaf {
			r.File = f.File
		}
	}
	if a.known {
		r.Same = fact.No
	}
	return r
}

func items(env *collect.Env, files []*entry, served []result) []originward.Evidence {
	var out []originward.Evidence
	for _, f := range files {
		c := fact.Certificates{Files: []fact.CertFile{f.CertFile}, Served: []fact.CertServed{}}
		for _, r := range served {
			if r.owner == f {
				c.Served = append(c.Served, r.CertServed)
			}
		}
		s := originward.Subject{File: f.File, Unit: f.Program}
		out = append(out, env.Item(s, c, describeFile(env, f.CertFile, c.Served), reproduce(f.File, c.Served)))
	}
	for _, r := range served {
		if r.owner == nil {
			s := originward.Subject{Host: r.SNI, Addr: r.Addr.Addr(), Port: r.Addr.Port()}
			c := fact.Certificates{Files: []fact.CertFile{}, Served: []fact.CertServed{r.CertServed}}
			out = append(out, env.Item(s, c, describeServed(r.CertServed)+".", reproduce("", c.Served)))
		}
	}
	return out
}

func describeFile(env *collect.Env, f fact.CertFile, served []fact.CertServed) string {
	s := "The certificate file " + escape.Line(f.File, 200)
	switch {
	case f.Readable == fact.No:
		s += " does not exist"
	case len(f.Chain) == 0:
		s += " could not be read: " + f.Error
	default:
		end := f.Chain[0].NotAfter
		verb := "ends"
		if end.Before(env.Now()) {
			verb = "ended"
		}
		s += fmt.Sprintf(" holds %d in its chain and %s %s", len(f.Chain), verb, end.UTC().Format(time.DateTime))
		if f.KeyMatch == fact.No {
			s += ", and its key belongs to another certificate"
		}
	}
	for i, c := range served {
		if i == 3 {
			break
		}
		s += "; " + describeServed(c)
	}
	return s + "."
}

func describeServed(c fact.CertServed) string {
	at := fmt.Sprintf("%s for %s", c.Addr, c.SNI)
	switch {
	case c.Same == fact.Yes:
		return at + " serves it"
	case c.TLS != nil && len(c.TLS.Chain) > 0:
		l := c.TLS.Chain[0]
		s := fmt.Sprintf("%s serves serial %s, which ends %s", at, escape.Line(l.Serial, 60), l.NotAfter.UTC().Format(time.DateTime))
		if c.Same == fact.No {
			s += " and is not the file's"
		}
		return s
	case c.Fault != nil:
		return at + " shows none: " + escape.Line(c.Fault.Detail, 120)
	}
	return at + " shows none"
}

func reproduce(file string, served []fact.CertServed) string {
	var parts []string
	if file != "" {
		parts = append(parts, escape.Shell("openssl", "x509", "-in", file, "-noout", "-serial", "-enddate"))
	}
	if len(served) > 0 {
		parts = append(parts, escape.Shell("openssl", "s_client", "-connect", served[0].Addr.String(), "-servername", served[0].SNI)+" </dev/null | openssl x509 -noout -serial -enddate")
	}
	return strings.Join(parts, "; ")
}

func unread(files []*entry) []originward.NotObserved {
	var out []originward.NotObserved
	for _, f := range files {
		if f.Readable == fact.Unknown {
			out = append(out, collect.Missing(fact.QCertificates, originward.Subject{File: f.File}, f.File+" could not be read: "+f.Error, "run as root"))
		}
	}
	return out
}
