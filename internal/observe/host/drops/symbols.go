package drops

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// symbols names the kernel functions that hold some addresses. The list of symbols is read as a stream: it has hundreds
// of thousands of lines, in no order. Addresses that the list hides (all zero, for lack of a capability) give nothing.
func symbols(r io.Reader, want []uint64) map[uint64]string {
	type best struct {
		start uint64
		name  string
	}
	found := make([]best, len(want))
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 4096), 64<<10)
	for sc.Scan() {
		addr, rest, ok := strings.Cut(sc.Text(), " ")
		kind, name, ok2 := strings.Cut(rest, " ")
		if !ok || !ok2 || !strings.ContainsAny(kind, "tTwW") {
			continue
		}
		start, err := strconv.ParseUint(addr, 16, 64)
		if err != nil || start == 0 {
			continue
		}
		for i, a := range want {
			if start <= a && start > found[i].start {
				found[i] = best{start, name}
			}
		}
	}
	out := map[uint64]string{}
	for i, a := range want {
		if name, _, _ := strings.Cut(found[i].name, "\t"); name != "" { // a module's stands behind a tab
			out[a] = name
		}
	}
	return out
}
