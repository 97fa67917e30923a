package causes

import (
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// platforms are hosted platforms that answer only for names they were told of.
var platforms = []string{
	"pages.dev", "workers.dev", "github.io", "gitlab.io", "netlify.app", "vercel.app", "vercel-dns.com", "herokuapp.com", "herokudns.com",
	"fly.dev", "onrender.com", "azurewebsites.net", "azurestaticapps.net", "myshopify.com", "wixdns.net", "squarespace.com", "ghost.io",
	"webflow.com", "readthedocs.io", "surge.sh", "firebaseapp.com", "web.app", "r2.dev", "railway.app", "hubspot.net", "zendesk.com",
	"cloudfront.net", "amplifyapp.com", "render.com", "pantheonsite.io", "wpengine.com", "kinsta.cloud", "shops.myshopify.com",
}

func platformOf(name string) string {
	for _, p := range platforms {
		if name == p || strings.HasSuffix(name, "."+p) {
			return p
		}
	}
	return ""
}

// unclaimedPages are words of the pages that platforms answer with for a name
// that nobody has told them of; each stands on that page alone.
var unclaimedPages = []string{
	"there isn't a github pages site here", "there isn&#39;t a github pages site here", "no-such-app", "<title>no such app</title>", "there's no app configured at that hostname",
	"deployment_not_found", "the deployment could not be found on vercel", "the specified bucket does not exist", "fastly error: unknown domain",
	"404 error unknown site", "is unknown to read the docs", "this shop is currently unavailable", "application not found\",\"request_id", "web app not found",
	"azure web app - error 404", "the thing you were looking for is no longer here, or never was", "whatever you were looking for doesn't currently exist at this address",
	"defaultwebpage.cgi", "domain is not configured on this server", "there is no website configured at this address",
}

// unclaimedPage reports whether a response is a platform's page for a name that
// it was not told of.
func unclaimedPage(r *fact.Response) bool {
	return r != nil && r.Status >= 400 && (hasAny(r.Body, unclaimedPages...) || hasAny("<title>"+r.Title+"</title>", unclaimedPages...))
}

// platformSays answers whether the page that the edge passes on is a
// platform's page for unknown names, and whether the origin itself sends it.
func (v *View) platformSays() Ans {
	for _, l := range v.Legs {
		for _, x := range l.Direct {
			if unclaimedPage(x.Fact.Response) {
				return Yes("the origin answers "+itoa(x.Fact.Response.Status)+" with a hosting platform's page for names that it does not know", x.ID)
			}
		}
	}
	for _, h := range v.Hits {
		if unclaimedPage(h.Head) {
			return Yes("the edge passes on a hosting platform's page for names that it does not know ("+itoa(h.Status)+")", h.By...)
		}
	}
	return Unseen(lookEdge)
}

// judgePlatformUnclaimed: the name points at a hosted platform that was not
// told about it.
func judgePlatformUnclaimed(v *View) []Verdict {
	names, by := v.originNames()
	for _, d := range v.siteDNS() {
		names = append(names, d.Fact.CNAME...)
		by = addIDs(by, []string{d.ID})
	}
	page := v.platformSays()
	if page.IsYes() && !slices.ContainsFunc(names, func(n string) bool { return platformOf(strings.TrimSuffix(lower(n), ".")) != "" }) {
		return []Verdict{v.unclaimed("", "the hosting platform", page, page)}
	}
	var out []Verdict
	for _, n := range names {
		n = strings.TrimSuffix(lower(n), ".")
		p := platformOf(n)
		if p == "" {
			continue
		}
		out = append(out, v.unclaimed(n, p, Yes("the record leads to "+n+", a platform that answers only for names it was told of", by...), page))
	}
	return out
}

// unclaimed judges one platform: by the name of the target, or by its page.
func (v *View) unclaimed(n, p string, target, page Ans) Verdict {
	codes := []int{522, 1000, 1014, 1001, 404, 421, 403, 525, 530, 1016}
	fails := v.EdgeSays(codes...)
	var keys []string
	for _, b := range v.AllBads() {
		if slices.Contains(codes, b.Code) {
			keys = append(keys, b.Key)
		}
	}
	knows := Unseen(Look{originward.CDN, fact.QCDNRecords, "look in the platform's list of custom domains for " + firstOf(v.Host, "the host")})
	for _, it := range v.cdnRecs {
		if it.Fact.Platform != fact.Unknown {
			knows = tri(it.Fact.Platform, "the platform knows the name: "+string(it.Fact.Platform), lookRecords, it.ID)
		}
	}
	c := newCase("platform.hostname-unclaimed", originward.Subject{Host: v.Host, Name: n}).Explains(keys...)
	c.Ask("Does the edge fail as for a name that the platform does not know?", fails, originward.RuledOut, originward.Possible)
	c.Must("Is the target a hosted platform?", target)
	unseen := originward.Possible
	if page.IsYes() || p == "pages.dev" && v.EdgeSays(522).IsYes() || v.EdgeSays(1014).IsYes() {
		unseen = originward.Likely
	}
	c.Ask("Does the platform not know the name?", knows.Not(), originward.RuledOut, unseen)
	c.Says("the platform was not told about the name", "The name points at "+firstOf(n, p)+", which answers only for names registered there"+because(page)+".")
	f := fix("Register the hostname on the platform (custom domains).", onCDN("in "+p+"'s settings: add "+firstOf(v.Host, "the host")+" as a custom domain", "remove it there"))
	f.Verify = v.diagnoseAgain()
	return c.Fix(f).Done()
}
