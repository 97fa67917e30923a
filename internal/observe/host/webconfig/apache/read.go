// Package apache reads the configuration of an Apache HTTP server with every
// include expanded and every condition on modules and defined names settled,
// as far as it bears on the hop from an edge.
package apache

import (
	"path/filepath"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// Bounds of what is listed.
const (
	maxSites   = 4096
	maxEntries = 1500
)

// reader holds one configuration while it is read.
type reader struct {
	*loading
	src   conf.Source
	main  *node
	hosts []*node // VirtualHost sections
	paths []*node // sections of the main server that hold for paths

	envs  map[*node]environment
	files map[string]*node // .htaccess files that were looked for; nil = none there
	broad map[*node][]*node
}

// environment knows the variables that are made of addresses for a host.
func (r *reader) environment(h *node) environment {
	e, ok := r.envs[h]
	if !ok {
		e = newEnvironment(r.main, h)
		r.envs[h] = e
	}
	return e
}

// Read reads the configuration that begins in src.Main. The second value knows
// which files were read, and when the youngest was changed.
func Read(src conf.Source) (fact.WebConfig, *conf.Loader) {
	l := &conf.Loader{FS: src.FS}
	r := &reader{
		loading: &loading{Loader: l, root: src.Prefix, defines: map[string]string{}, env: src.Env, modules: map[string]bool{}},
		src:     src, main: &node{name: "server", file: src.Main},
		envs: map[*node]environment{}, files: map[string]*node{}, broad: map[*node][]*node{},
	}
	if r.root == "" {
		r.root = filepath.Dir(src.Main)
	}
	for _, m := range builtIn {
		r.modules[m] = true
	}
	for _, d := range src.Defines {
		r.defines[d] = ""
	}
	r.file(src.Main, fact.Place{File: src.Main}, r.main)
	for _, k := range r.main.kids {
		switch {
		case k.name == "virtualhost" && len(r.hosts) < maxSites:
			r.hosts = append(r.hosts, k)
		case k.sect && k.name != "virtualhost":
			r.paths = append(r.paths, k)
		}
	}

	out := fact.WebConfig{Server: "apache", File: src.Main}
	out.Sites = r.sites()
	out.Listens = r.listens(out.Sites)
	out.Limits = r.limits(&out)
	out.Access = append(out.Access, r.access()...)
	out.RealIP = r.realIP(r.main)
	out.Upstreams = r.upstreams()
	out.Timeouts, out.Settings = r.settings()
	out.Logs = r.logs()
	out.ProxyProto = r.proxyProtocol()
	l.Finish(&out)
	return out, l
}

// walk visits every directive below n with the sections around it, outermost
// first.
func walk(n *node, in []*node, visit func(in []*node, n *node)) {
	in = append(in, n)
	for _, k := range n.kids {
		visit(in, k)
		if k.sect {
			walk(k, in, visit)
		}
	}
}

// each visits every directive of the configuration.
func (r *reader) each(visit func(in []*node, n *node)) { walk(r.main, nil, visit) }

// scope says which virtual host and path sections speak of.
func scope(in []*node) (site, path string) {
	for _, s := range in {
		switch s.name {
		case "virtualhost":
			site = siteName(s)
		case "location", "locationmatch", "directory", "directorymatch", "files", "filesmatch", "proxy", "proxymatch":
			path = s.arg(len(s.args) - 1)
		}
	}
	return site, conf.Show(path)
}

func siteName(s *node) string {
	var names []string
	for _, k := range s.kids {
		if k.name == "servername" || k.name == "serveralias" {
			names = append(names, k.args...)
		}
	}
	if len(names) == 0 {
		return conf.Show(strings.Join(s.args, " "))
	}
	return conf.Show(strings.Join(names, " "))
}

// placed is a directive's place with its scope in the text.
func placed(in []*node, n *node) fact.Place {
	p := n.place()
	site, path := scope(in)
	var where []string
	if site != "" {
		where = append(where, "virtual host "+site)
	}
	if path != "" {
		where = append(where, in[len(in)-1].name+" "+path)
	}
	if len(where) > 0 {
		p.Text = conf.Show(strings.Join(where, ", ") + ": " + n.raw)
	}
	return p
}

// last is the last directive of that name in the virtual host, or of the main
// server.
func (r *reader) last(host *node, name string) *node {
	if own := host.own(name); len(own) > 0 {
		return own[len(own)-1]
	}
	if own := r.main.own(name); len(own) > 0 {
		return own[len(own)-1]
	}
	return nil
}
