package webconfig

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig/apache"
	"github.com/originward/originward/internal/observe/host/webconfig/caddy"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
	"github.com/originward/originward/internal/observe/host/webconfig/haproxy"
	"github.com/originward/originward/internal/observe/host/webconfig/lighttpd"
	"github.com/originward/originward/internal/observe/host/webconfig/nginx"
)

// server is a program whose configuration can be read.
type server struct {
	name  string
	progs []string // base names of the executable or the kernel's name
	bins  []string // where the executable usually lies, for what is built into it
	files []string // main files where none is named, the first that exists counts
	logs  []fact.LogPlace
	read  func(conf.Source) (fact.WebConfig, *conf.Loader)
	// source says from the command line where the configuration lies.
	source func(rootfs.FS, *server, procs.Process) conf.Source
}

// servers lists the programs: one entry each.
var servers = []server{
	{
		name: "nginx", progs: []string{"nginx", "openresty", "angie", "tengine", "freenginx"}, bins: []string{"/usr/sbin/nginx", "/usr/local/nginx/sbin/nginx"},
		files: []string{"/etc/nginx/nginx.conf", "/usr/local/openresty/nginx/conf/nginx.conf", "/usr/local/nginx/conf/nginx.conf", "/etc/angie/angie.conf", "/opt/bitnami/nginx/conf/nginx.conf"},
		logs:  []fact.LogPlace{{Kind: "error", File: "/var/log/nginx/error.log"}, {Kind: "access", File: "/var/log/nginx/access.log", Format: "combined"}},
		read:  nginx.Read, source: nginxSource,
	},
	{
		name: "apache", progs: []string{"apache2", "httpd", "httpd.worker", "httpd.event"},
		files: []string{"/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf", "/etc/apache2/httpd.conf", "/usr/local/apache2/conf/httpd.conf", "/opt/bitnami/apache/conf/httpd.conf"},
		read:  apache.Read, source: apacheSource,
	},
	{
		name: "haproxy", progs: []string{"haproxy"}, files: []string{"/etc/haproxy/haproxy.cfg", "/usr/local/etc/haproxy/haproxy.cfg"},
		read: haproxy.Read, source: haproxySource,
	},
	{
		name: "caddy", progs: []string{"caddy"}, files: []string{"/etc/caddy/Caddyfile"},
		read: caddy.Read, source: caddySource,
	},
	{
		name: "lighttpd", progs: []string{"lighttpd"}, files: []string{"/etc/lighttpd/lighttpd.conf"},
		read: lighttpd.Read, source: lighttpdSource,
	},
}

// is reports whether a process runs the program.
func (s *server) is(p procs.Process) bool {
	return slices.Contains(s.progs, p.Name()) || p.Exe == "" && slices.Contains(s.progs, p.Comm)
}

// first is the first file of the list that exists; where that cannot be seen,
// the first that may.
func first(fs rootfs.FS, files []string) string {
	maybe := ""
	for _, f := range files {
		switch fs.Exists(f) {
		case fact.Yes:
			return f
		case fact.Unknown:
			if maybe == "" {
				maybe = f
			}
		}
	}
	return maybe
}

// nginxSource reads -c, -p and -e, and what was built in for what they leave
// open.
func nginxSource(fs rootfs.FS, s *server, p procs.Process) conf.Source {
	w := p.Words()
	b := builtInto(fs, append([]string{p.Exe}, s.bins...))
	src := conf.Source{FS: fs, Prefix: b["prefix"], Main: b["conf-path"]}
	if v, ok := procs.Flag(w, "-p"); ok {
		src.Prefix = conf.Abs(v, p.Cwd)
	}
	if src.Prefix == "" {
		src.Prefix = "/usr/local/nginx"
	}
	if v, ok := procs.Flag(w, "-c"); ok {
		src.Main = conf.Abs(v, src.Prefix)
	}
	if src.Main == "" || p.PID == 0 && fs.Exists(src.Main) == fact.No {
		src.Main = first(fs, s.files)
	}
	src.Logs = slices.Clone(s.logs)
	if b["error-log-path"] != "" {
		src.Logs[0].File = conf.Abs(b["error-log-path"], src.Prefix)
		src.Logs[1].File = conf.Abs(b["http-log-path"], src.Prefix)
	}
	if v, ok := procs.Flag(w, "-e"); ok {
		src.Logs[0].File = conf.Abs(v, src.Prefix)
	}
	return src
}

// apacheSource reads -f, -d and -D, and the environment that ${…} is filled
// from.
func apacheSource(fs rootfs.FS, s *server, p procs.Process) conf.Source {
	w := p.Words()
	src := conf.Source{FS: fs, Env: environment(fs, p)}
	if v, ok := procs.Flag(w, "-d"); ok {
		src.Prefix = conf.Abs(v, p.Cwd)
	}
	if v, ok := procs.Flag(w, "-f"); ok {
		src.Main = conf.Abs(v, orDefault(src.Prefix, "/etc/apache2"))
	} else if src.Prefix != "" {
		src.Main = first(fs, []string{filepath.Join(src.Prefix, "apache2.conf"), filepath.Join(src.Prefix, "conf/httpd.conf"), filepath.Join(src.Prefix, "httpd.conf")})
	}
	if src.Main == "" {
		src.Main = first(fs, s.files)
	}
	if src.Prefix == "" { // HTTPD_ROOT: above conf/, else the directory itself
		src.Prefix = filepath.Dir(src.Main)
		if filepath.Base(src.Prefix) == "conf" {
			src.Prefix = filepath.Dir(src.Prefix)
		}
	}
	for i, a := range w {
		if v, ok := strings.CutPrefix(a, "-D"); ok && i > 0 {
			if v == "" && i+1 < len(w) {
				v = w[i+1]
			}
			src.Defines = append(src.Defines, v)
		}
	}
	return src
}

// haproxySource reads every -f and the files behind --; relative names count
// from -C.
func haproxySource(fs rootfs.FS, s *server, p procs.Process) conf.Source {
	w := p.Words()
	src := conf.Source{FS: fs, Prefix: p.Cwd, Env: environment(fs, p)}
	if v, ok := procs.Flag(w, "-C"); ok {
		src.Prefix = conf.Abs(v, p.Cwd)
	}
	var files []string
	for i := 1; i < len(w); i++ {
		switch {
		case w[i] == "-f" && i+1 < len(w):
			i++
			files = append(files, conf.Abs(w[i], src.Prefix))
		case w[i] == "--":
			for _, f := range w[i+1:] {
				files = append(files, conf.Abs(f, src.Prefix))
			}
			i = len(w)
		}
	}
	if len(files) == 0 {
		files = []string{first(fs, s.files)}
	}
	src.Main, src.Extra = files[0], files[1:]
	return src
}

// caddySource reads --config; without one Caddy takes the Caddyfile of its
// working directory.
func caddySource(fs rootfs.FS, s *server, p procs.Process) conf.Source {
	src := conf.Source{FS: fs, Prefix: p.Cwd, Env: environment(fs, p)}
	if v, ok := procs.Flag(p.Words(), "--config", "-config", "-c"); ok {
		src.Main = conf.Abs(v, p.Cwd)
		return src
	}
	files := s.files
	if p.PID != 0 && p.Cwd != "" {
		files = append([]string{filepath.Join(p.Cwd, "Caddyfile")}, files...)
	}
	src.Main = first(fs, files)
	return src
}

func lighttpdSource(fs rootfs.FS, s *server, p procs.Process) conf.Source {
	src := conf.Source{FS: fs, Prefix: p.Cwd, Env: environment(fs, p)}
	if v, ok := procs.Flag(p.Words(), "-f"); ok {
		src.Main = conf.Abs(v, p.Cwd)
	} else {
		src.Main = first(fs, s.files)
	}
	return src
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}
