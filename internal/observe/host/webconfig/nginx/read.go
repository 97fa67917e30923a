// Package nginx reads an nginx configuration with every include expanded, as
// far as it bears on the hop from an edge. Directives it does not know are
// left out; an error of the configuration is part of the answer.
package nginx

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// Read reads the configuration that begins in src.Main. The second value knows
// which files were read, and when the youngest was changed.
func Read(src conf.Source) (fact.WebConfig, *conf.Loader) {
	l := &conf.Loader{FS: src.FS}
	t := &tree{Loader: l, dir: filepath.Dir(src.Main)}
	root := &scope{kind: "main", kids: t.file(src.Main, fact.Place{File: src.Main})}
	r := &reader{src: src, root: root, vars: collectVars(root), blocks: blocks(root)}

	out := fact.WebConfig{Server: "nginx", File: src.Main, Sites: r.sites()}
	for _, s := range out.Sites {
		out.Listens = append(out.Listens, s.Listens...)
		for _, l := range s.Listens {
			if l.Proxy && len(out.ProxyProto) < maxAccess {
				out.ProxyProto = append(out.ProxyProto, l.Place)
			}
		}
	}
	out.Limits = r.limits()
	out.Access = append(r.access(), r.countryRules()...)
	out.RealIP = r.mainRealIP()
	out.Upstreams = r.upstreams()
	out.Timeouts, out.Settings = r.settings()
	out.Closes = r.allCloses()
	out.Logs = r.logs()
	l.Finish(&out)
	return out, l
}

// reader holds one configuration while it is read.
type reader struct {
	src    conf.Source
	root   *scope
	vars   *vars
	blocks map[string]*node // upstream blocks by name
}

func blocks(root *scope) map[string]*node {
	out := map[string]*node{}
	for _, k := range root.kids {
		if k.name != "http" && k.name != "stream" {
			continue
		}
		for _, u := range k.kids {
			if u.name == "upstream" && u.block && len(u.args) == 1 {
				out[strings.ToLower(u.args[0])] = u
			}
		}
	}
	return out
}

// mainRealIP is what holds for all sites; where nothing is written at that
// level, nothing is restored in general.
func (r *reader) mainRealIP() fact.RealIP {
	for _, k := range r.root.kids {
		if k.name == "http" && k.block {
			return r.realIP(r.root.into(k))
		}
	}
	return fact.RealIP{}
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
