package lab

import (
	"strings"

	"github.com/originward/originward"
)

// tunnelWorlds have their origin behind a connector.
func tunnelWorlds() []*World {
	const plain = "http://127.0.0.1:3000"
	start := func(id, service string) step {
		return steps(app(3000, "ok"), tunnelNetwork(tunnelID), connector(id, service))
	}
	again := func(service string, more ...string) step {
		return steps(sh(connectorStop+"; : >"+tunnelLog), connector(tunnelID, service, more...))
	}
	up := logged(tunnelLog, "Registered tunnel connection")
	base := World{
		Code: 502, Decides: hostDecides, Needs: []string{"python3"}, Records: tunnelRecord(tunnelID), Front: tunnelFront,
		Names: []Name{{tunnelRegion, tunnelEnd.String()}},
		Setup: steps(start(tunnelID, plain), up), Cure: steps(again(plain), up),
	}
	return []*World{
		base.with(func(w *World) {
			w.Name, w.Title, w.Noisy, w.Code, w.Decides, w.Cure, w.Break = "healthy-tunnel", "the site is behind a tunnel and nothing is wrong", true, 0, nil, nil, nothing
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "tunnel-egress-blocked", "the host's firewall lets nothing out to port 7844", 530, ids("tunnel.egress-blocked")
			w.Needs = append(w.Needs, "nft")
			w.Break = steps(sh("nft 'add table inet egress; add chain inet egress out { type filter hook output priority 0; }; add rule inet egress out tcp dport 7844 drop; add rule inet egress out udp dport 7844 drop'"),
				again(plain), logged(tunnelLog, "i/o timeout"))
			w.Cure = steps(sh(nftFlush), up)
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "tunnel-egress-dns", "the connector cannot resolve the names of the CDN's side", 530, ids("tunnel.egress-blocked")
			w.Break = steps(sh("sed -i 's/^nameserver.*/nameserver 127.0.0.53/' /etc/resolv.conf"), again(plain), logged(tunnelLog, "edge discovery"))
			w.Cure = steps(sh("sed -i 's/^nameserver.*/nameserver "+Resolver.String()+"/' /etc/resolv.conf"), up)
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "tunnel-record-stale", "the record names a tunnel that was deleted; another one's connector runs", 530, ids("tunnel.record-stale")
			w.Decides = append([]originward.Vantage{originward.CDN}, hostDecides...)
			const old = "11111111-2222-4333-8444-555555555555"
			w.Records, w.Unhealthy, w.Cure = tunnelRecord(old), "the record is wrong from the start", nil
			w.Setup = steps(app(3000, "ok"), tunnelNetwork(old), connector(tunnelID, plain), up)
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Causes = "tunnel-ipv6-localhost", "the rule says localhost, which is ::1 first, and the service listens on 127.0.0.1", ids("tunnel.origin-ipv6-localhost")
			w.Break = steps(again("http://localhost:3000"), up)
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Causes = "tunnel-tls-untrusted", "the service's certificate is self-signed and the connector verifies it", ids("tunnel.origin-tls-untrusted")
			w.Setup = steps(start(tunnelID, plain), up, cert(CertSpec{SelfSigned: true, Names: []string{"127.0.0.1"}}, false), app(3443, "tls"))
			w.Break = steps(again("https://127.0.0.1:3443"), up)
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Causes = "tunnel-https-to-http", "the rule speaks TLS to a service of plain http", ids("tunnel.scheme-mismatch")
			w.Break = steps(again(strings.Replace(plain, "http", "https", 1)), up)
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "tunnel-http-to-tls", "the rule speaks http to a service of TLS", 400, ids("tunnel.scheme-mismatch")
			w.Needs = append(w.Needs, "nginx")
			w.Setup = steps(start(tunnelID, plain), up, nginx("server { listen 127.0.0.1:3443 ssl; ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; return 200 \"hi\\n\"; }", 3443))
			w.Break = steps(again("http://127.0.0.1:3443"), up)
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Causes = "tunnel-localhost-in-container", "the rule says localhost, and the connector runs in a container", ids("tunnel.localhost-in-container")
			w.Needs, w.Cure, w.Unhealthy = append(w.Needs, "iptables", "ip"), nil, "the rule is wrong from the start"
			w.Setup = steps(app(3000, "ok", "0.0.0.0"), tunnelNetwork(tunnelID), containedConnector(tunnelID, plain))
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Causes = "tunnel-connector-bug", "a faulty version of the connector panics at every request", ids("tunnel.connector-bug")
			w.Stands = originward.Likely
			w.Break = steps(again(plain, "faulty: yes"), up)
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Causes = "tunnel-dashboard-localhost", "the rule of a tunnel that is configured at the CDN says localhost, which is ::1 first, and the service listens on 127.0.0.1", ids("tunnel.origin-ipv6-localhost")
			w.Setup, w.Unhealthy, w.Cure = steps(app(3000, "ok"), tunnelNetwork(tunnelID), pushed("http://localhost:3000"), up), "the rule is wrong from the start", nil
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Causes = "tunnel-service-down", "the service behind the connector was stopped", ids("backend.down")
			w.Break, w.Cure = sh(appStop(3000)), app(3000, "ok")
		}),
	}
}
