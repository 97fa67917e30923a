package logs

import (
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/originward/originward/fact"
)

// haproxyEndRE finds in HAProxy's HTTP and TCP logs the client, the backend's
// server, and the state at the end of the session: who ended it, and in which
// step (HAProxy manual, "Session state at disconnection").
var haproxyEndRE = regexp.MustCompile(`(?:^|\s)([0-9a-fA-F.:]+):\d+ \[[^\]]+\] \S+ (\S+/\S+) .* ([A-Za-z-]{2})[A-Za-z-]{0,2} \d+/\d+/\d+/\d+/\+?\d+ \d+/\d+`)

// haproxyEnds says which states mean something for the hop: one line for each.
// The first letter: S the server aborted or refused, s it was too slow, P the
// proxy itself, R a resource of the proxy. The second: C while connecting, H
// before the whole response head, Q in the queue, D in the body, R before the
// request was complete.
var haproxyEnds = map[string]string{
	"SC": fact.LogUpstreamRefused,
	"sC": fact.LogUpstreamTimeout,
	"sH": fact.LogUpstreamTimeout,
	"SH": fact.LogUpstreamClosed,
	"PH": fact.LogUpstreamInvalid,
	"sQ": fact.LogWorkersFull,
	"SQ": fact.LogWorkersFull,
	"RC": fact.LogUpstreamNoPort,
	"PR": fact.LogDenied,
}

// haproxyEnd reads how a session ended; ok is false for an ordinary end.
func haproxyEnd(line string) (m match, ok bool) {
	g := haproxyEndRE.FindStringSubmatch(line)
	if g == nil {
		return m, false
	}
	m.kind, ok = haproxyEnds[g[3]]
	if head, _, _ := strings.Cut(line, `"`); m.kind == fact.LogDenied && strings.Contains(head, " 429 ") {
		m.kind = fact.LogLimited // too many requests (RFC 6585 §4)
	}
	m.target = g[2]
	m.client, _ = netip.ParseAddr(g[1]) // not an address: none
	return m, ok
}

// haproxyLine counts how a session ended.
func haproxyLine(source string, at time.Time, line string, t *tally) {
	if m, ok := haproxyEnd(line); ok {
		t.add(source, "haproxy", at, m, "", line)
	}
}
