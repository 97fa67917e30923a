package lab

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/netns"
)

// vendorWorlds are about what another vendor's machines say: a hosting
// platform that was not told about the name, another CDN's edge, the edge's
// own cache.
func vendorWorlds() []*World {
	const noApp = "<!DOCTYPE html><html><head><title>No such app</title></head><body><iframe src=\"//www.herokucdn.com/error-pages/no-such-app.html\"></iframe></body></html>"
	unclaimed := World{
		Code: 404, Causes: ids("platform.hostname-unclaimed"), Stands: originward.Likely, Decides: []originward.Vantage{originward.Edge, originward.Outside},
		Unhealthy: "the platform never knew the name",
	}
	kept := map[string]any{"cache": map[string]any{"level": "everything"}}
	return []*World{
		unclaimed.with(func(w *World) {
			w.Name, w.Title = "platform-unclaimed-cname", "the record leads to a hosted platform, which has no application of that name"
			w.Records, w.Names = cname("shop.herokudns.com"), []Name{{"shop.herokudns.com", Tenant4.String()}}
			w.Setup = steps(tenant(""), platform(noApp))
		}),
		unclaimed.with(func(w *World) {
			w.Name, w.Title = "platform-unclaimed-address", "the record holds an address of a hosted platform, which has no site of that name"
			w.Records = record(Tenant4.String())
			w.Setup = steps(tenant(""), platform("<html><head><title>Site not found &middot; GitHub Pages</title></head><body><p><strong>There isn't a GitHub Pages site here.</strong></p></body></html>"))
		}),
		{
			Name: "healthy-missing-page", Title: "the site answers 404 with a page of its own", Noisy: true, Needs: []string{"nginx"},
			Setup: healthyNginx, Break: reload(site(`location / { return 404 "<html><head><title>Not found</title></head><body>No such product. Our app has it all.</body></html>"; }`)),
		},
		{
			Name: "cached-error", Title: "the edge keeps an error that the origin marked as cacheable, and the origin is well again",
			Code: 500, Causes: ids("cdn.cached-error"), Decides: []originward.Vantage{originward.Edge}, Needs: []string{"nginx", "curl"}, Warm: true, Zone: kept,
			Unhealthy: "the first answer would be kept",
			Setup:     healthyNginx,
			Break: steps(reload(site(`location / { add_header Cache-Control "public, max-age=3600" always; return 500 "error\n"; }`)),
				visitOnce, reload(nginxSite)),
		},
		{
			Name: "protocol-policy", Title: "another CDN speaks https to an origin that serves http only",
			Code: 502, Causes: ids("cdn.protocol-policy"), Stands: originward.Likely, Needs: []string{"nginx"},
			Unhealthy: "the policy is wrong from the start", Front: otherEdge,
			Setup: steps(nginx("server { listen 80; server_name shop.example; return 200 \"plain\\n\"; }", 80), otherVendor(http.StatusBadGateway, map[string]string{
				"Server": "CloudFront", "X-Cache": "Error from cloudfront", "X-Amz-Cf-Id": "kJ0p3m9Yq0v7h2l5r8s1t4u6w9x0", "X-Amz-Cf-Pop": "FRA56-P2", "Via": "1.1 0123456789abcdef.cloudfront.net (CloudFront)",
			}, "<html><head><title>ERROR: The request could not be satisfied</title></head><body><h1>502 ERROR</h1>CloudFront wasn't able to connect to the origin.</body></html>")),
		},
	}
}

// visitOnce lets one visitor come through the edge.
func visitOnce(ctx context.Context, s *Stage) error {
	_, err := s.Client.Run(ctx, "curl", "-sko", "/dev/null", "-m", "5", "--connect-to", "::"+EdgeFront.String(), s.url())
	return err
}

// platform makes a step that puts a hosting platform at Tenant4: it serves the
// names that it was told of, and one page for all others.
func platform(page string) step {
	return func(_ context.Context, s *Stage) error {
		return s.serveTLS(s.more[len(s.more)-1], netip.AddrPortFrom(Tenant4, 443), Site, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, page)
		})
	}
}

// otherVendor makes a step that serves one answer of another vendor's edge.
func otherVendor(status int, head map[string]string, page string) step {
	return func(_ context.Context, s *Stage) error {
		own := netip.PrefixFrom(otherEdge, 32)
		if err := s.Edge.NS.AddAddr("eth0", own); err != nil {
			return err
		}
		if err := s.Router.NS.AddRoute(netns.Route{Dst: own, Via: netip.MustParseAddr("10.255.1.2")}); err != nil {
			return err
		}
		return s.serveTLS(s.Edge, netip.AddrPortFrom(otherEdge, 443), Site, func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range head {
				w.Header().Set(k, v)
			}
			w.WriteHeader(status)
			fmt.Fprint(w, page)
		})
	}
}
