package collect

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// OpenPorts gives those of the ports on which some socket of this network
// namespace listens, in the order asked. It reads /proc/net/tcp and tcp6
// below proc only as far as their listeners, which stand first (proc(5)); what
// cannot be read counts as closed.
func OpenPorts(proc string, among []uint16) []uint16 {
	open := map[uint16]bool{}
	for _, name := range []string{"tcp", "tcp6"} {
		readListening(filepath.Join(proc, "net", name), open)
	}
	var out []uint16
	for _, p := range among {
		if open[p] && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// stateListen is TCP_LISTEN as the files write it (linux/tcp_states.h).
const stateListen = "0A"

func readListening(file string, open map[uint16]bool) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Scan() // the heading
	for lines.Scan() {
		col := strings.Fields(lines.Text())
		if len(col) < 4 || col[3] != stateListen {
			return
		}
		_, hex, _ := strings.Cut(col[1], ":")
		if port, err := strconv.ParseUint(hex, 16, 16); err == nil {
			open[uint16(port)] = true
		}
	}
}
