package services

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/originward/originward/internal/observe/host/collect"
)

// base is the environment of every test: programs' messages in English, and a
// resolver that does not answer is given up after two seconds instead of ten
// for each name (resolv.conf(5)).
var base = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LC_ALL=C", "LANG=C", "RES_OPTIONS=timeout:1 attempts:2"}

// environment is what a test runs with: that of the running program, which
// configurations refer to, else what the distribution's start script sets.
func (f *found) environment(env *collect.Env) []string {
	out := base
	if f.master.PID != 0 {
		b, err := os.ReadFile(filepath.Join(f.master.Dir(), "environ"))
		if err == nil && len(b) > 0 {
			for _, kv := range strings.Split(strings.TrimRight(string(b), "\x00"), "\x00") {
				if name, _, ok := strings.Cut(kv, "="); ok && harmless(name) {
					out = append(out[:len(out):len(out)], kv)
				}
			}
			return out
		}
	}
	if f.Kind == "apache" {
		if b, err := os.ReadFile(env.File("/etc/apache2/envvars")); err == nil {
			out = append(out[:len(out):len(out)], envvars(string(b))...)
			return madeAtStart(env, out)
		}
	}
	return out
}

// madeAtStart puts another directory in the place of those that Debian's
// apache2ctl makes just before it starts the server: that they are missing
// while it is stopped is no fault of the configuration.
func madeAtStart(env *collect.Env, vars []string) []string {
	for i, kv := range vars {
		name, dir, _ := strings.Cut(kv, "=")
		if (name == "APACHE_RUN_DIR" || name == "APACHE_LOCK_DIR") && !exists(env.File(dir)) {
			vars[i] = name + "=/tmp"
		}
	}
	return vars
}

// harmless leaves out what would change how the program itself is loaded, what
// makes a server believe that it inherits sockets, and what base sets.
func harmless(name string) bool {
	switch name {
	case "PATH", "HOME", "LC_ALL", "LANG", "RES_OPTIONS", "NGINX", "NGINX_BPF_MAPS", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC":
		return false
	}
	return !strings.HasPrefix(name, "LD_") && !strings.HasPrefix(name, "GLIBC_")
}

// assignment is a plain line of Debian's envvars.
var assignment = regexp.MustCompile(`^\s*(?:export\s+)?([A-Z_][A-Z0-9_]*)=(.*)$`)

// envvars reads the assignments of Debian's /etc/apache2/envvars, which is a
// shell script: values may refer to SUFFIX, which is empty for the only or
// first instance.
func envvars(script string) []string {
	var out []string
	for line := range strings.Lines(script) {
		m := assignment.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil || !strings.HasPrefix(m[1], "APACHE_") {
			continue
		}
		v := strings.Trim(strings.TrimSpace(m[2]), `"'`)
		v = strings.NewReplacer("${SUFFIX}", "", "$SUFFIX", "").Replace(v)
		if !strings.Contains(v, "$") {
			out = append(out, m[1]+"="+v)
		}
	}
	return out
}
