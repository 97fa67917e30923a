package diagnose

import (
	"net/netip"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

// pair is one row of the look-alikes: the same symptom, and one observation
// that is flipped and must flip the answer.
type pair struct {
	name       string
	one, other func() *bt.World
	a, b       originward.CauseID
	standA     originward.Standing // empty = proved
	standB     originward.Standing
}

func TestLookAlikes(t *testing.T) {
	for _, p := range pairs() {
		t.Run(p.name, func(t *testing.T) {
			checkPair(t, p.one(), p.a, p.b, p.standA)
			checkPair(t, p.other(), p.b, p.a, p.standB)
		})
	}
}

func checkPair(t *testing.T, w *bt.World, want, not originward.CauseID, least originward.Standing) {
	t.Helper()
	if least == "" {
		least = originward.Proved
	}
	d := Explain(w.Bundle(), Options{})
	if got := stands(d, want); got != least {
		t.Errorf("%s stands %q, want %s\n%s", want, got, least, dump(d))
	}
	if got := stands(d, not); got.Named() {
		t.Errorf("%s is named too (%s)\n%s", not, got, dump(d))
	}
}

func world(name string) func() *bt.World {
	return func() *bt.World {
		for _, c := range all() {
			if c.name == name {
				return c.world()
			}
		}
		panic("no world " + name)
	}
}

func pairs() []pair {
	banned := func() *bt.World {
		return edgeOnly(cdnBlocked(bt.Healthy(), fact.VerdictReject, "icmp port-unreachable", banRule("fail2ban", "nginx", "addr-set-nginx")), 521, originward.ConnectionRefused)
	}
	timeouts := func(w *bt.World) *bt.World { return dropped(w) }
	return []pair{
		{name: "1 stopped or banned", one: world("nginx stopped"), other: banned, a: "listener.none", b: "ban.edge-ip"},
		{name: "2 no socket on 443 or a closed port", a: "listener.tls-port-missing", b: "firewall.host.port-closed", one: world("tls port missing"), other: func() *bt.World {
			w := closed(bt.Healthy(), fact.VerdictReject, "tcp-reset")
			w.Firewall.Answers[0] = bt.Open(bt.Origin4, 80)
			return w.Refuses(443)
		}},
		{name: "3 a drop or a full queue", a: "firewall.host.port-closed", b: "capacity.accept-backlog", one: world("port closed, drop"), other: world("accept queue full")},
		{name: "3 a full queue or a full table", a: "capacity.accept-backlog", b: "capacity.conntrack-full", one: world("accept queue full"), other: world("conntrack full")},
		{name: "4 host or cloud firewall", a: "firewall.host.port-closed", b: "firewall.cloud.port-closed", standB: originward.Likely, one: world("port closed, drop"), other: world("cloud firewall")},
		{name: "4 cloud firewall or router", a: "firewall.cloud.port-closed", b: "path.isp-port-block", standA: originward.Likely, standB: originward.Likely, one: world("cloud firewall"), other: world("behind a router")},
		{name: "3 a drop or a full table", a: "firewall.host.port-closed", b: "capacity.conntrack-full", one: world("port closed, drop"), other: world("conntrack full")},
		{name: "5 before the handshake or after", a: "firewall.host.port-closed", b: "path.mtu-blackhole", one: world("port closed, drop"), other: world("mtu")},
		{name: "8 ban or loss", a: "ban.edge-ip", b: "path.transit-loss", standB: originward.Likely, one: world("crowdsec drop"), other: world("loss for some edges")},
		{name: "8 stale list or loss", a: "allowlist.stale", b: "path.transit-loss", standB: originward.Likely, one: world("allow list stale"), other: world("loss for some edges")},
		{name: "34 container cut off or backend down", a: "firewall.container-to-host", b: "backend.down", one: world("container cut off from the host"), other: world("backend down")},
		{name: "loopback or nobody", a: "listener.loopback-only", b: "listener.none", one: world("loopback only"), other: world("nginx stopped")},
		{name: "down or elsewhere", a: "backend.down", b: "backend.wrong-port", one: world("backend down"), other: world("backend on another port")},
		{name: "out of ports or of workers", a: "capacity.ephemeral-ports", b: "capacity.workers-exhausted", one: world("source ports"), other: world("workers exhausted")},
		{name: "asymmetric or captured", a: "path.asymmetric-return", b: "path.return-route-captured", one: world("asymmetric"), other: world("blackhole route")},
		{name: "hop or edge", a: "ban.proxy-hop", b: "ban.edge-ip", one: world("proxy hop banned"), other: banned},
		{name: "7 captured route or packet filter", a: "path.return-route-captured", b: "firewall.host.range-blocked", one: world("blackhole route"), other: world("range blocked, part")},
		{name: "8 ban or stale list", a: "ban.edge-ip", b: "allowlist.stale", one: world("crowdsec drop"), other: world("allow list stale")},
		{name: "9 no listener or no IPv6", a: "listener.family-missing", b: "dns.aaaa-unserved", one: world("family missing"), other: world("aaaa unserved")},
		{name: "9 no IPv6 or a path that flaps", a: "dns.aaaa-unserved", b: "path.ipv6-broken", one: world("aaaa unserved"), other: world("ipv6 flaps")},
		{name: "10 duplicate or stale", a: "dns.duplicate-records", b: "dns.stale-address", one: world("duplicate records"), other: world("stale address")},
		{name: "11 stale address or wrong name", a: "dns.stale-address", b: "tls.cert-name-mismatch", one: world("stale address, foreign tenant"), other: world("cert of another name")},
		{name: "12 placeholder or stale", a: "dns.placeholder-without-route", b: "dns.stale-address", one: world("placeholder"), other: world("stale address")},
		{name: "13 closed or too large", a: "http.close-without-response", b: "http.header-too-large", one: world("444"), other: world("response head too large")},
		{name: "14 closed or crashed", a: "http.close-without-response", b: "backend.crashed", one: world("444"), other: world("backend crashed")},
		{name: "15 mode or close", a: "cdn.ssl-mode-too-low", b: "http.close-without-response", one: flexibleClosed, other: world("444")},
		{name: "16 proxy protocol or plain http", a: "http.proxy-protocol", b: "tls.plain-http-on-port", one: world("proxy protocol"), other: world("plain http on 443")},
		{name: "17 race or workers", a: "http.keepalive-race", b: "capacity.workers-exhausted", one: world("keep-alive race"), other: world("workers exhausted")},
		{name: "18 http/2 or race", a: "http.h2-origin", b: "http.keepalive-race", one: world("http/2 broken"), other: world("keep-alive race")},
		{name: "21 cached or live", a: "cdn.cached-error", b: "backend.down", one: world("cached error"), other: world("backend down")},
		{name: "22 late or nested", a: "cdn.origin-timeout", b: "http.nested-timeouts", one: world("origin timeout"), other: world("nested timeouts")},
		{name: "23 slow or silent", a: "cdn.origin-timeout", b: "firewall.host.port-closed", one: world("origin timeout"), other: world("port closed, drop")},
		{name: "25 name or version", a: "tls.sni-unmatched", b: "tls.version-or-cipher", one: world("sni unmatched, other alert"), other: world("cipher")},
		{name: "25 split or filtered", a: "tls.clienthello-split", b: "tls.sni-filtered", one: world("large hello lost"), other: world("name filtered")},
		{name: "26 expired or not reloaded", a: "tls.cert-expired", b: "tls.cert-not-reloaded", one: world("cert expired"), other: world("cert not reloaded")},
		{name: "28 client certificate or rule", a: "tls.client-cert-required", b: "cdn.rule-blocks", one: world("client certificate"), other: world("rule blocks")},
		{name: "31 limit or ban", a: "ratelimit.shared-edge", b: "ban.edge-ip", one: world("rate limit on the edge"), other: world("fail2ban reject")},
		{name: "32 allow list or rule", a: "allowlist.after-real-ip", b: "cdn.rule-blocks", one: world("allow list after real ip"), other: world("rule blocks")},
		{name: "33 docker or nothing", a: "firewall.docker.rules", b: "listener.none", one: world("docker forward closed"), other: world("nginx stopped")},
		{name: "35 record or connector", a: "tunnel.record-stale", b: "tunnel.egress-blocked", one: world("record of another tunnel"), other: world("connector cut off")},
		{name: "36 container or ::1", a: "tunnel.localhost-in-container", b: "tunnel.origin-ipv6-localhost", one: world("localhost in a container"), other: world("localhost is ::1")},
		{name: "who blocks: hand or jail", a: "firewall.host.range-blocked", b: "ban.edge-ip", one: world("range blocked, reset"), other: banned},
		{name: "who blocks: list or country", a: "ban.blocklist-contains-cdn", b: "firewall.geo", one: world("block list"), other: world("geo set")},
		{name: "stale or emptied", a: "allowlist.stale", b: "allowlist.updater-emptied", one: world("allow list stale"), other: world("allow list emptied")},
		{name: "closed or emptied", a: "firewall.host.port-closed", b: "allowlist.updater-emptied", one: world("port closed, drop"), other: world("allow list emptied, by its log")},
		{name: "refused or bound", a: "listener.config-rejected", b: "listener.bind-failed", one: world("config rejected"), other: world("bind failed")},
		{name: "silent host or closed port", a: "firewall.cloud.port-closed", b: "kernel.tw-recycle", standA: originward.Likely, one: func() *bt.World { return timeouts(bt.Healthy()) }, other: world("tw_recycle")},
	}
}

// flexibleClosed is a site whose plain http closes while its https answers,
// under a mode that leads to plain http.
func flexibleClosed() *bt.World {
	w := bt.Healthy()
	w.Settings.SSL = originward.SSLFlexible
	w.Swap(bt.Empty(bt.Origin4, 80))
	p := confLine(4)
	w.Web[0].Sites[0].Close = &p
	return w.Visit(netip.AddrPortFrom(bt.Origin4, 80), 520, originward.PhaseFirstByte, originward.ConnectionTerminated)
}

// TestEdgeOnly524 parts 522 from 524 (23) and 525 from 526 (24): the codes
// alone must not lead to a cause of the other.
func TestCodesAlone(t *testing.T) {
	for code, never := range map[int][]originward.CauseID{
		522: {"cdn.origin-timeout", "listener.none"},
		525: {"tls.cert-expired", "tls.cert-name-mismatch", "listener.none"},
		526: {"tls.sni-unmatched", "tls.version-or-cipher"},
		521: {"tls.cert-expired", "capacity.accept-backlog"},
	} {
		w := bt.Healthy().Edge(code, originward.PhaseConnect, "").Without(originward.Host, originward.Outside, originward.CDN)
		d := Explain(w.Bundle(), Options{})
		if len(d.RootCauses) > 0 {
			t.Errorf("%d alone names %v", code, d.RootCauses)
		}
		if d.ExitCode() != originward.ExitUndecided {
			t.Errorf("%d alone: exit %d", code, d.ExitCode())
		}
		for _, id := range never {
			if got := stands(d, id); got.Named() {
				t.Errorf("%d alone: %s stands %s", code, id, got)
			}
		}
		if u := stands(d, originward.Undetermined); u != originward.StandingUnknown {
			t.Errorf("%d alone: no undetermined finding\n%s", code, dump(d))
		}
	}
}

// TestUnaskedWrappers: a deny list that no server asks is no cause, and one of
// which that is not known is not proved.
func TestUnaskedWrappers(t *testing.T) {
	for asked, want := range map[fact.Tri]originward.Standing{fact.No: originward.RuledOut, fact.Unknown: originward.Likely, fact.Yes: originward.Proved} {
		w := world("hosts.deny")()
		for i := range w.Bans.Sources {
			w.Bans.Sources[i].Enforced = asked
		}
		d := Explain(w.Bundle(), Options{})
		if got := stands(d, "firewall.tcp-wrappers"); got != want {
			t.Errorf("asked %q: stands %s, want %s", asked, got, want)
		}
	}
}
