package counters

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
)

// conntrack reads the state of the connection-tracking table. stats is false
// when the drops could not be read.
func conntrack(proc string) (c fact.Conntrack, stats bool) {
	dir := filepath.Join(proc, "sys/net/netfilter")
	count, err := number(filepath.Join(dir, "nf_conntrack_count"))
	switch {
	case err == nil:
		c.Used = fact.Yes
	case errors.Is(err, os.ErrNotExist) && exists(filepath.Join(proc, "sys/net")):
		c.Used = fact.No
		return c, true
	default:
		return c, false
	}
	c.Count = count
	c.Max, _ = number(filepath.Join(dir, "nf_conntrack_max"))
	b, err := os.ReadFile(filepath.Join(proc, "net/stat/nf_conntrack"))
	if err != nil {
		return c, false
	}
	sums := sumColumns(string(b))
	c.Drop, c.InsertFail, c.EarlyDrop = sums["drop"], sums["insert_failed"], sums["early_drop"]
	return c, true
}

// sumColumns adds up a table of hexadecimal columns with one line per CPU.
func sumColumns(s string) map[string]uint64 {
	out := map[string]uint64{}
	head, rest, _ := strings.Cut(s, "\n")
	cols := strings.Fields(head)
	for line := range strings.Lines(rest) {
		for i, v := range strings.Fields(line) {
			if i >= len(cols) {
				break
			}
			if n, err := strconv.ParseUint(v, 16, 64); err == nil {
				out[cols[i]] += n
			}
		}
	}
	return out
}

func number(file string) (uint64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
