package logs

import (
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/procs"
)

// kernelLine counts a line of the kernel. The ring is the whole machine's: a
// packet line only counts when its destination is one of ours. Nil ours means
// that this is not known.
func kernelLine(source string, at time.Time, text string, t *tally, ours func(netip.Addr) bool) {
	if !t.begun.IsZero() && at.Before(t.begun) {
		return // in a container the ring tells of what was before it, too
	}
	if m, dst, ok := packet(text); ok {
		if ours == nil || ours(dst) {
			t.add(source, "kernel", at, m, "", text)
		}
		return
	}
	m, ok := classify("kernel", text)
	if m.kind == fact.LogConntrackFull && m.target != "" {
		if t.netns != "" && m.target != t.netns {
			return // the table of another network namespace of this machine
		}
		m.target = ""
	}
	if ok {
		t.add(source, "kernel", at, m, "", text)
	}
}

// begun is when the first process of this host was started: the machine's boot, or
// in a container the container's. A second of slack, as clocks of the kernel's
// ring and of processes differ.
func begun(t procs.Table) time.Time {
	for _, p := range t.Processes {
		if p.PID == 1 && !p.Started.IsZero() {
			return p.Started.Add(-time.Second)
		}
	}
	return time.Time{}
}

// ownNamespace is the number of our network namespace, as the kernel's messages
// name it; empty = not known.
func ownNamespace() string {
	link, err := os.Readlink("/proc/self/ns/net") // "net:[4026531840]"
	if err != nil {
		return ""
	}
	_, number, _ := strings.Cut(link, "[")
	return strings.TrimSuffix(number, "]")
}
