package causes

import (
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// served is the certificate that a leg serves for the site's name, as an
// exchange from outside saw it.
type served struct {
	leg     *Leg
	tls     *fact.TLS
	reasons []fact.CertReason
	by      string
	outside bool
}

// certsServed lists, per TLS leg, the certificate seen with the right name:
// from outside, else on the host itself.
func (v *View) certsServed() []served {
	var out []served
	for _, l := range v.Legs {
		if l.Scheme != "https" || l.Used == fact.No {
			continue
		}
		if s, ok := seenCert(l, l.Direct, true); ok {
			out = append(out, s)
		} else if s, ok := seenCert(l, l.FromCDN, true); ok {
			out = append(out, s)
		} else if s, ok := v.certByName(l); ok {
			out = append(out, s)
		} else if s, ok := seenCert(l, l.Local, false); ok {
			out = append(out, s)
		}
	}
	return out
}

// certByName is the certificate that the host itself was served on the leg's port
// when it asked for the site's name.
func (v *View) certByName(l *Leg) (served, bool) {
	for _, it := range v.certs {
		for _, s := range it.Fact.Served {
			if !v.Here(l) || s.Addr.Port() != l.Port || s.Addr.Addr().Is4() != l.Addr().Is4() || v.Host == "" || s.SNI != v.Host || s.TLS == nil || len(s.TLS.Chain) == 0 {
				continue
			}
			named := func(n string) bool { return nameMatches(n, v.Host) }
			if leaf := s.TLS.Chain[0]; named(leaf.CN) || slices.ContainsFunc(leaf.Names, named) {
				continue
			}
			// The host's own trust store is not the edge's: the name is beyond doubt.
			reasons := slices.DeleteFunc(slices.Clone(s.TLS.Reasons), func(r fact.CertReason) bool {
				return r == fact.CertNameMismatch || r == fact.CertUnknownIssuer && len(s.TLS.Chain) > 1
			})
			return served{l, s.TLS, append(reasons, fact.CertNameMismatch), it.ID, false}, true
		}
	}
	return served{}, false
}

func seenCert(l *Leg, xs []fact.Item[fact.Exchange], outside bool) (served, bool) {
	for _, x := range xs {
		t := x.Fact.TLS
		if t == nil || len(t.Chain) == 0 {
			continue
		}
		reasons := t.Reasons
		if x.Fact.Fault != nil && len(reasons) == 0 {
			reasons = x.Fact.Fault.Reasons
		}
		if !outside && x.Subject.Host == "" {
			// Collected without the site's name: the certificate was compared with an address.
			reasons = slices.DeleteFunc(slices.Clone(reasons), func(r fact.CertReason) bool { return r == fact.CertNameMismatch })
		}
		if t.Judged != fact.No {
			return served{l, t, reasons, x.ID, outside}, true
		}
	}
	return served{}, false
}

func (s served) has(rs ...fact.CertReason) bool {
	return slices.ContainsFunc(rs, func(r fact.CertReason) bool { return slices.Contains(s.reasons, r) })
}

func (s served) leaf() fact.Cert { return s.tls.Chain[0] }

// certCase opens the case that all certificate causes share.
func (v *View) certCase(id originward.CauseID, s served, reason Ans) *Case {
	fails, keys := v.Fails(s.leg, 526)
	subj := s.leg.Subject()
	subj.Name = firstOf(s.leaf().CN, firstName(s.leaf()))
	c := newCase(id, subj).Explains(keys...).At(v.certPlace(s))
	worst := originward.Likely
	if fails.IsNo() && !v.Mode.Validate.IsYes() {
		worst = originward.Possible // an edge that does not check is served
	}
	c.Ask("Does the edge refuse the certificate (526)?", fails, worst, originward.Likely)
	no := originward.RuledOut
	if !v.Mode.FromCDN {
		no = originward.Possible
	}
	c.Ask("Does the edge check the certificate?", v.Mode.Validate, no, originward.Likely)
	c.Must("Does the served certificate have this fault?", reason)
	seen := Unseen(lookDirect)
	if s.outside {
		seen = Yes("it was seen from outside, with the site's name", s.by)
	}
	c.Proof("Was it seen from outside, with the site's name?", seen)
	if v.HostIs(s.leg.Addr()).IsNo() && v.servesSite().IsYes() {
		c.AtMost(originward.Likely, "another machine serves it: the site's own server was looked at, and does not have this address")
	}
	if !fails.IsYes() && !v.Has(originward.Edge) && !v.Mode.Validate.Known() {
		c.Explains("cert|" + s.leg.Target().String())
	}
	return c
}

func firstName(c fact.Cert) string {
	if len(c.Names) == 0 {
		return c.Subject
	}
	return c.Names[0]
}

func judgeCertExpired(v *View) []Verdict {
	var out []Verdict
	for _, s := range v.certsServed() {
		if !s.has(fact.CertExpired) || s.selfMade() {
			continue
		}
		when := s.leaf().NotAfter.UTC().Format(time.DateOnly)
		c := v.certCase("tls.cert-expired", s, Yes("the certificate that "+s.leg.String()+" serves ended on "+when, s.by))
		c.Apart("Is the file on the host no newer than what is served?", v.fileIsOld(s))
		c.Says("the origin's certificate has expired", "The certificate for "+names(s.leaf())+" ended on "+when+", and the edge checks it.")
		c.Fix(v.fixRenew(s))
		out = append(out, c.Done())
	}
	return out
}

// selfMade reports whether the certificate would be refused even if its dates
// and names were right.
func (s served) selfMade() bool { return s.has(fact.CertSelfSigned, fact.CertUnknownIssuer) }

func names(c fact.Cert) string {
	if len(c.Names) == 0 {
		return firstOf(c.CN, c.Subject, "no name")
	}
	return strings.Join(c.Names[:min(len(c.Names), 4)], ", ")
}

func (v *View) fixRenew(s served) *originward.Fix {
	f := fix("Renew the certificate and reload the server; where validation cannot get through the proxy, use a DNS challenge or an origin CA certificate.",
		onHost("certbot renew --cert-name "+firstOf(v.Host, firstName(s.leaf()))+"   # or the tool that issued it", ""), v.reloadServing(s.leg))
	f.Verify = "openssl s_client -connect " + s.leg.Target().String() + " -servername " + firstOf(v.Host, "HOST") + " </dev/null | openssl x509 -noout -dates, and " + v.diagnoseAgain()
	return f
}

// reloadServing reloads the server that serves a leg.
func (v *View) reloadServing(l *Leg) originward.Step {
	socks, _ := v.SocketsOf(l)
	for _, s := range v.Services(func(s fact.Service) bool { return isWeb(s) && running(s) }) {
		for _, k := range socks {
			if k.Program == s.Kind || k.Unit != "" && k.Unit == s.Unit || containsInt(s.PIDs, k.PID) || k.Program == "apache2" && s.Kind == "apache" {
				return onHost(v.control("reload", s.Service), "")
			}
		}
	}
	return onHost("reload the web server", "")
}

// judgeNotReloaded: the file is renewed and the process serves the old one.
func judgeNotReloaded(v *View) []Verdict {
	var out []Verdict
	for _, s := range v.certsServed() {
		if !s.has(fact.CertExpired, fact.CertNameMismatch, fact.CertSelfSigned, fact.CertUnknownIssuer, fact.CertChainIncomplete) || !v.Here(s.leg) {
			continue
		}
		file, by, ok := v.newerFile(s)
		if !ok {
			continue
		}
		c := v.certCase("tls.cert-not-reloaded", s, Yes("the certificate that "+s.leg.String()+" serves ended on "+s.leaf().NotAfter.UTC().Format(time.DateOnly), s.by))
		c.v.Subject.File, c.v.Subject.Line = file.File, 0
		c.Proof("Is another, good certificate in the file that the server should serve?", Yes(file.File+" holds one that is good until "+file.Chain[0].NotAfter.UTC().Format(time.DateOnly), by))
		c.Says("the renewed certificate was never loaded", file.File+" holds a renewed certificate, and the process still serves the old one: it was not reloaded after the renewal.")
		f := fix("Reload the server, and let every renewal do it (deploy hook).", v.reloadServing(s.leg),
			onHost("certbot: --deploy-hook '"+strings.ReplaceAll(v.reloadServing(s.leg).Run, "'", "")+"'", ""))
		f.Verify = "the served serial equals the file's, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// fileIsOld answers whether no configured file of the host holds a renewed
// certificate for the site: else the server was only not reloaded.
func (v *View) fileIsOld(s served) Ans {
	if len(v.certs) == 0 || !v.Here(s.leg) {
		return Unseen(lookCerts)
	}
	if f, by, ok := v.newerFile(s); ok {
		return No(f.File+" holds a renewed certificate", by)
	}
	for _, it := range v.certs {
		for _, f := range it.Fact.Files {
			if len(f.Chain) > 0 && (f.Chain[0].SHA256 == s.leaf().SHA256 || v.fileIsFor(it.Fact, f, s)) {
				return Yes(f.File+" holds the same old certificate", it.ID)
			}
		}
	}
	return Unseen(lookCerts)
}

// newerFile finds the configured file whose certificate differs from the
// served one and would be accepted at the time of the look.
func (v *View) newerFile(s served) (fact.CertFile, string, bool) {
	if v.asConfigured(s) {
		return fact.CertFile{}, "", false
	}
	for _, it := range v.certs {
		for _, f := range it.Fact.Files {
			if len(f.Chain) == 0 || f.Chain[0].SHA256 == s.leaf().SHA256 || f.Readable == fact.No {
				continue
			}
			c := f.Chain[0]
			good := v.At.After(c.NotBefore) && v.At.Before(c.NotAfter) && c.NotAfter.After(s.leaf().NotAfter)
			if good && v.fileIsFor(it.Fact, f, s) {
				return f, it.ID, true
			}
		}
	}
	return fact.CertFile{}, "", false
}

// asConfigured reports whether the served certificate is the one in the file
// that the virtual host of its own address names: another file may hold a good
// one, and no reload will bring it.
func (v *View) asConfigured(s served) bool {
	for _, w := range v.Live() {
		site, named, ok := siteAt(w.Fact, v.Host, s.leg.Target())
		if !ok || !named || site.Cert == "" {
			continue
		}
		for _, it := range v.certs {
			for _, f := range it.Fact.Files {
				if f.File == site.Cert && len(f.Chain) > 0 && f.Chain[0].SHA256 == s.leaf().SHA256 {
					return true
				}
			}
		}
	}
	return false
}

// fileIsFor reports whether a file is the one that should be served for the
// site: its virtual hosts, its own names, or the host's comparison say so.
func (v *View) fileIsFor(all fact.Certificates, f fact.CertFile, s served) bool {
	if v.Host == "" || slices.ContainsFunc(f.Names, func(n string) bool { return nameMatches(n, v.Host) }) {
		return true
	}
	if slices.ContainsFunc(all.Served, func(x fact.CertServed) bool {
		return x.File == f.File && x.Same == fact.No && (x.SNI == "" || lower(x.SNI) == lower(v.Host))
	}) {
		return true
	}
	return len(f.Names) == 0 && slices.ContainsFunc(f.Chain[0].Names, func(n string) bool { return nameMatches(n, v.Host) })
}

func judgeSelfSigned(v *View) []Verdict {
	var out []Verdict
	for _, s := range v.certsServed() {
		if !s.selfMade() || s.alone() && v.publicIssuer(s).IsYes() {
			continue
		}
		what := "signed by itself"
		if !s.has(fact.CertSelfSigned) {
			what = "issued by " + s.leaf().Issuer + ", which the edge does not trust"
		}
		c := v.certCase("tls.cert-default-or-self-signed", s, Yes("the certificate for "+names(s.leaf())+" is "+what, s.by))
		if s.alone() {
			c.AtMost(originward.Possible, "a link of the chain may be missing instead: nothing that was sent has signed the certificate")
		}
		if !s.outside && !s.has(fact.CertSelfSigned) {
			c.AtMost(originward.Possible, "the host's own list of authorities is not the edge's")
		}
		c.Says("the origin serves a certificate that no authority vouches for", "The certificate for "+names(s.leaf())+" is "+what+", and the edge checks it.")
		f := fix("Install a public certificate or one of the CDN's origin CA; or upload the own CA to the CDN's trust store; or lower the mode to full knowingly.",
			onHost("install the certificate and key in the site's virtual host for "+firstOf(v.Host, "the host"), ""), v.reloadServing(s.leg))
		f.Verify = "openssl s_client -connect " + s.leg.Target().String() + " -servername " + firstOf(v.Host, "HOST") + " </dev/null shows the new issuer, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

func judgeNameMismatch(v *View) []Verdict {
	var out []Verdict
	for _, s := range v.certsServed() {
		if !s.has(fact.CertNameMismatch) || s.selfMade() {
			continue
		}
		c := v.certCase("tls.cert-name-mismatch", s, Yes("the certificate is for "+names(s.leaf())+", not for "+firstOf(v.Host, "the site"), s.by))
		own := v.HostIs(s.leg.Addr())
		if own.Is == fact.Unknown && own.Says != "" {
			own = Yes(own.Says, own.By...) // behind NAT: the record leads here as far as can be told
		}
		c.Apart("Is it the site's own server, and not another tenant of the address?", own)
		c.Says("the certificate does not cover the name", "The certificate that "+s.leg.String()+" serves is for "+names(s.leaf())+"; the edge checks it against "+firstOf(v.Host, "the site's name")+".")
		f := fix("Issue a certificate for that name and serve it for that name, or change the origin name or host override at the CDN.",
			onHost("certbot certonly -d "+firstOf(v.Host, "HOST")+"; name it in the site's virtual host", ""), v.reloadServing(s.leg))
		f.Verify = "openssl s_client -connect " + s.leg.Target().String() + " -servername " + firstOf(v.Host, "HOST") + " </dev/null | openssl x509 -noout -ext subjectAltName, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

func judgeChainIncomplete(v *View) []Verdict {
	var out []Verdict
	for _, s := range v.certsServed() {
		if !s.has(fact.CertChainIncomplete) && !s.alone() {
			continue
		}
		miss := s.missing()
		c := v.certCase("tls.chain-incomplete", s, Yes("the certificate of "+miss+" is not among the "+itoa(len(s.tls.Chain))+" that were sent", s.by))
		if !s.has(fact.CertChainIncomplete) {
			// A leaf alone whose issuer is not known: either a link is missing, or
			// the issuer is nobody's authority. Public issuers say where they are
			// published; else the chain on the host tells.
			c.Apart("Is the issuer one that a trusted authority stands behind?", v.publicIssuer(s))
		}
		c.Says("the intermediate certificate is not sent", "The server sends only its own certificate; the one of "+miss+", between it and a trusted authority, is missing. Browsers hide this, they fetch or remember it.")
		f := fix("Serve the full chain.", onHost("nginx: ssl_certificate …/fullchain.pem (not cert.pem); Apache 2.4.8+: the same in SSLCertificateFile", ""), v.reloadServing(s.leg))
		if s.tls.MissingURL != "" {
			f.Steps = append(f.Steps, onHost("# the missing certificate is published at "+s.tls.MissingURL, ""))
		}
		f.Verify = "openssl s_client -showcerts -connect " + s.leg.Target().String() + " -servername " + firstOf(v.Host, "HOST") + " </dev/null sends two or more, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// alone reports whether a certificate was sent that another has signed, and
// nothing else that belongs to it: no more was sent, or another chain's links.
func (s served) alone() bool {
	return s.selfMade() && !s.leaf().SelfSigned && s.leaf().Issuer != "" && s.leaf().Issuer != s.leaf().Subject &&
		!slices.ContainsFunc(s.tls.Chain[1:], func(c fact.Cert) bool { return c.Subject == s.leaf().Issuer })
}

// missing names the certificate that should have followed.
func (s served) missing() string { return firstOf(s.tls.Missing, s.leaf().Issuer) }

// publicIssuer answers whether a lone certificate's issuer is an intermediate
// of a trusted authority.
func (v *View) publicIssuer(s served) Ans {
	if s.tls.MissingURL != "" {
		return Yes("the certificate names where its issuer's is published: "+s.tls.MissingURL, s.by)
	}
	for _, it := range v.certs {
		for _, f := range it.Fact.Files {
			if f.Issuer != nil && f.Issuer.Subject == s.missing() && slices.ContainsFunc(f.Chain, func(c fact.Cert) bool { return c.SHA256 == s.leaf().SHA256 }) {
				return when(!f.Issuer.SelfSigned, f.IssuerFile+" on the host holds its issuer, "+f.Issuer.Subject+", signed by "+f.Issuer.Issuer, it.ID)
			}
			for _, c := range f.Chain {
				if c.Subject == s.missing() && c.CA && !c.SelfSigned {
					return Yes(f.File+" on the host holds the missing link, "+c.Subject, it.ID)
				}
			}
		}
	}
	if slices.ContainsFunc(publicIssuers, func(n string) bool { return hasAny(s.missing(), n) }) {
		return Yes("its issuer is "+s.missing()+", an intermediate of a public authority", s.by)
	}
	return Unseen(lookCerts)
}

// publicIssuers are words in the names of public authorities' intermediates.
var publicIssuers = []string{
	"let's encrypt", "zerossl", "digicert", "sectigo", "globalsign", "google trust services", "gts ca", "amazon rsa", "amazon ecdsa",
	"godaddy", "starfield", "entrust", "buypass", "ssl.com", "certum", "rapidssl", "geotrust", "thawte", "comodo", "trustasia", "actalis",
	"cloudflare origin", "encryption everywhere", "alphassl", "gandi", "usertrust",
}

func judgeRevoked(v *View) []Verdict {
	var out []Verdict
	for _, s := range v.certsServed() {
		if !s.has(fact.CertRevoked) {
			continue
		}
		c := v.certCase("tls.cert-revoked", s, Yes("the stapled answer of the issuer says revoked", s.by))
		c.Says("the origin's certificate is revoked", "The certificate for "+names(s.leaf())+" was revoked by its issuer; the server itself staples that answer.")
		out = append(out, c.Fix(v.fixRenew(s)).Done())
	}
	return out
}

// judgeClockSkew: a wrong clock makes a good certificate look bad.
func judgeClockSkew(v *View) []Verdict {
	var out []Verdict
	for _, s := range v.certsServed() {
		early := s.has(fact.CertNotYetValid)
		off, by := v.clockOff()
		if !early && !off.IsYes() || !early && !s.has(fact.CertExpired) {
			continue
		}
		reason := No("the certificate's validity has begun", s.by)
		if early {
			reason = Yes("the certificate's validity begins on "+s.leaf().NotBefore.UTC().Format(time.DateTime)+", after the time of the look", s.by)
		} else if off.IsYes() {
			reason = Yes("the certificate is outside its validity", s.by)
		}
		c := v.certCase("tls.clock-skew", s, reason)
		c.v.Subject.Unit = "clock"
		c.Ask("Is the host's clock wrong?", off, originward.Likely, originward.Likely)
		_ = by
		c.Says("a wrong clock makes the certificate invalid", "The certificate's validity and the time do not agree"+because(off)+": it was stamped, or is judged, by a clock that is wrong.")
		f := fix("Set the clock right and keep it synchronised before services start; issue the certificate anew.", onHost("timedatectl set-ntp true && chronyc makestep", ""))
		f.Verify = "timedatectl shows synchronized: yes, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// clockOff answers whether the host's clock is off by more than a minute.
func (v *View) clockOff() (Ans, []string) {
	for _, it := range v.clock {
		if it.Vantage != originward.Host {
			continue
		}
		if it.Fact.Reference != "" {
			off := it.Fact.Offset.Abs() > time.Minute
			return when(off, "the host's clock differs by "+it.Fact.Offset.String()+" from "+it.Fact.Reference, it.ID), []string{it.ID}
		}
	}
	if len(v.clock) == 0 {
		return Unseen(Look{originward.Host, fact.QClock, "compare the host's clock with another (`timedatectl`): add --ssh root@HOST or --host-evidence FILE"}), nil
	}
	// Both bundles carry the time at which they were made; hours between them
	// are a clock, minutes may be a saved file.
	return Unseen(Look{originward.Host, fact.QClock, "compare the host's clock with another (`timedatectl`)"}), nil
}
