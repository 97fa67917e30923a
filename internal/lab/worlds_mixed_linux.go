package lab

import "github.com/originward/originward"

// mixedWorlds have two independent causes at once.
func mixedWorlds() []*World {
	expired := CertSpec{NotBefore: ago(91 * day), NotAfter: ago(day)}
	two := World{Decides: hostDecides, Needs: []string{"nginx"}, Setup: healthyNginx}
	return []*World{
		two.with(func(w *World) {
			w.Name, w.Title, w.SSL = "two-expired-and-range", "the certificate has expired, and one range of the CDN is dropped", originward.SSLStrict
			w.Causes, w.Needs = ids("tls.cert-expired", "firewall.host.range-blocked"), append(w.Needs, "iptables")
			w.Break = steps(cert(expired, true), sh(nginxReload+"; iptables -A INPUT -s 173.245.48.0/20 -j DROP"))
			w.Cure = steps(cert(CertSpec{}, true), sh(nginxReload+"; iptables -F INPUT"))
			w.Decides = nil
		}),
		two.with(func(w *World) {
			w.Name, w.Title = "two-family-and-backend", "IPv6 has no listener, and behind IPv4 the application is down"
			w.Causes, w.Records = ids("listener.family-missing", "backend.down"), bothFamilies
			w.Break, w.Cure = restartNginx(replace(site(toApp), "listen [::]:80;", "", "listen [::]:443 ssl;", "")), cureNginx
		}),
		two.with(func(w *World) {
			w.Name, w.Title = "two-ban-and-444", "one address of the edge is banned, and the others are closed on"
			w.Causes, w.Needs = ids("ban.edge-ip", "http.close-without-response"), append(w.Needs, "fail2ban-server", "iptables")
			w.Break = steps(reload(site("location / { return 444; }")), fail2ban("iptables-multiport", Egress[1]))
			w.Cure = steps(unban(Egress[1]), reload(nginxSite))
		}),
		two.with(func(w *World) {
			w.Name, w.Title = "two-stopped-and-closed", "nginx is stopped, and the firewall drops 443 besides"
			w.Code, w.Causes, w.Needs = 522, ids("firewall.host.port-closed", "listener.none"), append(w.Needs, "nft")
			w.Break, w.Cure = sh(nginxQuit+"; "+nftInput("drop", "")), steps(sh(nftFlush+"; nginx"), listens(443))
		}),
	}
}
