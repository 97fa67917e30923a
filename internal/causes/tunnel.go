package causes

import (
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// tunnelDomain ends the names of tunnels in CNAME records.
const tunnelDomain = ".cfargotunnel.com"

// tunnelRecord is the tunnel id to which the name's record points.
func (v *View) tunnelRecord() (id string, by []string) {
	for _, r := range v.recordList {
		if n, ok := strings.CutSuffix(strings.TrimSuffix(lower(r.Content), "."), tunnelDomain); ok {
			return n, []string{r.by}
		}
	}
	return "", nil
}

// connector answers whether a connector on the host has connections to the
// CDN.
func (v *View) connector() Ans {
	for _, it := range v.tunnels {
		t := it.Fact
		switch {
		case t.Ready == fact.Yes || t.Conns > 0:
			return Yes("the connector has "+itoa(t.Conns)+" connections to the CDN", it.ID)
		case t.Ready == fact.No:
			return No("the connector has no connection to the CDN", it.ID)
		case t.Running == fact.No:
			return No("no connector runs on the host", it.ID)
		}
	}
	return Unseen(lookTunnel)
}

// ofService reports whether a line of the connector is about a service behind it; all
// others are about its own way to the CDN. Before 2021 only the field told.
func ofService(text string) bool {
	return hasAny(text, "unable to reach the origin service", "originservice=")
}

// edgeTrouble finds a line of the connector's log about its way to the CDN.
func (v *View) edgeTrouble(words ...string) Ans {
	return v.tunnelLine(func(text string) bool { return !ofService(text) && hasAny(text, words...) })
}

// serviceTrouble answers whether the newest line of the connector's log about
// a rule's service holds one of the words: older ones may have been mended.
func (v *View) serviceTrouble(r fact.TunnelRule, words ...string) Ans {
	newest := v.tunnelLine(func(text string) bool {
		return ofService(text) && (!hasAny(text, "originservice=") || hasAny(text, "originservice="+lower(r.Service)))
	})
	if newest.IsYes() && !hasAny(newest.Says, words...) {
		return Ans{Is: fact.No, By: newest.By, Says: newest.Says}
	}
	return newest
}

// tunnelLine finds the newest line of the connector's log that is meant.
func (v *View) tunnelLine(meant func(string) bool) Ans {
	for _, it := range v.tunnels {
		for _, e := range it.Fact.Errors { // newest first
			if meant(e.Text) {
				return Yes("the connector's log: "+e.Text, it.ID)
			}
		}
	}
	lines, by := v.Lines(func(l fact.LogLine) bool { return meant(l.Text) }, fact.LogTunnel)
	if len(lines) > 0 {
		last := slices.MaxFunc(lines, func(a, b fact.LogLine) int { return a.At.Compare(b.At) })
		return Yes("the connector's log: "+last.Text, by...)
	}
	return Unseen(lookTunnel)
}

func (v *View) tunnelCase(id originward.CauseID, codes ...int) *Case {
	keys := v.codeKeys(codes...)
	says := v.EdgeSays(codes...)
	c := newCase(id, originward.Subject{Host: v.Host, Unit: "cloudflared"}).Explains(keys...)
	c.Ask("Does the edge answer as for this fault of the tunnel?", says, originward.Possible, originward.Likely)
	return c
}

// connectorRuns answers whether a connector runs at all: one that was stopped
// has no connection either, and its log tells of old days.
func (v *View) connectorRuns() Ans {
	for _, it := range v.tunnels {
		if it.Fact.Running != fact.Unknown {
			return tri(it.Fact.Running, "the connector runs: "+string(it.Fact.Running), lookTunnel, it.ID)
		}
	}
	return Unseen(lookTunnel)
}

func judgeTunnelEgress(v *View) []Verdict {
	blocked := v.edgeTrouble("failed to dial to edge", "no free edge addresses", "edge discovery", "argotunnel.com", "dial to edge with quic", "timeout: no recent network activity", "lookup region", "couldn't resolve", "i/o timeout", "connection with edge", "no such host")
	conn := v.connector()
	if len(v.tunnels) == 0 && !v.EdgeSays(1033).IsYes() || conn.IsYes() {
		return nil
	}
	c := v.tunnelCase("tunnel.egress-blocked", 1033, 530)
	c.Must("Does the connector have no connection to the CDN?", conn.Not())
	c.Ask("Does the connector run?", v.connectorRuns(), originward.Possible, originward.Likely)
	c.Ask("Does its log show that it cannot reach the CDN?", blocked, originward.Possible, originward.Possible)
	c.Says("the connector cannot reach the CDN", "The tunnel's connector has no connection"+because(blocked)+".")
	f := fix("Open UDP and TCP 7844 outwards, or fall back to http2; repair the DNS of the connector's container.",
		onHost("cloudflared tunnel --protocol http2 run   # and allow 7844/tcp and 7844/udp outwards", ""))
	f.Verify = "the connector's log says Registered tunnel connection, and " + v.diagnoseAgain()
	return []Verdict{c.Fix(f).Done()}
}

func judgeTunnelRecordStale(v *View) []Verdict {
	id, by := v.tunnelRecord()
	if id == "" {
		return nil
	}
	same := Unseen(lookTunnel)
	conn := v.connector()
	for _, it := range v.tunnels {
		if it.Fact.ID != "" {
			same = when(lower(it.Fact.ID) == id, "the connector's tunnel is "+it.Fact.ID+", the record's is "+id, append(by, it.ID)...)
		}
	}
	c := v.tunnelCase("tunnel.record-stale", 1033, 530)
	c.v.Subject.Name = id
	c.Must("Does the record point to another tunnel than the connector's?", same.Not())
	c.Ask("Is the connector itself connected?", conn, originward.Possible, originward.Likely)
	c.Says("the record points to another tunnel", "The record of "+v.Host+" points to tunnel "+id+", and the connector that runs is another's"+because(same.Not())+".")
	f := fix("Point the record at the tunnel whose connector runs, or delete it.", onCDN("set the CNAME of "+v.Host+" to ID"+tunnelDomain+" of the running connector", "set it back to "+id+tunnelDomain))
	f.Verify = v.diagnoseAgain()
	return []Verdict{c.Fix(f).Done()}
}

// ingress is the rule that serves the view's host.
func (v *View) ingress() (t fact.Tunnel, r fact.TunnelRule, by string, ok bool) {
	for _, it := range v.tunnels {
		for _, r := range it.Fact.Ingress {
			if r.Hostname == "" || v.Host == "" || nameMatches(r.Hostname, v.Host) {
				return it.Fact, r, it.ID, true
			}
		}
	}
	return fact.Tunnel{}, fact.TunnelRule{}, "", false
}

func localService(s string) bool { return hasAny(s, "localhost", "127.0.0.1", "[::1]") }

func judgeTunnelLocalhost(v *View) []Verdict {
	t, r, by, ok := v.ingress()
	if !ok || !localService(r.Service) || t.Container == fact.No {
		return nil
	}
	refused := v.serviceTrouble(r, "connection refused")
	c := v.tunnelCase("tunnel.localhost-in-container", 502, 1033)
	c.Must("Does the rule say localhost?", Yes("the rule forwards to "+r.Service, by))
	c.Ask("Does the connector run in a network of its own?", tri(t.Container, "the connector runs in its own container: "+string(t.Container), lookTunnel, by), originward.RuledOut, originward.Possible)
	c.Ask("Does its log show that localhost refuses?", refused, originward.Likely, originward.Likely)
	c.Ask("Does the service listen on the host or elsewhere?", tri(r.Upstream.Listener, "the service listens on the host: "+string(r.Upstream.Listener), lookListeners, by), originward.Possible, originward.Likely)
	c.Says("localhost in the connector's container is not the host", "The rule forwards to "+r.Service+", and inside the connector's own container nothing listens there.")
	f := fix("Name the service's container, or the host's gateway, or run the connector in the host's network.", onHost("in the ingress rule: service: http://SERVICE-NAME:PORT (or http://host.docker.internal:PORT)", ""))
	f.Verify = v.diagnoseAgain()
	return []Verdict{c.Fix(f).Done()}
}

func judgeTunnelIPv6Localhost(v *View) []Verdict {
	_, r, by, ok := v.ingress()
	if !ok || !hasAny(r.Service, "localhost") {
		return nil
	}
	six := v.serviceTrouble(r, "dial tcp [::1]")
	if !six.IsYes() {
		return nil
	}
	four := Unseen(lookListeners)
	socks, sby := v.Sockets(func(s fact.Socket) bool { return s.Port == r.Upstream.Addr.Port() && s.Port != 0 })
	if len(socks) > 0 {
		only4 := !slices.ContainsFunc(socks, func(s fact.Socket) bool { return s.Addr.Is6() })
		four = when(only4, socketText(socks[0]), sby...)
	}
	c := v.tunnelCase("tunnel.origin-ipv6-localhost", 502)
	c.Must("Does the rule say localhost?", Yes("the rule forwards to "+r.Service, by))
	c.Must("Does the connector dial [::1]?", six)
	c.Proof("Does the service listen on IPv4 only?", four)
	c.Says("localhost is ::1 for the connector, and the service listens on IPv4 only", "The connector dials [::1] for "+r.Service+", and the service listens on IPv4 only.")
	f := fix("Write 127.0.0.1 instead of localhost.", onHost("in the ingress rule: service: "+strings.Replace(r.Service, "localhost", "127.0.0.1", 1), "service: "+r.Service))
	f.Verify = v.diagnoseAgain()
	return []Verdict{c.Fix(f).Done()}
}

func judgeTunnelUntrusted(v *View) []Verdict {
	_, r, _, _ := v.ingress()
	x509 := v.serviceTrouble(r, "x509", "certificate signed by unknown", "certificate is valid for", "failed to verify certificate")
	if !x509.IsYes() {
		return nil
	}
	c := v.tunnelCase("tunnel.origin-tls-untrusted", 502, 526)
	c.Must("Does the connector's log name a certificate error?", x509)
	c.Says("the connector does not trust the origin's certificate", "The connector refuses the service's certificate"+because(x509)+".")
	f := fix("Set the origin server name or CA in the rule, or use http locally.", onHost("in the rule's originRequest: originServerName: NAME, or caPool: FILE", ""))
	f.Verify = v.diagnoseAgain()
	return []Verdict{c.Fix(f).Done()}
}

func judgeTunnelScheme(v *View) []Verdict {
	_, r, by, ok := v.ingress()
	if !ok {
		return nil
	}
	tls := v.serviceTrouble(r, "first record does not look like a tls handshake", `malformed http response "\x15\x03`, "http request to an https server", "http response to https client")
	wrong := Unseen(lookTunnel)
	switch up := r.Upstream; {
	case hasAny(r.Service, "https://") && up.Speaks == "http":
		wrong = Yes("the rule speaks TLS to a service that speaks http", by)
	case hasAny(r.Service, "http://") && up.Speaks == "tls":
		wrong = Yes("the rule speaks http to a service that speaks TLS", by)
	case hasAny(r.Service, "http://") && up.Speaks == "http", hasAny(r.Service, "https://") && up.Speaks == "tls":
		wrong = No("the rule's scheme fits the service", by)
	}
	if !wrong.IsYes() && !tls.IsYes() || wrong.IsNo() {
		return nil
	}
	c := v.tunnelCase("tunnel.scheme-mismatch", 502, 400)
	c.Ask("Does the rule's scheme not fit the service?", wrong, originward.RuledOut, originward.Likely)
	c.Ask("Does the log show the mismatch?", tls, originward.Proved, originward.Proved)
	c.Says("the tunnel's rule speaks the wrong scheme", "The rule forwards to "+r.Service+because(firstYes(wrong, tls))+".")
	f := fix("Change the scheme in the rule.", onHost("in the ingress rule: service: with the other of http:// and https://", "service: "+r.Service))
	f.Verify = v.diagnoseAgain()
	return []Verdict{c.Fix(f).Done()}
}

// tunnelWord finds a line of the connector's log that holds one of the words.
func (v *View) tunnelWord(words ...string) Ans {
	return v.tunnelLine(func(text string) bool { return hasAny(text, words...) })
}

func judgeTunnelBug(v *View) []Verdict {
	says := v.EdgeSays(526, 502, 1033)
	if len(v.tunnels) == 0 || !says.IsYes() {
		return nil
	}
	t := v.tunnels[0]
	bug := v.tunnelWord("panic", "unsupported", "deprecated", "no longer supported", "fatal error", "outdated")
	if !bug.IsYes() {
		return nil
	}
	c := v.tunnelCase("tunnel.connector-bug", 526, 502, 1033)
	c.Must("Does the connector's log show a fault of its own?", bug)
	c.AtMost(originward.Likely, "only another version of the connector with the same configuration can prove it")
	c.Says("the connector is outdated or faulty", "The connector"+because(Yes(t.Fact.Version))+" fails by itself"+because(bug)+".")
	f := fix("Update the connector.", onHost("cloudflared update   # or the package or image it came from", ""))
	f.Verify = v.diagnoseAgain()
	return []Verdict{c.Fix(f).Done()}
}

// tunnelBackendDown: the service behind a connector does not run.
func (v *View) tunnelBackendDown() []Verdict {
	t, r, by, ok := v.ingress()
	if !ok || t.Container != fact.No {
		return nil // what refuses inside a container is another thing
	}
	up := r.Upstream
	refused := v.refusedBackend(up, by)
	if !refused.IsYes() || hasAny(v.serviceTrouble(r, "dial tcp [::1]").Says, "dial tcp [::1]") && up.Listener == fact.Yes {
		return nil
	}
	c := v.tunnelCase("backend.down", 502)
	c.v.Subject.File, c.v.Subject.Line, c.v.Subject.Name = up.Place.File, up.Place.Line, up.Name
	c.Must("Is the service's port refused?", refused)
	c.Must("Does the connector itself stand?", v.connector())
	c.Ask("Does no socket of the host serve it?", v.backendSocket(up, by).Not(), originward.Possible, originward.Likely)
	c.Says("the service behind the connector does not run", "The connector forwards to "+r.Service+" ("+at(up.Place)+"), where nothing takes connections.")
	f := fix("Start the service, and correct what keeps it from starting.", onHost("start the application that should serve "+up.Name, ""))
	f.Verify = "a connect to " + up.Name + " succeeds, and " + v.diagnoseAgain()
	return []Verdict{c.Fix(f).Done()}
}
