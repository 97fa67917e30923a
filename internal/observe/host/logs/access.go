package logs

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
)

// accessLine is what an access log tells of one request.
type accessLine struct {
	client netip.Addr
	target string // method and path, bounded by the line
	status int
	ray    string

	seconds float64 // how long the request took; 0 = the log does not say
}

var (
	// The status follows the quoted request in every common format.
	requestRE = regexp.MustCompile(`"([A-Z]{3,10} [^"]*|[^"]{0,64})" (\d{3})(?:[ ,]|$)`)
	rayRE     = regexp.MustCompile(`\b([0-9a-f]{16})(?:-[A-Z]{3})?\b`)
	// HAProxy's HTTP log: client:port [time] frontend backend/server timers status …
	haproxyRE = regexp.MustCompile(`([0-9a-fA-F.:]+):\d+ \[[^\]]+\] \S+ \S+/\S+ [-\d/]+ (\d{3}|-1) .*"([^"]*)"`)
)

// parseAccess reads a line of an access log in the combined format and its
// kin, HAProxy's, or JSON; ok is false for anything else.
func parseAccess(line []byte) (a accessLine, ok bool) {
	if i := bytes.IndexByte(line, '{'); i == 0 {
		return accessJSON(line)
	}
	s := string(line)
	if g := requestRE.FindStringSubmatch(s); g != nil {
		a.status, _ = strconv.Atoi(g[2]) // three digits
		a.target = g[1]
		a.client = firstAddr(s)
	} else if g := haproxyRE.FindStringSubmatch(s); g != nil {
		a.status, _ = strconv.Atoi(g[2])
		a.target = g[3]
		a.client, _ = netip.ParseAddr(g[1])
	} else {
		return a, false
	}
	if g := rayRE.FindStringSubmatch(s); g != nil {
		a.ray = g[1]
	}
	return a, a.status > 0
}

// firstAddr is the first word of the line that is an address: some formats put
// the virtual host before it.
func firstAddr(s string) netip.Addr {
	for i, w := range strings.Fields(s) {
		if i == 4 {
			break
		}
		if addr, err := netip.ParseAddr(strings.Trim(w, "[],")); err == nil {
			return addr.Unmap()
		}
	}
	return netip.Addr{}
}

// accessJSON reads Caddy's and nginx's usual JSON keys.
func accessJSON(line []byte) (a accessLine, ok bool) {
	var j struct {
		Status  json.Number `json:"status"`
		Remote  string      `json:"remote_addr"`
		Client  string      `json:"remote_ip"`
		Line    string      `json:"request_line"`
		Request json.RawMessage
	}
	if json.Unmarshal(line, &j) != nil {
		return a, false
	}
	var req struct {
		RemoteIP string              `json:"remote_ip"`
		Method   string              `json:"method"`
		URI      string              `json:"uri"`
		Headers  map[string][]string `json:"headers"`
	}
	_ = json.Unmarshal(j.Request, &req) // other servers write a text there
	status, _ := j.Status.Int64()
	a.status = int(status)
	for _, s := range []string{req.RemoteIP, j.Client, j.Remote} {
		if addr, err := netip.ParseAddr(s); err == nil {
			a.client = addr.Unmap()
			break
		}
	}
	a.target = strings.TrimSpace(req.Method + " " + req.URI + j.Line)
	if g := rayRE.FindStringSubmatch(strings.Join(req.Headers["Cf-Ray"], " ")); g != nil {
		a.ray = g[1]
	}
	return a, a.status >= 100 && a.status < 1000
}

// slowAfter is when a request counts as slow: beyond a minute proxies and edges
// begin to give up (nginx and Apache at 60 s, the edge at 100 to 125 s).
const slowAfter = 60

// kinds are the kinds of a request's line: its status, and what else it shows.
func (a accessLine) kinds() []string {
	out := []string{a.kind()}
	if a.seconds >= slowAfter {
		out = append(out, fact.LogSlow)
	}
	// A ClientHello begins with the record header 16 03 xx, which servers write
	// escaped.
	if strings.HasPrefix(a.target, `\x16\x03`) || strings.HasPrefix(a.target, "\x16\x03") {
		out = append(out, fact.LogTLSToPlain)
	}
	return out
}

// kind is the kind of a request's line: every error status counts, 444 is
// nginx closing on purpose, and a success only matters for whose address it
// shows.
func (a accessLine) kind() string {
	if a.status == 444 {
		return fact.LogClosed444
	}
	return fact.LogStatus
}
