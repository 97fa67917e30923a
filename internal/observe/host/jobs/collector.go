package jobs

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// maxJobs bounds the jobs that are listed.
const maxJobs = 200

// Collector answers which jobs keep DNS, allow lists and certificates in step,
// one item for each.
func Collector() collect.Collector {
	return collect.Collector{Name: "jobs", Question: fact.QJobs, Budget: 3 * time.Second, Run: run}
}

func run(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
	f := rootfs.FS{Root: env.Root}
	list, unread := schedule(f)
	var jobs []fact.Job
	for _, s := range list {
		if j, ok := jobOf(f, s); ok && len(jobs) < maxJobs && !slices.ContainsFunc(jobs, func(o fact.Job) bool { return o.Name == j.Name && o.Place.File == j.Place.File }) {
			jobs = append(jobs, j)
		}
		if ctx.Err() != nil {
			break
		}
	}
	jobs = merge(append(jobs, running(ctx, env)...), configuredJobs(f))
	jobs = replace(jobs, "certbot", certbot(f))
	jobs = replace(jobs, "acme.sh", acmeSH(f))
	jobs = replace(jobs, "ddclient", ddclient(f))
	jobs = outcomes(f, jobs)

	var out []originward.Evidence
	for _, j := range jobs {
		s := originward.Subject{Unit: j.Name, Name: j.Target, File: j.Place.File, Line: j.Place.Line}
		out = append(out, env.Item(s, fact.Jobs{Jobs: []fact.Job{j}}, describe(j), reproduce(j)))
	}
	if len(jobs) == 0 {
		out = append(out, env.Item(originward.Subject{}, fact.Jobs{Jobs: []fact.Job{}},
			"No scheduled job was found that keeps dynamic DNS, an allow list of the CDN's ranges, or certificates.", "crontab -l; ls /etc/cron.d; systemctl list-timers --all"))
	}
	if len(unread) == 0 {
		return out, nil
	}
	return out, []originward.NotObserved{collect.Missing(fact.QJobs, originward.Subject{},
		escape.Line("scheduled jobs could not be read: "+strings.Join(unread[:min(len(unread), 4)], ", "), 300), "run as root")}
}

// jobOf recognises a scheduled command.
func jobOf(f rootfs.FS, s scheduled) (fact.Job, bool) {
	b := bodyOf(f, s.command)
	kind, tool, ok := recognise(b.text)
	if !ok {
		return fact.Job{}, false
	}
	j := fact.Job{Kind: kind, Name: tool, Place: s.place, Target: targetOf(kind, b.text)}
	if j.Name == "" {
		j.Name = nameOf(s, b)
	}
	for _, name := range logsOf(b) {
		o, ok := readLog(f, name)
		if ok && (j.Last.IsZero() || o.last.After(j.Last)) {
			j.Last, j.OK, j.Errors = o.last, o.ok, o.errors
		}
	}
	return j, true
}

func nameOf(s scheduled, b body) string {
	switch {
	case len(b.scripts) > 0:
		return escape.Line(filepath.Base(b.scripts[0]), 100)
	case s.unit != "":
		return escape.Line(s.unit, 100)
	}
	word, _, _ := cutSpace(s.command)
	return escape.Line(filepath.Base(word), 100)
}

// running are updaters that run all the time, containers of this host too.
func running(ctx context.Context, env *collect.Env) []fact.Job {
	var out []fact.Job
	for _, p := range env.Processes(ctx).Processes {
		if p.Foreign() && p.Container == "" {
			continue
		}
		kind, name, ok := daemon(p)
		if ok && !slices.ContainsFunc(out, func(j fact.Job) bool { return j.Name == name }) {
			out = append(out, fact.Job{Kind: kind, Name: escape.Line(name, 100), Place: fact.Place{Text: escape.Line("process "+p.String(), 100)}})
		}
	}
	return out
}

// daemon recognises updaters: by their program, by the title that they write
// over it ("ddclient - sleeping for 290 seconds"), and as scripts of an
// interpreter.
func daemon(p procs.Process) (kind, name string, ok bool) {
	titles := []string{p.Name(), p.Comm}
	if len(p.Args) > 0 {
		titles = append(titles, p.Args[0])
	}
	for _, t := range titles {
		word, _, _ := cutSpace(t)
		word = filepath.Base(word)
		if k, found := daemons[word]; found {
			return k, word, true
		}
	}
	for i, a := range p.Args {
		if i == 0 || i > 3 || strings.HasPrefix(a, "-") {
			continue
		}
		base := filepath.Base(a)
		if k, found := daemons[base]; found {
			return k, base, true
		}
		low := strings.ToLower(base)
		if strings.Contains(low, "ddns") || strings.Contains(low, "dyndns") {
			return kindDynDNS, base, true
		}
	}
	return "", "", false
}

// merge adds configured updaters, or completes those that were found already.
func merge(jobs, more []fact.Job) []fact.Job {
	for _, m := range more {
		i := slices.IndexFunc(jobs, func(j fact.Job) bool { return j.Name == m.Name })
		if i < 0 {
			jobs = append(jobs, m)
			continue
		}
		if jobs[i].Target == "" {
			jobs[i].Target = m.Target
		}
		if jobs[i].Place.File == "" {
			jobs[i].Place = m.Place
		}
	}
	return jobs
}

// replace puts what a tool's own files say in the place of its bare schedule.
func replace(jobs []fact.Job, name string, own []fact.Job) []fact.Job {
	if len(own) == 0 {
		return jobs
	}
	jobs = slices.DeleteFunc(jobs, func(j fact.Job) bool { return j.Name == name })
	return append(jobs, own...)
}

// outcomes fills in the default logs of tools whose job named none.
func outcomes(f rootfs.FS, jobs []fact.Job) []fact.Job {
	for i := range jobs {
		j := &jobs[i]
		if j.OK != fact.Unknown || len(j.Errors) > 0 {
			continue
		}
		for _, name := range []string{"/var/log/" + j.Name + ".log", "/var/log/" + strings.TrimSuffix(j.Name, filepath.Ext(j.Name)) + ".log", "/var/log/" + j.Name + "/" + j.Name + ".log"} {
			if strings.Contains(j.Name, "/") || j.Name == "certbot" {
				break
			}
			if o, ok := readLog(f, name); ok {
				j.OK, j.Errors = o.ok, o.errors
				if j.Last.IsZero() {
					j.Last = o.last
				}
				break
			}
		}
	}
	return jobs
}

var kindText = map[string]string{kindDynDNS: "keeps a dynamic DNS record", kindAllowlist: "keeps a list of the CDN's ranges", kindACME: "renews certificates"}

func describe(j fact.Job) string {
	s := j.Name + " " + kindText[j.Kind]
	if j.Target != "" {
		s += " (" + j.Target + ")"
	}
	when := ""
	if !j.Last.IsZero() {
		when = " of " + j.Last.UTC().Format("2006-01-02 15:04") + " UTC"
	}
	switch j.OK {
	case fact.Yes:
		s += "; its last run" + when + " went well"
	case fact.No:
		s += "; its last run" + when + " failed"
		if len(j.Errors) > 0 {
			s += ": " + j.Errors[0].Text
		}
	default:
		s += "; how its last run" + when + " went is not known"
	}
	return strings.TrimSuffix(s, ".") + "."
}

func reproduce(j fact.Job) string {
	switch {
	case len(j.Errors) > 0 && j.Errors[0].File != "":
		return escape.Shell("tail", "-n", "60", j.Errors[0].File)
	case j.Place.Line > 0:
		return escape.Shell("sed", "-n", fmt.Sprintf("%dp", j.Place.Line), j.Place.File)
	case j.Place.File != "":
		return escape.Shell("cat", j.Place.File)
	}
	return escape.Shell("pgrep", "-a", j.Name)
}
