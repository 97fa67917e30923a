package render

import (
	"fmt"
	"strings"

	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/ruleset"
	"github.com/originward/originward/internal/firewall/xt"
)

// IPSetEntry writes an entry the way `ipset list` does.
func IPSetEntry(s *ruleset.IPSet, e *ruleset.IPSetEntry) string {
	var parts []string
	for _, d := range strings.Split(strings.TrimPrefix(strings.TrimPrefix(s.Type, "hash:"), "bitmap:"), ",") {
		switch d {
		case "ip", "net":
			a, to, cidr := e.IP, e.IPTo, e.CIDR
			if len(parts) > 0 && e.IP2.IsValid() {
				a, to, cidr = e.IP2, e.IP2To, e.CIDR2
			}
			text := a.String()
			switch {
			case to.IsValid() && to != a:
				text += "-" + to.String()
			case cidr > 0 && int(cidr) < a.BitLen():
				text += fmt.Sprintf("/%d", cidr)
			}
			parts = append(parts, text)
		case "port":
			text := fmt.Sprint(e.Port)
			if n, ok := protoNames[uint64(e.Proto)]; ok && s.Type != "bitmap:port" {
				text = n + ":" + text
			}
			if e.PTo > e.Port {
				text += fmt.Sprintf("-%d", e.PTo)
			}
			parts = append(parts, text)
		case "mac":
			if e.HasMAC {
				parts = append(parts, strings.ToUpper(value(kindMAC, e.MAC[:])))
			}
		case "iface":
			parts = append(parts, safe(e.Iface))
		case "mark":
			parts = append(parts, fmt.Sprintf("%#08x", e.Mark))
		}
	}
	if s.Type == "list:set" {
		parts = append(parts, safe(e.Set))
	}
	return strings.Join(parts, ",")
}

// IPSetKey writes an entry of a set of plain addresses.
func IPSetKey(iv interval.Iv, width int) string {
	if iv.Lo == iv.Hi {
		return iv.Lo.Addr(width).String()
	}
	if p, n := interval.Prefixes(iv, width, 1); n == 1 {
		return p[0].String()
	}
	return iv.Lo.Addr(width).String() + "-" + iv.Hi.Addr(width).String()
}

// CommentOf is the text of an xt comment match.
func CommentOf(x *ruleset.Xt) string {
	if c, ok := x.Info.(xt.Always); ok {
		return c.Text
	}
	return ""
}
