package logs

import (
	"net/netip"
	"regexp"
	"strings"

	"github.com/originward/originward/fact"
)

var allowPrefix = regexp.MustCompile(`(?i)\b(?:allow|audit|accept|pass)(?:ed)?\b`)

// packet reads a line that a LOG target wrote. Only a packet with SYN and
// without ACK and RST was a new connection: a firewall that drops a late RST or
// FIN harms nobody. Lines whose prefix says that the packet was let in are
// none.
func packet(line string) (m match, dst netip.Addr, ok bool) {
	if !strings.Contains(line, "SRC=") || !strings.Contains(line, "PROTO=TCP") {
		return m, dst, false
	}
	prefix, _, _ := strings.Cut(line, "IN=")
	if allowPrefix.MatchString(prefix) {
		return m, dst, false
	}
	words := map[string]string{}
	flags := map[string]bool{}
	for _, w := range strings.Fields(line) {
		if k, v, has := strings.Cut(w, "="); has {
			if _, twice := words[k]; !twice { // an ICMP error repeats the inner packet's words
				words[k] = v
			}
		} else {
			flags[w] = true
		}
	}
	m.client, _ = netip.ParseAddr(words["SRC"])
	dst, _ = netip.ParseAddr(words["DST"])
	m.target = words["DPT"]
	m.kind = fact.LogStrayRST
	if flags["SYN"] && !flags["ACK"] && !flags["RST"] {
		m.kind = fact.LogBlockedSYN
	}
	return m, dst, m.client.IsValid()
}
