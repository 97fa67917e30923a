// Package load reads this host's capacity now: processors, memory, pressure,
// file systems that a web server needs, and cgroups near their limits.
package load

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
)

// ticks are the processor times of /proc/stat, first line, in clock ticks.
type ticks struct{ busy, steal, total uint64 }

func cpuTicks(proc string) (t ticks, cpus int, ok bool) {
	b, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return ticks{}, 0, false
	}
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		switch {
		case len(f) < 5 || !strings.HasPrefix(f[0], "cpu"):
			return t, cpus, ok
		case f[0] != "cpu":
			cpus++
			continue
		}
		ok = true
		for i, v := range f[1:min(len(f), 9)] { // guest times are within user and nice
			n, _ := strconv.ParseUint(v, 10, 64)
			t.total += n
			switch i {
			case 3, 4: // idle, iowait
			case 7:
				t.steal += n
				t.busy += n
			default:
				t.busy += n
			}
		}
	}
	return t, cpus, ok
}

// percent is the share that each kind of time had between two readings.
func percent(a, b ticks) (busy, steal float64) {
	total := float64(b.total) - float64(a.total)
	if total <= 0 {
		return 0, 0
	}
	return 100 * (float64(b.busy) - float64(a.busy)) / total, 100 * (float64(b.steal) - float64(a.steal)) / total
}

// memory reads /proc/meminfo, in bytes.
func memory(proc string, l *fact.Load) bool {
	b, err := os.ReadFile(filepath.Join(proc, "meminfo"))
	if err != nil {
		return false
	}
	into := map[string]*uint64{"MemTotal:": &l.MemTotal, "MemAvailable:": &l.MemFree, "SwapTotal:": &l.SwapTotal, "SwapFree:": &l.SwapFree}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		if p := into[f[0]]; p != nil {
			n, _ := strconv.ParseUint(f[1], 10, 64)
			*p = n << 10 // the file counts in KiB
		}
	}
	return l.MemTotal > 0
}

// pressure reads the ten-second averages of /proc/pressure. It is empty on
// kernels without PSI.
func pressure(proc string) map[string]float64 {
	out := map[string]float64{}
	for _, res := range []string{"cpu", "memory", "io"} {
		b, err := os.ReadFile(filepath.Join(proc, "pressure", res))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 2 {
				continue
			}
			if v, ok := strings.CutPrefix(f[1], "avg10="); ok {
				if n, err := strconv.ParseFloat(v, 64); err == nil {
					out[res+"."+f[0]] = n
				}
			}
		}
	}
	return out
}

// field reads one "name value" line of a file; ok is false when there is none.
func field(file, name string) (n uint64, ok bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			n, err := strconv.ParseUint(f[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// single reads a file that holds one number; "max" is none.
func single(file string) (uint64, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}
