package lab

import (
	"fmt"
	"strings"
)

// Guide says how to look around in a standing world.
func (s *Stage) Guide() string {
	var b strings.Builder
	line := func(what, format string, a ...any) {
		fmt.Fprintf(&b, "%-8s %s\n", what, fmt.Sprintf(format, a...))
	}
	line("visitor", "ip netns exec %s curl -ks --connect-to ::%s %s", s.Client.NS.Name(), EdgeFront, s.url())
	line("edge", "ip netns exec %s ss -tn    log: %s", s.Edge.NS.Name(), s.edgeLog())
	line("origin", "nsenter -t %d -a -r -w sh", s.Origin.pid)
	line("diagnose", "ip netns exec %s %s diagnose %s --edge %s --origin %s --ca-file %s", s.Client.NS.Name(), s.Exe, s.url(), EdgeFront, strings.Join(s.origins(), " --origin "), s.caFile())
	return b.String()
}
