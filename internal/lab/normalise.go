package lab

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"sort"
	"strings"
	"time"
)

// goldenTime stands for the second in which a golden's bundle was asked for.
var goldenTime = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// normalise makes equal what differs between two runs of one world: times,
// durations, process numbers, rays, serial numbers, ephemeral ports, load.
// What it gives is a bundle as good as the one it was given.
func normalise(bundle []byte) ([]byte, error) {
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
	calm := n.value("", doc)
	raw, err := json.MarshalIndent(calm, "", " ")
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
	case []any:
		for i := range v {
			v[i] = n.value(key, v[i])
		}
	case string:
		return n.text(v)
	case float64:
		return n.number(key, v)
	}
	return v
}

// number makes volatile numbers equal, by what they are called.
func (n *normaliser) number(key string, v float64) float64 {
	switch {
	case key == "ms" || strings.HasSuffix(key, "_ms"):
		return calmMS(v)
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

// calmMS keeps what judges ask of a duration: whether it was at once, or how
// many tenths of a second it took.
func calmMS(ms float64) float64 {
	if ms < 500 {
		return math.Min(math.Ceil(ms), 1)
	}
	return math.Round(ms/100) * 100
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
	rfcTime  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`)
	logTime  = regexp.MustCompile(`(\d{4}[-/]\d\d[-/]\d\d \d\d:\d\d:\d\d([.,]\d+)?)|((Mon|Tue|Wed|Thu|Fri|Sat|Sun)[, ]+)?((Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d+ \d\d:\d\d:\d\d(\.\d+)?( \d{4})?)|(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})|((Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)`)
	clock    = regexp.MustCompile(`\b\d\d:\d\d:\d\d\b`)
	hexWord  = regexp.MustCompile(`\b[0-9a-f]{16,64}\b`)
	tempDir  = regexp.MustCompile(`originward-lab-\d+`)
	process1 = regexp.MustCompile(`\b\d+#\d+: (\*\d+)?`)
	process2 = regexp.MustCompile(`\b(pid|tid|child|process) \d+`)
	highPort = regexp.MustCompile(`:(3[2-9]\d{3}|4\d{4}|5\d{4}|6[0-5]\d{3})\b`)
	duration = regexp.MustCompile(`\b\d+(\.\d+)?(ms|µs| ms| %| GiB| MiB|s\b)`)
	loadText = regexp.MustCompile(`load \d+\.\d+`)
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
	s = highPort.ReplaceAllString(s, ":40000")
	s = duration.ReplaceAllString(s, "1$2")
	s = loadText.ReplaceAllString(s, "load 1.00")
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
	case abs < 5*time.Second:
		d = 0
	case abs < 10*time.Minute:
		d = d.Round(10 * time.Second)
	default:
		d = d.Round(time.Hour)
	}
	return goldenTime.Add(d).Format(time.RFC3339)
}

// word gives a stand-in of the same kind, the same for the same word.
func (n *normaliser) word(s string) string {
	if w, known := n.words[s]; known {
		return w
	}
	w := "originward-lab"
	if !strings.HasPrefix(s, "originward") {
		w = fmt.Sprintf("%0*x", len(s), len(n.words)+1)
	}
	n.words[s] = w
	return w
}
