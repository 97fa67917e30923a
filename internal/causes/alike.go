package causes

import (
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// judgeVisitorISP: the visitor's own provider blocks the CDN.
func judgeVisitorISP(v *View) []Verdict {
	for _, a := range v.answers {
		f := a.Fact
		if !failedVisit(f) {
			continue
		}
		o := outcomeOfFault(f.Failure.Phase, f.Failure.Type, f.Failure.BytesRead)
		if o != OutTimeout && o != OutTLS && o != OutUnreachable || o == OutTLS && (f.Failure.Alert != 0 || len(f.EdgeCert) > 0) {
			continue
		}
		c := newCase("lookalike.visitor-isp-block", originward.Subject{Host: v.Host, Addr: f.Target.Addr(), Port: f.Target.Port()}).Explains("visit|" + itoa(int(f.Target.Port())))
		c.Must("Does the visitor get no page of the CDN at all?", Yes("no answer from the edge at "+f.Target.String()+": "+string(f.Failure.Type), a.ID))
		c.Ask("Is the observer's own network in order?", v.ownNetwork(originward.FamilyOf(f.Target.Addr())), originward.Possible, originward.Likely)
		c.Ask("Does the origin answer directly?", v.anyDirect(), originward.Possible, originward.Possible)
		c.Ask("Does the same work from another provider?", Unseen(Look{originward.Edge, fact.QEdgeAnswer, "visit the site from another provider or country: add --from PROBE"}), originward.Possible, originward.Possible)
		c.Says("the visitor's own provider may block the CDN", "No page of the CDN came, and the origin is in order: something between the visitor and the edge drops the connection.")
		fx := fix("Nothing at the origin: try another provider; the CDN can move the site to other addresses.")
		fx.Verify = "the same visit from another provider works"
		return []Verdict{c.Fix(fx).Done()}
	}
	return nil
}

// anyDirect answers whether some origin answers directly.
func (v *View) anyDirect() Ans {
	for _, l := range v.Legs {
		if a := directWorks(l); a.IsYes() {
			return a
		}
	}
	return Unseen(lookDirect)
}

// judgeEdgeCertMissing: the CDN has no certificate for the visitor's name.
func judgeEdgeCertMissing(v *View) []Verdict {
	for _, a := range v.answers {
		f := a.Fact
		if f.Scheme != "https" {
			continue
		}
		failed := f.Failure != nil && f.Status == 0 && outcomeOfFault(f.Failure.Phase, f.Failure.Type, 0) == OutTLS && (f.Failure.Alert == alertHandshakeFailure || f.Failure.Alert == alertUnrecognizedName || f.Failure.Alert == alertInternalError)
		mismatch := slices.Contains(f.EdgeCert, fact.CertNameMismatch)
		if !failed && !mismatch {
			continue
		}
		c := newCase("lookalike.edge-cert-missing", originward.Subject{Host: v.Host, Addr: f.Target.Addr(), Port: f.Target.Port()}).Explains("visit|" + itoa(int(f.Target.Port())))
		c.Must("Does the visitor's TLS with the edge fail for this name?", Yes("the edge at "+f.Target.String()+" has no certificate for "+f.Host, a.ID))
		covered := Unseen(lookSetting)
		if s, id, ok := v.Setting(func(s fact.CDNSettings) bool { return s.EdgeCert != fact.Unknown }); ok {
			covered = tri(s.EdgeCert, "a certificate of the CDN covers the name: "+string(s.EdgeCert), lookSetting, id)
		}
		unseen := originward.Likely
		if !v.edgeAddress(f) {
			unseen = originward.Possible
		}
		c.Ask("Does the CDN have no certificate for the name?", covered.Not(), originward.RuledOut, unseen)
		why := "The handshake with the edge fails before any page"
		if strings.Count(v.Host, ".") >= 3 {
			why += "; the CDN's ordinary certificate covers one level of subdomains only"
		}
		c.Says("the CDN has no certificate for the visitor's name", why+".")
		fx := fix("Order a certificate for the name at the CDN, or use a name of one level less.", onCDN("order an advanced certificate that covers "+v.Host, "delete it"))
		fx.Verify = "openssl s_client -connect " + f.Target.String() + " -servername " + firstOf(v.Host, "HOST") + " </dev/null shows the name, and " + v.diagnoseAgain()
		return []Verdict{c.Fix(fx).Done()}
	}
	return nil
}

// edgeAddress reports whether the visited address is known to be a CDN's.
func (v *View) edgeAddress(f fact.EdgeAnswer) bool {
	return f.CDN != "" || edgeAddr(f.Target.Addr()) || slices.ContainsFunc(v.siteDNS(), func(d fact.Item[fact.DNS]) bool { return d.Fact.Colour == "orange" })
}

// judgeStrayRST: log lines that look like blocked packets of the CDN and are
// late ends of connections. It is never a cause of a failure.
func judgeStrayRST(v *View) []Verdict {
	lines, by := v.Lines(func(l fact.LogLine) bool { return v.fromEdge(l) }, fact.LogStrayRST)
	if len(lines) == 0 {
		return nil
	}
	c := newCase("lookalike.stray-rst", originward.Subject{Host: v.Host}).Explains("stray")
	c.Must("Do firewall lines name addresses of the edge?", Yes("a line of the firewall's log: "+lines[0].Text, by...))
	c.Must("Are they ends of connections, and no new ones?", Yes("the packets carry RST or FIN and no SYN", by...))
	c.AtMost(originward.Possible, "such lines have no effect on visitors")
	c.Says("firewall lines about the CDN are stray ends of connections", "The logged packets carry RST or a late FIN, not SYN: no new connection is blocked by them.")
	f := fix("Ignore them, or log only packets with SYN set.", onHost("log only tcp flags syn / syn,rst,ack,fin in the logging rule", ""))
	f.Verify = v.diagnoseAgain()
	return []Verdict{c.Fix(f).Done()}
}
