package diagnose

import (
	"net/netip"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

// TestNoise puts things that look like causes beside a site that works: it
// stays healthy, and nothing is named.
func TestNoise(t *testing.T) {
	for name, w := range noises() {
		t.Run(name, func(t *testing.T) {
			d := Explain(w.Bundle(), Options{})
			if d.Status != originward.StatusHealthy || len(d.RootCauses) > 0 || d.ExitCode() != originward.ExitHealthy {
				t.Errorf("%s %v\n%s", d.Status, d.RootCauses, dump(d))
			}
			for _, f := range d.Findings {
				if f.Cause != originward.Healthy && f.Standing.Named() {
					t.Errorf("%s stands %s", f.Cause, f.Standing)
				}
			}
		})
	}
}

func noises() map[string]*bt.World {
	line := func(kind, text string) *bt.World {
		w := bt.Healthy()
		w.Logs.Lines = []fact.LogLine{logLine(kind, text, "")}
		return w
	}
	old := line(fact.LogWorkersFull, "server reached pm.max_children setting")
	old.Logs.Lines[0].At = bt.At.Add(-48 * time.Hour)
	stray := line(fact.LogStrayRST, "[UFW BLOCK] IN=eth0 SRC=173.245.48.10 DPT=443 RST")
	stray.Logs.Lines[0].Client, stray.Logs.Lines[0].CDN = bt.Egress[0], "cloudflare"
	lockdown := bt.Healthy().Swap(bt.Timeout(bt.Origin4, 80), bt.Timeout(bt.Origin4, 443))
	for i := range lockdown.Firewall.Answers {
		lockdown.Firewall.Answers[i].Others = []fact.FirewallSegment{bt.Everyone(originward.IP4, fact.VerdictDrop, rule("input", "drop"))}
	}
	latent := partBlocked(bt.Healthy(), fact.VerdictDrop, "", rule("input", "ip saddr 198.41.128.0/17 drop"))
	for i := range latent.Firewall.Answers {
		latent.Firewall.Answers[i].CDN[0].Ranges = []netip.Prefix{netip.MustParsePrefix("198.41.128.0/17")}
	}
	bans := bt.Healthy()
	bans.Bans.Sources[0].CDN = nil
	bans.Bans.Sources = append(bans.Bans.Sources, fact.BanSource{Tool: "ipset", Jail: "cloudflare", State: fact.Yes, Total: 15, CDN: []fact.Ban{{Prefix: netip.MustParsePrefix("173.245.48.0/20")}}})
	expired := bt.Healthy()
	expired.Settings.SSL = originward.SSLFull
	expired.Swap(bt.With(bt.OK(bt.Origin4, 443), bt.Leaf("expired"), fact.CertExpired))
	expired.Edge(200, "", "")
	busy := bt.Healthy()
	busy.Load.BusyPct, busy.Load.Load1 = 100, 40
	stopped := bt.Healthy()
	stopped.Services.Services[1].State = "failed"
	stopped.Services.Services[1].Test = &fact.Test{OK: fact.No, Errors: []fact.Place{{File: "/etc/apache2/x.conf", Line: 1, Text: "Syntax error"}}}
	no80 := noSocket(bt.Healthy(), 80).Swap(bt.Refused(bt.Origin4, 80))
	redirect := bt.Healthy()
	r := bt.Status(bt.Origin4, 80, 301)
	r.Response.Header["location"] = "https://shop.example/"
	redirect.Swap(r)
	refusedOld := bt.Healthy()
	refusedOld.Record.Items = append(refusedOld.Record.Items, fact.EdgeExchange{At: bt.At.Add(-time.Hour), Ray: "old", Host: bt.Host, Origin: netip.AddrPortFrom(bt.Origin4, 443), Egress: bt.Egress[0], Code: 521, Phase: originward.PhaseConnect, Fault: originward.ConnectionRefused})
	spare := upstream(bt.Healthy(), refusedUpstream())
	short := bt.Healthy()
	short.Visits = append(short.Visits, fact.EdgeAnswer{Target: netip.AddrPortFrom(bt.Front, 443), Scheme: "https", Host: bt.Host, Failure: &fact.Fault{Phase: originward.PhaseConnect, Type: originward.ConnectionTimeout, Ended: "timeout", AfterMS: 0.03}})
	return map[string]*bt.World{
		"an old line of the log": old, "stray resets": stray, "the CDN alone is let in": lockdown, "a range that this edge does not use": latent,
		"an allow list that a ban reader listed": bans, "expired under a mode that does not check": expired, "a busy host": busy,
		"another server that is broken": stopped, "no plain http": no80, "a redirect to https under strict": redirect, "a failure of an hour ago": refusedOld,
		"a spare backend that is off": spare, "a look whose time was up": short,
		"a table-full line of another namespace": line(fact.LogConntrackFull, "nf_conntrack: table full, dropping packet"),
		"an oom of something else":               line(fact.LogOOM, "Out of memory: Killed process 77 (chrome)"),
		"a segfault of something else":           line(fact.LogSegfault, "foo[12]: segfault at 0"),
		"failed logins":                          line(fact.LogBan, "NOTICE [sshd] Ban 198.51.100.99"),
	}
}
