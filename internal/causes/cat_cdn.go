package causes

// cdnSettingCauses is the first half of family E: settings of the zone.
func cdnSettingCauses() []Cause {
	return []Cause{
		{
			ID: "cdn.ssl-mode-too-low", Family: "E", Title: "the SSL mode is too low for this origin", Codes: []int{520}, Where: atTheCDN,
			Needs: needs(needMode, needDirect, needVisit), Judge: judgeModeTooLow,
			Doc: Doc{
				What:  "Mode off or flexible sends plain http to an origin that only wants https.",
				Looks: "A redirect loop; 520 on platforms that do not redirect.",
				Proof: "The mode is off or flexible, plain http to the origin is answered with a redirect to the same https URL or not at all, and the origin's https is in order.",
				Alike: []Alike{{"http.close-without-response", "https to the origin fails too"}},
				Fix:   "Set full (strict) and install a certificate.", Prevent: "Check every mode with `originward preflight` before a change.",
			},
		},
		{
			ID: "cdn.rule-blocks", Family: "E", Title: "a rule of the CDN refuses the visitor", Codes: []int{403, 429, 1015, 1020}, Where: atTheCDN,
			Needs: needs(needVisit, needCDN("cdn_rules", lookRules.How)), Judge: judgeRuleBlocks,
			Doc: Doc{
				What:  "A firewall, IP access or rate-limit rule at the CDN answers the visitor before the origin is contacted.",
				Looks: "403 or 429 with the CDN's page and ray; the origin's log has no line.",
				Proof: "The rule matches the request, or the security event of the ray names it, and the edge wrote the answer.",
				Alike: []Alike{{"allowlist.after-real-ip", "the origin wrote the 403"}, {"ratelimit.shared-edge", "the origin wrote the 429"}},
				Fix:   "Correct, narrow or switch off that rule.", Prevent: "Log a rule before it blocks.",
			},
		},
		{
			ID: "cdn.record-grey", Family: "E", Title: "the record is DNS-only", Where: atTheCDN,
			Needs: needs(needOutside("dns", lookDNS.How), needRecords), Judge: judgeRecordGrey,
			Doc: Doc{
				What:  "The record is DNS-only: what fails is not the edge.",
				Looks: "No page of the CDN, no ray; errors are the browser's or the origin's own.",
				Proof: "DNS gives the origin's own address, and the record's proxied flag is false.",
				Alike: []Alike{{"healthy", "the record is grey and the origin answers"}},
				Fix:   "Turn the proxy on if it was meant to be, or diagnose the origin itself.", Prevent: "Watch the colour of the records that matter.",
			},
		},
		{
			ID: "cdn.port-unsupported", Family: "E", Title: "the CDN does not carry the port", Codes: []int{522, 521, 526}, Where: atTheCDN,
			Needs: needs(needVisit, needDirect), Judge: judgePortUnsupported,
			Doc: Doc{
				What:  "The visitor's port is not one that the CDN proxies, or not with that scheme.",
				Looks: "A plain time-out or refusal without a page; direct access to the port works.",
				Proof: "The port is not on the CDN's list, the edge does not answer there, and the origin does.",
				Alike: []Alike{{"lookalike.visitor-isp-block", "port 443 does not answer either"}},
				Fix:   "Move to a port of the list, or use an origin-port rule.", Prevent: "Publish services behind the CDN on listed ports only.",
			},
		},
		{
			ID: "cdn.protocol-policy", Family: "E", Title: "the CDN speaks the wrong scheme to the origin", Codes: []int{502, 504}, Where: atTheCDN,
			Needs: needs(needVisit, needDirect, needMode), Judge: judgeProtocolPolicy,
			Doc: Doc{
				What:  "The CDN's origin scheme does not fit what the origin serves (http only against https only).",
				Looks: "CloudFront 502 or 504.",
				Proof: "The policy against a direct test of both ports.",
				Alike: []Alike{{"cdn.ssl-mode-too-low", "the same on Cloudflare, as a redirect loop"}},
				Fix:   "Align the policy.", Prevent: "Serve both schemes during a change.",
			},
		},
	}
}

// cdnRunningCauses is the second half of family E: what the CDN does while it runs.
func cdnRunningCauses() []Cause {
	return []Cause{
		{
			ID: "cdn.origin-timeout", Family: "E", Title: "the origin's response comes too late", Codes: []int{524, 503, 504}, Where: onTheHost,
			Needs: needs(needVisit, needHost("", lookLocal.How)), After: lateOf, Judge: judgeOriginTimeout,
			Doc: Doc{
				What:  "The origin is reached, and the first byte comes later than the CDN waits (125 s at Cloudflare by default).",
				Looks: "524 at exactly the limit.",
				Proof: "The edge gives up after it was connected and acknowledged, and a direct request is just as late while the server takes connections.",
				Alike: []Alike{{"http.nested-timeouts", "504 of an inner layer at its own limit"}, {"capacity.workers-exhausted", "the server's log names the limit"}, {"backend.proxy-wedged", "the processes are frozen"}},
				Fix:   "Answer early, stream, make it asynchronous, or raise the limit where the plan allows it.", Prevent: "Measure the slowest requests; keep them under the limit.",
			},
		},
		{
			ID: "cdn.worker-self-fetch", Family: "E", Title: "a worker fetches its own name", Codes: []int{522}, Where: atTheCDN,
			Needs: needs(needVisit, needRecords), Judge: judgeWorkerSelfFetch,
			Doc: Doc{
				What:  "A worker fetches its own hostname, which goes past the edge and finds no origin.",
				Looks: "522 at once.",
				Proof: "The failing request is a subrequest to the same zone, and no origin exists for the name; likely at most without the worker's code.",
				Alike: []Alike{{"dns.placeholder-without-route", "no worker takes the name"}},
				Fix:   "Call the handler in process, use a service binding or the strictly-public fetch flag.", Prevent: "Never fetch the own host from a worker.",
			},
		},
		{
			ID: "cdn.worker-port", Family: "E", Title: "a worker's request to another port is not carried there", Codes: []int{522}, Where: atTheCDN,
			Needs: needs(needVisit, needRecords), Judge: judgeWorkerPort,
			Doc: Doc{
				What:  "A worker's subrequest to a non-standard port is not carried to that port.",
				Looks: "522; works on 80 and 443, fails on every other port.",
				Proof: "Direct access to the port works, and a worker takes the name; likely at most without its code.",
				Alike: []Alike{{"listener.wrong-port", "no worker is involved"}},
				Fix:   "Use 80 or 443, or a tunnel.", Prevent: "Keep origins of workers on 443.",
			},
		},
		{
			ID: "cdn.cached-error", Family: "E", Title: "the edge serves a stored error", Codes: []int{500, 502, 503, 404}, Where: atTheCDN,
			Needs: needs(needVisit), Judge: judgeCachedError,
			Doc: Doc{
				What:  "The edge serves a stored 5xx although the origin is healthy again.",
				Looks: "A 5xx with a cache HIT and an age.",
				Proof: "The response carries a HIT, and past the cache, or directly, the origin answers well.",
				Alike: []Alike{{"healthy", "a cache bypass fails too: the failure is live"}},
				Fix:   "Purge; do not cache errors.", Prevent: "Send no-store with errors; set cache times by status.",
			},
		},
		{
			ID: "cdn.edge-incident", Family: "E", Title: "the CDN itself may have failed", Codes: []int{500, 502, 520, 521, 522, 523, 530}, Where: atTheCDN,
			Needs: needs(needVisit, needDirect), Judge: judgeEdgeIncident,
			Doc: Doc{
				What:  "The CDN itself failed between edge and origin.",
				Looks: "Many unrelated sites fail at once; the origin is in order.",
				Proof: "Not from one site: the CDN's status page and other origins tell. Possible at most from here.",
				Alike: []Alike{{"lookalike.visitor-isp-block", "no page at all, from one provider only"}, {"path.transit-loss", "only some places fail"}},
				Fix:   "Wait or fail over; change nothing at the origin.", Prevent: "Have a second CDN or a way to go grey.",
			},
		},
	}
}

// lateOf are the causes of which a late response can be the consequence.
var lateOf = ids("capacity.workers-exhausted", "backend.proxy-wedged", "http.nested-timeouts", "capacity.fd-limit", "capacity.flood", "capacity.origin-stampede",
	"capacity.disk-full", "capacity.oom", "firewall.container-to-host", "backend.stale-upstream-dns", "http.h2-origin", "path.mtu-blackhole", "loop.proxy-resolves-to-cdn", "capacity.accept-backlog", "backend.down")
