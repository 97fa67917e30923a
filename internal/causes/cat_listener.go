package causes

import "github.com/originward/originward"

const (
	onTheHost   = originward.WhereHost
	atTheCDN    = originward.WhereCDN
	inNetwork   = originward.WhereNetwork
	atHosting   = originward.WhereProvider
	withVisitor = originward.WhereVisitor
)

// listenerCauses is family A: is anything answering on the address and port
// that the CDN uses.
func listenerCauses() []Cause {
	starts := ids("listener.config-rejected", "listener.bind-failed", "capacity.oom", "capacity.disk-full", "dns.stale-address")
	return []Cause{
		{
			ID: "listener.none", Family: "A", Title: "nothing listens on the port", Codes: []int{521}, Where: onTheHost,
			Needs: needs(needListeners), After: append(starts, "listener.wrong-port", "listener.loopback-only", "cdn.ssl-mode-too-low", "cdn.protocol-policy"), Judge: judgeListenerNone,
			Doc: Doc{
				What:  "No process takes connections on the port that the CDN contacts: the web server is stopped, was never installed, or was removed by an update.",
				Looks: "521 at once, for everyone. A direct connect is refused at once too, on every path.",
				Proof: "The host's complete list of listening sockets holds none for that address and port, no web server runs there on other ports, and the edge or a direct connect is refused.",
				Alike: []Alike{
					{"ban.edge-ip", "a direct connect from an address that is not the CDN's is refused here and accepted there"},
					{"firewall.host.port-closed", "a REJECT rule refuses as well: the host shows a listener behind it"},
					{"listener.wrong-port", "the service runs and listens elsewhere"},
				},
				Fix:     "Start the web server (`systemctl start nginx`, `rc-service nginx start`, `service apache2 start`) and enable it at boot.",
				Prevent: "Enable the unit at boot, let the service manager restart it, and watch the port through the edge.",
			},
		},
		{
			ID: "listener.config-rejected", Family: "A", Title: "the server refuses its configuration", Codes: []int{521}, Where: onTheHost,
			Needs: needs(needListeners, needServices), After: ids("capacity.disk-full", "tls.acme-blocked-by-proxy"), Judge: judgeConfigRejected,
			Doc: Doc{
				What:  "The server does not accept its own configuration (missing key file, upstream name that does not resolve, syntax error), so it never starts, or a reload was skipped and one port was never opened.",
				Looks: "521 after a reboot, a restart or an update; the unit is failed, or active without the expected socket.",
				Proof: "The configuration's own test (`nginx -t`, `apachectl -t`) fails and names the line, and no socket serves the port.",
				Alike: []Alike{
					{"listener.none", "the test passes: the server was only stopped"},
					{"listener.bind-failed", "the test passes, or complains of bind() only"},
				},
				Fix:     "Correct the line that the test names, test again, start. Make upstream names resolve at request time; start after network and DNS.",
				Prevent: "Test the configuration before every reload; alert on failed units.",
			},
		},
		{
			ID: "listener.bind-failed", Family: "A", Title: "the address could not be bound", Codes: []int{521}, Where: onTheHost,
			Needs: needs(needListeners), Judge: judgeBindFailed,
			Doc: Doc{
				What:  "The configuration is right, and bind() fails: the address is not on the interface (it changed, IPv6 was not ready at boot), the family is switched off, or the port is taken.",
				Looks: "521 after a reboot or a change of address.",
				Proof: "The server's log says `bind() to ADDR:PORT failed` with errno 98 (in use), 99 (no such address) or 97 (family), and no socket serves the port.",
				Alike: []Alike{{"listener.config-rejected", "the test fails for another reason than bind()"}, {"listener.none", "no bind failure is logged"}},
				Fix:   "Listen on the wildcard address, correct the address, stop what holds the port, or order the unit after network-online.target.", Prevent: "Listen on wildcard addresses; order units after network-online.",
			},
		},
		{
			ID: "listener.tls-port-missing", Family: "A", Title: "nothing listens on the https port", Codes: []int{521}, Where: onTheHost,
			Needs: needs(needListeners), After: starts, Judge: judgeTLSPortMissing,
			Doc: Doc{
				What:  "Port 80 is served and 443 is not, while the SSL mode sends https visitors to 443.",
				Looks: "521 for https visitors only; http works.",
				Proof: "The host's list of sockets shows 80 and not 443; the mode is full or strict, or an https visit is refused while port 80 answers.",
				Alike: []Alike{{"firewall.host.port-closed", "there is a socket on 443 and no rule that accepts; outside: silence or a prohibition instead of a refusal"}},
				Fix:   "Open a TLS listener on 443 and publish 443 where the server runs in a container; or lower the mode knowingly.", Prevent: "Check with `originward preflight` before the mode is raised.",
			},
		},
		{
			ID: "listener.loopback-only", Family: "A", Title: "the server listens on loopback only", Codes: []int{521}, Where: onTheHost,
			Needs: needs(needListeners), After: ids("listener.bind-failed", "listener.config-rejected"), Judge: judgeLoopbackOnly,
			Doc: Doc{
				What:  "The server listens on 127.0.0.1 or ::1 only.",
				Looks: "521 for everyone; a request on the host itself works.",
				Proof: "The socket's local address is loopback, and nothing serves the public one.",
				Alike: []Alike{{"listener.none", "no socket holds the port at all"}},
				Fix:   "Listen on the public or the wildcard address.", Prevent: "Check `ss -ltn` after a change of listen lines.",
			},
		},
		{
			ID: "listener.family-missing", Family: "A", Title: "one address family has no listener", Codes: []int{521}, Where: onTheHost,
			Needs: needs(needListeners), After: ids("listener.config-rejected", "listener.bind-failed"), Judge: judgeFamilyMissing,
			Doc: Doc{
				What:  "DNS publishes A and AAAA, and only one family has a listener.",
				Looks: "521 for a share of the requests, or for all that the edge sends over the one family.",
				Proof: "The host has both addresses and its sockets serve one family only; a direct connect differs by family.",
				Alike: []Alike{{"dns.aaaa-unserved", "the host does not have the address at all"}, {"path.ipv6-broken", "it comes and goes; a listener is there"}},
				Fix:   "Add the missing listener (`listen [::]:443 ssl;`), or delete the record of that family.", Prevent: "Probe each family on its own.",
			},
		},
		{
			ID: "listener.wrong-port", Family: "A", Title: "the service listens on another port", Codes: []int{521, 522}, Where: onTheHost,
			Needs: needs(needListeners), After: ids("listener.config-rejected", "listener.bind-failed", "cdn.ssl-mode-too-low"), Judge: judgeWrongPort,
			Doc: Doc{
				What:  "The service runs on another port than the one that the CDN contacts.",
				Looks: "521; the application answers on its own port.",
				Proof: "A service of the host listens on another public port, nothing on the CDN's, no stopped server claims it, and no origin-port rule exists.",
				Alike: []Alike{{"listener.none", "no service listens on any public port, or the one that should is stopped"}},
				Fix:   "Put a reverse proxy on 80 and 443, or set an origin-port rule at the CDN.", Prevent: "Write the port into the deployment's check.",
			},
		},
	}
}
