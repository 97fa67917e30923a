package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/diagnose"
)

// goldenTime stands for the second in which a golden's bundle was asked for.
var goldenTime = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// normalise makes equal what differs between two runs of one world: times,
// durations, process numbers, rays, serial numbers, ephemeral ports, load.
// What it gives is a bundle as good as the one it was given.
//
// Stand-ins are handed out in the order of the items, and the items are ordered
// by what they say, stand-ins included: it is done again until it stands.
func normalise(bundle []byte) ([]byte, error) {
	for range 8 {
		calm, err := normaliseOnce(bundle)
		if err != nil || bytes.Equal(calm, bundle) {
			return calm, err
		}
		bundle = calm
	}
	return bundle, nil
}

func normaliseOnce(bundle []byte) ([]byte, error) {
	var doc map[string]any
	if err := json.Unmarshal(bundle, &doc); err != nil {
		return nil, err
	}
	asked, _ := doc["asked_at"].(string)
	at, err := time.Parse(time.RFC3339Nano, asked)
	if err != nil {
		return nil, fmt.Errorf("asked_at: %w", err)
	}
	n := &normaliser{asked: at, words: map[string]string{}, pids: map[float64]float64{}}
	calmVisits(doc)
	raw, err := json.Marshal(n.value("", doc))
	if err != nil {
		return nil, err
	}
	return renumber(raw)
}

// renumber gives the items their ids anew: what made their order is not there
// any more.
func renumber(bundle []byte) ([]byte, error) {
	b, err := fact.ReadBundle(bytes.NewReader(bundle))
	if err != nil {
		return nil, err
	}
	diagnose.Number(b)
	raw, err := json.MarshalIndent(b, "", " ")
	return append(raw, '\n'), err
}

type normaliser struct {
	asked time.Time
	words map[string]string // rays, serials, hashes, directories → stand-ins
	pids  map[float64]float64
}

// value walks objects by sorted key, so that stand-ins come in one order.
func (n *normaliser) value(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			v[k] = n.value(k, v[k])
		}
		halve(v)
	case []any:
		for i := range v {
			v[i] = n.value(key, v[i])
		}
		if key == "lines" { // of one second, in any order
			return calmLines(v)
		}
	case string:
		if key != "ray" && strings.Trim(v, "0123456789") == "" {
			return v // a number, written as text for its size
		}
		return n.text(v)
	case float64:
		return n.number(key, v)
	}
	return v
}

func asText(v any) string {
	raw, _ := json.Marshal(v) // it was JSON before
	return string(raw)
}

// number makes volatile numbers equal, by what they are called.
func (n *normaliser) number(key string, v float64) float64 {
	switch {
	case key == "ms" || strings.HasSuffix(key, "_ms"):
		return calmMS(v)
	case slices.Contains(busy, key):
		return 0
	case slices.Contains(few, key) && v > 0 && v < 1000:
		return 9
	case key == "pid" || key == "pids" || key == "inode":
		if _, known := n.pids[v]; !known && v != 0 {
			n.pids[v] = float64(100 + len(n.pids))
		}
		return n.pids[v]
	case v == math.Trunc(v) && math.Abs(v) < 70000:
		return v // ports, codes, counts, lines
	}
	return oneDigit(v)
}

// busy numbers tell how busy machine and network were; few ones matter by the
// thousand only.
var (
	busy = []string{
		"load1", "busy_pct", "steal_pct", "cpu.some", "cpu.full", "io.some", "io.full",
		"files_used", "lines", "bytes", "packets",
		"InSegs", "OutSegs", "PassiveOpens", "ActiveOpens", "RetransSegs", "EstabResets", "AttemptFails", "OutRsts", "CurrEstab", "TW", "TCPTimeouts", "between_ns",
	}
	few = []string{"time_wait", "established", "count", "fds"}
)

// halve makes what is left of something half of it, unless it is nearly used
// up.
func halve(o map[string]any) {
	for _, x := range []struct{ left, of string }{{"avail", "size"}, {"inodes_free", "inodes"}, {"mem_available", "mem_total"}, {"swap_free", "swap_total"}} {
		left, ok := o[x.left].(float64)
		of, has := o[x.of].(float64)
		if ok && has && left > of/10 {
			o[x.left] = oneDigit(of / 2)
		}
	}
	if _, is := o["boot"].(string); is {
		o["boot"] = goldenTime.Add(-5 * time.Hour).Format(time.RFC3339)
	}
	delete(o, "tentative") // for a second after a link is made
	switch o["neighbor"] {
	case "delay", "probe", "stale": // it was reachable a moment ago
		o["neighbor"] = "reachable"
	}
	if v, is := o["established"].(float64); is && v < 1000 {
		o["established"] = 9.0
		delete(o, "client_peers")
	}
}

// calmMS keeps what judges ask of a duration: whether it was at once, or how
// many seconds it took.
func calmMS(ms float64) float64 {
	if ms < 500 {
		return math.Min(math.Ceil(ms), 1)
	}
	return math.Round(ms/1000) * 1000
}

// oneDigit rounds to one significant digit.
func oneDigit(v float64) float64 {
	if v == 0 {
		return 0
	}
	p := math.Pow(10, math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v/p) * p
}

var (
	rfcTime   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`)
	logTime   = regexp.MustCompile(`(\d{4}[-/]\d\d[-/]\d\d \d\d:\d\d:\d\d([.,]\d+)?)|((Mon|Tue|Wed|Thu|Fri|Sat|Sun)[, ]+)?((Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d+ \d\d:\d\d:\d\d(\.\d+)?( \d{4})?)|(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})|((Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)`)
	clock     = regexp.MustCompile(`\b\d\d:\d\d:\d\d\b`)
	hexWord   = regexp.MustCompile(`\b[0-9a-f]{16,64}\b`)
	epoch     = regexp.MustCompile(`\b1[78]\d{8}\.\d+`)
	pointer   = regexp.MustCompile(`0xc[0-9a-f]{9}\b`)
	counted   = regexp.MustCompile(`\b\d+ (lines|connections|in TIME-WAIT|half-open|of \d+ entries)`)
	linkLocal = regexp.MustCompile(`\bfe80::[0-9a-f:]+`)
	tempDir   = regexp.MustCompile(`originward-lab-\d+`)
	process1  = regexp.MustCompile(`\b\d+#\d+: (\*\d+)?`)
	process3  = regexp.MustCompile(`\[\d+\]:`)
	process2  = regexp.MustCompile(`\b(pid|tid|child|process) \d+`)
	highPort  = regexp.MustCompile(`:(3[2-9]\d{3}|4\d{4}|5\d{4}|6[0-5]\d{3})\b`)
	duration  = regexp.MustCompile(`\b\d+(\.\d+)?(ms|µs| ms| %| GiB| MiB|s\b)`)
	loadText  = regexp.MustCompile(`load \d+\.\d+`)
)

// text makes volatile parts of a text equal.
func (n *normaliser) text(s string) string {
	s = rfcTime.ReplaceAllStringFunc(s, n.time)
	s = logTime.ReplaceAllString(s, "2026-01-15 12:00:00")
	if !strings.Contains(s, "T12:") {
		s = clock.ReplaceAllString(s, "12:00:00")
	}
	s = process1.ReplaceAllString(s, "1#1: ")
	s = process2.ReplaceAllString(s, "$1 1")
	s = process3.ReplaceAllString(s, "[1]:")
	s = highPort.ReplaceAllString(s, ":40000")
	s = duration.ReplaceAllString(s, "1$2")
	s = loadText.ReplaceAllString(s, "load 1.00")
	s = epoch.ReplaceAllString(s, "1768478400.0")
	s = pointer.ReplaceAllString(s, "0xc000000000")
	s = counted.ReplaceAllString(s, "9 $1")
	s = linkLocal.ReplaceAllString(s, "fe80::1")
	s = tempDir.ReplaceAllStringFunc(s, n.word)
	return hexWord.ReplaceAllStringFunc(s, n.word)
}

// time moves a time by as much as the bundle's own is moved, and rounds what
// lies between to what judges can tell apart.
func (n *normaliser) time(s string) string {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return s
	}
	d := t.Sub(n.asked)
	switch abs := d.Abs(); {
	case abs < 45*time.Second:
		d = 0
	case abs < 10*time.Minute:
		d = d.Round(time.Minute)
	default:
		d = d.Round(time.Hour)
	}
	return goldenTime.Add(d).Format(time.RFC3339)
}

// wide is the length of a stand-in: a number written in hexadecimal loses its
// leading zeros.
func wide(n int) int {
	switch {
	case n <= 16:
		return 16
	case n <= 40:
		return 32
	}
	return 64
}

// word gives a stand-in of the same kind, the same for the same word.
func (n *normaliser) word(s string) string {
	if w, known := n.words[s]; known {
		return w
	}
	w := "originward-lab"
	if !strings.HasPrefix(s, "originward") {
		w = fmt.Sprintf("%0*x", wide(len(s)), len(n.words)+1)
	}
	n.words[s] = w
	return w
}
