package sockets

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
)

// between is how long after the first reading the queues are read again: a
// full accept queue that is still full by then is not a burst of one round
// trip.
const between = 150 * time.Millisecond

// Collector answers which TCP sockets listen, who owns them and how full their
// queues are at two readings.
func Collector() collect.Collector {
	return collect.Collector{Name: "listeners", Question: fact.QListeners, Budget: 2 * time.Second, Run: run}
}

func run(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
	l := env.Listeners(ctx)
	if l.Err != nil {
		if len(l.Missing) > 0 {
			return nil, l.Missing
		}
		return nil, []originward.NotObserved{collect.Missing(fact.QListeners, originward.Subject{}, escape.Line(l.Err.Error(), 300), "run again")}
	}
	f := l.Listeners
	f.Sockets = slices.Clone(f.Sockets)
	if l.Exact {
		again(ctx, env, f.Sockets, l.Inodes)
	}
	return []originward.Evidence{env.Item(originward.Subject{}, f, summary(f), "ss -ltnpe")}, l.Missing
}

// again reads the queues a second time and marks those that were full twice.
// Sockets are matched by inode: each of a SO_REUSEPORT group has a queue of
// its own.
func again(ctx context.Context, env *collect.Env, socks []fact.Socket, inodes []uint32) {
	t := time.NewTimer(between)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return
	}
	second, exact, _, err := list(ctx, env.Proc)
	if err != nil || !exact {
		return
	}
	queues := map[uint32]Diag{}
	for _, d := range second {
		queues[d.Inode] = d
	}
	for i := range socks {
		s := &socks[i]
		if d, ok := queues[inodes[i]]; ok && inodes[i] != 0 {
			s.Waiting = fact.TriOf(full(s.Queue, s.Backlog) && full(d.RQueue, d.WQueue))
		}
	}
}

// full follows the kernel's sk_acceptq_is_full: the queue takes one more than
// the backlog says.
func full(queue, backlog uint32) bool { return queue > backlog }

// shown is how many sockets the sentence names.
const shown = 12

func summary(l fact.Listeners) string {
	if len(l.Sockets) == 0 {
		return "No TCP socket listens in this network namespace."
	}
	var parts []string
	seen := map[string]bool{}
	for _, s := range l.Sockets {
		p := netip.AddrPortFrom(s.Addr, s.Port).String()
		if s.Device != "" {
			p += "%" + s.Device
		}
		if s.Program != "" {
			p += " " + s.Program
		}
		if s.Waiting == fact.Yes {
			p += fmt.Sprintf(" (accept queue full: %d of %d)", s.Queue, s.Backlog)
		}
		if !seen[p] {
			seen[p] = true
			parts = append(parts, p)
		}
	}
	more := ""
	if len(parts) > shown {
		more = fmt.Sprintf(" and %d more", len(parts)-shown)
		parts = parts[:shown]
	}
	return fmt.Sprintf("Listening on TCP: %s%s.", strings.Join(parts, ", "), more)
}
