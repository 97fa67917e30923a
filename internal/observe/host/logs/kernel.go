package logs

import (
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/originward/originward/fact"
)

// kernelLine counts a line of the kernel. The ring is the whole machine's: a
// packet line only counts when its destination is one of ours. Nil ours means
// that this is not known.
func kernelLine(source string, at time.Time, text string, t *tally, ours func(netip.Addr) bool) {
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
