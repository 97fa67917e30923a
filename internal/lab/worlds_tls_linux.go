package lab

import (
	"context"
	"time"

	"github.com/originward/originward"
)

// outsideDecides: what a handshake from outside shows is all the proof there is.
var outsideDecides = []originward.Vantage{originward.Outside, originward.Host}

// badCert is a world of mode strict whose origin serves a certificate that
// strict refuses; a good one cures it.
func badCert(name, title string, cause originward.CauseID, spec CertSpec, chain bool) *World {
	put := func(spec CertSpec, chain bool) func(context.Context, *Stage) error {
		return func(ctx context.Context, s *Stage) error {
			if err := s.Cert(spec, chain); err != nil {
				return err
			}
			return s.Origin.Sh(ctx, "nginx -s reload")
		}
	}
	return &World{
		Name: name, Title: title, Code: 526, SSL: originward.SSLStrict,
		Causes: []originward.CauseID{cause}, Decides: outsideDecides, Needs: []string{"nginx"},
		Setup: healthyNginx, Break: put(spec, chain), Cure: put(CertSpec{}, true),
	}
}

func tlsWorlds() []*World {
	day := 24 * time.Hour
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	return []*World{
		badCert("cert-expired", "the certificate has expired", "tls.cert-expired", CertSpec{NotBefore: ago(91 * day), NotAfter: ago(day)}, true),
		badCert("cert-self-signed", "the server serves a self-signed certificate", "tls.cert-default-or-self-signed", CertSpec{SelfSigned: true}, false),
		badCert("cert-name-mismatch", "the certificate is for another name", "tls.cert-name-mismatch", CertSpec{Names: []string{"other.example"}}, true),
		badCert("chain-incomplete", "the intermediate certificate is not sent", "tls.chain-incomplete", CertSpec{}, false),
		{
			Name: "cert-not-reloaded", Title: "the certificate was renewed on disk, nginx still serves the old one",
			Code: 526, SSL: originward.SSLStrict, Causes: []originward.CauseID{"tls.cert-not-reloaded"}, Decides: hostDecides,
			Needs: []string{"nginx"}, Unhealthy: "the old certificate has expired already",
			Setup: func(ctx context.Context, s *Stage) error {
				if err := s.Cert(CertSpec{NotBefore: ago(91 * day), NotAfter: ago(day)}, true); err != nil {
					return err
				}
				if err := healthyNginx(ctx, s); err != nil {
					return err
				}
				return s.Cert(CertSpec{}, true)
			},
			Cure: sh("nginx -s reload"),
		},
		{
			Name: "plain-http-on-443", Title: "port 443 answers in plain HTTP",
			Code: 525, Causes: []originward.CauseID{"tls.plain-http-on-port"}, Decides: outsideDecides, Needs: []string{"nginx"},
			Setup: healthyNginx, Break: reload(`server { listen 80; listen 443; server_name shop.example; return 200 "plain\n"; }`),
			Cure: reload(nginxSite),
		},
		{
			Name: "sni-unmatched", Title: "nginx rejects handshakes for names it does not know",
			Code: 525, Causes: []originward.CauseID{"tls.sni-unmatched"}, Decides: outsideDecides, Needs: []string{"nginx"},
			Setup: healthyNginx, Break: reload(`server { listen 443 ssl default_server; ssl_reject_handshake on; }
server { listen 443 ssl; server_name other.example; ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; }`),
			Cure: reload(nginxSite),
		},
		{
			Name: "client-cert-required", Title: "nginx demands a client certificate that the edge does not send",
			Code: 400, Causes: []originward.CauseID{"tls.client-cert-required"}, Decides: outsideDecides, Needs: []string{"nginx"},
			Setup: healthyNginx, Break: reload(`server { listen 443 ssl; server_name shop.example; ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key;
ssl_verify_client on; ssl_client_certificate /etc/ssl/shop.pem; return 200 "hi"; }`),
			Cure: reload(nginxSite),
		},
	}
}
