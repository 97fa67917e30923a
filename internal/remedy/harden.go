package remedy

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// What the lock-down is called on the host.
const (
	hardenTable = "originward"
	hardenFile  = "/etc/originward/harden.nft"
	hardenUnit  = "originward-harden"
)

// Harden plans the lock-down of an origin: the web ports take connections from
// the CDN's ranges, from the given networks and from the host itself alone, and
// the web server restores the visitor's address.
func Harden(b *originward.Bundle, ports []uint16, keep []netip.Prefix) Plan {
	t := &Table{Family: "inet", Name: hardenTable, Text: hardenText(ports, keep)}
	lock := step("table", "take connections on port "+portText(ports)+" from the CDN's ranges alone", t)
	lock.Risk = "whoever reaches the site without the CDN is turned away: monitoring, an HTTP challenge for certificates that does not come through the CDN, your own tests; name their networks with --keep"
	load := step("config", "load the table at every boot", &Config{Edits: []Edit{
		{Path: hardenFile, Content: []byte(t.script()), Mode: 0o600},
		{Path: "/etc/systemd/system/" + hardenUnit + ".service", Content: []byte(hardenService)},
	}})
	load.Persist = true
	p := Plan{Host: b.Host, Causes: []originward.CauseID{}, Steps: []Step{lock}}
	s := &site{b: b, m: &Machine{}}
	for _, it := range fact.All[fact.Services](b, originward.Host) {
		s.manager = it.Fact.Manager
	}
	for _, w := range s.live() {
		if w.Server != "nginx" || w.RealIP.Header != "" && len(w.RealIP.Missing) == 0 {
			continue
		}
		if steps, err := s.realIP(w); err == nil {
			p.Steps = append(p.Steps, steps...)
		}
	}
	p.Steps = append(p.Steps, load)
	if underSystemd() {
		on := step("service", "switch that on", &Service{Daemon: Daemon{Kind: hardenUnit, Manager: "systemd", Unit: hardenUnit}, Op: opEnable})
		on.Persist = true
		p.Steps = append(p.Steps, on)
	}
	p.Better = []string{
		"authenticated origin pulls: have the web server ask for the CDN's client certificate (nginx: ssl_client_certificate with the CDN's authority, ssl_verify_client on) after they are switched on at the CDN; ranges are shared by all of the CDN's customers, a certificate of your own is not",
		"a tunnel: the origin then needs no open port at all",
	}
	return p
}

func portText(ports []uint16) string {
	var out []string
	for _, p := range ports {
		out = append(out, fmt.Sprint(p))
	}
	return strings.Join(out, ", ")
}

// hardenText is the table. It drops and accepts nothing for other chains: who
// passes here still has to pass the host's own rules. It stands before address
// translation, so published ports of containers are behind it too.
func hardenText(ports []uint16, keep []netip.Prefix) string {
	var sets, rules strings.Builder
	for _, f := range []struct{ name, typ, word string }{{"cdn4", "ipv4_addr", "ip"}, {"cdn6", "ipv6_addr", "ip6"}} {
		var el []string
		for _, p := range append(cdnRanges(), keep...) {
			if p.Addr().Is6() == (f.word == "ip6") {
				el = append(el, p.String())
			}
		}
		fmt.Fprintf(&sets, "\tset %s {\n\t\ttype %s; flags interval; auto-merge\n\t\telements = { %s }\n\t}\n", f.name, f.typ, strings.Join(el, ", "))
		fmt.Fprintf(&rules, "\t\t%s saddr @%s accept\n", f.word, f.name)
	}
	return sets.String() + "\tchain web {\n\t\ttype filter hook prerouting priority -150; policy accept;\n" +
		"\t\tiif \"lo\" accept\n\t\tct state established,related accept\n\t\tmeta l4proto != tcp accept\n" +
		"\t\ttcp dport != { " + portText(ports) + " } accept\n\t\tfib daddr type != local accept\n" +
		rules.String() + "\t\tcounter drop\n\t}\n"
}

const hardenService = `[Unit]
Description=Web ports for the CDN alone
Wants=network-pre.target
Before=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=nft -f ` + hardenFile + `
ExecStop=nft delete table inet ` + hardenTable + `

[Install]
WantedBy=multi-user.target
`
