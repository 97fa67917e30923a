package lab

import (
	"context"
	"strings"

	"github.com/originward/originward"
)

// site is nginxSite with another location block.
func site(location string) string {
	return strings.Replace(nginxSite, `location / { return 200 "hello from the origin\n"; }`, location, 1)
}

// configured is a world that a configuration of nginx breaks.
func configured(name, title string, code int, cause originward.CauseID, http string) *World {
	return &World{
		Name: name, Title: title, Code: code, Causes: []originward.CauseID{cause}, Decides: hostDecides,
		Needs: []string{"nginx"}, Setup: healthyNginx, Break: reload(http), Cure: reload(nginxSite),
	}
}

func httpWorlds() []*World {
	return []*World{
		configured("close-444", "nginx closes without an answer for this host", 520, "http.close-without-response",
			site(`location / { return 444; }`)),
		configured("backend-down", "nginx proxies to an application that does not run", 502, "backend.down",
			site(`location / { proxy_pass http://127.0.0.1:3000; }`)),
	}
}

func dnsWorlds() []*World {
	record := func(content string) []originward.Record {
		t := originward.RecordA
		if strings.Contains(content, ":") {
			t = originward.RecordAAAA
		}
		return []originward.Record{{Type: t, Name: Site, Content: content, Proxied: true}}
	}
	cdnDecides := []originward.Vantage{originward.CDN, originward.Outside}
	return []*World{
		{
			Name: "dns-stale-address", Title: "the record holds an address that the server no longer has",
			Code: 0, Causes: []originward.CauseID{"dns.stale-address"}, Decides: hostDecides,
			Needs: []string{"nginx"}, Records: record(Nobody4.String()), Setup: healthyNginx,
			Unhealthy: "the record is wrong from the start",
		},
		{
			Name: "dns-placeholder", Title: "the record is a placeholder and no rule answers",
			Causes: []originward.CauseID{"dns.placeholder-without-route"}, Decides: cdnDecides,
			Records: record("192.0.2.1"), Unhealthy: "there is no origin", Setup: func(context.Context, *Stage) error { return nil },
		},
		{
			Name: "dns-target-unresolvable", Title: "the record points at a name that does not exist",
			Code: 530, Causes: []originward.CauseID{"dns.target-unresolvable"}, Decides: cdnDecides,
			Records:   []originward.Record{{Type: originward.RecordCNAME, Name: Site, Content: "gone.hosting.example", Proxied: true}},
			Unhealthy: "there is no origin",
		},
		{
			Name: "dns-aaaa-unserved", Title: "an AAAA record is published, the host has no such address",
			Causes: []originward.CauseID{"dns.aaaa-unserved"}, Decides: hostDecides, Needs: []string{"nginx"},
			Records: append(record(Origin4.String()), record("2001:db8:a::dead")...), Setup: healthyNginx,
			Unhealthy: "the record is wrong from the start",
		},
		{
			Name: "dns-duplicate-records", Title: "an old record stands beside the right one",
			Causes: []originward.CauseID{"dns.duplicate-records"}, Decides: cdnDecides, Needs: []string{"nginx"},
			Records: append(record(Origin4.String()), record(Nobody4.String())...), Setup: healthyNginx,
			Unhealthy: "the record is wrong from the start",
		},
		{
			Name: "record-grey", Title: "the record is DNS-only and the origin is down",
			Causes: []originward.CauseID{"cdn.record-grey", "listener.none"}, Decides: hostDecides, Needs: []string{"nginx"},
			Records: []originward.Record{{Type: originward.RecordA, Name: Site, Content: Origin4.String()}}, Setup: healthyNginx,
			Unhealthy: "the edge does not serve the name",
			Break:     sh("nginx -s quit"),
		},
		{
			Name: "ssl-mode-too-low", Title: "mode flexible meets an origin that redirects to https",
			SSL: originward.SSLFlexible, Causes: []originward.CauseID{"cdn.ssl-mode-too-low"}, Needs: []string{"nginx"},
			Decides:   []originward.Vantage{originward.Outside, originward.CDN},
			Unhealthy: "the mode is wrong from the start",
			Setup: func(ctx context.Context, s *Stage) error {
				err := s.Nginx(ctx, `server { listen 80; server_name shop.example; return 301 https://$host$request_uri; }
server { listen 443 ssl; server_name shop.example; ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; return 200 "hi"; }`)
				if err != nil {
					return err
				}
				return s.WaitListen(ctx, 443)
			},
		},
	}
}
