package remedy

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// planUnban lifts the bans of the CDN's addresses by the tool that made them,
// and keeps it from making them again; where the tool cannot be asked, the
// rules themselves go.
func planUnban(ctx context.Context, s *site, found []originward.Finding) ([]Step, error) {
	raw, err := s.through(ctx, found, remove)
	if err != nil {
		return nil, err
	}
	byTool := s.toolBans(func(b fact.BanSource) []fact.Ban { return b.CDN }, cdnRanges())
	if len(byTool) == 0 {
		return append(raw, s.denyFiles()...), nil
	}
	byTool[0].Sim = networked(raw)
	return append(byTool, s.ignoreFiles(byTool, cdnRanges())...), nil
}

// private are the networks in which a host's own hops live (RFC 1918, RFC 4193).
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7"),
}

// planUnbanHop lifts the ban of the origin's own hop.
func planUnbanHop(_ context.Context, s *site, found []originward.Finding) ([]Step, error) {
	hops := func(b fact.BanSource) []fact.Ban {
		return slices.DeleteFunc(slices.Clone(b.Private), func(x fact.Ban) bool {
			return !slices.ContainsFunc(found, func(f originward.Finding) bool { return slices.Contains(f.Subject.Ranges, x.Prefix) })
		})
	}
	steps := s.toolBans(hops, private)
	return append(steps, s.ignoreFiles(steps, private)...), nil
}

// toolBans are the steps that lift bans by fail2ban and CrowdSec.
func (s *site) toolBans(which func(fact.BanSource) []fact.Ban, ignore []netip.Prefix) []Step {
	var out []Step
	crowd := &Decisions{}
	for _, it := range fact.All[fact.Bans](s.b, originward.Host) {
		for _, src := range it.Fact.Sources {
			if src.State == fact.No {
				continue
			}
			b := &Ban{Jail: src.Jail, Ignore: ignore}
			for _, x := range which(src) {
				switch {
				case src.Tool == "crowdsec":
					crowd.Nets = append(crowd.Nets, x.Prefix)
				case x.Prefix.IsSingleIP():
					b.Addrs = append(b.Addrs, x.Prefix.Addr())
				}
			}
			if src.Tool == "fail2ban" && has("fail2ban-client") && len(b.Addrs) > 0 {
				title := "lift " + Plural(len(b.Addrs), "ban", "bans") + " of fail2ban, jail " + src.Jail + ", and have it ignore these networks from now on"
				out = append(out, step("ban", title, b))
			}
		}
	}
	if len(crowd.Nets) == 0 || !has("cscli") {
		return out
	}
	st := step("decisions", "lift "+Plural(len(crowd.Nets), "ban", "bans")+" of CrowdSec", crowd)
	st.Risk = "an undo bans again for the time that is left, under cscli's name"
	return append(append(out, s.whitelist(ignore)), st)
}

// crowdsecDir is where CrowdSec's configuration lies; its parsers of stage
// s02-enrich hold the whitelists.
const crowdsecDir = "/etc/crowdsec"

// whitelist has CrowdSec judge networks no more, from now on.
func (s *site) whitelist(nets []netip.Prefix) Step {
	var b strings.Builder
	b.WriteString("# Written by originward fix: these are hops, not visitors.\nname: originward/hops\ndescription: \"hops before this host\"\nwhitelist:\n  reason: \"a hop before this host, not a visitor\"\n  cidr:\n")
	for _, n := range nets {
		b.WriteString("    - \"" + n.String() + "\"\n")
	}
	c := &Config{Edits: []Edit{{Path: crowdsecDir + "/parsers/s02-enrich/zz-originward-hops.yaml", Content: []byte(b.String())}}}
	d := Daemon{Kind: "crowdsec", Unit: "crowdsec", Config: crowdsecDir + "/config.yaml"}
	if s.manager == "systemd" {
		d.Manager = s.manager
	}
	if d.running() {
		c.Serve, c.Then, c.Test = &d, opReload, testOf(d)
	}
	return step("config", "have CrowdSec ignore these networks from now on", c)
}

// ignoreFiles make fail2ban ignore networks after a restart too.
func (s *site) ignoreFiles(bans []Step, nets []netip.Prefix) []Step {
	var out []Step
	for _, st := range bans {
		b, ok := st.Do.(*Ban)
		if !ok {
			continue
		}
		had, err := b.ignored(context.Background(), s.m)
		if err != nil {
			continue
		}
		words := had
		for _, p := range nets {
			if !slices.Contains(words, p.String()) {
				words = append(words, p.String())
			}
		}
		text := "# Written by originward fix: edges of a CDN are nobody's attackers.\n[" + b.Jail + "]\nignoreip = " + strings.Join(words, "\n           ") + "\n"
		c := &Config{Edits: []Edit{{Path: "/etc/fail2ban/jail.d/zz-originward-" + b.Jail + ".local", Content: []byte(text)}}}
		p := step("config", "have fail2ban's jail "+b.Jail+" ignore these networks", c)
		p.Persist = true
		out = append(out, p)
	}
	return out
}

// denyFiles take the CDN's addresses out of the files of ban tools that are
// read at their next start: CSF's deny list.
func (s *site) denyFiles() []Step {
	var out []Step
	for _, it := range fact.All[fact.Bans](s.b, originward.Host) {
		for _, src := range it.Fact.Sources {
			if src.Tool != "csf" && src.Tool != "lfd" {
				continue
			}
			byFile := map[string][]string{}
			for _, x := range src.CDN {
				if x.Place.File != "" {
					byFile[x.Place.File] = append(byFile[x.Place.File], x.Prefix.Addr().String())
				}
			}
			for path, addrs := range byFile {
				raw, err := os.ReadFile(path)
				if err != nil {
					continue
				}
				var kept []string
				for _, l := range strings.SplitAfter(string(raw), "\n") {
					word, _, _ := strings.Cut(strings.TrimSpace(l), " ")
					word, _, _ = strings.Cut(word, "/")
					if !slices.Contains(addrs, word) {
						kept = append(kept, l)
					}
				}
				st := step("config", "take the CDN's addresses out of "+path, &Config{Edits: []Edit{{Path: path, Content: []byte(strings.Join(kept, ""))}}})
				st.Persist = true
				out = append(out, st)
			}
		}
	}
	return out
}
