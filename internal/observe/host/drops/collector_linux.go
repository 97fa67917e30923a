package drops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
)

// Bounds of a window: longer ones are for a tool that runs by itself.
const (
	maxWindow = time.Minute
	maxGroups = 128
	maxPorts  = 32
	slack     = 5 * time.Second // to attach and to name functions, on a loaded machine
)

// Collector watches for the window that was asked for; without one it does nothing.
func Collector(window time.Duration) collect.Collector {
	return collect.Collector{Name: "drops", Question: fact.QDrops, Budget: min(window, maxWindow) + slack, Run: run}
}

func run(ctx context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
	if env.Window <= 0 {
		return nil, nil
	}
	miss := func(why, how string) []originward.NotObserved {
		return []originward.NotObserved{collect.Missing(fact.QDrops, originward.Subject{}, why, how)}
	}
	netns, err := namespaceNumber(env.Proc)
	if err != nil {
		return nil, miss("which packets the kernel drops was not watched: "+escape.Line(err.Error(), 200), "mount /proc")
	}
	f := fact.Drops{Ports: slices.Clone(env.Ports[:min(len(env.Ports), maxPorts)]), Groups: []fact.DropGroup{}}
	w, err := attach(netns, f.Ports)
	if err != nil {
		return nil, miss("which packets the kernel drops was not watched: "+plain(err), remedy(err))
	}
	defer w.close()
	if env.Watching != nil {
		env.Watching()
	}
	f.From = env.Now().UTC()
	g := groups{env: env, by: map[key]*entry{}}
	began := time.Now()
	lost, err := w.read(ctx, began.Add(min(env.Window, maxWindow)), g.add)
	f.Window = time.Since(began)
	w.close() // nothing stays attached while functions are named
	if err != nil {
		return nil, miss("which packets the kernel drops was not watched to the end: "+escape.Line(err.Error(), 300), "run again")
	}
	f.Lost = lost + g.over
	f.Groups = g.list(env)
	return []originward.Evidence{env.Item(originward.Subject{}, f, summary(f), "originward host --window "+env.Window.String())}, nil
}

// namespaceNumber is the number of this process's network namespace.
func namespaceNumber(proc string) (uint32, error) {
	var st unix.Stat_t
	path := filepath.Join(proc, "thread-self/ns/net")
	if err := unix.Stat(path, &st); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return uint32(st.Ino), nil
}

// plain is an error without the guesses that the library adds to a refusal.
func plain(err error) string {
	if errors.Is(err, unix.EPERM) {
		return "attaching a program to the kernel's tracepoint: " + unix.EPERM.Error()
	}
	return escape.Line(err.Error(), 300)
}

func remedy(err error) string {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return "run as root, or with CAP_BPF and CAP_PERFMON"
	case errors.Is(err, os.ErrNotExist), errors.Is(err, errKernel):
		return "a kernel with type information (CONFIG_DEBUG_INFO_BTF), Linux 5.17 or later"
	}
	return ""
}

// key tells groups apart.
type key struct {
	from     netip.Prefix
	dst      netip.Addr
	port     uint16
	reply    bool
	reason   string
	location uint64
	ifindex  int
}

type entry struct {
	cdn     string
	packets uint64
	example netip.Addr
}

// groups sums events up.
type groups struct {
	env  *collect.Env
	by   map[key]*entry
	over uint64 // events beyond maxGroups
}

func (g *groups) add(e event) {
	k := key{dst: e.dst, port: e.dstPort, reply: e.reply, reason: e.reason, location: e.location, ifindex: e.ifindex}
	client := e.src
	if e.reply {
		client, k.dst, k.port = e.dst, e.src, e.srcPort
	}
	name, in, ok := g.env.CDN(client)
	if !ok {
		bits := 24
		if client.Is6() {
			bits = 48
		}
		in, _ = client.Prefix(bits)
	}
	k.from = in
	have := g.by[k]
	if have == nil {
		if len(g.by) >= maxGroups {
			g.over++
			return
		}
		have = &entry{cdn: name, example: client}
		g.by[k] = have
	}
	have.packets++
}

// list gives the groups, the CDN's and the largest first.
func (g *groups) list(env *collect.Env) []fact.DropGroup {
	names := g.functions(env.Proc)
	out := make([]fact.DropGroup, 0, len(g.by))
	for k, e := range g.by {
		d := fact.DropGroup{
			From: k.from, CDN: e.cdn, Dst: k.dst, Port: k.port, Reply: k.reply, Reason: strings.TrimPrefix(k.reason, "SKB_DROP_REASON_"),
			Location: names[k.location], Packets: e.packets, Example: e.example,
		}
		if k.ifindex != 0 {
			if i, err := net.InterfaceByIndex(k.ifindex); err == nil {
				d.Iface = escape.Line(i.Name, 32)
			}
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b fact.DropGroup) int {
		return cmp.Or(strings.Compare(b.CDN, a.CDN), cmp.Compare(b.Packets, a.Packets), a.From.Addr().Compare(b.From.Addr()),
			cmp.Compare(a.Port, b.Port), strings.Compare(a.Reason, b.Reason), strings.Compare(a.Location, b.Location), a.Dst.Compare(b.Dst))
	})
	return out
}

// functions names the places of the drops; without the right to see addresses there are none.
func (g *groups) functions(proc string) map[uint64]string {
	var want []uint64
	for k := range g.by {
		if !slices.Contains(want, k.location) {
			want = append(want, k.location)
		}
	}
	if len(want) == 0 {
		return nil
	}
	f, err := os.Open(filepath.Join(proc, "kallsyms"))
	if err != nil {
		return nil
	}
	defer f.Close()
	return symbols(f, want)
}

func summary(f fact.Drops) string {
	s := fmt.Sprintf("In %v the kernel dropped ", f.Window.Round(time.Millisecond))
	if len(f.Groups) == 0 {
		return s + "no connection attempt to the asked ports."
	}
	var parts []string
	for _, g := range f.Groups[:min(len(f.Groups), 4)] {
		what := fmt.Sprintf("%d SYN from %s to port %d", g.Packets, g.From, g.Port)
		if g.Reply {
			what = fmt.Sprintf("%d SYN-ACK to %s from port %d", g.Packets, g.From, g.Port)
		}
		what += ": " + g.Reason
		if g.Location != "" {
			what += " in " + g.Location
		}
		parts = append(parts, what)
	}
	if n := len(f.Groups) - 4; n > 0 {
		parts = append(parts, fmt.Sprintf("and %d more groups", n))
	}
	return escape.Line(s+strings.Join(parts, "; ")+".", 1000)
}
