package logs

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig"
)

// maxFiles bounds how many files are read.
const maxFiles = 64

// files finds the logs: those that configurations name, those that running
// programs hold open, and those in the usual places.
func files(ctx context.Context, env *collect.Env, configs *webconfig.Configs) []file {
	var out []file
	add := func(f file) {
		f.name = filepath.Clean(f.name)
		same := func(o file) bool { return o.name == f.name && o.fs.Root == f.fs.Root }
		if i := slices.IndexFunc(out, same); i >= 0 {
			out[i].access = out[i].access || f.access
			if out[i].format == nil {
				out[i].format = f.format
			}
			return
		}
		if len(out) < maxFiles && isLogPath(f.name) {
			out = append(out, f)
		}
	}
	if configs != nil {
		list, _, _ := configs.All(ctx, env) // what could not be read is said by the collector of configurations
		for _, inst := range list {
			for _, l := range inst.Logs {
				add(file{fs: inst.FS, name: l.File, program: inst.Server, idle: inst.Running == fact.No, access: l.Kind == "access" || inst.Server == "haproxy" || inst.Server == "caddy", format: newFormat(inst.Server, l.Format)})
			}
		}
	}
	for _, p := range env.Processes(ctx).Ours() {
		for _, f := range heldOpen(env, p) {
			add(f)
		}
	}
	own := rootfs.FS{Root: env.Root}
	for _, d := range defaultLogs {
		names, err := own.Glob(d.pattern)
		if err != nil {
			continue
		}
		for _, n := range names {
			add(file{fs: own, name: n, program: d.program, access: d.access})
		}
	}
	return out
}

// isLogPath leaves out what nginx and others take instead of a file: off,
// syslog:server=…, pipes and devices.
func isLogPath(name string) bool {
	return filepath.IsAbs(name) && !strings.HasPrefix(name, "/dev/") && !strings.HasPrefix(name, "/proc/")
}

var (
	logName    = regexp.MustCompile(`(?i)log`)
	accessName = regexp.MustCompile(`(?i)access`)
)

// maxFDs bounds how many descriptors of one process are looked at: logs are
// opened at the start.
const maxFDs = 256

// heldOpen are the log files that a program of the table has open for writing.
func heldOpen(env *collect.Env, p procs.Process) []file {
	program := programOf(p.Name())
	if program == "" || p.Dir() == "" {
		return nil
	}
	dir := filepath.Join(p.Dir(), "fd")
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []file
	for _, n := range names[:min(len(names), maxFDs)] {
		to, err := os.Readlink(filepath.Join(dir, n.Name()))
		if err != nil || !isLogPath(to) || !logName.MatchString(to) || strings.HasSuffix(to, " (deleted)") {
			continue
		}
		writes := program
		if known := programOf(filepath.Base(to)); program == "app" && known != "" {
			writes = known // written in a language that is run: fail2ban, certbot
		}
		out = append(out, file{fs: rootfs.For(env, p), name: to, program: writes, access: accessName.MatchString(filepath.Base(to))})
	}
	return out
}
