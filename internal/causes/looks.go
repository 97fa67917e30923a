package causes

import (
	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// The looks that causes ask for most: what would answer a question, and how to
// take it.
var (
	lookHost      = Look{originward.Host, "", "collect host evidence: add --ssh USER@HOST, or run `originward host -o host.json` on the origin and add --host-evidence host.json"}
	lookListeners = Look{originward.Host, fact.QListeners, "look on the origin host (`ss -ltnp`): add --ssh root@HOST or --host-evidence FILE"}
	lookFirewall  = Look{originward.Host, fact.QFirewall, "let the origin host's packet filter be read as root: add --ssh root@HOST, or run `sudo originward host -o host.json` there and add --host-evidence host.json"}
	lookBans      = Look{originward.Host, fact.QBans, "read the ban tools' lists on the origin host as root: add --ssh root@HOST or --host-evidence FILE"}
	lookRoutes    = Look{originward.Host, fact.QRoutes, "ask the origin host which way a reply to the edge takes (`ip route get EDGE-ADDRESS`): add --ssh root@HOST or --host-evidence FILE"}
	lookAddresses = Look{originward.Host, fact.QAddresses, "compare the record with the addresses on the origin host (`ip addr`): add --ssh root@HOST or --host-evidence FILE"}
	lookServices  = Look{originward.Host, fact.QServices, "look at the web server's state on the origin host (`systemctl status`): add --ssh root@HOST or --host-evidence FILE"}
	lookBeside    = Look{originward.Host, fact.QWebConfig, "see on which address the web server is told to listen: the port is held on another address of the host"}
	lookMeant     = Look{originward.Host, fact.QWebConfig, "say which of the host's programs is to serve the site: none of their configurations names it"}
	lookWrapped   = Look{originward.Host, fact.QBans, "look on the origin host whether the server asks hosts.deny (`ldd $(command -v SERVER) | grep libwrap`)"}
	lookWeb       = Look{originward.Host, fact.QWebConfig, "read the web server's configuration on the origin host: add --ssh root@HOST or --host-evidence FILE"}
	lookCerts     = Look{originward.Host, fact.QCertificates, "compare the certificate on disk with the one served: add --ssh root@HOST or --host-evidence FILE"}
	lookLogs      = Look{originward.Host, fact.QLogs, "read the origin host's logs of the failing second as root: add --ssh root@HOST or --host-evidence FILE"}
	lookCounters  = Look{originward.Host, fact.QCounters, "read the kernel's counters on the origin host twice: add --ssh root@HOST or --host-evidence FILE"}
	lookLoad      = Look{originward.Host, fact.QLoad, "read load, memory and disks on the origin host: add --ssh root@HOST or --host-evidence FILE"}
	lookLocal     = Look{originward.Host, fact.QExchange, "make the same request on the origin host itself: add --ssh root@HOST or --host-evidence FILE"}
	lookJobs      = Look{originward.Host, fact.QJobs, "read the update jobs and their logs on the origin host: add --ssh root@HOST or --host-evidence FILE"}
	lookTunnel    = Look{originward.Host, fact.QTunnel, "read the connector's configuration and log on its host: add --ssh root@HOST or --host-evidence FILE"}
	lookNames     = Look{originward.Host, fact.QResolution, "ask on the origin host what the proxy's upstream names mean there: add --ssh root@HOST or --host-evidence FILE"}

	lookDirect   = Look{originward.Outside, fact.QExchange, "connect straight to the origin from a network that is not the CDN's: add --origin ADDRESS"}
	lookVariants = Look{originward.Outside, fact.QExchange, "repeat the exchange straight to the origin with one thing changed at a time: add --origin ADDRESS"}
	lookDNS      = Look{originward.Outside, fact.QDNS, "ask a public resolver for the name: add --resolver ADDRESS"}
	lookPath     = Look{originward.Outside, fact.QPath, "trace the path to the service port from outside: run diagnose with --watch"}
	lookRepeat   = Look{originward.Outside, fact.QRepeat, "repeat the probes over some minutes: run diagnose with --watch 2m"}

	lookEdge    = Look{originward.Edge, fact.QEdgeAnswer, "visit the site through the edge: let HOST resolve, or add --edge ADDRESS"}
	lookRecord  = Look{originward.Edge, fact.QEdgeRecord, "ask the edge's own record of the exchange: add --cdn-api URL and --cdn-token-file FILE"}
	lookMode    = Look{originward.CDN, fact.QCDNSettings, "read the CDN's SSL mode: add --cdn-token-file FILE (zone settings, read), or tell it with --ssl-mode MODE"}
	lookPools   = Look{originward.CDN, fact.QCDNBalancer, "read the pools of the CDN's load balancer: give the token the permissions Load Balancers: Read and Load Balancing: Monitors and Pools: Read"}
	lookRecords = Look{originward.CDN, fact.QCDNRecords, "read the CDN's records of the name: add --cdn-token-file FILE (DNS, read)"}
	lookSetting = Look{originward.CDN, fact.QCDNSettings, "read the CDN's settings: add --cdn-token-file FILE (zone settings, read)"}
	lookRules   = Look{originward.CDN, fact.QCDNRules, "read the CDN's rules: add --cdn-token-file FILE (zone WAF, read)"}
	lookEvents  = Look{originward.CDN, fact.QCDNEvents, "read the CDN's security events for the ray: add --cdn-token-file FILE (analytics, read)"}
)

// FirstOutside is the look from outside that comes before every other: the
// plain exchange, of which the closer ones change one thing.
var FirstOutside = lookDirect

// HowToAdd says how a whole vantage is added to a run.
func HowToAdd(w originward.Vantage) string {
	switch w {
	case originward.Outside:
		return "run it from any machine on another network, with --origin ADDRESS when DNS does not tell the origin"
	case originward.Edge:
		return lookEdge.How
	case originward.Host:
		return lookHost.How
	case originward.CDN:
		return "add --cdn-token-file FILE with a read-only token (--cdn-api URL for an edge of your own), or at least --ssl-mode MODE"
	}
	return ""
}
