package causes

import (
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// handshake is a TLS leg whose handshake fails for the site's name.
type handshake struct {
	leg   *Leg
	fault fact.Fault
	by    string
	local bool // seen on the host only
}

// failedHandshakes lists the TLS legs whose plain exchange ends in the
// handshake.
func (v *View) failedHandshakes() []handshake {
	var out []handshake
	for _, l := range v.Legs {
		if l.Scheme != "https" || l.Used == fact.No {
			continue
		}
		for _, x := range l.Direct {
			if OutcomeOf(x.Fact) == OutTLS {
				out = append(out, handshake{l, *x.Fact.Fault, x.ID, false})
				break
			}
		}
		if l.met() {
			continue
		}
		// Nobody but the edge gets in, as it should be: what the host meets on its
		// own port counts. It may not have asked for the site's name.
		for _, x := range l.Local {
			if OutcomeOf(x.Fact) == OutTLS && (x.Fact.Fault.NotTLS || x.Fact.Fault.Alert != 0) {
				out = append(out, handshake{l, *x.Fact.Fault, x.ID, true})
				break
			}
		}
	}
	return out
}

// met reports whether a source that is not the CDN's got through to the leg.
func (l *Leg) met() bool {
	return slices.ContainsFunc(l.Direct, func(x fact.Item[fact.Exchange]) bool { return x.Fact.Connected() })
}

// variant is how an exchange with one thing changed ended for a leg.
func (l *Leg) variant(name string) (o Outcome, x fact.Item[fact.Exchange], ok bool) {
	for _, x := range l.Variants {
		if x.Fact.Variant == name {
			return OutcomeOf(x.Fact), x, true
		}
	}
	if !l.met() && name == fact.VariantPlainHTTP {
		for _, x := range l.Local {
			if x.Fact.Variant == name {
				return OutcomeOf(x.Fact), x, true
			}
		}
	}
	return "", fact.Item[fact.Exchange]{}, false
}

// shakes answers whether the handshake of a variant completes.
func (l *Leg) shakes(name, says string) Ans {
	_, x, ok := l.variant(name)
	if !ok {
		return Unseen(lookVariants)
	}
	done := x.Fact.TLS != nil && x.Fact.TLS.Complete
	if x.Fact.Fault == nil && x.Fact.TLS == nil && name != fact.VariantPlainHTTP {
		return Unseen(lookVariants)
	}
	return when(done, says, x.ID)
}

// otherName answers whether the handshake completes with another server name,
// or with none.
func (l *Leg) otherName() Ans {
	a := l.shakes(fact.VariantOtherSNI, "with another server name the handshake completes")
	b := l.shakes(fact.VariantNoSNI, "without a server name the handshake completes")
	switch {
	case a.IsYes():
		return a
	case b.IsYes():
		return b
	case a.Known():
		a.Says = "with another server name it fails too"
		return a
	}
	b.Says = "without a server name it fails too"
	return b
}

// tlsCase opens the case that all handshake causes share.
func (v *View) tlsCase(id originward.CauseID, h handshake, codes ...int) *Case {
	if len(codes) == 0 {
		codes = []int{525, 520, 522}
	}
	fails, keys := v.Fails(h.leg, codes...)
	c := newCase(id, h.leg.Subject()).Explains(keys...)
	c.v.Subject.Name = v.Host
	worst := originward.Likely
	if fails.IsNo() && v.EdgeGood().IsYes() {
		worst = originward.Possible
	}
	c.Ask("Does the edge's handshake fail (525)?", fails, worst, originward.Likely)
	c.Ask("Does the edge speak TLS to the origin?", v.Mode.HTTPS, originward.RuledOut, originward.Likely)
	if h.local && !fails.IsYes() {
		c.AtMost(originward.Likely, "it was seen on the host itself only")
	}
	return c
}

// Alerts as fact.Fault carries them: number + 1000.
const (
	alertHandshakeFailure    = 1040
	alertBadCertificate      = 1042
	alertProtocolVersion     = 1070
	alertInsufficientSecure  = 1071
	alertInternalError       = 1080
	alertAccessDenied        = 1049
	alertUnrecognizedName    = 1112
	alertCertificateRequired = 1116
)

func judgeSNIUnmatched(v *View) []Verdict {
	var out []Verdict
	for _, h := range v.failedHandshakes() {
		named := h.fault.Alert == alertUnrecognizedName
		fits := named || slices.Contains([]int{alertHandshakeFailure, alertInternalError, alertAccessDenied}, h.fault.Alert)
		if !fits {
			continue
		}
		other := h.leg.otherName()
		noSite := v.noSiteFor(h)
		if h.local && (!named || !v.nameConfigured(h.leg).IsNo()) {
			continue
		}
		if !named && other.IsNo() && !noSite.IsYes() {
			continue
		}
		c := v.tlsCase("tls.sni-unmatched", h)
		c.Must("Does the server itself end the handshake?", Yes("the server answers with alert "+firstOf(h.fault.AlertName, itoa(h.fault.Alert-1000)), h.by))
		if named {
			c.Must("Does it say that it does not know the name?", Yes("the alert is unrecognized_name", h.by))
		} else if other.IsNo() {
			c.Must("Does the server, which ends handshakes so for names it has no certificate for, lack the name?", noSite)
		} else {
			c.Must("Does it complete for another name?", other)
			c.Ask("Does the server's configuration lack the name?", v.nameConfigured(h.leg).Not(), originward.Possible, originward.Likely)
		}
		place := v.rejectPlace(h.leg)
		c.v.Subject.File, c.v.Subject.Line = place.File, place.Line
		c.Says("no virtual host of the server matches the name", "The server ends the handshake for "+firstOf(v.Host, "the site's name")+" with "+firstOf(h.fault.AlertName, "an alert")+": no virtual host with TLS has that name"+placeText(place)+".")
		f := fix("Add the name to the virtual host with its certificate, or give the server a default certificate.", edit(place, "add "+firstOf(v.Host, "the name")+" to a virtual host with TLS, or drop the rejection"), v.reloadServing(h.leg))
		f.Verify = "openssl s_client -connect " + h.leg.Target().String() + " -servername " + firstOf(v.Host, "HOST") + " </dev/null completes, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// noSiteFor answers whether the port's server is one that has no default
// certificate and says internal_error for every name it does not serve (Go's
// crypto/tls, so Caddy), and does not serve this one.
func (v *View) noSiteFor(h handshake) Ans {
	socks, _ := v.Sockets(func(s fact.Socket) bool { return s.Program == "caddy" && v.serves(s, h.leg) })
	if h.fault.Alert != alertInternalError || !v.Here(h.leg) || len(socks) == 0 {
		return Unseen(lookWeb)
	}
	for _, it := range v.Live() {
		if it.Fact.Server == "caddy" && it.Fact.Parsed != fact.No && len(it.Fact.Sites) > 0 {
			return v.nameConfigured(h.leg).Not()
		}
	}
	return Unseen(lookWeb)
}

func placeText(p fact.Place) string {
	if p.File == "" {
		return ""
	}
	return " (" + at(p) + ")"
}

// nameConfigured answers whether a virtual host with TLS has the site's name.
func (v *View) nameConfigured(l *Leg) Ans {
	if !v.Here(l) || len(v.web) == 0 {
		return Unseen(lookWeb)
	}
	var by []string
	for _, it := range v.Live() {
		by = append(by, it.ID)
		if s, named, ok := siteFor(it.Fact, v.Host, l.Port); ok && named {
			return Yes("the virtual host at "+at(s.Place)+" has the name", it.ID)
		}
	}
	return No("no virtual host on the port has the name", by...)
}

func (v *View) rejectPlace(l *Leg) fact.Place {
	for _, it := range v.Live() {
		if s, _, ok := siteFor(it.Fact, v.Host, l.Port); ok && s.RejectTLS != nil {
			return *s.RejectTLS
		}
	}
	return fact.Place{}
}

// judgePlainHTTP: the port that the edge speaks TLS to answers in plain HTTP.
func judgePlainHTTP(v *View) []Verdict {
	var out []Verdict
	for _, h := range v.failedHandshakes() {
		inHTTP := hasAny(h.fault.Looks, "http") || hasAny(h.fault.Sample, "http/1")
		speaks := speaksPlain(h.leg, h.fault.NotTLS || inHTTP)
		if !h.fault.NotTLS && !inHTTP && !speaks.IsYes() {
			continue
		}
		if !speaks.Known() && inHTTP {
			speaks = Yes("the ClientHello is answered in HTTP: "+h.fault.Sample, h.by)
		}
		if lines, by := v.Lines(nil, fact.LogTLSToPlain); !speaks.Known() && len(lines) > 0 {
			speaks = Yes("the server logged a ClientHello as a bad request: "+lines[0].Text, by...)
		}
		c := v.tlsCase("tls.plain-http-on-port", h)
		c.Must("Is the ClientHello not answered with TLS?", Yes(strings.TrimSpace("the port does not answer a ClientHello with TLS "+h.fault.Sample), h.by))
		c.Must("Does the port speak plain HTTP?", speaks)
		if _, x, ok := h.leg.variant(fact.VariantPlainHTTP); ok && x.Fact.Response != nil && x.Fact.Response.Status == 400 {
			c.AtMost(originward.Likely, "a plain request gets 400 as well: something before the server may put bytes in front of what comes")
		}
		place := v.plainPlace(h.leg)
		c.v.Subject.File, c.v.Subject.Line = place.File, place.Line
		c.Says("the https port speaks plain HTTP", h.leg.String()+" answers in plain HTTP where the edge speaks TLS"+placeText(place)+".")
		f := fix("Turn TLS on for that listener (or publish the port to the one that has it); lowering the mode works too, at the price of plain http behind the edge.",
			edit(place, "listen "+itoa(int(h.leg.Port))+" ssl, with certificate and key"), v.reloadServing(h.leg))
		f.Verify = "openssl s_client -connect " + h.leg.Target().String() + " -servername " + firstOf(v.Host, "HOST") + " </dev/null completes, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// speaksPlain answers whether a plain HTTP request on the leg's port is served.
// Servers of TLS answer one too, with a hint that they want TLS; and a bare 400
// says something only where the ClientHello was not answered with TLS either.
func speaksPlain(l *Leg, notTLS bool) Ans {
	o, x, ok := l.variant(fact.VariantPlainHTTP)
	if !ok {
		return Unseen(lookVariants)
	}
	r := x.Fact.Response
	switch {
	case o != OutOK || r == nil:
		return No("a plain HTTP request on the port ends: "+string(o), x.ID)
	case hasAny(r.Title+" "+r.Body, "https port", "ssl-enabled", "https server", "tls-enabled"):
		return No("the port asks for TLS when it is spoken to in plain HTTP ("+itoa(r.Status)+")", x.ID)
	case r.Status == 400 && !notTLS:
		return Unseen(lookVariants)
	}
	return Yes("a plain HTTP request on the port is answered "+itoa(r.Status), x.ID)
}

// plainPlace is the configuration line that listens on the port without TLS.
func (v *View) plainPlace(l *Leg) fact.Place {
	for _, it := range v.Live() {
		for _, x := range it.Fact.Listens {
			if x.Port == l.Port && !x.TLS {
				return x.Place
			}
		}
	}
	return fact.Place{}
}

// judgeVersionOrCipher: both sides have no version, cipher or signature in
// common.
func judgeVersionOrCipher(v *View) []Verdict {
	var out []Verdict
	for _, h := range v.failedHandshakes() {
		sure := h.fault.Alert == alertProtocolVersion || h.fault.Alert == alertInsufficientSecure
		maybe := h.fault.Alert == alertHandshakeFailure && h.fault.ClientCert != fact.Yes
		own := h.fault.Alert == 0 && !h.fault.NotTLS && h.fault.Type == originward.TLSProtocolError && h.fault.Ended == "" && h.fault.Errno == "" && h.fault.BytesRead > 0
		if !sure && !maybe && !own {
			continue
		}
		if maybe && h.leg.otherName().IsYes() {
			continue
		}
		c := v.tlsCase("tls.version-or-cipher", h).At(v.listenWhere(func(l fact.Listen) bool { return l.TLS && l.Port == h.leg.Port }))
		c.Must("Does the server itself end the handshake over the offer?", Yes("the handshake ends with "+firstOf(h.fault.AlertName, h.fault.Detail), h.by))
		limits := v.tlsLimits(h.leg)
		if !sure {
			if h.local {
				c.Must("Is there a virtual host for the name, whatever name was asked for?", v.nameConfigured(h.leg))
			} else {
				c.Must("Does it fail for every server name?", h.leg.otherName().Not())
			}
			c.Ask("Is the server's list of versions and ciphers short?", limits, originward.Possible, originward.Likely)
		}
		c.Says("the edge and the origin have no TLS version or cipher in common", "The server refuses the edge's offer with "+firstOf(h.fault.AlertName, "an alert")+because(limits)+".")
		f := fix("Widen the origin's list: TLS 1.2 and 1.3, ECDHE with AES-GCM for the key type of the certificate.",
			onHost("nginx: ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers HIGH:!aNULL; Apache: SSLProtocol -all +TLSv1.2 +TLSv1.3", ""), v.reloadServing(h.leg))
		f.Verify = "openssl s_client -connect " + h.leg.Target().String() + " -servername " + firstOf(v.Host, "HOST") + " </dev/null completes, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// tlsLimits answers whether the host's configuration names a short list.
func (v *View) tlsLimits(l *Leg) Ans {
	if !v.Here(l) {
		return Unseen(lookWeb)
	}
	for _, it := range v.Live() {
		if s, _, ok := siteFor(it.Fact, v.Host, l.Port); ok && (len(s.Protocols) > 0 || s.Ciphers != "") {
			says := at(s.Place) + " allows only"
			for _, p := range s.Protocols[:min(len(s.Protocols), maxShown)] {
				says += " " + p
			}
			return Yes(says+" "+s.Ciphers, it.ID)
		}
	}
	return Unseen(lookWeb)
}

// judgeHelloSplit: a device drops a ClientHello that spans two packets.
func judgeHelloSplit(v *View) []Verdict {
	var out []Verdict
	for _, h := range v.lostHellos() {
		small := h.leg.smallHello()
		if !small.IsYes() {
			continue
		}
		large := h.leg.shakes(fact.VariantLargeHello, "a large ClientHello completes").Not()
		codes := []int{525, 520, 522}
		if directIs(h.leg, "", OutTLS).IsNo() {
			codes = codes[:2] // one large hello that was lost does not explain a wait
		}
		c := v.tlsCase("tls.clienthello-split", h, codes...)
		c.Must("Does a small ClientHello work?", small)
		c.Must("Does a large one fail?", large)
		c.Apart("Is it silence or a reset, and no alert of the server?", when(h.fault.Alert == 0, "the large hello ends without an alert", h.by))
		c.Says("a ClientHello that spans two packets is lost", "A small ClientHello completes and a large one (post-quantum key share) does not: a device or the server drops hellos that come in two pieces.")
		f := fix("Update or reconfigure the device that inspects TLS; until then keep post-quantum key shares away from that origin.",
			onHost("look for a middlebox, load balancer or IPS before the server that reads the server name from the first packet only", ""))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// lostHellos are the handshakes that end without an alert: those of the plain
// exchange, and those of the large hello alone.
func (v *View) lostHellos() []handshake {
	out := v.failedHandshakes()
	for _, l := range v.Legs {
		if l.Scheme != "https" || l.Used == fact.No || slices.ContainsFunc(out, func(h handshake) bool { return h.leg == l }) {
			continue
		}
		if o, x, ok := l.variant(fact.VariantLargeHello); ok && o == OutTLS {
			out = append(out, handshake{l, *x.Fact.Fault, x.ID, false})
		}
	}
	return out
}

// smallHello answers whether a handshake with a small hello completes: asked
// for as such, or the plain exchange where the large one is what fails.
func (l *Leg) smallHello() Ans {
	if a := l.shakes(fact.VariantSmallHello, "a ClientHello that fits one packet completes"); a.Known() {
		return a
	}
	return directIs(l, "completes the ordinary handshake", OutOK, OutBody, OutEmpty, OutSlow, OutBadHTTP, OutHead)
}

// judgeSNIFiltered: a network between resets handshakes by name.
func judgeSNIFiltered(v *View) []Verdict {
	var out []Verdict
	for _, h := range v.failedHandshakes() {
		cut := h.fault.Alert == 0 && !h.fault.NotTLS
		other := h.leg.otherName()
		if !cut || !other.IsYes() {
			continue
		}
		c := v.tlsCase("tls.sni-filtered", h)
		c.Must("Is the handshake cut without an alert?", Yes("the handshake with the site's name ends by "+firstOf(h.fault.Errno, h.fault.Ended, "an end of the connection"), h.by))
		c.Must("Does it complete with a neutral name?", other)
		c.Apart("Does a small ClientHello fail as well?", h.leg.shakes(fact.VariantSmallHello, "a small ClientHello completes").Not())
		// Servers that reset a name that they do not know look the same from outside.
		c.Must("Does the same handshake complete on the host itself?", v.localShakes(h.leg))
		c.Says("a network between cuts handshakes by the site's name", "Handshakes with "+h.leg.String()+" complete for a neutral name and are cut for "+firstOf(v.Host, "the site's")+", before the server answers.")
		f := fix("Register the domain with the host's authority, move the origin, or use a tunnel.", atProvider("ask whether handshakes are filtered by name (unregistered domain)"))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// localShakes answers whether a handshake with the site's name completes on
// the host itself.
func (v *View) localShakes(l *Leg) Ans {
	for _, x := range l.Local {
		if x.Fact.Scheme == "https" && (x.Fact.SNI == "" || v.Host == "" || lower(x.Fact.SNI) == lower(v.Host)) {
			done := x.Fact.TLS != nil && x.Fact.TLS.Complete
			return when(done, "on the host the handshake with the site's name completes: "+string(fact.TriOf(done)), x.ID)
		}
	}
	for _, it := range v.certs {
		for _, s := range it.Fact.Served {
			if s.Addr.Port() == l.Port && lower(s.SNI) == lower(v.Host) && v.Host != "" {
				done := s.TLS != nil && s.TLS.Complete
				return when(done, "on the host the handshake with the site's name completes: "+string(fact.TriOf(done)), it.ID)
			}
		}
	}
	return Unseen(lookLocal)
}
