package logs

import (
	"net/netip"
	"time"
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
	if m, ok := classify("kernel", text); ok {
		t.add(source, "kernel", at, m, "", text)
	}
}
