package causes

import (
	"net/netip"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// judgeDockerRules: a published port's rules are lost, out of date, or closed
// on the way to the container.
func judgeDockerRules(v *View) []Verdict {
	out := v.blocked("firewall.docker.rules", func(b block, c *Case) {
		s := b.seg()
		to := ""
		if s.Redirect.IsValid() {
			to = " after its destination was rewritten to " + s.Redirect.String()
		}
		c.Must("Does the connection end on its way to a container?", Yes(ruleText(s)+" ends it in the "+firstOf(s.Hook, "forward")+" hook"+to, b.gate.By...))
		c.Backs("Do sources that are no edge meet the same end?", when(b.publicBlocked(), "other sources: "+b.public.Verdict, b.gate.By...))
		c.Says("the rules of the published port do not let traffic through to the container",
			"A connection to "+b.leg.String()+" is handed on"+to+" and then "+ruleText(s)+" ends it.")
		c.Fix(v.fixEngine(b.leg))
	})
	return append(append(out, v.lostPublication()...), v.deadTarget()...)
}

func (v *View) fixEngine(l *Leg) *originward.Fix {
	engine := "docker"
	for _, it := range v.containers {
		engine = firstOf(it.Fact.Engine, engine)
	}
	step := onHost("systemctl restart "+engine, "")
	step.Risk = "restarts the containers that are not set to live-restore"
	f := fix("Let the container engine write its rules again; allow by port, not by container address, and restart the engine after a firewall reload.", step)
	f.Verify = "iptables -t nat -S DOCKER shows a DNAT rule for port " + itoa(int(l.Port)) + " to the container's present address, and " + v.diagnoseAgain()
	return f
}

// publisher finds the container that publishes the leg's port.
func (v *View) publisher(l *Leg) (c fact.Container, p fact.Published, by string, ok bool) {
	for _, it := range v.containers {
		for _, c := range it.Fact.Containers {
			for _, p := range c.Ports {
				if p.Host.Port() == l.Port && c.State == "running" {
					return c, p, it.ID, true
				}
			}
		}
	}
	return fact.Container{}, fact.Published{}, "", false
}

// lostPublication judges a running container whose published port has no
// rewrite rule any more.
func (v *View) lostPublication() []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		c0, _, by, ok := v.publisher(l)
		if l.Used == fact.No || !ok || !v.Here(l) {
			continue
		}
		fwd := v.Forwarded(l)
		if !fwd.IsNo() {
			continue
		}
		fails, keys := v.Fails(l, 521, 522, 523)
		subj := l.Subject()
		subj.Unit = c0.Name
		c := newCase("firewall.docker.rules", subj).Explains(keys...)
		c.Ask("Does the port fail?", fails, originward.Possible, originward.Likely)
		c.Must("Does a running container publish the port?", Yes("container "+c0.Name+" publishes port "+itoa(int(l.Port)), by))
		c.Proof("Is its rewrite rule missing?", fwd.Not())
		c.Says("the rules of the published port are gone",
			"Container "+c0.Name+" publishes port "+itoa(int(l.Port))+", and no rule hands connections on to it.")
		out = append(out, c.Fix(v.fixEngine(l)).Done())
	}
	return out
}

// deadTarget judges a rewrite that leads to an address which no container has.
func (v *View) deadTarget() []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) {
			continue
		}
		to, by := v.redirectOf(l)
		if !to.IsValid() || !to.Addr().IsPrivate() || v.HostIs(to.Addr()).IsYes() {
			continue
		}
		gone := v.targetGone(to.Addr())
		if !gone.IsYes() {
			continue
		}
		fails, keys := v.Fails(l, 521, 522, 523)
		c := newCase("firewall.docker.rules", l.Subject()).Explains(keys...)
		c.Ask("Does the port fail?", fails, originward.Possible, originward.Likely)
		c.Must("Is the port handed on to another address?", Yes(l.String()+" is handed on to "+to.String(), by...))
		c.Proof("Is nothing at that address?", gone)
		c.Says("the published port leads to an address that no container has",
			"Connections to "+l.String()+" are rewritten to "+to.String()+", where no container is any more: "+gone.Says+".")
		out = append(out, c.Fix(v.fixEngine(l)).Done())
	}
	return out
}

// redirectOf is where the leg's connections are handed on to.
func (v *View) redirectOf(l *Leg) (to netip.AddrPort, by []string) {
	g := v.Gate(l)
	for _, s := range slices.Concat(g.CDN.Open, g.CDN.Blocked, g.CDN.Unsure, g.Others.Open) {
		if s.Redirect.IsValid() && s.Redirect.Addr() != l.Addr() {
			return s.Redirect, g.By
		}
	}
	return netip.AddrPort{}, nil
}

// targetGone answers whether an address belongs to no running container and
// to no neighbour that answers.
func (v *View) targetGone(a netip.Addr) Ans {
	known := false
	var by []string
	for _, it := range v.containers {
		if it.Fact.State != fact.Yes {
			continue
		}
		known = true
		by = append(by, it.ID)
		for _, c := range it.Fact.Containers {
			if c.State == "running" && slices.Contains(c.Addrs, a) {
				return No("container "+c.Name+" has the address", it.ID)
			}
		}
	}
	for _, it := range v.routes {
		for _, g := range it.Fact.Groups {
			if slices.ContainsFunc(g.Ranges, func(p netip.Prefix) bool { return p.Contains(a) && p.IsSingleIP() }) && hasAny(g.Neighbor, "failed", "incomplete") {
				return Yes(a.String()+" does not answer on its network ("+g.Neighbor+")", it.ID)
			}
		}
	}
	for _, it := range v.routes {
		for _, n := range it.Fact.Silent {
			if n.Addr.Unmap() == a {
				return Yes(a.String()+" does not answer on "+n.Iface+" ("+n.State+")", it.ID)
			}
		}
	}
	if !known {
		return Unseen(Look{originward.Host, fact.QContainers, "list the containers and their addresses on the origin host (`docker inspect`): add --ssh root@HOST or --host-evidence FILE"})
	}
	return Yes("no running container has "+a.String(), by...)
}

// judgeContainerToHost: the host's firewall turns away the proxy container's
// way to the application.
func judgeContainerToHost(v *View) []Verdict {
	var out []Verdict
	lines, by := v.Lines(func(l fact.LogLine) bool { return bridgeIn(l.Text) }, fact.LogBlockedSYN)
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) {
			continue
		}
		fails, keys := v.Fails(l, 502, 503, 504)
		hang := v.Logged("the proxy waits for its backend in vain", nil, fact.LogUpstreamTimeout)
		if !fails.IsYes() && len(lines) == 0 {
			continue
		}
		drop := v.Logged("the kernel logged a blocked connection from a bridge", func(l fact.LogLine) bool { return bridgeIn(l.Text) }, fact.LogBlockedSYN)
		if !drop.IsYes() {
			drop = v.bridgeBlocked()
		}
		if !drop.IsYes() {
			continue
		}
		c := newCase("firewall.container-to-host", l.Subject()).Explains(keys...)
		c.Ask("Does the origin's own proxy answer 502 or 504?", fails, originward.Possible, originward.Likely)
		c.Must("Does the host's packet filter turn a bridge's connections away?", drop)
		c.Backs("Does the proxy wait in vain, and is it not refused?", hang)
		text := drop.Says
		if len(lines) > 0 {
			text = lines[0].Text
			drop.By = by
		}
		c.Says("the host's firewall cuts the proxy container off from the application", "The proxy's connections come from a bridge and are turned away: "+text)
		f := fix("Let the bridge's network reach the application's port, or put both into one container network.",
			onHost("ufw allow in on docker0   # or: iptables -I INPUT -i br-… -p tcp --dport PORT -j ACCEPT", "ufw delete allow in on docker0"))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// bridgeIn reports whether a kernel line's incoming interface is a bridge.
func bridgeIn(text string) bool {
	return hasAny(text, "in=docker", "in=br-", "in=br0", "in=virbr", "in=cni", "in=podman", "in=veth", "in=lxc")
}

// bridgeBlocked finds an answer for a backend port that turns away a private
// network of a bridge.
func (v *View) bridgeBlocked() Ans {
	for _, it := range v.firewall {
		for _, a := range it.Fact.Answers {
			if a.Iface == "" || !bridgeIn("in="+a.Iface) {
				continue
			}
			for _, s := range a.Others {
				if s.Verdict != fact.VerdictDrop && s.Verdict != fact.VerdictReject {
					continue
				}
				if slices.ContainsFunc(s.Ranges, func(p netip.Prefix) bool { return p.Addr().IsPrivate() || p.Bits() == 0 }) {
					return Yes(ruleText(s)+" turns away what comes in on "+a.Iface+" to port "+itoa(int(a.Port)), it.ID)
				}
			}
		}
	}
	return Unseen(lookFirewall)
}
