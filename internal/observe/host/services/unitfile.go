package services

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward/internal/observe/host/collect"
)

// maxUnit bounds how much of a unit's file is read.
const maxUnit = 64 << 10

// startLine is the command line with which a unit of the kind would be started, from its
// file: for hosts whose service manager does not run or does not answer. nil when there is
// none.
func startLine(env *collect.Env, k *kind) []string {
	for _, name := range k.units {
		for _, dir := range collect.UnitDirs {
			if b, err := os.ReadFile(env.File(filepath.Join(dir, name))); err == nil {
				return execLine(string(b[:min(len(b), maxUnit)]))
			}
		}
	}
	return nil
}

// execLine reads the words of the last ExecStart= of a unit's file, whose lines may go on
// after a backslash (systemd.syntax(7)). Quotes are left as they are: the words are not
// fit to be run.
func execLine(text string) []string {
	text = strings.ReplaceAll(text, "\\\n", " ")
	line := ""
	for l := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(l), "ExecStart="); ok {
			line = strings.TrimLeft(v, "-@:+!")
		}
	}
	return strings.Fields(line)
}

// varnishPorts reads the ports of varnishd's -a options: "[NAME=]ADDRESS:PORT[,PROTOCOL]".
func varnishPorts(words []string) []uint16 {
	var out []uint16
	for i, w := range words {
		v, ok := strings.CutPrefix(w, "-a")
		if !ok {
			continue
		}
		if v == "" && i+1 < len(words) {
			v = words[i+1]
		}
		v, _, _ = strings.Cut(v, ",")
		if j := strings.LastIndexByte(v, ':'); j >= 0 {
			v = v[j+1:]
		}
		if n, err := strconv.ParseUint(v, 10, 16); err == nil && n > 0 && !slices.Contains(out, uint16(n)) {
			out = append(out, uint16(n))
		}
	}
	return out
}
