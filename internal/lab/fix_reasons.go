package lab

import "github.com/originward/originward"

// byHand are causes on the host that no change cures which would be safe for
// every site.
var byHand = map[originward.CauseID]string{
	"allowlist.after-real-ip":     "the site's own access rules have to be written anew",
	"backend.crashed":             "the application has to be mended",
	"backend.wrong-resolution":    "which address the backend's name should have, its owner knows",
	"capacity.accept-backlog":     "the application has to accept faster",
	"capacity.disk-full":          "which data may go, its owner knows",
	"capacity.flood":              "cured at the edge: challenge or rate-limit there",
	"firewall.container-to-host":  "the container's network is the engine's to change",
	"firewall.docker.rules":       "the engine has to write its rules anew, by a restart that ends containers",
	"http.close-without-response": "whether the name is meant to be served, its owner knows",
	"http.header-too-large":       "the application has to send less",
	"http.nested-timeouts":        "which layer should wait longest, the owner of all of them knows",
	"tls.client-cert-required":    "the better cure is at the CDN: authenticated origin pulls",
	"tls.sni-unmatched":           "the site and its certificate have to be configured",
	"loop.proxy-resolves-to-cdn":  "which address the proxy should have forwarded to, its owner knows",
	"dns.updater-failed":          "the updater needs its credentials mended, and the record is at the CDN",
}

// notHere are worlds of curable causes whose cure is not on the machine.
var notHere = map[string]string{
	"listener-none-app-killed":       "the application is no service that the host knows how to start",
	"listener-none-lighttpd-stopped": "several stopped servers are configured for the port, and which of them was the site's nothing tells",
	"app-denies-edge":                "where the application keeps its list, no file shows",
	"fd-limit-app":                   "the application is no service whose limit the host knows how to raise",
	"tunnel-service-down":            "the application is no service that the host knows how to start",
	"wrong-port-app":                 "no proxy is installed that could take the port",
	"backend-down-nginx":             "the application is no service that the host knows how to start",
	"backend-down-apache":            "the application is no service that the host knows how to start",
	"backend-down-haproxy":           "the application is no service that the host knows how to start",
	"two-family-and-backend":         "the application is no service that the host knows how to start",
	"config-rejected-nginx-upstream": "the name of the upstream exists nowhere",
	"config-rejected-nginx-syntax":   "beside the typo, the site's certificate lines are missing",
	"bind-failed-port-taken":         "which of the two programs should go, their owner knows",
	"shared-edge-haproxy":            "haproxy's rules of requests are not written by a fix",
	"geo-nginx":                      "which countries the site wants to turn away, its owner knows",
	"proxy-hop-denied":               "the tool that fills the set is not on the machine",
	"asymmetric-second-link":         "a routing rule per address of the host is needed, which a person has to write",
	"workers-haproxy":                "the limit is a trade against memory",
	"shared-edge-nginx":              "this world's visitors come from one address, and the limit is meant for it",
	"workers-fpm":                    "the application is slow; more children would only wait too",
	"rule-blocks-rate":               "which rate the site can bear, its owner knows",
	"workers-apache":                 "the limit is a trade against memory",
}

// passing are worlds whose break is no state that a file, rule or unit holds,
// so that an undo cannot bring it back: what it must bring back is the state.
var passing = map[string]string{
	"cert-not-reloaded-nginx":  "the old certificate was in the server's memory alone",
	"cert-not-reloaded-apache": "the old certificate was in the server's memory alone",
	"config-rejected-reload":   "the server ran on with a configuration that was in its memory alone",
	"stale-dns-haproxy":        "the old address was in the server's memory alone",
	"backend-stale-dns":        "the old address was in the server's memory alone",
	"throttle-haproxy":         "the limit counts anew after the restart",
	"throttle-nginx-conn":      "the connections that filled the limit ended with the reload",
	"workers-nginx":            "the connections that filled the limit ended with the reload",
	"fd-limit-nginx":           "the connections that filled the limit ended with the reload",
	"ephemeral-ports":          "the connections that held the ports end by themselves",
}
