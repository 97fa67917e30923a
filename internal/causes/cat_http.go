package causes

// emptyOf are the causes of which an empty reply can be the consequence.
var emptyOf = ids("firewall.tcp-wrappers", "http.proxy-protocol", "backend.crashed", "capacity.workers-exhausted", "ban.server-throttle", "capacity.fd-limit",
	"capacity.oom", "cdn.ssl-mode-too-low", "http.header-too-large", "http.h2-origin", "tls.client-cert-required", "http.keepalive-race", "capacity.disk-full", "allowlist.after-real-ip", "ban.app-plugin")

// httpCauses is family H: HTTP between CDN and origin.
func httpCauses() []Cause {
	return []Cause{
		{
			ID: "http.close-without-response", Family: "H", Title: "the origin closes without a response", Codes: []int{520, 502, 504}, Where: onTheHost,
			Needs: needs(Need{hostOnly, "web_config", lookWeb.How}), After: emptyOf, Judge: judgeClose,
			Doc: Doc{
				What:  "The origin closes on purpose without a status line (nginx 444, a firewall of the server), often for particular hosts or visitors.",
				Looks: "520.",
				Proof: "The configuration closes for this host, or the log shows 444 for that second; a direct request with the same Host gets an empty reply.",
				Alike: []Alike{{"http.header-too-large", "without cookies the request works"}, {"backend.crashed", "the error log has a child's exit"}, {"http.proxy-protocol", "the log speaks of a broken header"}},
				Fix:   "Correct the rule or the default server that closes.", Prevent: "Answer 403 or 421 instead of closing.",
			},
		},
		{
			ID: "http.header-too-large", Family: "H", Title: "headers exceed a limit", Codes: []int{520, 502, 400}, Where: onTheHost,
			Needs: needs(Need{outsideOrHost, "exchange", lookVariants.How}), Judge: judgeHeaderTooLarge,
			Doc: Doc{
				What:  "Request or response headers exceed a limit at a proxy or at the CDN (128 KB).",
				Looks: "Only signed-in visitors or those with big cookies fail; 520, 502 or 400.",
				Proof: "The response head is beyond the limit; or the log names it; or the request works without cookies.",
				Alike: []Alike{{"http.close-without-response", "it fails without cookies too"}},
				Fix:   "Cut cookies; raise the buffer.", Prevent: "Bound what is stored in cookies.",
			},
		},
		{
			ID: "http.h2-origin", Family: "H", Title: "the origin does not keep to HTTP/2", Codes: []int{520, 502, 524}, Where: onTheHost,
			Needs: needs(needDirect), Judge: judgeH2Origin,
			Doc: Doc{
				What:  "HTTP/2 behaviour at the origin: GOAWAY, refused streams, hangs, a bad module.",
				Looks: "Sporadic 520, 502 or 524.",
				Proof: "The exchange fails over HTTP/2 and works over HTTP/1.1; or the log shows GOAWAY or refused streams.",
				Alike: []Alike{{"http.keepalive-race", "it fails over HTTP/1.1 too"}},
				Fix:   "Turn HTTP/2 to the origin off, or raise the requests per connection.", Prevent: "Test HTTP/2 before it is switched on.",
			},
		},
		{
			ID: "http.keepalive-race", Family: "H", Title: "the origin closes idle connections that the edge reuses", Codes: []int{502, 520}, Where: onTheHost,
			Needs: needs(needHost("web_config", lookWeb.How)), Judge: judgeKeepaliveRace,
			Doc: Doc{
				What:  "The origin closes idle connections sooner than the proxy that reuses them.",
				Looks: "A steady trickle of 502 or 520 that take milliseconds and do not grow with load.",
				Proof: "Only reused connections fail, at once, and the origin's idle time-out is the shorter one.",
				Alike: []Alike{{"capacity.workers-exhausted", "slow, and the log names the limit"}, {"http.h2-origin", "gone with HTTP/2 off"}},
				Fix:   "Make the origin's idle time-out the longer one.", Prevent: "keepalive_timeout above 900 s behind a CDN.",
			},
		},
		{
			ID: "http.proxy-protocol", Family: "H", Title: "PROXY protocol on one side only", Codes: []int{520, 525, 502, 400}, Where: onTheHost,
			Needs: needs(Need{hostOnly, "web_config", lookWeb.How}), Judge: judgeProxyProtocol,
			Doc: Doc{
				What:  "One side speaks PROXY protocol and the other does not.",
				Looks: "525, 520 or 400.",
				Proof: "The listener expects it, or the log says broken header while reading PROXY protocol, with TLS bytes in it.",
				Alike: []Alike{{"http.close-without-response", "no listener expects PROXY protocol"}, {"tls.plain-http-on-port", "the port answers plain HTTP"}},
				Fix:   "Enable it on both sides or neither; exempt hairpin paths.", Prevent: "A listener of its own for the balancer.",
			},
		},
		{
			ID: "http.nested-timeouts", Family: "H", Title: "a layer behind the edge cuts at its own limit", Codes: []int{504, 524}, Where: onTheHost,
			Needs: needs(needHost("", lookWeb.How)), After: ids("capacity.workers-exhausted", "firewall.container-to-host", "backend.stale-upstream-dns", "capacity.disk-full", "backend.proxy-wedged", "capacity.flood"), Judge: judgeNestedTimeouts,
			Doc: Doc{
				What:  "Several layers each cut the request at a different limit.",
				Looks: "504, then 524 once the inner limit is raised; each at a round number of seconds.",
				Proof: "The cut comes at the second of a configured limit, and the proxy's log says that it gave up.",
				Alike: []Alike{{"cdn.origin-timeout", "524 at the edge's own limit"}},
				Fix:   "Write down all limits; order them from inside out.", Prevent: "One table of time-outs for the whole path.",
			},
		},
	}
}
