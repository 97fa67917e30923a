package nginx

import (
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// maxFormat bounds a log format; a JSON format with forty fields has 2 KiB.
const maxFormat = 4096

// logs are the log files with their formats. Where no access or error log is
// written nginx takes those that were built in.
func (r *reader) logs() []fact.LogPlace {
	formats := map[string]string{}
	r.root.walk(func(s *scope, n *node) {
		if n.name == "log_format" && len(n.args) > 1 && !s.inside("stream") {
			args := n.args[1:]
			if strings.HasPrefix(args[0], "escape=") {
				args = args[1:]
			}
			if f := strings.Join(args, ""); len(f) <= maxFormat {
				formats[n.args[0]] = f
			}
		}
	})
	var out []fact.LogPlace
	seen := map[string]bool{}
	add := func(l fact.LogPlace) {
		if !seen[l.Kind+l.File] && len(out) < maxSites {
			seen[l.Kind+l.File] = true
			out = append(out, l)
		}
	}
	found := map[string]bool{}
	r.root.walk(func(s *scope, n *node) {
		if n.name != "access_log" && n.name != "error_log" {
			return
		}
		kind := strings.TrimSuffix(n.name, "_log")
		if s.kind == "main" || s.kind == "http" {
			found[kind] = true
		}
		file := n.arg(0)
		if file == "" || kind == "access" && file == "off" || strings.Contains(file, "$") {
			return
		}
		l := fact.LogPlace{Kind: kind, File: r.logPath(file)}
		if kind == "access" {
			l.Format = format(n, formats)
			if s.inside("stream") {
				l.Kind = "stream"
			}
		}
		add(l)
	})
	for _, l := range r.src.Logs {
		if !found[l.Kind] {
			add(l)
		}
	}
	return out
}

func (r *reader) logPath(file string) string {
	if strings.HasPrefix(file, "syslog:") || strings.HasPrefix(file, "memory:") || file == "stderr" {
		return conf.Show(file)
	}
	return conf.Show(conf.Abs(file, r.src.Prefix))
}

func format(n *node, formats map[string]string) string {
	name := n.arg(1)
	if name == "" || strings.Contains(name, "=") || name == "combined" {
		return "combined"
	}
	return formats[name] // not found: not known
}
