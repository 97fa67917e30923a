package logs

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/rootfs"
	"github.com/originward/originward/internal/observe/host/webconfig"
)

// journalBudget bounds journalctl: a damaged journal makes it slow.
const journalBudget = 2 * time.Second

// Collector answers what the logs say about the failure window.
func Collector(configs *webconfig.Configs) collect.Collector {
	return collect.Collector{
		Name: "logs", Question: fact.QLogs, Budget: 4 * time.Second, Bytes: 4 << 20,
		Run: func(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
			return run(ctx, env, configs)
		},
	}
}

func run(ctx context.Context, env *collect.Env, configs *webconfig.Configs) ([]originward.Evidence, []originward.NotObserved) {
	w := Window{From: env.From, To: env.To, Local: time.Local}
	ours := ownAddress(env.Addresses(ctx))
	list := files(ctx, env, configs)
	total := newTally(env.CDN, env.Ray)
	total.netns, total.begun = ownNamespace(), begun(env.Processes(ctx))
	sources := make([]fact.LogSource, len(list))
	var mu sync.Mutex // guards total
	var wg sync.WaitGroup
	for i, f := range list {
		wg.Go(func() {
			t := newTally(env.CDN, env.Ray)
			sources[i] = f.read(w, t)
			if f.idle && sources[i].State == stateMissing {
				sources[i].Why = notRunning
			}
			mu.Lock()
			defer mu.Unlock()
			total.join(t)
		})
	}
	wg.Wait()
	if env.Root == "" || env.Root == "/" {
		sources = append(sources, readRing(w, env.Now(), total, ours))
		if journalHere(env) {
			jctx, cancel := context.WithTimeout(ctx, journalBudget)
			sources = append(sources, readJournal(jctx, w, total, ours))
			cancel()
		}
	}
	f := fact.Logs{From: w.From.UTC(), To: w.To.UTC(), Sources: sources, Lines: total.sorted()}
	return []originward.Evidence{env.Item(originward.Subject{Host: env.Host}, f, describe(f), "journalctl --since '1 hour ago'; tail -n 100 /var/log/nginx/error.log")}, missing(f)
}

// notRunning is why a missing log is no loss.
const notRunning = "its program does not run here"

// journalHere tells whether systemd keeps a journal on this host.
func journalHere(env *collect.Env) bool {
	own := rootfs.FS{Root: env.Root}
	return own.Exists("/run/systemd/journal/socket") == fact.Yes || own.Exists("/var/log/journal") == fact.Yes
}

func ownAddress(a fact.Addresses) func(netip.Addr) bool {
	if len(a.Interfaces) == 0 {
		return nil
	}
	return a.Has
}

// join adds another tally's lines.
func (t *tally) join(o *tally) {
	for k, l := range o.lines {
		have := t.lines[k]
		switch {
		case have == nil && len(t.lines) < maxKinds:
			t.lines[k] = l
		case have != nil:
			n := have.Count + l.Count
			if l.At.After(have.At) {
				*have = *l
			}
			have.Count = n
		}
	}
}

func describe(f fact.Logs) string {
	read, n := 0, 0
	for _, s := range f.Sources {
		if s.State == stateRead {
			read++
			n += s.Lines
		}
	}
	text := fmt.Sprintf("%d logs hold %d lines of the time from %s to %s UTC", read, n, f.From.Format("15:04:05"), f.To.Format("15:04:05"))
	var kinds []string
	for _, l := range f.Lines {
		if l.Kind != fact.LogStatus && len(kinds) < 4 {
			kinds = append(kinds, fmt.Sprintf("%s ×%d", l.Kind, l.Count))
		}
	}
	if len(kinds) == 0 {
		return text + "; none tells of a fault"
	}
	return escape.Line(text+": "+strings.Join(kinds, ", "), 400)
}

// missing names the logs that could not be read.
func missing(f fact.Logs) []originward.NotObserved {
	var out []originward.NotObserved
	for _, s := range f.Sources {
		subject := originward.Subject{Name: escape.Line(s.Name, 200)}
		switch s.State {
		case stateUnreadable:
			out = append(out, collect.Missing(fact.QLogs, subject, "the log "+subject.Name+" could not be read: "+escape.Line(s.Why, 200), "run as root"))
		case stateMissing:
			if s.Name != "journal" && s.Why != notRunning {
				out = append(out, collect.Missing(fact.QLogs, subject, "the log "+subject.Name+" is missing", "turn logging on, and look again after the next failure"))
			}
		case stateRotated:
			out = append(out, collect.Missing(fact.QLogs, subject, "the log "+subject.Name+" was rotated since: "+s.Why, "zgrep through the rotated files"))
		}
	}
	return out
}
