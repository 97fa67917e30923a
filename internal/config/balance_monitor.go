package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/http1"
)

// Defaults of a monitor (API of monitors), and what a few numbers may be
// (load-balancing/reference/limitations: intervals of 10 s on the largest plan; an
// edge of one's own may look more often).
const (
	defaultInterval = 60
	defaultTimeout  = 5
	defaultRetries  = 2
	maxInterval     = 3600
	maxTimeout      = 60
	maxRetries      = 5
	maxConsecutive  = 100
)

// identified reads an id, or makes one of the name: references are by either.
func identified(id, kind, name string) string {
	if id != "" {
		return id
	}
	return rules.ID(kind, name)
}

var idForm = regexp.MustCompile("^[0-9a-f]{32}$")

func (v value) id() string {
	s, ok := v.text()
	if ok && !idForm.MatchString(s) {
		v.fail("not an id", "32 hexadecimal digits; left out, one is made of the name")
	}
	return s
}

func (v value) monitors() []Monitor {
	var out []Monitor
	v.list(func(v value) {
		if m, ok := v.monitor(); ok {
			if slices.ContainsFunc(out, func(o Monitor) bool { return o.ID == m.ID }) {
				v.fail(fmt.Sprintf("there is another monitor named %s", m.Name))
				return
			}
			out = append(out, m)
		}
	})
	return out
}

func (v value) secondsIn(lo, hi int) time.Duration {
	n, _ := v.integer(lo, hi)
	return time.Duration(n) * time.Second
}

func (v value) monitor() (Monitor, bool) {
	v, ok := v.resolve()
	if !ok {
		return Monitor{}, false
	}
	m := Monitor{
		Line: v.n.Line, Type: "http", Path: "/", Interval: defaultInterval * time.Second, Timeout: defaultTimeout * time.Second,
		Retries: defaultRetries, Up: 1, Down: 1,
	}
	var id string
	var codes value
	plain := map[string]value{} // keys that tcp does not have
	note := func(name string, read func(value)) key {
		return key{name, func(v value) { plain[name] = v; read(v) }}
	}
	if !v.read([]key{
		{"id", func(v value) { id = v.id() }},
		{"name", func(v value) { m.Name, _ = v.text() }},
		{"description", func(v value) {}},
		{"type", func(v value) { m.Type, _ = v.oneOf("http", "https", "tcp") }},
		{"port", func(v value) { n, _ := v.integer(0, 65535); m.Port = uint16(n) }}, //nolint:gosec // checked
		{"interval", func(v value) { m.Interval = v.secondsIn(1, maxInterval) }},
		{"timeout", func(v value) { m.Timeout = v.secondsIn(1, maxTimeout) }},
		{"retries", func(v value) { m.Retries, _ = v.integer(0, maxRetries) }},
		{"consecutive_up", func(v value) { m.Up, _ = v.integer(0, maxConsecutive); m.Up = max(1, m.Up) }},
		{"consecutive_down", func(v value) { m.Down, _ = v.integer(0, maxConsecutive); m.Down = max(1, m.Down) }},
		note("method", func(v value) { m.Method, _ = v.oneOf("GET", "HEAD", "OPTIONS") }),
		note("path", func(v value) { m.Path = v.monitorPath() }),
		note("header", func(v value) { m.Header = v.monitorHeader() }),
		note("expected_codes", func(v value) { codes = v; m.Codes = v.codes() }),
		note("expected_body", func(v value) { m.Body = v.optional() }),
		note("follow_redirects", func(v value) { m.FollowRedirects, _ = v.flag() }),
		note("allow_insecure", func(v value) { m.AllowInsecure, _ = v.flag() }),
	}) {
		m.ID = identified(id, "monitor", m.Name)
		return m, m.Name != "" || id != "" // what refers to it is not to blame
	}
	if m.Name == "" && id == "" {
		v.fail("the monitor has no name", "{name: web, type: https, path: /health}")
		return m, false
	}
	m.ID = identified(id, "monitor", m.Name)
	switch {
	case m.Type == "tcp" && m.Port == 0:
		v.fail("a tcp monitor needs a port", "port: 443")
	case m.Type == "tcp":
		for _, k := range plain {
			k.fail("is for http and https monitors, not for tcp")
		}
		m.Path = ""
	}
	if m.Type != "tcp" && m.Method == "" {
		m.Method = "GET"
	}
	if m.Type != "tcp" && codes.n == nil {
		m.Codes = []CodeRange{{200, 200}} // API: default 200
	}
	return m, true
}

// optional reads a text that may be empty.
func (v value) optional() string {
	if v, ok := v.resolve(); !ok || v.null() || v.n.Kind == yaml.ScalarNode && v.n.Value == "" {
		return ""
	}
	s, _ := v.text()
	return s
}

func (v value) monitorPath() string {
	s, ok := v.text()
	if ok && (!strings.HasPrefix(s, "/") || !http1.ValidTarget(s)) {
		v.fail("not a path", "a path that begins with / and holds visible ASCII, for example /health")
	}
	return s
}

// maxHeaders bounds a monitor's own fields.
const maxHeaders = 20

// monitorHeader reads fields: name, list of values.
func (v value) monitorHeader() [][2]string {
	var out [][2]string
	if v, ok := v.resolve(); !ok || v.null() {
		return nil
	}
	v.entries(func(name string, v value) {
		switch strings.ToLower(name) {
		case "user-agent", "content-length", "transfer-encoding", "connection":
			v.fail("the monitor writes this field itself")
			return
		}
		if !http1.ValidFieldName(name) {
			v.fail("not a field name")
			return
		}
		v.list(func(v value) {
			s, ok := v.text()
			switch {
			case !ok:
			case strings.EqualFold(name, "Host") && !http1.ValidHost(s), !http1.ValidFieldValue(s):
				v.fail("cannot be sent as the value of " + name)
			case len(out) == maxHeaders:
				v.fail(fmt.Sprintf("more than %d fields", maxHeaders))
			default:
				out = append(out, [2]string{name, s})
			}
		})
	})
	return out
}

var codeForm = regexp.MustCompile(`^([1-5])(\d\d|xx)(?:-([1-5])(\d\d|xx))?$`)

// codes reads expected status codes: 200, 2xx, 200-299, and lists of them.
func (v value) codes() []CodeRange {
	s, ok := v.text()
	if !ok {
		return nil
	}
	var out []CodeRange
	for part := range strings.SplitSeq(s, ",") {
		m := codeForm.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			v.fail("not status codes", "200", "2xx", "200-299", "200,302")
			return nil
		}
		end := func(first, rest, fill string) int {
			n, _ := strconv.Atoi(first + strings.ReplaceAll(rest, "xx", fill)) // digits, by the form
			return n
		}
		r := CodeRange{end(m[1], m[2], "00"), end(m[1], m[2], "99")}
		if m[3] != "" {
			r.High = end(m[3], m[4], "99")
		}
		if r.High < r.Low {
			v.fail("the range ends before it begins")
		}
		out = append(out, r)
	}
	return out
}
