// Package host collects evidence on the origin host itself: what listens, what
// the packet filter and the routes do with the edge's addresses, what runs,
// how it is configured, what the logs of the failure window say.
//
// It only looks: it writes nothing, restarts nothing, and sends no packet but
// to the host's own addresses. Everything speaks of the network namespace of
// this process. What it cannot see it says, with what would make it visible.
//
// To add a collector: a package beside this one that imports package collect,
// and one line in list.go.
package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/cdn"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
)

// Ask is what is asked of the host; see collect.Ask.
type Ask = collect.Ask

// grace is what a collector may take beyond its budget to hand over what it
// has when its context ends.
const grace = 200 * time.Millisecond

// Collect runs every collector at once and gives everything that was seen and
// everything that was not. It always returns a bundle; when ctx ends early,
// what is missing is in NotObserved.
func Collect(ctx context.Context, a Ask) *originward.Bundle {
	return run(ctx, collect.NewEnv(withCDN(a), sources()), collectors(a))
}

// withCDN fills in what is known of CDNs where the asker did not say: the
// edge is Cloudflare's.
func withCDN(a Ask) Ask {
	if a.Ranges == nil {
		a.Ranges, _ = cdn.Ranges(cdn.Cloudflare, "")
	}
	if a.CDN == nil {
		a.CDN = func(addr netip.Addr) (string, netip.Prefix, bool) {
			id, in := cdn.Lookup(addr)
			return string(id), in, id != ""
		}
	}
	return a
}

func run(ctx context.Context, env *collect.Env, list []collect.Collector) *originward.Bundle {
	b := &originward.Bundle{
		Schema: originward.EvidenceSchema, Host: env.Host, AskedAt: env.Now().UTC(),
		Evidence: []originward.Evidence{}, NotObserved: []originward.NotObserved{},
	}
	results := make([]chan result, len(list))
	for i, c := range list {
		results[i] = make(chan result, 1)
		go func() { results[i] <- one(ctx, env, c) }()
	}
	for i, c := range list {
		r := await(ctx, c, results[i])
		b.Evidence = append(b.Evidence, r.seen...)
		b.NotObserved = append(b.NotObserved, r.missing...)
	}
	return b
}

// result is what one collector gave.
type result struct {
	seen    []originward.Evidence
	missing []originward.NotObserved
}

// one runs a collector inside its budget, and makes a panic or an oversized
// answer a thing that was not observed.
func one(ctx context.Context, env *collect.Env, c collect.Collector) (r result) {
	defer func() {
		if p := recover(); p != nil {
			r = failed(c, fmt.Sprintf("internal error in the %s collector: %v (%s)", c.Name, p, stack()), "report this as a bug")
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, budget(c))
	defer cancel()
	r.seen, r.missing = c.Run(ctx, env)
	limit := c.Bytes
	if limit == 0 {
		limit = collect.DefaultBytes
	}
	kept := r.seen[:0]
	for _, e := range r.seen {
		n, err := size(e, limit)
		limit -= n
		if err == nil {
			kept = append(kept, e)
			continue
		}
		r.missing = append(r.missing, collect.Missing(e.Question, e.Subject, fmt.Sprintf("the %s collector's answer: %v", c.Name, err), ""))
	}
	r.seen = kept
	return r
}

// await gives a collector's result, or gives up on it: a collector stuck in a
// system call cannot be stopped, only left behind.
func await(ctx context.Context, c collect.Collector, got <-chan result) result {
	t := time.NewTimer(budget(c) + grace)
	defer t.Stop()
	stop := ctx.Done()
	for {
		select {
		case r := <-got:
			return r
		case <-stop: // collectors see the same context; give them the grace
			stop = nil
			t.Reset(grace)
		case <-t.C:
			if err := ctx.Err(); err != nil {
				return failed(c, "the run was ended before it had an answer: "+context.Cause(ctx).Error(), "run again and let it finish")
			}
			return failed(c, fmt.Sprintf("no answer within %v: a program, disk or kernel call hangs", budget(c)), "run again; if it repeats, look at the machine's disks and daemons")
		}
	}
}

func budget(c collect.Collector) time.Duration {
	if c.Budget > 0 {
		return c.Budget
	}
	return collect.DefaultBudget
}

func failed(c collect.Collector, why, how string) result {
	return result{missing: []originward.NotObserved{collect.Missing(c.Question, originward.Subject{}, escape.Line(why, 500), how)}}
}

var errTooLarge = errors.New("larger than its budget")

// size is the length of an item as JSON, without keeping it.
func size(e originward.Evidence, limit int) (int, error) {
	w := &counter{left: limit}
	if err := json.NewEncoder(w).Encode(e); err != nil {
		return 0, err
	}
	return limit - w.left, nil
}

type counter struct{ left int }

func (c *counter) Write(p []byte) (int, error) {
	if len(p) > c.left {
		return 0, errTooLarge
	}
	c.left -= len(p)
	return len(p), nil
}

var _ io.Writer = (*counter)(nil)

// stack is where a panic came from, in one line.
func stack() string { return escape.Line(string(debug.Stack()), 1500) }
