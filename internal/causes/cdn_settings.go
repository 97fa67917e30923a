package causes

import (
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// judgeModeTooLow: mode off or flexible sends plain http to an origin that
// wants https.
func judgeModeTooLow(v *View) []Verdict {
	var out []Verdict
	if v.otherVendor() {
		return nil // that vendor's own setting: see cdn.protocol-policy
	}
	for _, o := range v.Origins {
		http, https := v.schemeLegs(o)
		if http == nil {
			continue
		}
		redirects := v.redirectsToSelf(http)
		broken := v.plainBroken(http, https)
		if !redirects.IsYes() && !broken.IsYes() && !v.loops().IsYes() {
			continue
		}
		out = append(out, v.tooLow(o, http, https, redirects, broken))
	}
	return out
}

func (v *View) tooLow(o *Origin, http, https *Leg, redirects, broken Ans) Verdict {
	loops := v.loops()
	c := newCase("cdn.ssl-mode-too-low", subjectOf(o.Addr)).Explains(v.loopKeys()...)
	c.v.Subject.Host = v.Host
	wants := redirects
	if !redirects.IsYes() && broken.IsYes() {
		fails, keys := v.Fails(http, 520, 521)
		c.Explains(keys...)
		loops, wants = fails, broken
	}
	c.Ask("Does the site lead back to itself, or fail, through the edge?", loops, originward.Possible, originward.Likely)
	low := v.Mode.HTTPS.Not()
	unseen := originward.Possible
	if loops.IsYes() && redirects.IsYes() && len(v.Bads) > 0 {
		unseen = originward.Likely
	}
	c.Ask("Does the mode carry https visitors over plain http?", low, originward.RuledOut, unseen)
	if v.Mode.SSL != "" && !v.Mode.FromCDN {
		c.Ask("Does the CDN's configuration say so?", Unseen(lookMode), originward.Likely, originward.Likely)
	}
	c.Ask("Does the origin answer plain http with a redirect to the same https URL, or not at all?", wants, originward.RuledOut, originward.Likely)
	if directIs(http, "", OutRefused).IsYes() {
		c.Ask("Does the host not serve plain http at all?", v.Listening(http).Not(), originward.Possible, originward.Likely)
	}
	works := Unseen(lookDirect)
	if https != nil {
		works = directWorks(https)
	}
	c.Ask("Is the origin's https port in order?", works, originward.Likely, originward.Likely)
	c.Says("the SSL mode is too low for this origin", "With mode "+firstOf(string(v.Mode.SSL), "flexible or off")+" the edge speaks plain http to an origin that wants https"+because(wants)+".")
	f := fix("Set the SSL mode to full (strict), with a certificate on the origin; full while the certificate is not yet one that strict accepts.",
		onCDN("set the zone's SSL mode to strict (PATCH /zones/ID/settings/ssl {\"value\":\"strict\"})", "set it back to "+firstOf(string(v.Mode.SSL), "flexible")))
	f.Verify = "originward preflight " + firstOf(v.Host, "HOST") + ", and " + v.diagnoseAgain()
	return c.Fix(f).Done()
}

// otherVendor reports whether the edge is one whose origin scheme is set in
// another way than by Cloudflare's modes.
func (v *View) otherVendor() bool {
	other := func(id string) bool { return id != "" && id != string(cdn.Cloudflare) && id != string(cdn.Originward) }
	return other(v.vendor()) || slices.ContainsFunc(v.Hits, func(h Hit) bool { return other(h.CDN) })
}

// vendor is whose configuration was read; empty = none was.
func (v *View) vendor() string {
	for _, z := range v.zones {
		if z.Fact.Provider != "" {
			return z.Fact.Provider
		}
	}
	return ""
}

// schemeLegs are the usual plain and TLS legs of an origin.
func (v *View) schemeLegs(o *Origin) (http, https *Leg) {
	for _, l := range v.Legs {
		if l.Origin != o {
			continue
		}
		if l.Scheme == "http" && l.Port == 80 {
			http = l
		}
		if l.Scheme == "https" && (https == nil || l.Port == 443) {
			https = l
		}
	}
	return http, https
}

// redirectsToSelf answers whether plain http is answered with a redirect to the
// same URL over https, also where the edge says that its visitor used https.
func (v *View) redirectsToSelf(l *Leg) Ans {
	a := Unseen(lookDirect)
	for _, x := range slices.Concat(l.Direct, l.Variants) {
		if x.Fact.Variant != fact.VariantPlain && x.Fact.Variant != fact.VariantFlexible || x.Fact.Response == nil {
			continue
		}
		r := x.Fact.Response
		self := r.Status >= 300 && r.Status < 400 && sameURL(r.Header["location"], v.Host, x.Fact.Path)
		if x.Fact.Variant == fact.VariantFlexible {
			// The exchange that an edge in this mode makes: it decides.
			return when(self, "the origin answers "+itoa(r.Status)+" to "+firstOf(r.Header["location"], "the request"), x.ID)
		}
		if self {
			a = Yes("the origin answers plain http with "+itoa(r.Status)+" to "+r.Header["location"], x.ID)
		} else if !a.IsYes() {
			a = No("the origin answers plain http with "+itoa(r.Status), x.ID)
		}
	}
	return a
}

// sameURL reports whether a Location is the https form of the URL that was
// asked for.
func sameURL(loc, host, path string) bool {
	rest, ok := strings.CutPrefix(lower(loc), "https://")
	if !ok {
		return false
	}
	name, p, _ := strings.Cut(rest, "/")
	name = strings.TrimSuffix(name, ":443")
	if host != "" && name != lower(host) {
		return false
	}
	return path == "" || "/"+p == lower(path)
}

// plainBroken answers whether plain http is closed without an answer while
// https works: a platform that does not redirect.
func (v *View) plainBroken(l, https *Leg) Ans {
	if a := directIs(l, "closes plain http without an answer", OutEmpty, OutBadHTTP); a.IsYes() || v.Listening(l).IsYes() || https == nil || !directWorks(https).IsYes() {
		return a
	}
	return directIs(l, "does not take plain http at all", OutRefused)
}

// loops answers whether a visit through the edge came back to the same URL.
func (v *View) loops() Ans {
	if len(v.Hits) == 0 {
		return Unseen(lookEdge)
	}
	for _, h := range v.Hits {
		if h.Loop {
			return Yes("the edge's answer leads to the same URL again", h.By...)
		}
	}
	for _, h := range v.Hits {
		if h.Status >= 300 && h.Status < 400 && h.Scheme == "https" && h.Head != nil && sameURL(h.Head.Header["location"], v.Host, "") {
			return Yes("the edge answers https with a redirect to https", h.By...)
		}
	}
	return No("no visit led back to itself", v.Hits[0].By...)
}

func (v *View) loopKeys() []string {
	var out []string
	for _, b := range v.Bads {
		if strings.HasSuffix(b.Key, "loop") {
			out = append(out, b.Key)
		}
	}
	return out
}

// judgeRuleBlocks: a rule at the CDN answers the visitor.
func judgeRuleBlocks(v *View) []Verdict {
	codes := []int{403, 429, 1020, 1015, 1005, 1006, 1007, 1008, 1009, 1010, 1012, 1106}
	var blocked []Hit
	for _, h := range v.Hits {
		if slices.Contains(codes, h.Code) && h.Made != fact.No {
			blocked = append(blocked, h)
		}
	}
	rule, by := v.matchingRule(blocked)
	if len(blocked) == 0 && rule.ID == "" {
		return nil
	}
	var keys []string
	fails := v.EdgeSays(codes...)
	for _, b := range v.AllBads() {
		if slices.Contains(codes, b.Code) {
			keys = append(keys, b.Key)
		}
	}
	made := Unseen(lookEdge)
	for _, h := range blocked {
		if h.Made == fact.Yes {
			made = Yes("the edge itself wrote the answer", h.By...)
		}
	}
	c := newCase("cdn.rule-blocks", originward.Subject{Host: v.Host, Name: rule.ID}).Explains(keys...)
	c.Ask("Is the visitor refused?", fails, originward.Possible, originward.Likely)
	c.Ask("Did the edge itself refuse, without asking the origin?", made, originward.RuledOut, originward.Possible)
	c.Ask("Which rule of the CDN matches the request?", ruleAns(rule, by), originward.Possible, originward.Likely)
	c.Says("a rule of the CDN refuses the visitor", "The CDN answers before it contacts the origin"+because(ruleAns(rule, by))+".")
	f := fix("Correct, narrow or switch off that rule.",
		onCDN("rule "+firstOf(rule.ID, "named by the security event of the ray")+": narrow its expression or disable it", "enable it again"))
	f.Verify = v.diagnoseAgain()
	return []Verdict{c.Fix(f).Done()}
}

func ruleAns(r fact.RuleMatch, by []string) Ans {
	if r.ID == "" {
		return Unseen(lookRules)
	}
	return Yes("rule "+r.ID+" ("+r.Kind+", "+r.Action+"): "+r.Expression, by...)
}

// matchingRule finds the rule that answered: named by a security event of the
// ray, by the edge's record, or matching when evaluated.
func (v *View) matchingRule(hits []Hit) (fact.RuleMatch, []string) {
	for _, it := range v.events {
		for _, e := range it.Fact.Events {
			if e.Kind != "audit" && e.Ray != "" && slices.ContainsFunc(hits, func(h Hit) bool { return h.Ray == e.Ray }) {
				return fact.RuleMatch{ID: e.RuleID, Kind: e.Source, Action: e.Action, Expression: e.Text}, []string{it.ID}
			}
		}
	}
	for _, it := range v.rules {
		for _, r := range it.Fact.Evaluated {
			if slices.ContainsFunc(hits, func(h Hit) bool { return h.Rule != "" && h.Rule == r.ID }) {
				return r, []string{it.ID}
			}
		}
		for _, r := range it.Fact.Evaluated {
			if r.Matches == fact.Yes && blocks(r.Action) {
				return r, []string{it.ID}
			}
		}
		for _, r := range it.Fact.Evaluated {
			if r.Kind == "rate_limit" && r.Matches != fact.No && slices.ContainsFunc(hits, func(h Hit) bool { return h.Status == 429 }) {
				return r, []string{it.ID}
			}
		}
	}
	return fact.RuleMatch{}, nil
}

func blocks(action string) bool {
	switch action {
	case "block", "challenge", "js_challenge", "managed_challenge", "serve_error", "ban":
		return true
	}
	return false
}

// judgeRecordGrey: the record is DNS-only.
func judgeRecordGrey(v *View) []Verdict {
	grey := Unseen(lookDNS)
	for _, d := range v.siteDNS() {
		switch {
		case d.Fact.Colour == "grey" && len(d.Fact.Addrs()) > 0:
			grey = Yes(d.Fact.Name+" resolves to "+addrsText(d.Fact.Addrs())+", which is no edge", append(grey.By, d.ID)...)
		case d.Fact.Colour == "orange" || d.Fact.Colour == "mixed":
			if !grey.IsYes() {
				grey = No(d.Fact.Name+" resolves to an edge", d.ID)
			}
		}
	}
	flag := Unseen(lookRecords)
	for _, b := range v.balancer {
		if b.Fact.Proxied != fact.Unknown {
			flag = tri(b.Fact.Proxied, "the CDN's load balancer of the name is proxied: "+string(b.Fact.Proxied), lookRecords, b.ID).Not()
		}
	}
	for _, r := range v.recordList {
		switch r.Proxied {
		case fact.Yes:
			flag = No("the CDN's record is proxied", r.by)
		case fact.No:
			if !flag.IsNo() {
				flag = Yes("the CDN's record "+r.Content+" is DNS-only", r.by)
			}
		}
	}
	if !grey.IsYes() && !flag.IsYes() || flag.IsNo() {
		return nil
	}
	var keys []string
	fails := Ans{}
	for _, b := range v.AllBads() {
		keys = append(keys, b.Key)
		fails = Ans{Is: fact.Yes, By: addIDs(fails.By, b.By), Says: "the site fails"}
	}
	if !fails.IsYes() {
		fails = No("the site answers", grey.By...)
	}
	c := newCase("cdn.record-grey", originward.Subject{Host: v.Host}).Explains(keys...).Explains("grey")
	c.Ask("Does the site fail?", fails, originward.Possible, originward.Possible)
	c.Must("Does DNS give addresses that are no edge?", grey)
	unseen := originward.Likely
	if !v.cdnKnown() {
		unseen = originward.Possible // nothing says that the site uses a CDN at all
	}
	c.Ask("Does the CDN's record say DNS-only?", flag, originward.RuledOut, unseen)
	c.Says("the record is DNS-only: visitors do not reach the edge", "The name resolves to the origin itself, so what fails is not the edge"+because(flag)+".")
	f := fix("Turn the proxy on if it was meant to be; else diagnose the origin itself.",
		onCDN("set proxied=true on the record of "+firstOf(v.Host, "the host"), "set proxied=false"))
	f.Verify = "dig +short " + firstOf(v.Host, "HOST") + " gives the CDN's addresses"
	return []Verdict{c.Fix(f).Done()}
}

// cdnKnown reports whether anything says that the site uses a CDN.
func (v *View) cdnKnown() bool {
	return v.Has(originward.CDN) || slices.ContainsFunc(v.Hits, func(h Hit) bool { return h.CDN != "" })
}

// judgePortUnsupported: the visitor's port is none that the CDN carries.
func judgePortUnsupported(v *View) []Verdict {
	var out []Verdict
	for _, a := range v.answers {
		f := a.Fact
		id := cdn.ID(firstOf(f.CDN, v.vendor(), string(cdn.Cloudflare)))
		if f.Target.Port() == 0 || cdn.PortSupported(id, f.Scheme, f.Target.Port()) != fact.No || !failedVisit(f) {
			continue
		}
		c := newCase("cdn.port-unsupported", originward.Subject{Host: v.Host, Port: f.Target.Port(), Scheme: f.Scheme}).Explains("visit|" + itoa(int(f.Target.Port())))
		c.Must("Does the visit through the edge fail?", Yes("the edge does not answer on port "+itoa(int(f.Target.Port())), a.ID))
		c.Must("Is the port none that the CDN carries with this scheme?", Yes("port "+itoa(int(f.Target.Port()))+" is not on the CDN's list for "+f.Scheme, a.ID))
		c.Ask("Does the port answer at the origin itself?", v.portWorks(f.Target.Port()), originward.Likely, originward.Likely)
		c.Ask("Is the address the CDN's?", v.cdnConfirmed(), originward.Likely, originward.Likely)
		c.Says("the CDN does not carry port "+itoa(int(f.Target.Port())), "Port "+itoa(int(f.Target.Port()))+" is none that the CDN proxies with "+f.Scheme+"; only a direct connection gets there.")
		fx := fix("Move to a port that the CDN carries, or use 443 and an origin-port rule.", onCDN("origin rule: destination port "+itoa(int(f.Target.Port()))+", and let visitors use 443", "delete the rule"))
		fx.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(fx).Done())
	}
	return out
}

// portWorks answers whether some origin answers on a port.
func (v *View) portWorks(port uint16) Ans {
	for _, l := range v.Legs {
		if l.Port == port && directReaches(l).Known() {
			return directReaches(l)
		}
	}
	return Unseen(lookDirect)
}

// cdnConfirmed answers whether the CDN's configuration was seen to hold the
// name as proxied.
func (v *View) cdnConfirmed() Ans {
	for _, b := range v.balancer {
		if b.Fact.Proxied == fact.Yes {
			return Yes("the CDN's load balancer of the name is proxied", b.ID)
		}
	}
	for _, r := range v.recordList {
		if r.Proxied == fact.Yes {
			return Yes("the CDN's record is proxied", r.by)
		}
	}
	return Unseen(lookRecords)
}
