package lab

import (
	"context"
	"time"

	"github.com/originward/originward"
)

const day = 24 * time.Hour

func ago(d time.Duration) time.Time { return time.Now().Add(-d) }

// cert makes a step that puts a certificate in place.
func cert(spec CertSpec, chain bool) step {
	return func(_ context.Context, s *Stage) error { return s.Cert(spec, chain) }
}

// badCert is a world of mode strict whose origin serves a certificate that
// strict refuses; a good one cures it.
func badCert(name, title string, cause originward.CauseID, spec CertSpec, chain bool) *World {
	return &World{
		Name: name, Title: title, Code: 526, SSL: originward.SSLStrict,
		Causes: ids(cause), Decides: outsideDecides, Needs: []string{"nginx"}, Setup: healthyNginx,
		Break: steps(cert(spec, chain), sh(nginxReload)), Cure: steps(cert(CertSpec{}, true), sh(nginxReload)),
	}
}

func tlsWorlds() []*World { return append(certWorlds(), handshakeWorlds()...) }

// revoked gives nginx a stapled answer that says revoked.
func revoked(ctx context.Context, s *Stage) error {
	leaf, err := s.Origin.Read(certFile)
	if err != nil {
		return err
	}
	answer, err := s.Sub.Revoked([]byte(leaf))
	if err != nil {
		return err
	}
	if err := s.Origin.Write("/etc/ssl/shop.ocsp", string(answer)); err != nil {
		return err
	}
	return reload(replace(nginxSite, "server_name shop.example", "ssl_stapling on; ssl_stapling_file /etc/ssl/shop.ocsp;\n\tserver_name shop.example"))(ctx, s)
}

func certWorlds() []*World {
	expired := CertSpec{NotBefore: ago(91 * day), NotAfter: ago(day)}
	return []*World{
		badCert("cert-expired-nginx", "the certificate has expired", "tls.cert-expired", expired, true),
		badCert("cert-expired-apache", "the certificate that Apache serves has expired", "tls.cert-expired", expired, true).with(func(w *World) {
			w.Needs, w.Setup = []string{"apache2"}, steps(apache(apacheSite("")), listens(443))
			w.Break, w.Cure = steps(cert(expired, true), sh("apache2ctl graceful")), steps(cert(CertSpec{}, true), sh("apache2ctl graceful"))
		}),
		badCert("cert-self-signed", "the server serves a self-signed certificate", "tls.cert-default-or-self-signed", CertSpec{SelfSigned: true}, false),
		badCert("cert-default", "the server serves a panel's default certificate", "tls.cert-default-or-self-signed",
			CertSpec{SelfSigned: true, Names: []string{"localhost.localdomain"}}, false),
		badCert("cert-revoked", "the certificate was revoked, and the server staples that answer", "tls.cert-revoked", CertSpec{}, true).with(func(w *World) {
			w.Break, w.Cure = revoked, reload(nginxSite)
		}),
		badCert("cert-name-mismatch", "the certificate is for another name", "tls.cert-name-mismatch", CertSpec{Names: []string{"other.example"}}, true),
		badCert("cert-name-www-only", "the certificate covers www alone", "tls.cert-name-mismatch", CertSpec{Names: []string{"www.shop.example"}}, true),
		badCert("cert-not-yet-valid", "the certificate is valid from tomorrow on: a wrong clock stamped it", "tls.clock-skew",
			CertSpec{NotBefore: ago(-day)}, true).with(func(w *World) { w.Stands = originward.Likely }),
		badCert("chain-incomplete-nginx", "the intermediate certificate is not sent", "tls.chain-incomplete", CertSpec{}, false),
		badCert("chain-incomplete-certbot", "nginx sends certbot's cert.pem, not its fullchain.pem", "tls.chain-incomplete", CertSpec{}, true).with(func(w *World) {
			live := replace(nginxSite, "/etc/ssl/shop.pem", "/etc/letsencrypt/live/shop.example/cert.pem", "/etc/ssl/shop.key", "/etc/letsencrypt/live/shop.example/privkey.pem")
			w.Break = steps(sh(`mkdir -p /etc/letsencrypt/archive/shop.example /etc/letsencrypt/live/shop.example; cd /etc/letsencrypt/archive/shop.example
openssl x509 -in /etc/ssl/shop.pem -out cert1.pem; cp /etc/ssl/shop.key privkey1.pem; cp /etc/ssl/shop.pem fullchain1.pem
for f in cert privkey fullchain; do ln -s ../../archive/shop.example/${f}1.pem ../../live/shop.example/$f.pem; done`), reload(live))
			w.Cure = reload(nginxSite)
		}),
		badCert("chain-incomplete-haproxy", "haproxy's file holds the leaf alone", "tls.chain-incomplete", CertSpec{}, false).with(func(w *World) {
			w.Needs = []string{"haproxy", "python3"}
			w.Setup = steps(app(3000, "ok"), haproxy(haproxyConf("", haproxyApp)))
			w.Break = steps(sh(haproxyStop), cert(CertSpec{}, false), haproxy(haproxyConf("", haproxyApp)))
			w.Cure = steps(sh(haproxyStop), cert(CertSpec{}, true), haproxy(haproxyConf("", haproxyApp)))
		}),
		{
			Name: "cert-not-reloaded-nginx", Title: "the certificate was renewed on disk, nginx still serves the old one",
			Code: 526, SSL: originward.SSLStrict, Causes: ids("tls.cert-not-reloaded"), Decides: hostDecides,
			Needs: []string{"nginx"}, Unhealthy: "the old certificate has expired already",
			Setup: steps(cert(expired, true), healthyNginx, cert(CertSpec{}, true)), Cure: sh(nginxReload),
		},
		{
			Name: "cert-not-reloaded-apache", Title: "the certificate was renewed on disk, Apache still serves the old one",
			Code: 526, SSL: originward.SSLStrict, Causes: ids("tls.cert-not-reloaded"), Decides: hostDecides,
			Needs: []string{"apache2"}, Unhealthy: "the old certificate has expired already",
			Setup: steps(cert(expired, true), apache(apacheSite("")), listens(443), cert(CertSpec{}, true)), Cure: sh("apache2ctl graceful"),
		},
		{
			Name: "acme-blocked", Title: "the certificate expired because its renewal fails behind the proxy",
			Code: 526, SSL: originward.SSLStrict, Causes: ids("tls.acme-blocked-by-proxy"), Decides: hostDecides, Needs: []string{"nginx"},
			Unhealthy: "the certificate has expired already", Stands: originward.Likely, Also: ids("tls.cert-expired"),
			Setup: steps(cert(expired, true), healthyNginx, sh(`mkdir -p /var/log/letsencrypt /etc/letsencrypt/renewal
printf 'version = 2.1.0\ncert = /etc/ssl/shop.pem\nfullchain = /etc/ssl/shop.pem\nprivkey = /etc/ssl/shop.key\n[renewalparams]\nauthenticator = webroot\n' >/etc/letsencrypt/renewal/shop.example.conf
t=$(date -u '+%Y-%m-%d %H:%M:%S'); printf '%s,123:DEBUG:certbot._internal.main:certbot version: 2.1.0\n%s,124:INFO:certbot._internal.auth_handler:Performing the following challenges:\n%s,125:WARNING:certbot._internal.auth_handler:Challenge failed for domain shop.example\n%s,126:ERROR:certbot._internal.renewal:Failed to renew certificate shop.example with error: Some challenges have failed. Detail: 198.51.100.10: Invalid response from https://shop.example/.well-known/acme-challenge/x: 526\n' "$t" "$t" "$t" "$t" >/var/log/letsencrypt/letsencrypt.log`)),
		},
	}
}

func handshakeWorlds() []*World {
	tls := World{Code: 525, Decides: outsideDecides, Needs: []string{"nginx"}, Setup: healthyNginx, Cure: reload(nginxSite)}
	server := func(more string) string {
		return `server { listen 80; listen 443 ssl; server_name shop.example; ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key;
` + more + ` location / { return 200 "hi"; } }`
	}
	fwd := func(rule string) step {
		return routerSh("nft -f - <<'N'\ntable ip dpi { chain forwarding { type filter hook forward priority 0;\n" + rule + "\n}\n}\nN")
	}
	return []*World{
		tls.with(func(w *World) {
			w.Name, w.Title, w.Causes = "plain-http-on-443-nginx", "nginx answers on 443 in plain http", ids("tls.plain-http-on-port")
			w.Break = reload(`server { listen 80; listen 443; server_name shop.example; return 200 "plain\n"; }`)
		}),
		tls.with(func(w *World) {
			w.Name, w.Title, w.Causes, w.Needs = "plain-http-on-443-apache", "Apache's virtual host on 443 has no SSLEngine", ids("tls.plain-http-on-port"), []string{"apache2"}
			w.Setup = steps(apache(apacheSite("")), listens(443))
			w.Break, w.Cure = apacheReload(replace(apacheSite(""), "SSLEngine on", "SSLEngine off")), apacheReload(apacheSite(""))
		}),
		tls.with(func(w *World) {
			w.Name, w.Title, w.Causes = "sni-unmatched-nginx", "nginx rejects handshakes for names it does not know", ids("tls.sni-unmatched")
			w.Break = reload(`server { listen 443 ssl default_server; ssl_reject_handshake on; }
server { listen 443 ssl; server_name other.example; ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; }`)
		}),
		tls.with(func(w *World) {
			w.Name, w.Title, w.Causes, w.Needs = "sni-unmatched-haproxy", "haproxy's strict-sni finds no certificate for the name", ids("tls.sni-unmatched"), []string{"haproxy", "python3"}
			good := haproxyConf("", haproxyApp)
			w.Setup = steps(app(3000, "ok"), haproxy(good))
			w.Break = steps(sh(haproxyStop), cert(CertSpec{Names: []string{"other.example"}}, true), haproxy(replace(good, "shop-pair.pem", "shop-pair.pem strict-sni")))
			w.Cure = steps(sh(haproxyStop), cert(CertSpec{}, true), haproxy(good))
		}),
		tls.with(func(w *World) {
			w.Name, w.Title, w.Causes = "tls-cipher", "nginx offers one cipher that no edge offers", ids("tls.version-or-cipher")
			w.Break = reload(server("ssl_protocols TLSv1.2; ssl_ciphers ECDHE-ECDSA-CHACHA20-POLY1305;"))
		}),
		tls.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "client-cert-required-nginx", "nginx demands a client certificate that the edge does not send", 400, ids("tls.client-cert-required")
			w.Break = reload(server("ssl_verify_client on; ssl_client_certificate /etc/ssl/shop.pem;"))
		}),
		tls.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes, w.Needs = "client-cert-required-haproxy", "haproxy demands a client certificate in the handshake", 0, ids("tls.client-cert-required"), []string{"haproxy", "python3"}
			good := haproxyConf("", haproxyApp)
			w.Setup = steps(app(3000, "ok"), haproxy(good))
			w.Break = steps(sh(haproxyStop), haproxy(replace(good, "shop-pair.pem", "shop-pair.pem verify required ca-file /etc/ssl/shop.pem")))
			w.Cure = steps(sh(haproxyStop), haproxy(good))
		}),
		tls.with(func(w *World) {
			w.Name, w.Title, w.Code = "clienthello-split", "a device before the host drops a ClientHello that spans two packets; this edge sends small ones", 0
			w.Noisy, w.Latent, w.Decides = true, ids("tls.clienthello-split"), nil
			w.Needs = append(w.Needs, "nft")
			// A large hello's first segment is full; nothing else towards the host is.
			w.Break, w.Cure = fwd("ip daddr 203.0.113.10 tcp dport 443 meta length > 1200 drop"), routerSh(nftFlush)
		}),
		tls.with(func(w *World) {
			w.Name, w.Title, w.Causes, w.Needs = "sni-filtered", "a device before the host resets handshakes that name the site", ids("tls.sni-filtered"), []string{"nginx", "iptables"}
			w.Break = routerSh("iptables -A FORWARD -d 203.0.113.10 -p tcp --dport 443 -m string --string shop.example --algo bm -j REJECT --reject-with tcp-reset")
			w.Cure = routerSh("iptables -F FORWARD")
		}),
		{
			Name: "upstream-sni-missing", Title: "nginx speaks TLS to its backend without a server name, and the backend rejects that",
			Code: 502, Causes: ids("tls.upstream-sni-missing"), Decides: hostDecides, Needs: []string{"nginx"}, Setup: healthyNginx,
			Break: reload(site("location / { proxy_pass https://127.0.0.1:9443; proxy_ssl_name inner.example; }") + `
server { listen 127.0.0.1:9443 ssl default_server; ssl_reject_handshake on; }
server { listen 127.0.0.1:9443 ssl; server_name inner.example; ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; return 200 "inner\n"; }`),
			Cure: reload(nginxSite),
		},
	}
}
