package causes

import (
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// judgeClientCert: the origin demands a client certificate that the edge does
// not send.
func judgeClientCert(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Scheme != "https" || l.Used == fact.No {
			continue
		}
		demand := v.demandsCert(l)
		if !demand.IsYes() {
			continue
		}
		fails, keys := v.Fails(l, 400, 403, 495, 496, 520, 525)
		c := newCase("tls.client-cert-required", l.Subject()).Explains(keys...)
		worst := originward.Likely
		if fails.IsNo() {
			worst = originward.Possible // the edge sends the right one
		}
		c.Ask("Is the edge refused?", fails, worst, originward.Likely)
		c.Must("Does the origin demand a client certificate?", demand)
		pull := v.pullOff()
		c.Ask("Does the edge send none, or another's?", pull, sendsNone(fails), sendsNone(fails))
		place := v.clientCertPlace(l)
		c.v.Subject.File, c.v.Subject.Line = place.File, place.Line
		c.Says("the origin demands a client certificate", l.String()+" demands a client certificate"+placeText(place)+"; the edge sends none, or one of another authority"+because(pull)+".")
		f := fix("Turn authenticated origin pulls on at the CDN and trust its CA on the origin, or stop demanding the certificate.",
			onCDN("PUT /zones/ID/origin_tls_client_auth/settings {\"enabled\":true}", "set enabled to false"),
			edit(place, "ssl_client_certificate: the CDN's origin-pull CA; or ssl_verify_client off"), v.reloadServing(l))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// sendsNone is what an unread setting costs: the refusal itself shows that the
// edge's certificate, if any, was not accepted.
func sendsNone(fails Ans) originward.Standing {
	if fails.IsYes() {
		return originward.Proved
	}
	return originward.Likely
}

// demandsCert answers whether the origin asks for a client certificate and
// refuses who has none.
func (v *View) demandsCert(l *Leg) Ans {
	seen := l.Direct
	if !l.met() {
		seen = l.Local // nobody but the edge gets in
	}
	for _, x := range seen {
		f := x.Fact
		if r := f.Response; r != nil && slices.Contains([]int{400, 403, 495, 496}, r.Status) {
			if hasAny(r.Body+" "+r.Title, "no required ssl certificate", "ssl certificate error", "client certificate", "certificate required", "certificate is required") {
				return Yes("the origin answers "+itoa(r.Status)+": "+firstOf(r.Title, "no required SSL certificate was sent"), x.ID)
			}
			if f.TLS != nil && f.TLS.ClientCert == fact.Yes && v.clientCertPlace(l).File != "" {
				return Yes("the origin asked for a client certificate and answers "+itoa(r.Status), x.ID)
			}
		}
		if f.Fault == nil {
			continue
		}
		asked := f.Fault.ClientCert == fact.Yes || f.TLS != nil && f.TLS.ClientCert == fact.Yes
		if f.Fault.Alert == alertCertificateRequired || asked && slices.Contains([]int{alertHandshakeFailure, alertBadCertificate, alertAccessDenied}, f.Fault.Alert) {
			return Yes("the origin asked for a client certificate and ended the handshake ("+firstOf(f.Fault.AlertName, "alert")+")", x.ID)
		}
		if asked && (OutcomeOf(f) == OutEmpty || OutcomeOf(f) == OutTLS) {
			return Yes("the origin asked for a client certificate and closed", x.ID)
		}
	}
	return Unseen(lookVariants)
}

// pullOff answers whether the CDN's configuration has origin pulls switched
// off.
func (v *View) pullOff() Ans {
	s, id, ok := v.Setting(func(s fact.CDNSettings) bool { return s.OriginPull != fact.Unknown })
	if !ok {
		return Unseen(lookSetting)
	}
	on := s.OriginPull == fact.Yes || s.ZonePull == fact.Yes || s.HostPull == fact.Yes
	return when(!on, "authenticated origin pulls: "+string(fact.TriOf(on)), id)
}

func (v *View) clientCertPlace(l *Leg) fact.Place {
	if !v.Here(l) {
		return fact.Place{}
	}
	for _, it := range v.Live() {
		if s, _, ok := siteFor(it.Fact, v.Host, l.Port); ok && s.ClientCert != "" {
			return s.Place
		}
	}
	return fact.Place{}
}

// judgeACMEBlocked: the certificate was never issued or renewed, because
// validation does not get through the proxied record.
func judgeACMEBlocked(v *View) []Verdict {
	var out []Verdict
	failed := v.acmeFails()
	if !failed.IsYes() {
		return nil
	}
	for _, s := range v.certsServed() {
		if !s.has(fact.CertExpired, fact.CertSelfSigned, fact.CertNameMismatch, fact.CertUnknownIssuer) || !v.Here(s.leg) {
			continue
		}
		c := v.certCase("tls.acme-blocked-by-proxy", s, Yes("the served certificate is not one that could be renewed: "+string(s.reasons[0]), s.by))
		out = append(out, v.acme(c, failed, s.leg))
	}
	if len(out) > 0 {
		return out
	}
	for _, l := range v.Legs {
		fails, keys := v.Fails(l, 525, 526, 520, 521)
		if l.Scheme != "https" || l.Used == fact.No || !fails.IsYes() || !v.Here(l) || !v.noCertFile(l) {
			continue
		}
		c := newCase("tls.acme-blocked-by-proxy", l.Subject()).Explains(keys...)
		c.Must("Does the edge's TLS to the origin fail?", fails)
		c.Must("Does the configured certificate not exist?", Yes("the certificate that the configuration names does not exist", v.certs[0].ID))
		out = append(out, v.acme(c, failed, l))
	}
	return out
}

func (v *View) acme(c *Case, failed Ans, l *Leg) Verdict {
	c.Must("Does issuing or renewing fail?", failed)
	c.Ask("Does validation meet the edge instead of the server?", v.validationBlocked(failed), originward.Likely, originward.Likely)
	c.Ask("Is the record proxied?", v.proxied(), originward.RuledOut, originward.Likely)
	c.Says("the certificate could not be issued or renewed behind the proxy", "The ACME client fails"+because(failed)+": validation goes to the name, which is the edge, and does not get through to the server.")
	f := fix("Use a DNS challenge, or an origin CA certificate of the CDN, or issue while the record is DNS-only.",
		onHost("certbot renew --cert-name "+firstOf(v.Host, "HOST")+" --preferred-challenges dns   # with the DNS plugin of the CDN", ""), v.reloadServing(l))
	f.Verify = "certbot renew --dry-run succeeds, and " + v.diagnoseAgain()
	return c.Fix(f).Done()
}

func (v *View) acmeFails() Ans {
	for _, it := range v.jobs {
		for _, j := range it.Fact.Jobs {
			if j.Kind == "acme" && j.OK == fact.No && !v.jobOfOthers(j) && (j.Target == "" || v.Host == "" || hasAny(j.Target, lower(v.Host)) || hasAny(lower(v.Host), lower(j.Target))) {
				says := j.Name + " failed"
				if len(j.Errors) > 0 {
					says += ": " + j.Errors[0].Text
				}
				return Yes(says, it.ID)
			}
		}
	}
	lines, by := v.Lines(func(l fact.LogLine) bool {
		return hasAny(l.Text, "fail", "error", "invalid", "unauthorized", "timeout") && !v.ofOthers(l.Text)
	}, fact.LogACME)
	if len(lines) > 0 {
		return Yes(lines[0].Text, by...)
	}
	return Unseen(lookJobs)
}

// jobOfOthers reports whether everything that a job complains of is of other
// sites.
func (v *View) jobOfOthers(j fact.Job) bool {
	return len(j.Errors) > 0 && !slices.ContainsFunc(j.Errors, func(e fact.Place) bool { return !v.ofOthers(e.Text) })
}

// ofOthers reports whether a line of a client that gets certificates names
// certificates or domains, and none of them is the site's.
func (v *View) ofOthers(text string) bool {
	named := false
	words := strings.Fields(text)
	for i, w := range words[:min(len(words), maxWords)] {
		w = strings.ToLower(strings.Trim(w, "\"'`,;:()[]."))
		if i == 0 || !strings.Contains(w, ".") || !hasAny(words[i-1], "certificate", "domain", "for", "host", "name") || strings.ContainsAny(w, "/_@") {
			continue
		}
		if nameMatches(w, v.Host) || strings.HasSuffix(lower(v.Host), "."+w) {
			return false
		}
		named = true
	}
	return named
}

// maxWords bounds the words of a line that are looked at.
const maxWords = 64

// validationBlocked answers whether the failure's words speak of validation.
func (v *View) validationBlocked(failed Ans) Ans {
	text := failed.Says
	for _, it := range v.jobs {
		for _, j := range it.Fact.Jobs {
			for _, e := range j.Errors {
				if j.Kind == "acme" {
					text += " " + e.Text
				}
			}
		}
	}
	if hasAny(text, "challenge", "unauthorized", "invalid response", "validation", "authorization", "tls-alpn", "acme-challenge", "cloudflare", "52", "redirect", "connection refused") {
		return Yes("the client's error is one of validation", failed.By...)
	}
	return Unseen(lookJobs)
}

func (v *View) proxied() Ans {
	for _, r := range v.recordList {
		if r.Proxied != fact.Unknown {
			return tri(r.Proxied, "proxied: "+string(r.Proxied), lookRecords, r.by)
		}
	}
	for _, d := range v.siteDNS() {
		if d.Fact.Colour == "orange" || d.Fact.Colour == "grey" {
			return when(d.Fact.Colour == "orange", "DNS gives "+addrsText(d.Fact.Addrs()), d.ID)
		}
	}
	return Unseen(lookRecords)
}

// noCertFile reports whether the site's configured certificate does not exist.
func (v *View) noCertFile(l *Leg) bool {
	for _, it := range v.certs {
		for _, f := range it.Fact.Files {
			if f.Error != "" && len(f.Chain) == 0 && hasAny(f.Error, "no such file", "not exist") &&
				(v.Host == "" || len(f.Names) == 0 || slices.ContainsFunc(f.Names, func(n string) bool { return nameMatches(n, v.Host) })) {
				return true
			}
		}
	}
	return false
}

// judgeUpstreamSNI: an inner proxy speaks TLS to the next hop without SNI.
func judgeUpstreamSNI(v *View) []Verdict {
	var out []Verdict
	for _, u := range v.upstreams() {
		if u.up.Scheme != "https" || u.up.SNI != fact.No {
			continue
		}
		fails, keys := v.Fails(u.leg, 502, 503)
		c := newCase("tls.upstream-sni-missing", u.subject()).Explains(keys...)
		c.Ask("Does the origin's own proxy answer 502 or 503?", fails, originward.Possible, originward.Likely)
		c.Must("Does the proxy speak TLS to the next hop without its name?", Yes(at(u.up.Place)+" forwards to "+u.up.Name+" over TLS without a server name", u.item.ID))
		bare := refusesBare(u)
		c.Ask("Does the next hop refuse a handshake without a name?", bare, originward.RuledOut, originward.Likely)
		no, unseen := originward.Possible, originward.Likely
		if u.up.WithSNI == fact.Yes {
			no, unseen = originward.Proved, originward.Proved // the two handshakes tell as much
		}
		c.Ask("Does its log show failed handshakes with the next hop?", v.Logged("the proxy's handshake with its upstream fails", nil, fact.LogUpstreamTLS), no, unseen)
		c.Says("the proxy does not tell the next hop which name it wants", "The proxy at "+at(u.up.Place)+" opens TLS to "+u.up.Name+" without SNI, and the next hop refuses.")
		f := fix("Turn SNI on for the upstream, and for its health checks.", edit(u.up.Place, sniFix(u.item.Fact.Server, u.up)), v.reloadOf(u.item.Fact.Server))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// refusesBare answers whether the next hop ends a handshake that names no
// server, when it is tried from the host.
func refusesBare(u inner) Ans {
	switch {
	case u.up.WithSNI == fact.Yes:
		return Yes(u.up.Name+" refuses a handshake without a server name and completes one with it", u.item.ID)
	case u.up.Speaks == "tls":
		return No("a handshake with "+u.up.Name+" completes without a server name", u.item.ID)
	case u.up.Errno == string(originward.TLSAlertReceived):
		return Yes(u.up.Name+" ends a handshake without a server name by an alert", u.item.ID)
	}
	return Unseen(lookLocal)
}

func sniFix(server string, u fact.Upstream) string {
	switch server {
	case "nginx":
		return "add proxy_ssl_server_name on; and proxy_ssl_name with the upstream's name beside it"
	case "haproxy":
		return "add sni str(NAME) and check-sni NAME to the server line"
	}
	return "send the server name " + u.Name
}
