package causes

import (
	"slices"
	"strings"
	"testing"

	"github.com/originward/originward"
)

// published are the ids that were promised: none may ever go missing.
const published = `
allowlist.after-real-ip
allowlist.stale
allowlist.updater-emptied
backend.crashed
backend.down
backend.proxy-wedged
backend.rollout-drain
backend.selinux-denied
backend.stale-upstream-dns
backend.wrong-port
backend.wrong-resolution
ban.app-plugin
ban.blocklist-contains-cdn
ban.edge-ip
ban.proxy-hop
ban.server-throttle
capacity.accept-backlog
capacity.conntrack-full
capacity.disk-full
capacity.ephemeral-ports
capacity.fd-limit
capacity.flood
capacity.oom
capacity.origin-stampede
capacity.workers-exhausted
cdn.cached-error
cdn.edge-incident
cdn.origin-timeout
cdn.port-unsupported
cdn.protocol-policy
cdn.record-grey
cdn.rule-blocks
cdn.ssl-mode-too-low
cdn.worker-port
cdn.worker-self-fetch
dns.aaaa-unserved
dns.duplicate-records
dns.placeholder-without-route
dns.stale-address
dns.target-unresolvable
dns.updater-failed
firewall.cloud.port-closed
firewall.container-to-host
firewall.docker.rules
firewall.geo
firewall.host.port-closed
firewall.host.range-blocked
firewall.provider-ddos
firewall.tcp-wrappers
http.close-without-response
http.h2-origin
http.header-too-large
http.keepalive-race
http.nested-timeouts
http.proxy-protocol
kernel.tw-recycle
listener.bind-failed
listener.config-rejected
listener.family-missing
listener.loopback-only
listener.none
listener.tls-port-missing
listener.wrong-port
lookalike.edge-cert-missing
lookalike.other-cdn-code
lookalike.stray-rst
lookalike.visitor-isp-block
loop.proxy-resolves-to-cdn
path.asymmetric-return
path.ipv6-broken
path.isp-port-block
path.mtu-blackhole
path.provider-outage
path.return-route-captured
path.transit-loss
platform.hostname-unclaimed
ratelimit.shared-edge
tls.acme-blocked-by-proxy
tls.cert-default-or-self-signed
tls.cert-expired
tls.cert-name-mismatch
tls.cert-not-reloaded
tls.chain-incomplete
tls.client-cert-required
tls.clienthello-split
tls.clock-skew
tls.plain-http-on-port
tls.sni-filtered
tls.sni-unmatched
tls.upstream-sni-missing
tls.version-or-cipher
tunnel.connector-bug
tunnel.egress-blocked
tunnel.localhost-in-container
tunnel.origin-ipv6-localhost
tunnel.origin-tls-untrusted
tunnel.record-stale
tunnel.scheme-mismatch
undetermined
healthy
`

func TestEveryPublishedCause(t *testing.T) {
	ids := strings.Fields(published)
	if len(ids) < 100 {
		t.Fatalf("only %d ids: the list is broken", len(ids))
	}
	for _, id := range ids {
		if _, ok := Find(originward.CauseID(id)); !ok {
			t.Errorf("%s is not in the catalogue", id)
		}
	}
}

func TestEntriesAreWhole(t *testing.T) {
	seen := map[originward.CauseID]bool{}
	for _, c := range Catalogue() {
		if seen[c.ID] {
			t.Errorf("%s stands twice", c.ID)
		}
		seen[c.ID] = true
		if c.Judge == nil || c.Family == "" || c.Title == "" || c.Where == "" {
			t.Errorf("%s is not whole", c.ID)
		}
		d := c.Doc
		if d.What == "" || d.Looks == "" || d.Proof == "" || d.Fix == "" || d.Prevent == "" || len(d.Alike) == 0 {
			t.Errorf("%s lacks documentation", c.ID)
		}
		for _, a := range d.Alike {
			if _, ok := Find(a.ID); !ok || a.Parts == "" || a.ID == c.ID {
				t.Errorf("%s: look-alike %q", c.ID, a.ID)
			}
		}
		for _, a := range c.After {
			if _, ok := Find(a); !ok || a == c.ID {
				t.Errorf("%s: follows from %q", c.ID, a)
			}
		}
		answer := c.ID == originward.Healthy || c.ID == originward.Undetermined
		if len(c.Needs) == 0 && !answer {
			t.Errorf("%s needs nothing to be proved", c.ID)
		}
		for _, n := range c.Needs {
			if len(n.Any) == 0 || n.How == "" {
				t.Errorf("%s: a need without a vantage or a way", c.ID)
			}
		}
		if page := Page(c); !strings.Contains(page, d.What) || !strings.Contains(page, string(c.ID)) {
			t.Errorf("%s: its page lacks its text", c.ID)
		}
	}
}

// TestOrderHasNoCycle: a cause is never its own consequence.
func TestOrderHasNoCycle(t *testing.T) {
	var visit func(id originward.CauseID, path []originward.CauseID)
	visit = func(id originward.CauseID, path []originward.CauseID) {
		if slices.Contains(path, id) {
			t.Fatalf("a circle: %v %s", path, id)
		}
		c, _ := Find(id)
		for _, a := range c.After {
			visit(a, append(slices.Clone(path), id))
		}
	}
	for _, c := range Catalogue() {
		visit(c.ID, nil)
	}
}

// TestChecksCannotLift: what is not observed may never cost less than what was
// observed to be no, or taking evidence away would prove things.
func TestChecksCannotLift(t *testing.T) {
	c := newCase("listener.none", originward.Subject{})
	c.Must("a", Ans{}).Proof("b", Ans{}).Apart("c", Ans{}).Backs("d", Ans{})
	for _, k := range c.v.Checks {
		if k.No != originward.Proved && k.Unseen == originward.Proved {
			t.Errorf("%s: no costs %s, unseen costs nothing", k.Asks, k.No)
		}
	}
	if got := c.Done().Standing; got != originward.Possible {
		t.Errorf("nothing observed stands %s", got)
	}
}
