package tunnel

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
)

// Bounds of reading the log: its end is what matters.
const (
	tail      = 1 << 20
	maxErrors = 20
)

// readLog takes the errors of the failure window, the version and pushed rules
// from the end of the connector's own log file, when it writes one. What goes
// to the journal or a container's log is the answer of the logs.
func (k *connector) readLog(env *collect.Env) {
	for _, name := range []string{k.conf.LogFile, "/var/log/cloudflared.log"} {
		if name == "" {
			continue
		}
		f, err := k.fs.Open(name)
		if err != nil {
			continue
		}
		fi, err := f.Stat()
		if err != nil {
			f.Close()
			continue
		}
		off := max(0, fi.Size()-tail)
		b, _ := io.ReadAll(io.NewSectionReader(f, off, fi.Size()-off))
		f.Close()
		if off > 0 {
			if i := bytes.IndexByte(b, '\n'); i >= 0 {
				b = b[i+1:]
			}
		}
		k.logFile = name
		k.lines(env, name, b)
		return
	}
}

func (k *connector) lines(env *collect.Env, name string, b []byte) {
	var errors []fact.Place
	for _, raw := range bytes.Split(b, []byte{'\n'}) {
		line := string(raw)
		if rules, ok := pushedConfig(line); ok {
			k.Ingress = nil
			for _, r := range rules {
				k.addRule(r, fact.Place{File: name, Text: "configuration from the CDN"})
			}
		}
		e, ok := parseLine(line)
		if !ok {
			continue
		}
		if v, ok := strings.CutPrefix(e.text, "Version "); ok {
			k.Version = escape.Line(v, 40)
		}
		if e.bad && !e.at.Before(env.From.Truncate(time.Second)) && !e.at.After(env.To) {
			errors = append(errors, fact.Place{File: name, Text: escape.Line(line, 300)})
		}
	}
	if len(errors) > maxErrors {
		errors = errors[len(errors)-maxErrors:]
	}
	for i := len(errors) - 1; i >= 0; i-- { // newest first
		k.Errors = append(k.Errors, errors[i])
	}
}

// entry is one line of the connector's log.
type entry struct {
	at   time.Time
	bad  bool
	text string
}

// parseLine reads "2026-11-22T10:00:00Z ERR text" and the JSON form.
func parseLine(line string) (entry, bool) {
	if strings.HasPrefix(line, "{") {
		var j struct {
			Time    string `json:"time"`
			Level   string `json:"level"`
			Message string `json:"message"`
		}
		if json.Unmarshal([]byte(line), &j) != nil {
			return entry{}, false
		}
		at, err := time.Parse(time.RFC3339, j.Time)
		return entry{at, j.Level == "error" || j.Level == "fatal", j.Message}, err == nil
	}
	f := strings.SplitN(line, " ", 3)
	if len(f) < 3 {
		return entry{}, false
	}
	at, err := time.Parse(time.RFC3339, f[0])
	return entry{at, f[1] == "ERR" || f[1] == "FTL", f[2]}, err == nil
}
