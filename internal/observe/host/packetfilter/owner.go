package packetfilter

import (
	"regexp"
	"strings"
	"sync"

	"github.com/originward/originward/fact"
)

// layout is how a tool names what it writes into the packet filter. Patterns
// are matched whole and without regard to case; the group "jail" is the ban
// tool's own name for the list.
type layout struct {
	owner  string
	tables []string
	chains []string
	sets   []string
}

// layouts are the tools that are known, ready to be matched: compiling them takes
// longer than most commands do.
var layouts = sync.OnceValue(func() []matcher { return compile(tools) })

// tools lists them, the most telling first. To know one more is one more line.
var tools = []layout{
	{"fail2ban", []string{"f2b-table"}, []string{"f2b-(?P<jail>.+)", "fail2ban-(?P<jail>.+)"}, []string{"addr6?-set-(?P<jail>.+)", "f2b-(?P<jail>.+?)6?", "fail2ban-(?P<jail>.+?)6?"}},
	{"crowdsec", []string{"crowdsec6?"}, []string{"crowdsec.*"}, []string{"crowdsec6?-blacklists.*", "crowdsec.*"}},
	{"sshguard", []string{"sshguard"}, []string{"sshguard"}, []string{"sshguard.*", "attackers6?"}},
	{"imunify360", nil, []string{".*imunify360.*"}, []string{"i360[.-].*"}},
	{"bitninja", nil, []string{"bn_.*", "bitninja.*"}, []string{"bn-.*", "bitninja.*"}},
	{"cphulk", nil, []string{"cphulk.*"}, []string{"cphulk.*"}},
	{"reaction", []string{"reaction"}, []string{"reaction"}, []string{"reaction.*"}},
	{"banip", []string{"banip"}, nil, []string{"banip.*"}},
	{"csf", nil, []string{"localinput", "localoutput", "denyin", "denyout", "allowin", "allowout", "gdenyin", "gallowin", "dynin", "invalid", "invdrop",
		"logdropin", "logdropout", "synflood", "udpflood", "connlimit", "portflood", "cc_deny[pf]?", "cc_allow[fp]?", "cc_denyp?orts", "bogon", "spamhaus.*", "dshield", "smtpoutput", "log_.*deny"},
		[]string{"chain_6?_?deny", "chain_6?_?allow", "bl_.*", "cc_[a-z]{2}"}},
	{"ufw", nil, []string{"ufw6?-.*"}, nil},
	{"firewalld", []string{"firewalld", "firewalld_policy_drop"}, []string{"(filter|nat|mangle|raw)_(in|fwd|fwdi|fwdo|pre|post|input|forward|output|prerouting|postrouting).*", "in_.+_(deny|allow|log|pre|post)", "(input|forward|output|prerouting|postrouting)_(direct|zones|zones_source|policies.*)", "(in|fwdi|fwdo|pre|post)_.+"}, nil},
	{"docker", []string{"docker-bridges"}, []string{"docker", "docker-.*"}, nil},
	{"netavark", []string{"netavark"}, []string{"netavark.*", "cni-.*"}, nil},
	{"kubernetes", []string{"kube-proxy"}, []string{"kube-.*", "cali-.*", "cilium_.*", "flannel.*"}, []string{"kube-.*", "cali40.*"}},
	{"libvirt", []string{"libvirt_network"}, []string{"libvirt_.*"}, nil},
	{"shorewall", nil, []string{"net[-2](fw|all)", "fw[-2]net", "shorewall.*", "dynamic", "sfilter", "smurfs", "tcpflags"}, nil},
	{"psad", nil, []string{"psad_block_.*"}, nil},
	{"tailscale", nil, []string{"ts-(input|forward|postrouting)"}, nil},
}

// banning are the tools whose rules are bans of addresses; only theirs have a
// jail.
var banning = map[string]bool{
	"fail2ban": true, "crowdsec": true, "sshguard": true, "imunify360": true, "bitninja": true, "cphulk": true, "reaction": true, "banip": true, "psad": true,
}

type matcher struct {
	owner                string
	tables, chains, sets []*regexp.Regexp
}

func compile(list []layout) []matcher {
	all := func(ps []string) []*regexp.Regexp {
		out := make([]*regexp.Regexp, len(ps))
		for i, p := range ps {
			out[i] = regexp.MustCompile("(?i)^(?:" + p + ")$")
		}
		return out
	}
	out := make([]matcher, len(list))
	for i, l := range list {
		out[i] = matcher{l.owner, all(l.tables), all(l.chains), all(l.sets)}
	}
	return out
}

// match tries one name against patterns, and gives the jail that it holds.
func match(ps []*regexp.Regexp, name string) (jail string, ok bool) {
	if name == "" {
		return "", false
	}
	for _, p := range ps {
		if m := p.FindStringSubmatch(name); m != nil {
			if i := p.SubexpIndex("jail"); i > 0 {
				jail = m[i]
			}
			return jail, true
		}
	}
	return "", false
}

// attribute says which tool wrote a rule, by the names around it. A policy is
// the tool's whose chains hang below it.
func attribute(r *fact.FirewallRule, below []string) {
	for _, m := range layouts() {
		jailS, set := match(m.sets, r.Set)
		jailC, chain := match(m.chains, r.Chain)
		_, table := match(m.tables, r.Table)
		if !set && !chain && !table {
			continue
		}
		r.Owner = m.owner
		if banning[m.owner] {
			r.Jail = firstOf(jailS, jailC, r.Set)
			if m.owner == "fail2ban" && jailS == "" && strings.EqualFold(jailC, "chain") {
				r.Jail = ""
			}
		}
		return
	}
	if r.Policy {
		r.Owner = ownerBelow(below)
	}
}

// ownerBelow is the one tool whose chains were walked before a policy decided;
// empty when there is none or several.
func ownerBelow(chains []string) string {
	owner := ""
	for _, c := range chains {
		for _, m := range layouts() {
			if _, ok := match(m.chains, c); !ok || banning[m.owner] || m.owner == "docker" {
				continue
			}
			if owner != "" && owner != m.owner {
				return ""
			}
			owner = m.owner
			break
		}
	}
	return owner
}

func firstOf(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}
