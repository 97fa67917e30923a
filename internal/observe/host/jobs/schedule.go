package jobs

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// Bounds of hostile trees.
const (
	maxScript    = 256 << 10
	maxScheduled = 2000
)

// scheduled is a command that runs by itself: a cron line, a script in
// /etc/cron.*, a timer's service.
type scheduled struct {
	command string
	place   fact.Place
	unit    string // systemd service of a timer
}

// cronFiles are tables with a user column, cronTables those without.
var (
	cronFiles  = []string{"/etc/crontab", "/etc/cron.d/*"}
	cronTables = []string{"/var/spool/cron/crontabs/*", "/var/spool/cron/*"}
	cronDirs   = []string{"/etc/cron.hourly/*", "/etc/cron.daily/*", "/etc/cron.weekly/*", "/etc/cron.monthly/*"}
)

// schedule lists what runs by itself. unread are places that may not be
// looked at.
func schedule(f rootfs.FS) (list []scheduled, unread []string) {
	add := func(s scheduled) {
		if len(list) < maxScheduled && s.command != "" {
			list = append(list, s)
		}
	}
	each := func(patterns []string, visit func(name string, text string)) {
		for _, p := range patterns {
			names, err := f.Glob(p)
			if err != nil {
				unread = append(unread, p)
			}
			for _, n := range names {
				if fi, err := f.Stat(n); err == nil && fi.IsDir() {
					continue
				}
				b, err := f.Read(n, maxScript)
				if err != nil && len(b) == 0 {
					unread = append(unread, n)
					continue
				}
				visit(n, string(b))
			}
		}
	}
	each(cronFiles, func(n, text string) { crontab(n, text, true, add) })
	each(cronTables, func(n, text string) { crontab(n, text, false, add) })
	each(cronDirs, func(n, _ string) { add(scheduled{command: n, place: fact.Place{File: n}}) })
	timers(f, add)
	return list, unread
}

// crontab reads the command lines of a table.
func crontab(name, text string, user bool, add func(scheduled)) {
	for i, l := range strings.Split(text, "\n") {
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' || assignment.MatchString(l) {
			continue
		}
		skip := 5
		if l[0] == '@' {
			skip = 1
		}
		if user {
			skip++
		}
		rest := l
		for range skip {
			_, after, ok := cutSpace(rest)
			if !ok {
				rest = ""
				break
			}
			rest = after
		}
		add(scheduled{command: rest, place: fact.Place{File: name, Line: i + 1, Text: escape.Line(l, 240)}})
	}
}

var assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*\s*=`)

func cutSpace(s string) (word, rest string, ok bool) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, "", false
	}
	return s[:i], strings.TrimLeft(s[i:], " \t"), true
}

// timers reads systemd's timers and the commands of their services. The first
// directory that has a unit counts, as for systemd.
func timers(f rootfs.FS, add func(scheduled)) {
	seen := map[string]bool{}
	for _, dir := range collect.UnitDirs {
		names, err := f.Glob(dir + "/*.timer")
		if err != nil {
			continue // not readable to anyone but root: nothing is hidden there by distributions
		}
		for _, n := range names {
			base := filepath.Base(n)
			if seen[base] {
				continue
			}
			seen[base] = true
			b, _ := f.Read(n, maxScript)
			unit := strings.TrimSuffix(base, ".timer") + ".service"
			if v := last(string(b), "Unit"); v != "" {
				unit = v
			}
			for _, d := range collect.UnitDirs {
				file := filepath.Join(d, filepath.Base(unit))
				text, err := f.Read(file, maxScript)
				if err != nil {
					continue
				}
				for i, l := range strings.Split(string(text), "\n") {
					if cmd, ok := strings.CutPrefix(strings.TrimSpace(l), "ExecStart="); ok {
						add(scheduled{command: strings.TrimLeft(cmd, "-@:+!"), unit: filepath.Base(unit), place: fact.Place{File: file, Line: i + 1, Text: escape.Line(l, 240)}})
					}
				}
				break
			}
		}
	}
}

// last is the last value of a key in a unit file.
func last(text, key string) string {
	out := ""
	for _, l := range strings.Split(text, "\n") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(l), key+"="); ok {
			out = strings.TrimSpace(v)
		}
	}
	return out
}

// scriptPath finds paths of scripts in a command.
var scriptPath = regexp.MustCompile(`(?:^|[\s;&|"'(=])(/[A-Za-z0-9_./+@-]+)`)

// body is everything that a command runs, as far as it can be read: the
// command itself and the text of the scripts that it names.
type body struct {
	text    string
	scripts []string
}

func bodyOf(f rootfs.FS, command string) body {
	b := body{text: command}
	for _, m := range scriptPath.FindAllStringSubmatch(command, 8) {
		text, err := f.Read(m[1], maxScript)
		if err != nil && len(text) == 0 || slices.Contains(b.scripts, m[1]) {
			continue
		}
		if len(text) > 4 && string(text[:4]) == "\x7fELF" || strings.Contains(string(text[:min(len(text), 512)]), "\x00") {
			continue // a program, not a script
		}
		b.scripts = append(b.scripts, m[1])
		b.text += "\n" + string(text)
	}
	return b
}

var (
	redirect   = regexp.MustCompile(`>>?\s*"?(/[A-Za-z0-9_./@-]+)`)
	logSetting = regexp.MustCompile(`(?i)\blog(?:_?file|_?path)?=["']?(/[A-Za-z0-9_./@-]+)`)
	logPath    = regexp.MustCompile(`(/var/log/[A-Za-z0-9_./@-]+)`)
)

// logsOf are the log files that a job writes: where its output goes, and what
// it names as its log.
func logsOf(b body) []string {
	var out []string
	add := func(re *regexp.Regexp, only string) {
		for _, m := range re.FindAllStringSubmatch(b.text, 32) {
			if m[1] != "/dev/null" && !strings.HasPrefix(m[1], "/dev/") && strings.Contains(m[1], only) && !slices.Contains(out, m[1]) && len(out) < 8 {
				out = append(out, m[1])
			}
		}
	}
	add(logSetting, "")
	add(redirect, "log")
	add(logPath, "")
	return out
}
