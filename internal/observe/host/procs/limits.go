package procs

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// FDLimit is the soft limit on open files; 0 = not readable or unlimited.
func FDLimit(p Process) uint64 {
	b, err := os.ReadFile(filepath.Join(p.proc, "limits"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			f := strings.Fields(rest)
			if len(f) == 0 {
				return 0
			}
			n, _ := strconv.ParseUint(f[0], 10, 64)
			return n
		}
	}
	return 0
}
