package causes

// recordCauses is the first half of family D: addresses in records.
func recordCauses() []Cause {
	return []Cause{
		{
			ID: "dns.stale-address", Family: "D", Title: "the record holds an address that the server does not have", Codes: []int{522, 523, 521, 525, 526}, Where: atTheCDN,
			Needs: needs(needRecords, needHost("addresses", lookAddresses.How)), After: ids("dns.updater-failed"), Judge: judgeStaleAddress,
			Doc: Doc{
				What:  "The A or AAAA record at the CDN points to an address that the server no longer has.",
				Looks: "522 or 523; sometimes 521, or 525, 526 or a foreign page of the address's new tenant.",
				Proof: "The record at the CDN differs from the addresses on the host.",
				Alike: []Alike{{"tls.cert-name-mismatch", "the host has the address: the certificate is the server's own"}, {"dns.placeholder-without-route", "the address is a reserved one"}},
				Fix:   "Correct the record.", Prevent: "Let the record follow the address (dynamic DNS), and be told when they differ.",
			},
		},
		{
			ID: "dns.aaaa-unserved", Family: "D", Title: "the AAAA record leads to a host without IPv6", Codes: []int{521, 522, 523}, Where: atTheCDN,
			Needs: needs(needHost("addresses", lookAddresses.How)), After: ids("dns.updater-failed"), Judge: judgeAAAAUnserved,
			Doc: Doc{
				What:  "An AAAA record is published for a host or cluster without working IPv6.",
				Looks: "Failures over IPv6 only: a share of the requests.",
				Proof: "IPv4 works, IPv6 fails at connect, and the host lacks the address or a way out.",
				Alike: []Alike{{"listener.family-missing", "refused at once: the host has the address and no listener"}, {"path.ipv6-broken", "comes and goes"}},
				Fix:   "Delete the AAAA record, or make IPv6 work.", Prevent: "Probe both families before publishing.",
			},
		},
		{
			ID: "dns.duplicate-records", Family: "D", Title: "an old record stands beside the right one", Codes: []int{521, 522, 523, 525, 526}, Where: atTheCDN,
			Needs: needs(needRecords, needDirect), After: ids("dns.updater-failed"), Judge: judgeDuplicate,
			Doc: Doc{
				What:  "An old record remains beside the right one, so a share of the requests goes to a dead or foreign server.",
				Looks: "Intermittent 52x; slow where the edge tries another address.",
				Proof: "The CDN holds several addresses for the name, and at least one fails the direct test every time.",
				Alike: []Alike{{"path.transit-loss", "every address works directly"}, {"dns.stale-address", "it is the only address"}},
				Fix:   "Delete the stale record.", Prevent: "Let the updater replace, not add.",
			},
		},
		{
			ID: "dns.updater-failed", Family: "D", Title: "the job that writes the record fails", Codes: []int{522, 521, 523}, Where: onTheHost,
			Needs: needs(needRecords, needHost("jobs", lookJobs.How)), Judge: judgeUpdaterFailed,
			Doc: Doc{
				What:  "The dynamic-DNS job does not write the new address: cache, API error, no IPv6 in the container, or two jobs that fight.",
				Looks: "522 or 521 after the address changed.",
				Proof: "The job's log shows the failure, and record and host address differ.",
				Alike: []Alike{{"dns.stale-address", "no job keeps the record"}},
				Fix:   "Repair or deduplicate the job.", Prevent: "Alert when record and address differ.",
			},
		},
	}
}

// routingCauses is the second half of family D: where names lead.
func routingCauses() []Cause {
	return []Cause{
		{
			ID: "dns.target-unresolvable", Family: "D", Title: "the origin's name does not resolve", Codes: []int{530, 1016}, Where: atTheCDN,
			Needs: needs(needRecords, needOutside("dns", lookDNS.How)), Judge: judgeUnresolvable,
			Doc: Doc{
				What:  "The origin's name at the CDN (CNAME, pool, override) does not resolve.",
				Looks: "530 with 1016 in the body.",
				Proof: "The CDN forwards to the name, and a public resolver has no address for it.",
				Alike: []Alike{{"tunnel.record-stale", "1033, and the name is a tunnel's"}},
				Fix:   "Correct the name, or create it where the CDN resolves it.", Prevent: "Check targets after moves of a domain.",
			},
		},
		{
			ID: "loop.proxy-resolves-to-cdn", Family: "D", Title: "the origin leads back to the CDN", Codes: []int{1000, 502}, Where: onTheHost,
			Needs: needs(Need{hostOrCDN, "web_config", lookNames.How}), Judge: judgeLoop,
			Doc: Doc{
				What:  "The origin's own proxy resolves the public name, gets the CDN's addresses and sends the request back; or the record itself holds an edge's address.",
				Looks: "1000, 502, or a time-out after many rounds.",
				Proof: "On the host the upstream's name means an edge; or the record's content is an edge's address.",
				Alike: []Alike{{"backend.wrong-resolution", "the name means another public address, not an edge"}},
				Fix:   "Point the proxy at the local or origin address.", Prevent: "Never use the public name as an upstream.",
			},
		},
		{
			ID: "dns.placeholder-without-route", Family: "D", Title: "the record is a placeholder and nothing takes the name", Codes: []int{522, 1000, 523}, Where: atTheCDN,
			Needs: needs(needRecords), Judge: judgePlaceholder,
			Doc: Doc{
				What:  "The record is a placeholder (192.0.2.x, 100::) meant for a worker or rule that does not match.",
				Looks: "522 or 1000.",
				Proof: "The record's content is a reserved address, and no route or rule covers the name.",
				Alike: []Alike{{"dns.stale-address", "the address is an ordinary one"}},
				Fix:   "Correct the route or the rule.", Prevent: "Keep routes and placeholder records in one place.",
			},
		},
		{
			ID: "platform.hostname-unclaimed", Family: "D", Title: "the platform was not told about the name", Codes: []int{522, 1000, 1014}, Where: atTheCDN,
			Needs: needs(needRecords), Judge: judgePlatformUnclaimed,
			Doc: Doc{
				What:  "The name points at a hosted platform that has not been told about it.",
				Looks: "522 (pages), 1000 or 1014 (software as a service).",
				Proof: "The CNAME's target is a platform's name, and the platform's list of custom domains lacks the host.",
				Alike: []Alike{{"dns.stale-address", "the target is an address"}},
				Fix:   "Register the hostname on the platform.", Prevent: "Claim the name before the record is written.",
			},
		},
	}
}
