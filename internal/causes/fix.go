package causes

import (
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// fix begins a fix with its summary.
func fix(summary string, steps ...originward.Step) *originward.Fix {
	var kept []originward.Step
	for _, s := range steps {
		if s.Run != "" {
			kept = append(kept, s)
		}
	}
	return &originward.Fix{Summary: summary, Steps: kept}
}

func onHost(run, undo string) originward.Step {
	return originward.Step{Run: run, Undo: undo, On: originward.WhereHost}
}

func onCDN(run, undo string) originward.Step {
	return originward.Step{Run: run, Undo: undo, On: originward.WhereCDN}
}

func atProvider(run string) originward.Step {
	return originward.Step{Run: run, On: originward.WhereProvider}
}

// risky adds what the step may break.
func risky(s originward.Step, risk string) originward.Step {
	s.Risk = risk
	return s
}

// diagnoseAgain is the check that proves most cures.
func (v *View) diagnoseAgain() string {
	if v.Host == "" {
		return "run the same diagnose again: status healthy"
	}
	return "originward diagnose " + v.Host + " (status healthy)"
}

// manager is the service manager of the host.
func (v *View) manager() string {
	for _, it := range v.services {
		if it.Fact.Manager != "" {
			return it.Fact.Manager
		}
	}
	return ""
}

// control is the command that starts, stops, restarts or reloads a service
// with the manager that the host has.
func (v *View) control(verb string, s fact.Service) string {
	name := firstOf(s.Name, s.Unit, s.Kind)
	switch v.manager() {
	case "systemd":
		if s.Unit != "" || s.Name == "" {
			return "systemctl " + verb + " " + firstOf(s.Unit, s.Kind)
		}
	case "openrc":
		return "rc-service " + name + " " + verb
	case "sysv":
		return "service " + strings.TrimSuffix(name, ".service") + " " + verb
	}
	if c := controlByHand(verb, s); c != "" {
		return c
	}
	return "service " + strings.TrimSuffix(name, ".service") + " " + verb
}

// controlByHand is the program's own command, for servers that no manager runs.
func controlByHand(verb string, s fact.Service) string {
	exe := firstOf(s.Exe, s.Kind)
	conf := ""
	if s.Config != "" {
		conf = " -c " + s.Config
	}
	switch s.Kind + " " + verb {
	case "nginx start":
		return exe + conf
	case "nginx reload":
		return exe + conf + " -s reload"
	case "nginx restart":
		return exe + conf + " -s quit; " + exe + conf
	case "apache start", "apache restart":
		return "apachectl -k " + verb
	case "apache reload":
		return "apachectl -k graceful"
	case "haproxy start":
		return exe + " -D -f " + firstOf(s.Config, "/etc/haproxy/haproxy.cfg")
	case "caddy start", "caddy reload":
		return "caddy " + verb + " --config " + firstOf(s.Config, "/etc/caddy/Caddyfile")
	case "lighttpd start":
		return exe + " -f " + firstOf(s.Config, "/etc/lighttpd/lighttpd.conf")
	}
	return ""
}

// enable makes a service start at boot; empty where that is not known to be
// needed.
func (v *View) enable(s fact.Service) originward.Step {
	if s.Enabled != fact.No || v.manager() != "systemd" {
		return originward.Step{}
	}
	u := firstOf(s.Unit, s.Kind)
	return onHost("systemctl enable "+u, "systemctl disable "+u)
}

func firstOf(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}

// at is a place for a sentence: file:line.
func at(p fact.Place) string {
	if p.File == "" {
		return ""
	}
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + itoa(p.Line)
}

// edit is the step that changes a line of a file.
func edit(p fact.Place, what string) originward.Step {
	where := at(p)
	if where == "" {
		return onHost(what, "")
	}
	run := "edit " + where + ": " + what
	if p.Text != "" {
		run += " (now: " + strings.TrimSpace(p.Text) + ")"
	}
	return onHost(run, "restore "+where)
}

// reloadOf is the step that makes a configuration's server read it again.
func (v *View) reloadOf(server string) originward.Step {
	for _, s := range v.Services(func(s fact.Service) bool { return s.Kind == server && running(s) }) {
		return onHost(v.control("reload", s.Service), "")
	}
	return onHost(v.control("reload", fact.Service{Kind: server}), "")
}

// takeAway is the step that removes a packet-filter rule or set element.
func takeAway(r *fact.FirewallRule) originward.Step {
	switch {
	case r == nil:
		return originward.Step{}
	case r.Remove != "":
		return onHost(r.Remove, r.Restore)
	case r.Engine == "nft" && r.Handle != 0:
		return onHost("nft delete rule "+r.Family+" "+r.Table+" "+r.Chain+" handle "+itoa(int(r.Handle)), "") //nolint:gosec // a handle
	case strings.HasPrefix(r.Engine, "iptables") && r.Line != 0:
		return onHost(iptables(r)+" -t "+firstOf(r.Table, "filter")+" -D "+r.Chain+" "+itoa(r.Line), "")
	}
	return originward.Step{}
}

// takeAwayAll removes the rule of a block and those of its like for the same
// address and port. Rules that go by their number go from the last one up.
func (v *View) takeAwayAll(b block) []originward.Step {
	var rules []*fact.FirewallRule
	for _, x := range v.blocks {
		if r := x.seg().Rule; x.leg == b.leg && x.cause == b.cause && r != nil {
			rules = append(rules, r)
		}
	}
	slices.SortStableFunc(rules, func(x, y *fact.FirewallRule) int { return y.Line - x.Line })
	var out []originward.Step
	for _, r := range rules[:min(len(rules), maxSteps)] {
		out = addStep(out, takeAway(r))
	}
	return out
}

// maxSteps bounds the steps of one kind in a fix: a person reads them.
const maxSteps = 32

// addStep adds a step that is not among them.
func addStep(to []originward.Step, s originward.Step) []originward.Step {
	if slices.ContainsFunc(to, func(x originward.Step) bool { return x.Run == s.Run }) {
		return to
	}
	return append(to, s)
}

func iptables(r *fact.FirewallRule) string {
	name := "iptables"
	if r.Family == "ip6" || r.Family == "ipv6" {
		name = "ip6tables"
	}
	if r.Engine == "iptables-legacy" {
		name += "-legacy"
	}
	return name
}

// showRule is the command that shows a rule again.
func showRule(r *fact.FirewallRule) string {
	if r == nil {
		return ""
	}
	return r.Show
}
