package lab

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/originward/originward"
)

// alikeWorlds fail before the edge speaks to an origin, or beside it.
func alikeWorlds() []*World {
	return []*World{
		{
			Name: "visitor-isp-block", Title: "the visitor's provider drops connections to the CDN", Undecided: true,
			Latent: ids("lookalike.visitor-isp-block"), Needs: []string{"nginx", "nft"}, Setup: healthyNginx,
			Break: routerSh("nft 'add table ip isp; add chain ip isp forwarding { type filter hook forward priority 0; }; add rule ip isp forwarding ip saddr 198.51.100.64/27 ip daddr 198.51.100.10 tcp dport { 80, 443 } drop'"),
			Cure:  routerSh(nftFlush),
		},
		{
			Name: "edge-cert-missing", Title: "the CDN's certificate covers one level of subdomains, the visitor asks for two",
			URL: "https://a.b.shop.example/", Causes: ids("lookalike.edge-cert-missing"), Stands: originward.Likely, Needs: []string{"nginx"},
			Records: []originward.Record{
				{Type: originward.RecordA, Name: Site, Content: Origin4.String(), Proxied: true},
				{Type: originward.RecordA, Name: "a.b." + Site, Content: Origin4.String(), Proxied: true},
			},
			EdgeNames: []string{Site, "*." + Site}, Unhealthy: "the certificate is so from the start",
			Setup: steps(cert(CertSpec{Names: []string{Site, "a.b." + Site}}, true), nginx(replace(nginxSite, "www.shop.example", "a.b.shop.example"), 443)),
		},
		{
			Name: "healthy-edge-cert", Title: "the CDN's own certificate is a public one and covers the name",
			Noisy: true, EdgeNames: []string{Site, "*." + Site}, Needs: []string{"nginx"}, Setup: healthyNginx, Break: nothing,
		},
		{
			Name: "other-cdn-code", Title: "the name leads to another CDN, whose 521 means that it does not know the host",
			Code: 521, Causes: ids("lookalike.other-cdn-code"), Needs: []string{"nginx"}, Decides: []originward.Vantage{originward.Edge},
			Unhealthy: "the other CDN never knew the host", Args: []string{"--edge", otherEdge.String()}, Setup: steps(healthyNginx, otherVendor(521, map[string]string{
				"Server": "BunnyCDN-DE1-1080", "CDN-PullZone": "12345", "CDN-RequestId": "0123456789abcdef0123456789abcdef",
			}, "<html><head><title>Domain suspended or not configured</title></head><body></body></html>")),
		},
		{
			Name: "isp-port-block", Title: "the host stands behind a router that forwards no web ports", Undecided: true, Code: 522,
			Latent: ids("path.isp-port-block"), Needs: []string{"nginx", "nft"}, Unhealthy: "the router never forwarded them",
			Records: record(Balancer.String()),
			Setup:   steps(behindRouter, healthyNginx),
		},
	}
}

// otherEdge is where another CDN's edge stands.
var otherEdge = netip.MustParseAddr("198.51.100.30")

// behindRouter gives the origin a private address behind the provider's
// router, which keeps web ports to itself.
func behindRouter(ctx context.Context, s *Stage) error {
	if err := s.Router.Sh(ctx, `ip addr add 192.168.1.1/24 dev up2; ip addr add `+Balancer.String()+`/32 dev lo
nft 'add table ip home; add chain ip home in { type filter hook input priority 0; }; add rule ip home in ip daddr `+Balancer.String()+` tcp dport { 80, 443 } drop; add chain ip home post { type nat hook postrouting priority 100; }; add rule ip home post ip saddr 192.168.1.0/24 masquerade'`); err != nil {
		return err
	}
	return s.Origin.Sh(ctx, "ip addr add 192.168.1.10/24 dev eth0; ip addr del 203.0.113.10/24 dev eth0; ip route replace default via 192.168.1.1")
}

// edgeCert issues the certificate that the edge shows to visitors, when the
// world names one.
func (s *Stage) edgeCert() (map[string]any, error) {
	certPEM, keyPEM, err := s.Sub.Issue(CertSpec{Names: s.World.EdgeNames})
	if err != nil {
		return nil, err
	}
	cert, key := filepath.Join(s.Dir, "edge.pem"), filepath.Join(s.Dir, "edge.key")
	if err := os.WriteFile(cert, append(certPEM, s.Sub.PEM...), 0o600); err != nil {
		return nil, err
	}
	return map[string]any{"cert": cert, "key": key}, os.WriteFile(key, keyPEM, 0o600)
}
