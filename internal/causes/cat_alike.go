package causes

import "github.com/originward/originward"

// alikeCauses is family L: what looks like a failure between edge and origin
// and is none, and the two answers that are no causes.
func alikeCauses() []Cause {
	return []Cause{
		{
			ID: "lookalike.visitor-isp-block", Family: "L", Title: "the visitor's provider blocks the CDN", Where: withVisitor,
			Needs: needs(needVisit), Judge: judgeVisitorISP,
			Doc: Doc{
				What:  "The visitor's own provider blocks the CDN's addresses.",
				Looks: "The browser times out; there is no page of the CDN and no ray.",
				Proof: "It fails from one country or provider only, and origin and CDN are in order from others.",
				Alike: []Alike{{"cdn.edge-incident", "many unrelated sites fail from everywhere"}, {"cdn.port-unsupported", "only this port does not answer"}},
				Fix:   "Nothing at the origin.", Prevent: "Watch from several countries.",
				World: "needs a second provider to compare with; the judgement is tested on bundles",
			},
		},
		{
			ID: "lookalike.edge-cert-missing", Family: "L", Title: "the CDN has no certificate for the name", Where: atTheCDN,
			Needs: needs(needVisit, needCDN("cdn_settings", lookSetting.How)), Judge: judgeEdgeCertMissing,
			Doc: Doc{
				What:  "The CDN has no edge certificate for a deep subdomain.",
				Looks: "A TLS error in the browser, no page of the CDN and no ray.",
				Proof: "The handshake with the CDN's address fails before any HTTP, and no certificate of the CDN covers the name.",
				Alike: []Alike{{"tls.sni-unmatched", "525 is a page: the edge has a certificate, the origin has none"}},
				Fix:   "Order a certificate or rename.", Prevent: "One level of subdomains, or an advanced certificate.",
			},
		},
		{
			ID: "lookalike.other-cdn-code", Family: "L", Title: "another CDN's code", Codes: []int{521}, Where: atTheCDN,
			Needs: needs(needVisit), Judge: judgeOtherCDNCode,
			Doc: Doc{
				What:  "Another CDN uses 521 with another meaning (no configuration for the host).",
				Looks: "521 without Cloudflare.",
				Proof: "Response headers name another platform.",
				Alike: []Alike{{"listener.none", "the page is Cloudflare's"}},
				Fix:   "Read that platform's manual.", Prevent: "Know which CDN answers for the name.",
			},
		},
		{
			ID: "lookalike.stray-rst", Family: "L", Title: "stray ends of connections in the firewall's log", Where: onTheHost,
			Needs: needs(needLogs), Judge: judgeStrayRST,
			Doc: Doc{
				What:  "Firewall log lines that look like blocked packets of the CDN are bare RST or late FIN packets.",
				Looks: "Log lines only; no visitor is affected.",
				Proof: "The packets have RST or FIN set and no SYN. It is never named as the cause of a failure.",
				Alike: []Alike{{"firewall.host.range-blocked", "lines with SYN set block new connections"}},
				Fix:   "Ignore them or log less.", Prevent: "Log SYN only.",
			},
		},
		{
			ID: originward.Healthy, Family: "L", Title: "nothing between edge and origin is broken", Where: withVisitor, Judge: noVerdict,
			Doc: Doc{
				What:  "Nothing between edge and origin is broken.",
				Looks: "The site answers through the edge and directly.",
				Proof: "Every visit through the edge is served, and no address of the origin fails where the edge uses it.",
				Alike: []Alike{{"tls.chain-incomplete", "a browser is happy and the edge is not"}},
				Fix:   "Nothing to do.", Prevent: "Keep watching.",
			},
		},
		{
			ID: originward.Undetermined, Family: "L", Title: "the evidence that would decide is missing", Where: onTheHost, Judge: noVerdict,
			Doc: Doc{
				What:  "Something is broken, and what was looked at does not decide between several causes.",
				Looks: "A failure, and possible causes only.",
				Proof: "It names the observation that would decide.",
				Alike: []Alike{{originward.Healthy, "nothing fails"}},
				Fix:   "Make the observation that is named next.", Prevent: "Give the tool the host and the CDN's token beforehand.",
			},
		},
	}
}

// noVerdict is the judge of the two answers that package diagnose works out.
func noVerdict(*View) []Verdict { return nil }
