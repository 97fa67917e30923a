package cdn

import (
	"fmt"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// Samples are written from the documented fingerprints, not copied.
func cfPage(code int, title, ray string) string {
	return fmt.Sprintf(`<!DOCTYPE html><html><head><title>shop.example | %d: %s</title>
<meta name="robots" content="noindex,nofollow" /></head><body><div id="cf-wrapper"><div id="cf-error-details">
<h1><span>%s</span><span class="code-label">Error code %d</span></h1>
<a href="https://vendor.example/5xx-error-landing?utm_source=errorcode_%d&utm_campaign=shop.example">more</a>
<div id="cf-host-status" class="cf-error-source"><span class="cf-icon-error"></span></div>
<p><span>Ray ID: <strong class="font-semibold">%s</strong></span></p></div></div></body></html>`, code, title, title, code, code, ray)
}

func cf1xxx(code int, title string) string {
	return fmt.Sprintf(`<!doctype html><title>%s | shop.example</title><div id="cf-wrapper"><div id="cf-error-details">
<h1><span class="cf-error-type">Error</span> <span class="cf-error-code">%d</span> <small>Ray ID: 230b030023ae2822</small></h1></div></div>`, title, code)
}

const (
	ray1 = "230b030023ae2822"
	ray2 = "8f2a0123456789ab"
)

func h(kv ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i+1 < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}

func cf(kv ...string) map[string]string {
	return h(append([]string{"server", "cloudflare", "cf-ray", ray1 + "-SJC", "content-type", "text/html; charset=UTF-8"}, kv...)...)
}

type sample struct {
	name   string
	status int
	header map[string]string
	body   string
	want   fact.EdgeAnswer
}

func TestRecogniseCloudflare(t *testing.T) {
	run(t, []sample{
		{"521 html", 521, cf(), cfPage(521, "Web server is down", ray1),
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Yes, Page: "html", Error: 521, Ray: ray1, Colo: "SJC"}},
		{"522 html", 522, cf(), cfPage(522, "Connection timed out", ray1),
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Yes, Page: "html", Error: 522, Ray: ray1, Colo: "SJC"}},
		{"526 html", 526, cf(), cfPage(526, "Invalid SSL certificate", ray1),
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Yes, Page: "html", Error: 526, Ray: ray1, Colo: "SJC"}},
		{"530 with 1016", 530, cf(), cf1xxx(1016, "Origin DNS error"),
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Yes, Page: "html", Error: 1016, Ray: ray1, Colo: "SJC"}},
		{"page of another edge behind this one", 521, cf(), cfPage(521, "Web server is down", ray2),
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.No, Page: "html", Error: 521, Ray: ray1, Colo: "SJC"}},
		{"521 from the origin or a custom page", 521, cf("cf-cache-status", "DYNAMIC"), "<html>Be right back</html>",
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Unknown, Page: "html", Ray: ray1, Colo: "SJC", Cache: "DYNAMIC"}},
		{"502 dressed", 502, cf(), cfPage(502, "Bad gateway", ray1),
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Unknown, Page: "html", Error: 502, Ray: ray1, Colo: "SJC"}},
		{"502 by the edge's own proxy", 502, cf(), "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center><hr><center>cloudflare</center></body></html>",
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Yes, Page: "html", Ray: ray1, Colo: "SJC"}},
		{"502 of the origin's nginx", 502, cf(), "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx/1.22.1</center></body></html>",
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.No, Page: "html", Ray: ray1, Colo: "SJC"}},
		{"521 of the origin's nginx", 521, cf(), "<html><center>nginx</center></html>",
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.No, Page: "html", Ray: ray1, Colo: "SJC"}},
		{"json", 522, cf("content-type", "application/json; charset=utf-8"),
			`{"type":"https://vendor.example/522","title":"Error 522: Connection timed out","status":522,"detail":"…","instance":"` + ray1 + `","error_code":522,"error_name":"connection_timeout","error_category":"origin","ray_id":"` + ray1 + `","cloudflare_error":true,"retryable":true,"retry_after":120}`,
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Yes, Page: "json", Error: 522, Ray: ray1, Colo: "SJC", Detail: "connection_timeout"}},
		{"problem+json cut off", 530, cf("content-type", "application/problem+json"),
			`{"status":530,"error_code":1016,"cloudflare_error":true,"what_you_should_do":"Check the`,
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Yes, Page: "json", Error: 1016, Ray: ray1, Colo: "SJC"}},
		{"json of the origin", 500, cf("content-type", "application/json", "cf-cache-status", "DYNAMIC"), `{"error_code":522,"message":"upstream"}`,
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.No, Page: "json", Ray: ray1, Colo: "SJC", Cache: "DYNAMIC"}},
		{"json with a mark that is not true", 500, cf("content-type", "application/json"), `{"error_code":522,"cloudflare_error":"yes"}`,
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Unknown, Page: "json", Ray: ray1, Colo: "SJC"}},
		{"markdown", 524, cf("content-type", "text/markdown; charset=utf-8"), "---\nerror_code: 524\nerror_category: origin\nray_id: \"" + ray1 + "\"\ncloudflare_error: true\n---\n# Error 524: A timeout occurred\n",
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Yes, Page: "markdown", Error: 524, Ray: ray1, Colo: "SJC"}},
		{"plain rate limit", 429, cf("content-type", "text/plain; charset=UTF-8"), "error code: 1015",
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Yes, Page: "plain", Error: 1015, Ray: ray1, Colo: "SJC"}},
		{"plain text that only talks of it", 500, cf("content-type", "text/plain"), "log: error code: 1015 seen",
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Unknown, Page: "plain", Ray: ray1, Colo: "SJC"}},
		{"waf block", 403, cf(), `<title>Attention Required! | Cloudflare</title><div id="cf-wrapper"><h1 data-translate="block_headline">Sorry</h1></div>`,
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Yes, Page: "html", Ray: ray1, Colo: "SJC", Detail: "blocked by a rule of the edge"}},
		{"1020", 403, cf(), cf1xxx(1020, "Access denied"),
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Yes, Page: "html", Error: 1020, Ray: ray1, Colo: "SJC"}},
		{"challenge", 403, cf("cf-mitigated", "challenge"), "<title>Just a moment...</title>",
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Yes, Page: "html", Ray: ray1, Colo: "SJC", Fault: originward.HTTPRequestDenied, Phase: originward.PhaseRules, Detail: "challenge"}},
		{"error header", 530, cf("cf-error-type", "1016"), "",
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Yes, Page: "html", Error: 1016, Ray: ray1, Colo: "SJC"}},
		{"error header without a number", 521, cf("cf-error-type", "52x"), "",
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Yes, Page: "html", Ray: ray1, Colo: "SJC"}},
		{"healthy", 200, cf("cf-cache-status", "HIT", "age", "42"), "<html>521: Web server is down, a blog post. Error code 521</html>",
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.No, Page: "html", Ray: ray1, Colo: "SJC", Cache: "HIT", Age: new(42)}},
		{"blog post about errors that fails", 500, cf(), "<html>Error code 521 | 521: Web server is down</html>",
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Unknown, Page: "html", Ray: ray1, Colo: "SJC"}},
		{"redirect by rule or origin", 301, cf(), "",
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.Unknown, Page: "html", Ray: ray1, Colo: "SJC"}},
		{"ray not of the form", 200, h("server", "cloudflare", "cf-ray", "<script>"), "",
			fact.EdgeAnswer{CDN: "cloudflare", EdgeMade: fact.No}},
		{"521 without any edge", 521, h("server", "nginx", "content-type", "text/html"), cfPage(521, "Web server is down", ray1),
			fact.EdgeAnswer{Page: "html"}},
		{"grey", 200, h("server", "nginx", "content-type", "text/html"), "<html>hi</html>", fact.EdgeAnswer{Page: "html"}},
		{"nothing", 0, nil, "", fact.EdgeAnswer{}},
	})
}

func TestRecogniseOriginward(t *testing.T) {
	own := func(kv ...string) map[string]string {
		return h(append([]string{"server", "originward", "cf-ray", ray1 + "-LAB", "content-type", "text/html"}, kv...)...)
	}
	run(t, []sample{
		{"refused", 521, own("proxy-status", `originward; error=connection_refused; details="203.0.113.10:443: connection refused"`), "<html>",
			fact.EdgeAnswer{CDN: "originward", EdgeMade: fact.Yes, Page: "html", Ray: ray1, Colo: "LAB", Fault: originward.ConnectionRefused, Detail: "203.0.113.10:443: connection refused"}},
		{"phase", 522, own("proxy-status", `originward; error=connection_timeout; phase=write`), "",
			fact.EdgeAnswer{CDN: "originward", EdgeMade: fact.Yes, Page: "html", Ray: ray1, Colo: "LAB", Fault: originward.ConnectionTimeout, Phase: originward.PhaseWrite}},
		{"the origin's 521", 521, own("proxy-status", `inner; error=connection_refused, originward; received-status=521`), "",
			fact.EdgeAnswer{CDN: "originward", EdgeMade: fact.No, Page: "html", Ray: ray1, Colo: "LAB"}},
		{"json", 521, own("content-type", "application/json"), `{"error_code":521,"edge_error":true,"ray_id":"` + ray1 + `"}`,
			fact.EdgeAnswer{CDN: "originward", EdgeMade: fact.Yes, Page: "json", Error: 521, Ray: ray1, Colo: "LAB"}},
		{"html", 530, own(), `<title>shop.example | 1016: Origin DNS error</title><p class="code"><span>Error</span> 1016</p><ol class="way" aria-label="x"><dd><code>` + ray1,
			fact.EdgeAnswer{CDN: "originward", EdgeMade: fact.Yes, Page: "html", Error: 1016, Ray: ray1, Colo: "LAB"}},
		{"status alone", 521, own(), "oops",
			fact.EdgeAnswer{CDN: "originward", EdgeMade: fact.Unknown, Page: "html", Ray: ray1, Colo: "LAB"}},
		{"healthy", 200, own("cf-cache-status", "DYNAMIC"), "",
			fact.EdgeAnswer{CDN: "originward", EdgeMade: fact.No, Page: "html", Ray: ray1, Colo: "LAB", Cache: "DYNAMIC"}},
	})
}

func TestRecogniseVendors(t *testing.T) {
	run(t, []sample{
		{"cloudfront error", 502, h("server", "CloudFront", "via", "1.1 ab.cloudfront.net (CloudFront)", "x-amz-cf-id", "Zz==", "x-amz-cf-pop", "FRA56-P1", "x-cache", "Error from cloudfront"),
			"<H1>502 ERROR</H1> CloudFront wasn't able to connect to\nthe origin. <PRE>Generated by cloudfront (CloudFront)\nRequest ID: Zz==</PRE>",
			fact.EdgeAnswer{CDN: "cloudfront", EdgeMade: fact.Yes, Ray: "Zz==", Colo: "FRA56-P1", Cache: "ERROR", Fault: originward.DestinationUnavailable, Phase: originward.PhaseConnect, Detail: "wasn't able to connect to the origin"}},
		{"cloudfront passes on", 500, h("server", "nginx", "via", "1.1 ab.cloudfront.net (CloudFront)", "x-cache", "Error from cloudfront"), "<center>nginx</center>",
			fact.EdgeAnswer{CDN: "cloudfront", EdgeMade: fact.No, Cache: "ERROR"}},
		{"fastly first byte", 503, h("x-served-by", "cache-ams21050-AMS, cache-fra-eddf8230021-FRA", "x-cache", "MISS, MISS", "via", "1.1 varnish, 1.1 varnish"),
			"<h1>Error 503 first byte timeout</h1><p>first byte timeout</p><h3>Guru Mediation:</h3><p>Details: cache-fra-eddf8230021-FRA 1 2</p>",
			fact.EdgeAnswer{CDN: "fastly", EdgeMade: fact.Yes, Colo: "FRA", Cache: "MISS", Fault: originward.HTTPResponseTimeout, Phase: originward.PhaseFirstByte, Detail: "first byte timeout"}},
		{"fastly unknown domain", 500, h("x-served-by", "cache-fra1-FRA"), "Fastly error: unknown domain: shop.example. Please check that this domain has been added to a service.",
			fact.EdgeAnswer{CDN: "fastly", EdgeMade: fact.Yes, Colo: "FRA", Fault: originward.HTTPRequestError, Phase: originward.PhaseRequest, Detail: "unknown domain"}},
		{"a varnish of one's own", 503, h("via", "1.1 varnish (Varnish/7.1)", "x-varnish", "3"), "<h1>Error 503 Backend fetch failed</h1><h3>Guru Meditation:</h3><p>XID: 3</p>",
			fact.EdgeAnswer{}},
		{"akamai denies", 403, h("server", "AkamaiGHost", "content-type", "text/html"), "<H1>Access Denied</H1>You don't have permission<P>Reference&#32;&#35;18&#46;4e2f1202&#46;1700000000&#46;1a2b3c4d",
			fact.EdgeAnswer{CDN: "akamai", EdgeMade: fact.Yes, Page: "html", Ray: "18.4e2f1202.1700000000.1a2b3c4d", Fault: originward.HTTPRequestDenied, Phase: originward.PhaseRules}},
		{"akamai passes on", 404, h("server", "Apache", "akamai-grn", "0.4e2f1202.1700000000.1a"), "<address>Apache/2.4</address>",
			fact.EdgeAnswer{CDN: "akamai", EdgeMade: fact.No, Ray: "0.4e2f1202.1700000000.1a"}},
		{"bunny", 200, h("server", "BunnyCDN-DE1-1079", "cdn-requestid", "abc", "cdn-cache", "HIT", "cdn-pullzone", "1"), "x",
			fact.EdgeAnswer{CDN: "bunny", EdgeMade: fact.No, Ray: "abc", Colo: "DE1", Cache: "HIT"}},
		{"azure timeout", 504, h("x-azure-ref", "0abc", "x-azure-externalerror", "0x80072ee2,OriginTimeout"), "",
			fact.EdgeAnswer{CDN: "azure-front-door", EdgeMade: fact.Yes, Ray: "0abc", Fault: originward.HTTPResponseTimeout, Detail: "origintimeout"}},
		{"google", 502, h("content-type", "text/html"), "<title>502 Server Error</title><h1>Error: Server Error</h1><h2>The server encountered a temporary error.<p>Please try again in 30 seconds.</h2>",
			fact.EdgeAnswer{CDN: "google", EdgeMade: fact.Yes, Page: "html"}},
		{"google passes on", 200, h("via", "1.1 google"), "", fact.EdgeAnswer{CDN: "google", EdgeMade: fact.No}},
		{"521 of another CDN", 521, h("server", "ddos-guard"), "", fact.EdgeAnswer{CDN: "ddos-guard"}},
		{"vercel", 404, h("server", "Vercel", "x-vercel-id", "fra1::abc"), "", fact.EdgeAnswer{CDN: "vercel", Ray: "fra1::abc"}},
	})
}

func run(t *testing.T, samples []sample) {
	t.Helper()
	for _, s := range samples {
		want := s.want
		want.Status = s.status
		// Evidence holds bodies whole, escaped as text, or escaped to one line.
		for form, body := range map[string]string{"raw": s.body, "text": escape.Text(s.body, 16<<10), "line": escape.Line(s.body, 16<<10)} {
			got := Recognise(Response{Status: s.status, Header: s.header, Body: []byte(body)})
			if g, w := show(got), show(want); g != w {
				t.Errorf("%s (%s):\n got %s\nwant %s", s.name, form, g, w)
			}
		}
	}
}

func show(a fact.EdgeAnswer) string {
	age := -1
	if a.Age != nil {
		age = *a.Age
	}
	return fmt.Sprintf("cdn=%q made=%q page=%q status=%d error=%d fault=%q phase=%q detail=%q ray=%q colo=%q cache=%q age=%d",
		a.CDN, a.EdgeMade, a.Page, a.Status, a.Error, a.Fault, a.Phase, a.Detail, a.Ray, a.Colo, a.Cache, age)
}

// Two CDNs in a row leave the same marks in either order; the address decides.
func TestAddressTellsTheOuterCDN(t *testing.T) {
	header := h("server", "cloudflare", "cf-ray", ray1+"-SJC", "via", "1.1 ab.cloudfront.net (CloudFront)", "x-amz-cf-id", "Zz")
	for by, want := range map[ID]string{"": "cloudflare", Cloudflare: "cloudflare", CloudFront: "cloudfront", Fastly: "cloudflare"} {
		if got := Recognise(Response{Status: 200, Header: header, By: by}); got.CDN != want {
			t.Errorf("by %q: %q, want %q", by, got.CDN, want)
		}
	}
}

func TestParseProxyStatus(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`originward; error=connection_refused`, "originward=connection_refused"},
		{`"my proxy"; error=dns_error;details="a \"b\", c" , r34.example.net;received-status=502`, "my proxy=dns_error r34.example.net="},
		{`a;error=x;flag, b`, "a=x b="},
		{``, ""},
		{`a;;`, ""},
		{`a, "unclosed`, "a="},
		{`a;error="unclosed`, ""},
		{`a b`, "a="},
	} {
		var got []string
		for _, m := range ParseProxyStatus(tt.in) {
			got = append(got, m.Proxy+"="+string(m.Error))
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("ParseProxyStatus(%q) = %q, want %q", tt.in, s, tt.want)
		}
	}
}

func FuzzRecognise(f *testing.F) {
	f.Add(521, "cloudflare", "text/html", "", cfPage(521, "Web server is down", ray1))
	f.Add(530, "cloudflare", "application/json", "", `{"error_code":1016,"cloudflare_error":true}`)
	f.Add(524, "cloudflare", "text/markdown", "", "---\nerror_code: 524\ncloudflare_error: true\n---\n")
	f.Add(429, "cloudflare", "text/plain", "", "error code: 1015")
	f.Add(521, "originward", "text/html", `originward;error=connection_refused;details="x"`, "")
	f.Add(503, "Varnish", "", "", "<h1>Error 503 first byte timeout</h1> Guru Mediation Details: cache-")
	f.Fuzz(func(t *testing.T, status int, server, ctype, proxy, body string) {
		a := Recognise(Response{Status: status, Header: h("server", server, "content-type", ctype, "proxy-status", proxy,
			"cf-ray", body, "x-served-by", server, "x-azure-externalerror", proxy, "date", body, "age", body), Body: []byte(body)})
		for _, s := range []string{a.Detail, a.Ray, a.Colo, a.Cache, a.CDN, a.Page, string(a.Fault), string(a.Phase)} {
			if len(s) > textLimit || escape.Line(s, textLimit) != s {
				t.Errorf("not fit for evidence: %q", s)
			}
		}
		if a.Error != 0 && !errorNumber(a.Error) {
			t.Errorf("error number %d", a.Error)
		}
	})
}

func BenchmarkRecognise(b *testing.B) {
	r := Response{Status: 521, Header: cf(), Body: []byte(cfPage(521, "Web server is down", ray1))}
	b.ReportAllocs()
	for b.Loop() {
		Recognise(r)
	}
}
