package causes

import (
	"net/netip"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// empty answers whether a connection is accepted and closed before a byte of
// the response, directly.
func (v *View) empty(l *Leg) Ans {
	a := directIs(l, "accepts the request and closes without a byte", OutEmpty)
	if a.Known() && !a.IsNo() {
		return a
	}
	for _, x := range l.Local {
		if OutcomeOf(x.Fact) == OutEmpty {
			return Yes("on the host itself the request is closed without a byte", x.ID)
		}
	}
	for h := range l.hits() {
		if outcomeOfFault(h.Phase, h.Fault, 0) == OutEmpty {
			return Yes("the edge's exchange ends before a byte of the response", h.By...)
		}
	}
	return a
}

// closePlace is the configuration line that closes without an answer for the
// site on a port.
func (v *View) closePlace(l *Leg) (fact.Place, string) {
	for _, it := range v.Live() {
		site, _, ok := siteAt(it.Fact, v.Host, l.Target())
		if ok && site.Close != nil {
			return *site.Close, it.ID
		}
		if ok && len(it.Fact.Sites) > 0 {
			for _, p := range it.Fact.Closes {
				if p.File == site.Place.File && p.Line >= site.Place.Line && v.lineInSite(it.Fact, site, p) {
					return p, it.ID
				}
			}
			continue
		}
		if len(it.Fact.Closes) > 0 && len(it.Fact.Sites) == 0 && servesPort(it.Fact, l.Port) {
			return it.Fact.Closes[0], it.ID
		}
	}
	return fact.Place{}, ""
}

// lineInSite reports whether a line of the same file stands in a virtual host
// and not in the next one.
func (v *View) lineInSite(w fact.WebConfig, site fact.Site, p fact.Place) bool {
	for _, o := range w.Sites {
		if o.Place.File == p.File && o.Place.Line > site.Place.Line && o.Place.Line <= p.Line {
			return false
		}
	}
	return true
}

// closedOnPurpose answers whether the server closes without an answer because
// it was told to.
func (v *View) closedOnPurpose(l *Leg) Ans {
	if !v.Here(l) {
		return Unseen(lookWeb)
	}
	if p, id := v.closePlace(l); id != "" {
		return Yes(at(p)+" closes the connection without an answer", id)
	}
	if a := v.Logged("the server's log shows that it closed without an answer", nil, fact.LogClosed444); a.IsYes() {
		return a
	}
	if live := v.Web(func(w fact.WebConfig) bool { return w.Running == fact.Yes && servesPort(w, l.Port) }); len(live) > 0 && v.LogsSeen().IsYes() {
		return No("no line of the configuration closes, and no log line tells of it", live[0].ID)
	}
	return Unseen(lookWeb)
}

func judgeClose(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No {
			continue
		}
		fails, keys := v.Fails(l, 520, 502, 504)
		empty := v.empty(l)
		if !empty.IsYes() && !v.closedOnPurpose(l).IsYes() || !fails.IsYes() {
			continue
		}
		c := newCase("http.close-without-response", l.Subject()).Explains(keys...)
		c.v.Subject.Host = v.Host
		place, _ := v.closePlace(l)
		c.v.Subject.File, c.v.Subject.Line = place.File, place.Line
		c.Must("Does the edge get no response (520)?", fails)
		c.Ask("Is the connection closed without a byte?", empty, originward.Possible, originward.Likely)
		unseen := originward.Possible
		if directIs(l, "", OutEmpty).IsYes() && !v.modeLow(l) && l.demandsNothing() {
			unseen = originward.Likely
		}
		c.Ask("Does the server close on purpose?", v.closedOnPurpose(l), originward.Possible, unseen)
		c.Apart("Is no other protocol expected on the port?", v.noProxyProtocol(l))
		c.Apart("Is it the port that the edge should use?", v.rightPort(l))
		c.Says("the origin closes without a response", l.String()+" takes the request and closes the connection without a byte"+because(v.closedOnPurpose(l))+".")
		f := fix("Correct the rule or the default server that closes; let the CDN's requests through.",
			edit(place, "answer instead of closing, or narrow the condition"), v.reloadServing(l))
		f.Verify = "curl -sk --resolve " + firstOf(v.Host, "HOST") + ":" + itoa(int(l.Port)) + ":" + addrOr(l.Addr()) + " " + l.Scheme + "://" + firstOf(v.Host, "HOST") + "/ answers, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// rightPort answers whether the edge rightly uses plain http: not where the
// origin's https is in order and only the mode leads past it.
func (v *View) rightPort(l *Leg) Ans {
	switch {
	case l.Scheme != "http":
		return Yes("it is the https port")
	case v.Mode.HTTPS.IsYes():
		return Yes("visitors over plain http come here", v.Mode.HTTPS.By...)
	}
	https := v.httpsAnswers(l.Origin)
	switch {
	case https.IsNo():
		return Yes("the origin has no https that answers", https.By...)
	case https.IsYes() && v.Mode.HTTPS.IsNo():
		return No("the origin's https answers, and the mode leads past it", append(https.By, v.Mode.HTTPS.By...)...)
	case https.IsYes():
		return Unseen(lookMode)
	}
	return https
}

// httpsAnswers answers whether the origin answers https at all, to anyone,
// itself included.
func (v *View) httpsAnswers(o *Origin) Ans {
	a := Unseen(lookDirect)
	for _, x := range v.exchanges {
		f := x.Fact
		mine := f.Target.Addr().Unmap() == o.Addr || x.Vantage == originward.Host && !v.HostIs(o.Addr).IsNo()
		if f.Scheme != "https" || !mine {
			continue
		}
		switch OutcomeOf(f) {
		case OutOK, OutBody:
			return Yes(f.Target.String()+" answers https", x.ID)
		case "":
		default:
			a = No(f.Target.String()+" does not answer https", append(a.By, x.ID)...)
		}
	}
	return a
}

// modeLow reports whether the leg is plain http because the mode is low, while
// the origin's https port is in order: the mode is the matter then.
func (v *View) modeLow(l *Leg) bool {
	if l.Scheme != "http" || !v.Mode.HTTPS.IsNo() {
		return false
	}
	_, https := v.schemeLegs(l.Origin)
	return https != nil && directWorks(https).IsYes()
}

// demandsNothing reports whether no exchange shows that a client certificate
// was asked for.
func (l *Leg) demandsNothing() bool {
	return !slices.ContainsFunc(l.Direct, func(x fact.Item[fact.Exchange]) bool {
		return x.Fact.TLS != nil && x.Fact.TLS.ClientCert == fact.Yes || x.Fact.Fault != nil && x.Fact.Fault.ClientCert == fact.Yes
	})
}

// noProxyProtocol answers whether the port does not expect PROXY protocol.
func (v *View) noProxyProtocol(l *Leg) Ans {
	if a := v.expectsProxy(l); a.Known() {
		return a.Not()
	}
	return Unseen(lookWeb)
}

// expectsProxy answers whether a listener of the port expects PROXY protocol.
func (v *View) expectsProxy(l *Leg) Ans {
	if !v.Here(l) || len(v.web) == 0 {
		return Unseen(lookWeb)
	}
	var by []string
	for _, it := range v.Live() {
		by = append(by, it.ID)
		for _, x := range it.Fact.Listens {
			if x.Port == l.Port && x.Proxy {
				return Yes("the listener at "+at(x.Place)+" expects PROXY protocol", it.ID)
			}
		}
		for _, s := range it.Fact.Sites {
			for _, x := range s.Listens {
				if x.Port == l.Port && x.Proxy {
					return Yes("the listener at "+at(x.Place)+" expects PROXY protocol", it.ID)
				}
			}
		}
	}
	if a := v.Logged("the server's log", nil, fact.LogProxyProtocol); a.IsYes() {
		return a
	}
	if len(by) == 0 {
		return Unseen(lookWeb)
	}
	return No("no listener of the port expects PROXY protocol", by...)
}

func judgeProxyProtocol(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		expects := v.expectsProxy(l)
		if l.Used == fact.No || !expects.IsYes() {
			continue
		}
		fails, keys := v.Fails(l, 520, 525, 502, 400)
		c := newCase("http.proxy-protocol", l.Subject()).Explains(keys...)
		place := v.proxyPlace(l)
		c.v.Subject.File, c.v.Subject.Line = place.File, place.Line
		c.Ask("Does the edge fail after the connect?", fails, originward.Possible, originward.Likely)
		c.Must("Does the port expect PROXY protocol?", expects)
		c.Says("the port expects PROXY protocol, which the edge does not speak", "The listener of "+l.String()+" expects a PROXY header before the request"+placeText(place)+"; the edge sends none.")
		f := fix("Expect PROXY protocol on no port that the edge contacts; keep it for the balancer's own port.", edit(place, "remove proxy_protocol (accept-proxy) from this listener"), v.reloadServing(l))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return append(out, v.headerUnasked()...)
}

// headerUnasked judges a proxy on the host that puts a PROXY header before
// what it hands to a listener that expects none.
func (v *View) headerUnasked() []Verdict {
	var out []Verdict
	for _, u := range v.upstreams() {
		if !u.up.Proxy || !u.up.Addr.IsValid() || u.up.Local == fact.No {
			continue
		}
		to, by, ok := v.listenerAt(u.up.Addr)
		if !ok || to.Proxy {
			continue
		}
		fails, keys := v.proxyFails(u.leg, 525, 520, 502, 503, 400)
		subj := u.leg.Subject()
		subj.File, subj.Line = u.up.Place.File, u.up.Place.Line
		c := newCase("http.proxy-protocol", subj).Explains(keys...)
		c.Ask("Does the edge fail after the connect?", fails, originward.Possible, originward.Likely)
		c.Must("Does a proxy send PROXY protocol to a listener that expects none?",
			Yes(at(u.up.Place)+" sends it to "+u.up.Name+", and the listener at "+at(to.Place)+" does not expect it", u.item.ID, by))
		c.Says("a proxy sends PROXY protocol to a listener that does not expect it", at(u.up.Place)+" puts a PROXY header before what it hands to "+u.up.Name+", and "+at(to.Place)+" takes it for the request.")
		f := fix("Let the listener expect PROXY protocol, or let the proxy send none.", edit(to.Place, "add proxy_protocol (accept-proxy) to this listener"), v.reloadOf(u.item.Fact.Server))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// listenerAt is the line of a running server's configuration that opens an
// address and port.
func (v *View) listenerAt(to netip.AddrPort) (fact.Listen, string, bool) {
	for _, it := range v.Live() {
		ls := slices.Clone(it.Fact.Listens)
		for _, s := range it.Fact.Sites {
			ls = append(ls, s.Listens...)
		}
		for _, l := range ls {
			if l.Port == to.Port() && (hasAny(l.Addr, to.Addr().String()) || hasAny(l.Addr, "*", "0.0.0.0", "[::]") || l.Addr == itoa(int(l.Port))) {
				return l, it.ID, true
			}
		}
	}
	return fact.Listen{}, "", false
}

func (v *View) proxyPlace(l *Leg) fact.Place {
	for _, it := range v.Live() {
		for _, x := range it.Fact.Listens {
			if x.Port == l.Port && x.Proxy {
				return x.Place
			}
		}
		if len(it.Fact.ProxyProto) > 0 {
			return it.Fact.ProxyProto[0]
		}
	}
	return fact.Place{}
}

// judgeHeaderTooLarge: headers of the response or of the request exceed a
// limit.
func judgeHeaderTooLarge(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No {
			continue
		}
		fails, keys := v.Fails(l, 520, 502, 400, 431, 494)
		direct := directIs(l, "answers with a head larger than an edge takes (128 KB)", OutHead)
		logged := v.Logged("the server's log", nil, fact.LogUpstreamHeader, fact.LogHeaderTooBig)
		cookie := v.cookieDecides(l)
		if !direct.IsYes() && !cookie.IsYes() && !(logged.IsYes() && fails.IsYes() && v.Here(l)) {
			continue
		}
		c := newCase("http.header-too-large", l.Subject()).Explains(keys...)
		c.Ask("Does the site fail?", fails, originward.Possible, originward.Likely)
		c.Must("Is a header beyond a limit?", firstYes(direct, logged, cookie))
		if !direct.IsYes() && !cookie.IsYes() {
			// A line of the log says that some request met the limit; the code has
			// to be the one that such a request gets.
			c.Ask("Is it the answer that such a request gets?", v.headerCode(l), originward.Possible, originward.Likely)
		}
		if direct.IsYes() {
			c.Says("the origin's response headers are too large", "The response head of "+l.String()+" is larger than 128 KB, and the edge gives up on it.")
		} else {
			c.Says("headers exceed a limit of the server", "A header is larger than a limit of the server"+because(firstYes(logged, cookie))+"; visitors with large cookies fail.")
		}
		f := fix("Cut the cookies or headers; raise the buffer that the log names.",
			onHost("nginx: large_client_header_buffers 4 32k; proxy_buffer_size 32k; proxy_buffers 8 32k; Apache: LimitRequestFieldSize 32768", ""), v.reloadServing(l))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

func firstYes(as ...Ans) Ans {
	for _, a := range as {
		if a.IsYes() {
			return a
		}
	}
	return as[0]
}

// cookieDecides answers whether the request works once the visitor's cookies
// are left out.
func (v *View) cookieDecides(l *Leg) Ans {
	o, x, ok := l.variant(fact.VariantNoCookie)
	if ok {
		bad := slices.ContainsFunc(l.Direct, func(d fact.Item[fact.Exchange]) bool { return directCode(v, d) != 0 })
		good := o == OutOK && x.Fact.Response != nil && directCode(v, x) == 0
		return when(bad && good, "without the visitor's cookies the request works: "+string(fact.TriOf(good)), x.ID)
	}
	var plain, without *Hit
	for i := range v.Hits {
		h := &v.Hits[i]
		switch {
		case h.Variant == fact.VariantNoCookie:
			without = h
		case h.Own && h.Variant == "":
			plain = h
		}
	}
	if plain == nil || without == nil {
		return Unseen(lookVariants)
	}
	return when(!plain.Good() && without.Good(), "through the edge the request works without cookies", addIDs(slices.Clone(plain.By), without.By)...)
}

// headerCode answers whether the failing code is one that a too large header
// gives.
func (v *View) headerCode(l *Leg) Ans {
	up := v.Logged("an upstream's header was too big", nil, fact.LogUpstreamHeader)
	if up.IsYes() {
		a, _ := v.proxyFails(l, 502)
		return a
	}
	a, _ := v.proxyFails(l, 400, 431, 494)
	return a
}

// judgeH2Origin: the origin negotiates HTTP/2 and does not keep to it.
func judgeH2Origin(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No || l.Scheme != "https" {
			continue
		}
		o1, x1, ok1 := l.variant(fact.VariantHTTP1)
		over := v.h2Fails(l)
		logged := v.Logged("the server's log", nil, fact.LogHTTP2)
		if !over.IsYes() && !logged.IsYes() {
			continue
		}
		fails, keys := v.Fails(l, 520, 502, 524)
		h1 := Unseen(lookVariants)
		if ok1 {
			h1 = when(o1 == OutOK || o1 == OutBody, "over HTTP/1.1 the same request ends: "+string(o1), x1.ID)
		}
		c := newCase("http.h2-origin", l.Subject()).Explains(keys...).At(v.listenWhere(func(x fact.Listen) bool { return x.HTTP2 && x.Port == l.Port }))
		c.Ask("Does the edge fail after the handshake?", fails, originward.Possible, originward.Likely)
		c.Ask("Does the exchange fail over HTTP/2?", over, originward.Possible, originward.Possible)
		c.Ask("Does the same work over HTTP/1.1?", h1, originward.RuledOut, originward.Possible)
		on := Unseen(lookSetting)
		if s, id, ok := v.Setting(func(s fact.CDNSettings) bool { return s.HTTP2Origin != fact.Unknown }); ok {
			on = tri(s.HTTP2Origin, "HTTP/2 to the origin: "+string(s.HTTP2Origin), lookSetting, id)
		}
		c.Proof("Does the edge use HTTP/2 to the origin?", on)
		c.Says("the origin does not keep to HTTP/2", "Over HTTP/2 the exchange with "+l.String()+" fails, over HTTP/1.1 it works.")
		f := fix("Switch HTTP/2 to the origin off at the CDN, or on the server; raise the requests per connection.",
			onCDN("PATCH /zones/ID/settings/origin_max_http_version {\"value\":\"1\"}", "set it back to \"2\""), v.reloadServing(l))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// h2Fails answers whether an exchange that negotiated h2 fails after the
// handshake.
func (v *View) h2Fails(l *Leg) Ans {
	for _, x := range slices.Concat(l.Direct, l.Variants) {
		if x.Fact.Variant != fact.VariantPlain && x.Fact.Variant != fact.VariantHTTP2 || x.Fact.TLS == nil || x.Fact.TLS.ALPN != "h2" {
			continue
		}
		switch OutcomeOf(x.Fact) {
		case OutEmpty, OutBadHTTP, OutSlow:
			return Yes("over HTTP/2 the exchange ends: "+string(OutcomeOf(x.Fact)), x.ID)
		case OutOK:
			return No("over HTTP/2 the exchange works", x.ID)
		}
	}
	return Unseen(lookVariants)
}
