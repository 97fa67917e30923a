package bans

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// maxFile bounds a list that is read.
const maxFile = 32 << 20

// line is one line of a file with its number.
type line struct {
	text string
	no   int
}

// read gives the lines of a list that are neither empty nor comments; a file
// that is not there gives none.
func read(f rootfs.FS, name string) ([]line, error) {
	b, err := f.Read(name, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil && !errors.Is(err, rootfs.ErrTooLarge) {
		return nil, err
	}
	var out []line
	for i, l := range strings.Split(string(b), "\n") {
		if l = strings.TrimSpace(l); l != "" && l[0] != '#' {
			out = append(out, line{l, i + 1})
		}
	}
	return out, nil
}

func place(file string, l line) fact.Place {
	return fact.Place{File: file, Line: l.no, Text: escape.Line(l.text, 200)}
}

// running finds a process of this host by its program's names.
func running(ctx context.Context, s *survey, names ...string) fact.Tri {
	t := s.env.Processes(ctx)
	for _, p := range t.Ours() {
		if slices.Contains(names, p.Name()) || slices.Contains(names, p.Comm) || slices.ContainsFunc(p.Args[:min(3, len(p.Args))], func(a string) bool { return slices.Contains(names, filepath.Base(a)) }) {
			return fact.Yes
		}
	}
	if t.Complete == fact.Yes {
		return fact.No
	}
	return fact.Unknown
}

func newSource(tool, file string) fact.BanSource {
	return fact.BanSource{Tool: tool, File: file, State: fact.Yes, CDN: []fact.Ban{}, Private: []fact.Ban{}}
}

// denied is what an unreadable file becomes.
func denied(tool, file string, err error) []originward.NotObserved {
	return []originward.NotObserved{missing(tool, file+" could not be read: "+plain(err), "run as root")}
}

// csf reads ConfigServer's lists: permanent denials, temporary ones, and which
// blocklists it loads.
func csf(ctx context.Context, s *survey) ([]seen, []originward.NotObserved) {
	f := rootfs.FS{Root: s.env.Root}
	if f.Exists("/etc/csf/csf.conf") == fact.No {
		return nil, nil
	}
	state, why := fact.Yes, ""
	if f.Exists("/etc/csf/csf.disable") == fact.Yes {
		state, why = fact.No, "CSF is switched off (csf.disable)"
	}
	var ignore []string
	for _, name := range []string{"/etc/csf/csf.allow", "/etc/csf/csf.ignore"} {
		ls, _ := read(f, name)
		for _, l := range ls {
			w, _, _ := strings.Cut(l.text, "#")
			ignore = append(ignore, strings.TrimSpace(w))
		}
	}
	var out []seen
	var gone []originward.NotObserved
	for _, x := range []struct {
		file, jail, remove string
		parse              func(string) (entry, bool)
	}{{"/etc/csf/csf.deny", "deny", "-dr", csfLine}, {"/var/lib/csf/csf.tempban", "temporary", "-tr", csfTemp}} {
		ls, err := read(f, x.file)
		if err != nil {
			gone = append(gone, denied("csf", x.file, err)...)
			continue
		}
		if ls == nil {
			continue
		}
		src := newSource("csf", x.file)
		src.Jail, src.State, src.Why, src.Action = x.jail, state, why, csfAction(f)
		for _, w := range ignore {
			if p, ok := cidr.Parse(w); ok {
				src.Ignore = append(src.Ignore, p)
			}
		}
		src.IgnoreCDN = s.ignores(src.Ignore)
		for _, l := range ls {
			if e, ok := x.parse(l.text); ok && (e.until.IsZero() || e.until.After(s.env.Now())) {
				e.place = place(x.file, l)
				e.remove = escape.Shell("csf", x.remove, e.prefix.String())
				s.add(&src, e)
			}
		}
		out = append(out, seen{src, escape.Shell("cat", x.file)})
	}
	return out, gone
}

// csfLine reads "192.0.2.1 # reason" and "tcp|in|d=80|s=192.0.2.1 # reason".
func csfLine(text string) (entry, bool) {
	head, reason, _ := strings.Cut(text, "#")
	head = strings.TrimSpace(head)
	if strings.Contains(head, "|") {
		for _, part := range strings.Split(head, "|") {
			if v, ok := strings.CutPrefix(part, "s="); ok {
				head = v
			}
		}
	}
	p, ok := cidr.Parse(head)
	return entry{prefix: p, reason: strings.TrimSpace(reason)}, ok
}

// csfTemp reads "time|ip|port|inout|seconds|reason".
func csfTemp(text string) (entry, bool) {
	f := strings.Split(text, "|")
	if len(f) < 6 {
		return entry{}, false
	}
	p, ok := cidr.Parse(f[1])
	at, err := strconv.ParseInt(f[0], 10, 64)
	length, err2 := strconv.ParseInt(f[4], 10, 64)
	if !ok || err != nil || err2 != nil || length > 1<<40 {
		return entry{}, false
	}
	since := time.Unix(at, 0)
	return entry{prefix: p, since: since, until: time.Unix(at+length, 0), reason: f[5]}, true
}

func csfAction(f rootfs.FS) string {
	ls, _ := read(f, "/etc/csf/csf.conf")
	for _, l := range ls {
		k, v, ok := strings.Cut(l.text, "=")
		if ok && strings.TrimSpace(k) == "DROP" {
			return strings.ToLower(strings.Trim(strings.TrimSpace(v), `"`))
		}
	}
	return ""
}

// sshguard reads its blacklist: "time|service|kind|address".
func sshguard(ctx context.Context, s *survey) ([]seen, []originward.NotObserved) {
	f := rootfs.FS{Root: s.env.Root}
	for _, file := range []string{"/var/lib/sshguard/blacklist.db", "/var/db/sshguard/blacklist.db", "/etc/sshguard/blacklist"} {
		ls, err := read(f, file)
		if err != nil {
			return nil, denied("sshguard", file, err)
		}
		if ls == nil {
			continue
		}
		src := newSource("sshguard", file)
		if src.State = running(ctx, s, "sshguard", "sshg-blocker"); src.State == fact.No {
			src.Why = "sshguard does not run in this network namespace"
		}
		for _, l := range ls {
			w := strings.Split(l.text, "|")
			p, ok := cidr.Parse(w[len(w)-1])
			if !ok {
				continue
			}
			e := entry{prefix: p, place: place(file, l)}
			if at, err := strconv.ParseInt(w[0], 10, 64); err == nil {
				e.since = time.Unix(at, 0)
			}
			e.remove = escape.Shell("sed", "-i", strconv.Itoa(l.no)+"d", file) + "  # then restart sshguard"
			s.add(&src, e)
		}
		return []seen{{src, escape.Shell("cat", file)}}, nil
	}
	return nil, nil
}

// crowdsec reads the decisions in force from its database.
func crowdsec(ctx context.Context, s *survey) ([]seen, []originward.NotObserved) {
	f := rootfs.FS{Root: s.env.Root}
	file, conf := "/var/lib/crowdsec/data/crowdsec.db", "/etc/crowdsec/config.yaml"
	for _, p := range s.env.Processes(ctx).Ours() {
		if p.Name() == "crowdsec" || p.Comm == "crowdsec" {
			f = rootfs.For(s.env, p)
			if v, ok := procs.Flag(p.Args, "-c", "--c"); ok {
				conf = absolute(v, p.Cwd)
			}
		}
	}
	ls, _ := read(f, conf)
	for _, l := range ls {
		if v, ok := strings.CutPrefix(l.text, "db_path:"); ok {
			file = strings.Trim(strings.TrimSpace(v), `"'`)
		}
	}
	switch f.Exists(file) {
	case fact.No:
		if f.Exists(conf) == fact.Yes {
			return nil, []originward.NotObserved{missing("crowdsec", "its decisions are not in the local database "+file, "cscli decisions list -o json")}
		}
		return nil, nil
	}
	list, err := crowdsecDB(ctx, s, f, file)
	if err != nil {
		return nil, []originward.NotObserved{missing("crowdsec", "the database "+file+" could not be read: "+plain(err), "run as root, or: cscli decisions list")}
	}
	state := running(ctx, s, "crowdsec")
	bouncer := running(ctx, s, "crowdsec-firewall-bouncer", "cs-firewall-bouncer", "crowdsec-firew")
	for i := range list {
		list[i].Enforced = bouncer
		if bouncer == fact.No {
			list[i].Enforced, list[i].Why = fact.Unknown, "no firewall bouncer runs in this network namespace; a bouncer inside the web server would not be seen"
		}
		if state == fact.No {
			list[i].Why = "CrowdSec does not run in this network namespace"
		}
	}
	return list, nil
}

func crowdsecDB(ctx context.Context, s *survey, f rootfs.FS, file string) ([]seen, error) {
	db, err := openDB(f, file)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT value, scope, scenario, origin, type, until, created_at FROM decisions WHERE simulated = 0")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	by := map[string]*fact.BanSource{}
	var order []string
	for rows.Next() {
		var value, scope, scenario, origin, kind string
		var until, created any
		if err := rows.Scan(&value, &scope, &scenario, &origin, &kind, &until, &created); err != nil {
			return nil, err
		}
		p, ok := cidr.Parse(value)
		e := entry{prefix: p, reason: scenario + " (" + kind + ")", until: moment(until), since: moment(created)}
		if !ok || !e.until.IsZero() && e.until.Before(s.env.Now()) {
			continue
		}
		flag := "--ip"
		if !p.IsSingleIP() {
			flag = "--range"
		}
		e.remove = escape.Shell("cscli", "decisions", "delete", flag, value)
		e.restore = escape.Shell("cscli", "decisions", "add", flag, value, "--reason", scenario)
		if by[origin] == nil {
			src := newSource("crowdsec", file)
			src.Jail = escape.Line(origin, 80)
			src.List = fact.TriOf(strings.HasPrefix(origin, "lists") || origin == "CAPI" || origin == "cscli-import")
			by[origin] = &src
			order = append(order, origin)
		}
		s.add(by[origin], e)
	}
	var out []seen
	for _, o := range order {
		out = append(out, seen{*by[o], escape.Shell("cscli", "decisions", "list", "--origin", o)})
	}
	if len(out) == 0 {
		out = append(out, seen{newSource("crowdsec", file), "cscli decisions list"})
	}
	return out, rows.Err()
}

// moment reads a time as SQLite gives it.
func moment(v any) time.Time {
	switch x := v.(type) {
	case time.Time:
		return x
	case string:
		for _, f := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999-07:00", "2006-01-02 15:04:05", "2006-01-02 15:04:05.999999999 -0700 MST"} {
			if t, err := time.Parse(f, x); err == nil {
				return t
			}
		}
	case int64:
		return time.Unix(x, 0)
	}
	return time.Time{}
}
