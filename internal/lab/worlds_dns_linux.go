package lab

import (
	"strings"

	"github.com/originward/originward"
)

// record is one proxied record of the site.
func record(content string) []originward.Record {
	t := originward.RecordA
	if strings.Contains(content, ":") {
		t = originward.RecordAAAA
	}
	return []originward.Record{{Type: t, Name: Site, Content: content, Proxied: true}}
}

func cname(target string) []originward.Record {
	return []originward.Record{{Type: originward.RecordCNAME, Name: Site, Content: target, Proxied: true}}
}

const wrongRecord = "the record is wrong from the start"

func dnsWorlds() []*World {
	stale := World{Causes: ids("dns.stale-address"), Decides: hostDecides, Needs: []string{"nginx"}, Unhealthy: wrongRecord, Setup: healthyNginx}
	double := World{Causes: ids("dns.duplicate-records"), Needs: []string{"nginx"}, Unhealthy: wrongRecord, Setup: healthyNginx}
	return []*World{
		stale.with(func(w *World) {
			w.Name, w.Title, w.Records = "stale-address-dead", "the record holds an address that no machine has", record(Nobody4.String())
		}),
		stale.with(func(w *World) {
			w.Name, w.Title, w.Code, w.SSL = "stale-address-tenant", "the record holds an address that a stranger has now, whose certificate is his own", 526, originward.SSLStrict
			w.Records, w.Setup = record(Tenant4.String()), steps(healthyNginx, tenant("stranger.example"))
		}),
		stale.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Records = "stale-address-refused", "the record holds an address whose new machine serves no web", 521, record(Tenant4.String())
			w.Setup = steps(healthyNginx, tenant(""))
		}),
		double.with(func(w *World) {
			w.Name, w.Title, w.Decides = "duplicate-dead", "an old record stands beside the right one, at a dead address", cdnDecides
			w.Records = append(record(Origin4.String()), record(Nobody4.String())...)
		}),
		double.with(func(w *World) {
			w.Name, w.Title, w.Decides = "duplicate-refused", "an old record stands beside the right one, at a machine without a web server", cdnDecides
			w.Records = append(record(Origin4.String()), record(Tenant4.String())...)
			w.Setup = steps(healthyNginx, tenant(""))
		}),
		{
			Name: "placeholder-ip4", Title: "the record is a placeholder and nothing takes the name before it",
			Causes: ids("dns.placeholder-without-route"), Decides: cdnDecides,
			Records: record("192.0.2.1"), Unhealthy: "there is no origin", Setup: nothing,
		},
		{
			Name: "placeholder-ip6", Title: "the record is the placeholder 100::",
			Causes: ids("dns.placeholder-without-route"), Decides: cdnDecides,
			Records: record("100::"), Unhealthy: "there is no origin", Setup: nothing,
		},
		{
			Name: "target-unresolvable", Title: "the record points at a name that does not exist",
			Code: 530, Causes: ids("dns.target-unresolvable"), Decides: cdnDecides,
			Records: cname("gone.hosting.example"), Unhealthy: wrongRecord, Setup: healthyNginx, Needs: []string{"nginx"},
		},
		{
			Name: "aaaa-unserved", Title: "an AAAA record is published, the host has no such address",
			Causes: ids("dns.aaaa-unserved"), Decides: hostDecides, Needs: []string{"nginx"},
			Records: append(record(Origin4.String()), record("2001:db8:a::dead")...), Setup: healthyNginx, Unhealthy: wrongRecord,
		},
		{
			Name: "aaaa-no-route", Title: "the host has the AAAA's address and no IPv6 default route",
			Causes: ids("dns.aaaa-unserved"), Decides: hostDecides, Needs: []string{"nginx"}, Records: bothFamilies,
			Setup: healthyNginx, Break: sh("ip -6 route del default"), Cure: sh("ip -6 route add default via 2001:db8:a::1"),
		},
		{
			Name: "loop-proxy", Title: "the origin's nginx forwards to the public name, which is the CDN's",
			Causes: ids("loop.proxy-resolves-to-cdn"), Decides: hostDecides, Needs: []string{"nginx"}, Setup: healthyNginx,
			Break: reload(site("location / { proxy_pass https://shop.example; proxy_set_header Host shop.example; proxy_ssl_server_name on; }")), Cure: reload(nginxSite),
			Names: []Name{{Site, EdgeFront.String()}},
		},
		{
			Name: "loop-record", Title: "the record holds an address of the edge itself",
			Causes: ids("loop.proxy-resolves-to-cdn"), Decides: cdnDecides, Records: record(EdgeFront.String()),
			Unhealthy: wrongRecord, Setup: nothing,
		},
		{
			Name: "updater-failed-script", Title: "a script that writes the record is refused by the CDN's API",
			Causes: ids("dns.updater-failed"), Decides: hostDecides, Needs: []string{"nginx"}, Records: record(Nobody4.String()), Unhealthy: wrongRecord,
			Setup: steps(healthyNginx, write("/usr/local/bin/cf-ddns.sh", "#!/bin/sh\nIP=$(curl -s https://icanhazip.com)\ncurl -sf -X PUT https://api.cloudflare.com/client/v4/zones/$ZONE/dns_records/$RECORD -d \"{\\\"name\\\":\\\"shop.example\\\",\\\"content\\\":\\\"$IP\\\"}\"\n"),
				sh(`chmod +x /usr/local/bin/cf-ddns.sh; echo '*/5 * * * * root /usr/local/bin/cf-ddns.sh >>/var/log/cf-ddns.log 2>&1' >/etc/cron.d/cf-ddns
for m in 10 5; do echo "$(date -u -d "-$m min" '+%Y-%m-%d %H:%M:%S') updating shop.example: API returned 403: Authentication error (10000)"; done >/var/log/cf-ddns.log`)),
		},
		{
			Name: "updater-failed-ddclient", Title: "ddclient fails, and the record holds the address from before",
			Causes: ids("dns.updater-failed"), Decides: hostDecides, Needs: []string{"nginx"}, Records: record(Nobody4.String()), Unhealthy: wrongRecord,
			Setup: steps(healthyNginx, write("/etc/ddclient.conf", "protocol=cloudflare\nzone=shop.example\nttl=1\nlogin=token\npassword=x\nshop.example\n"),
				sh(`mkdir -p /var/cache/ddclient; printf '## ddclient-3.10.0\natime=%s,host=shop.example,ip=203.0.113.99,mtime=%s,status=failed,wtime=30 shop.example\n' $(date +%s) $(date +%s) >/var/cache/ddclient/ddclient.cache
echo '*/5 * * * * root /usr/sbin/ddclient -daemon=0 -syslog' >/etc/cron.d/ddclient`)),
		},
	}
}

func cdnWorlds() []*World {
	redirect := `server { listen 80; listen [::]:80; server_name shop.example; return 301 https://$host$request_uri; }
server { listen 443 ssl; server_name shop.example; ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; return 200 "hi"; }`
	rule := func(rules map[string]any) map[string]any { return map[string]any{"rules": rules} }
	return []*World{
		{
			Name: "ssl-mode-flexible-redirect", Title: "mode flexible meets an origin that redirects to https",
			SSL: originward.SSLFlexible, Causes: ids("cdn.ssl-mode-too-low"), Needs: []string{"nginx"}, Decides: cdnDecides,
			Unhealthy: "the mode is wrong from the start", Setup: nginx(redirect, 443),
		},
		{
			Name: "ssl-mode-flexible-closed", Title: "mode flexible meets an origin that closes plain http without a word",
			SSL: originward.SSLFlexible, Code: 520, Causes: ids("cdn.ssl-mode-too-low"), Needs: []string{"nginx"}, Decides: cdnDecides,
			Unhealthy: "the mode is wrong from the start", Setup: nginx(replace(redirect, "return 301 https://$host$request_uri;", "return 444;"), 443),
		},
		{
			Name: "rule-blocks-custom", Title: "a custom rule at the edge blocks the path",
			Code: 403, Causes: ids("cdn.rule-blocks"), Needs: []string{"nginx"}, Decides: cdnDecides, Setup: healthyNginx, Unhealthy: "the rule stands from the start",
			Zone: rule(map[string]any{"custom": []any{map[string]any{"expression": `http.request.uri.path eq "/"`, "action": "block"}}}),
		},
		{
			Name: "rule-blocks-visitor", Title: "a custom rule at the edge blocks the visitor's network",
			Code: 403, Causes: ids("cdn.rule-blocks"), Needs: []string{"nginx"}, Decides: cdnDecides, Setup: healthyNginx, Unhealthy: "the rule stands from the start",
			Zone: rule(map[string]any{"custom": []any{map[string]any{"expression": `ip.src in {198.51.100.64/27}`, "action": "block"}}}),
		},
		{
			Name: "rule-blocks-rate", Title: "a rate limit at the edge answers after the second request",
			Causes: ids("cdn.rule-blocks"), Needs: []string{"nginx"}, Decides: cdnDecides, Setup: healthyNginx, Unhealthy: "the rule stands from the start",
			Zone: rule(map[string]any{"rate_limits": []any{map[string]any{"expression": "true", "requests_per_period": 2, "period": 60, "mitigation_timeout": 60, "action": "block"}}}),
		},
		{
			Name: "record-grey", Title: "the record is DNS-only and the origin is down",
			Causes: ids("cdn.record-grey", "listener.none"), Needs: []string{"nginx"},
			Records: []originward.Record{{Type: originward.RecordA, Name: Site, Content: Origin4.String()}}, Setup: healthyNginx,
			Unhealthy: "the edge does not serve the name", Break: sh(nginxQuit), Stands: originward.Likely,
		},
		{
			Name: "port-unsupported", Title: "visitors are sent to port 8888, which the CDN does not carry",
			URL: "http://shop.example:8888/", Causes: ids("cdn.port-unsupported"), Decides: cdnDecides, Needs: []string{"nginx"},
			Unhealthy: "the edge does not serve the port", Setup: nginx(nginxSite+"\nserver { listen 8888; return 200 \"hi\\n\"; }", 443, 8888),
		},
		{
			Name: "origin-timeout", Title: "the application answers later than the edge waits",
			Code: 524, Causes: ids("cdn.origin-timeout"), Decides: hostDecides, Needs: []string{"nginx", "python3"},
			Setup: steps(app(3000, "slow"), healthyNginx), Break: reload(site("location / { proxy_pass http://127.0.0.1:3000; }")), Cure: reload(nginxSite),
		},
	}
}
