package lab

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
)

// Guide says how to look around in a standing world.
func (s *Stage) Guide() string {
	var b strings.Builder
	line := func(what, format string, a ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", what, fmt.Sprintf(format, a...))
	}
	in := func(n *Node) string { return "ip netns exec " + n.NS.Name() }
	host, exe := in(s.Origin), s.Exe
	if s.Origin.pid != 0 {
		host, exe = fmt.Sprintf("nsenter -t %d -a -r -w", s.Origin.pid), installed
	}
	file := filepath.Join(s.Dir, "host.json")
	line("visitor", "%s curl -ks --connect-to ::%s %s", in(s.Client), s.World.front(), s.url())
	line("edge", "%s ss -tn    log: %s", in(s.Edge), s.edgeLog())
	line("origin", "%s sh", host)
	line("host", "%s %s host %s > %s", host, exe, Site, file)
	args := []string{s.url(), "--resolver " + Resolver.String(), "--edge " + s.World.front().String(), "--ca-file " + s.caFile(),
		"--cdn-api " + s.apiURL(), "--cdn-token-file " + s.tokenFile(), "--host-evidence " + file}
	for _, o := range s.origins() {
		if _, err := netip.ParseAddr(o); err == nil {
			args = append(args, "--origin "+o)
		}
	}
	line("diagnose", "%s %s diagnose %s", in(s.Client), s.Exe, strings.Join(args, " "))
	return b.String()
}
