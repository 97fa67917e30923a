package causes

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// judgeTLSPortMissing: port 80 is served and the port that speaks TLS is not.
func judgeTLSPortMissing(v *View) []Verdict {
	var out []Verdict
	if v.otherVendor() {
		return nil // that vendor's own setting decides which port is asked: see cdn.protocol-policy
	}
	for _, u := range v.unheardLegs() {
		if u.leg.Scheme != "https" {
			continue
		}
		plain := v.plainSibling(u.leg)
		if plain == nil {
			continue
		}
		served := v.servedPlain(plain)
		if !served.IsYes() {
			continue
		}
		c := newCase("listener.tls-port-missing", u.leg.Subject()).Explains(u.keys...).At(v.listenWhere(func(l fact.Listen) bool { return l.Port == plain.Port }))
		c.Ask("Is the https port refused?", u.refused, originward.Likely, originward.Likely)
		c.Must("Is the plain http port served?", served)
		c.Must("Does the edge carry https visitors to the https port?", v.carriesHTTPS(u))
		unseen := originward.Likely
		if !directRefused(u.leg).IsYes() {
			unseen = originward.Possible
		}
		v.unserved(c, u, "Does no socket of the host serve the https port?", unseen)
		c.Apart("Does no socket hold the port on another address or family?", v.nothingNear(u))
		c.Apart("Is no server stopped that has the site on this port?", v.nobodyNames(u))
		c.Says("nothing listens on the https port",
			plain.String()+" is served and "+u.leg.String()+" is not, while the edge carries https visitors to it.")
		c.Fix(v.fixTLSPort(u))
		out = append(out, c.Done())
	}
	return out
}

// plainSibling is the plain http leg of the same origin.
func (v *View) plainSibling(l *Leg) *Leg {
	for _, o := range v.Legs {
		if o.Origin == l.Origin && o.Scheme == "http" && o.Port == 80 {
			return o
		}
	}
	return nil
}

// servedPlain answers whether the plain leg is served: directly, or by a
// socket of the host.
func (v *View) servedPlain(l *Leg) Ans {
	if a := directReaches(l); a.IsYes() {
		return a
	}
	return v.Listening(l)
}

// carriesHTTPS answers whether the edge goes to the https port: by its mode,
// or because an https visit is refused while the plain port answers.
func (v *View) carriesHTTPS(u unheard) Ans {
	if v.Mode.HTTPS.Known() || u.leg.Port != 443 {
		if u.leg.Port != 443 {
			return Yes("the edge keeps ports other than 443")
		}
		return v.Mode.HTTPS
	}
	plain := v.plainSibling(u.leg)
	for _, b := range u.leg.Bad(521) {
		if b.Edge && plain != nil && directReaches(plain).IsYes() {
			return Yes("the edge is refused although the plain port answers", b.By...)
		}
	}
	return Unseen(lookMode)
}

// nothingNear answers whether no socket holds the port elsewhere on the host.
func (v *View) nothingNear(u unheard) Ans {
	if len(v.listeners) == 0 {
		return Unseen(lookListeners)
	}
	near, by := v.OnPort(u.leg)
	if len(near) > 0 {
		return No(socketText(near[0])+" holds the port", by...)
	}
	return Yes("no socket holds the port on any address", v.listeners[0].ID)
}

func (v *View) fixTLSPort(u unheard) *originward.Fix {
	s, ok := v.serverFor(u)
	kind := ""
	if ok {
		kind = s.Kind
	}
	step := onHost("add a TLS listener on port 443 with a certificate (an origin CA certificate of the CDN is enough behind its proxy)", "")
	switch kind {
	case "nginx":
		step = onHost("in the server block of "+firstOf(v.Host, "the site")+": listen 443 ssl; ssl_certificate …; ssl_certificate_key …;", "")
	case "apache":
		step = onHost("a2enmod ssl && add a <VirtualHost *:443> with SSLEngine on, SSLCertificateFile and SSLCertificateKeyFile", "a2dismod ssl")
	case "caddy":
		step = onHost("name the site without http:// in the Caddyfile, so that it listens on 443", "")
	}
	f := fix("Open a TLS listener on 443 (and publish 443 where the server runs in a container); lowering the SSL mode to flexible works too, at the price of plain http behind the edge.", step)
	if ok {
		f.Steps = append(f.Steps, onHost(v.control("restart", s.Service), ""))
	}
	f.Verify = "ss -ltn 'sport = :443' shows a socket, and " + v.diagnoseAgain()
	return f
}

// judgeFamilyMissing: one family of the published addresses has no listener.
func judgeFamilyMissing(v *View) []Verdict {
	var out []Verdict
	for _, u := range v.unheardLegs() {
		works, other := v.otherFamily(u.leg)
		if !works.IsYes() {
			continue
		}
		fam := familyName(string(u.leg.Origin.Family()))
		c := newCase("listener.family-missing", u.leg.Subject()).Explains(u.keys...).At(v.listenWhere(func(l fact.Listen) bool { return l.Port == u.leg.Port }))
		c.Ask("Is the family refused?", u.refused, originward.Likely, originward.Likely)
		c.Must("Is the other family served on the same port?", works)
		unseen := originward.Likely
		if !directRefused(u.leg).IsYes() || slowRefusal(u.leg) {
			unseen = originward.Possible
		}
		v.unserved(c, u, "Does no socket of the host serve the address?", unseen)
		c.Proof("Does the host have the address?", v.HostIs(u.leg.Addr()))
		c.Proof("Is the address published?", isPublished(u.leg.Origin))
		c.Apart("Is the family not bound to loopback or another address only?", v.noSocketOfFamily(u))
		c.Says("no listener for "+fam,
			u.leg.String()+" has no listener, while "+other+".")
		c.Fix(v.fixFamily(u))
		out = append(out, c.Done())
	}
	return out
}

// otherFamily answers whether the same port is served in the other family: on
// the name's other address, or by a socket of the host that takes nothing else.
func (v *View) otherFamily(l *Leg) (works Ans, what string) {
	if sib := v.familySibling(l); sib != nil {
		if works = directReaches(sib); !works.IsYes() {
			works = v.Listening(sib)
		}
		if works.IsYes() || v.Here(sib) {
			return works, sib.String() + " is served"
		}
	}
	near, by := v.OnPort(l)
	for _, s := range near {
		if s.Addr.IsLoopback() || !l.Addr().IsValid() || s.Addr.Is4() == l.Addr().Is4() {
			return Ans{}, ""
		}
	}
	if len(near) == 0 {
		return Ans{}, ""
	}
	return Yes(socketText(near[0])+" takes the other family only", by...), socketText(near[0]) + " takes the other family only"
}

// isPublished answers whether the edge has the address to connect to: by the
// CDN's records, by its own, or by whoever named the origin's addresses.
func isPublished(o *Origin) Ans {
	if o.Published == fact.Unknown {
		return Unseen(lookRecords)
	}
	return when(o.Published == fact.Yes, o.Addr.String()+" is one of the origin's addresses", o.By...)
}

// familySibling is the leg of the same port on another published address of
// the other family.
func (v *View) familySibling(l *Leg) *Leg {
	for _, o := range v.Legs {
		if o.Port == l.Port && o.Used != fact.No && o.Addr().IsValid() && l.Addr().IsValid() && o.Origin.Family() != l.Origin.Family() {
			return o
		}
	}
	return nil
}

func (v *View) noSocketOfFamily(u unheard) Ans {
	if len(v.listeners) == 0 {
		return Unseen(lookListeners)
	}
	near, by := v.OnPort(u.leg)
	for _, s := range near {
		if s.Addr.Is4() == u.leg.Addr().Is4() {
			return No(socketText(s)+" holds the port in the same family", by...)
		}
	}
	return Yes("no socket of the family holds the port", v.listeners[0].ID)
}

func (v *View) fixFamily(u unheard) *originward.Fix {
	port := itoa(int(u.leg.Port))
	rec := "A"
	listen := "0.0.0.0:" + port
	if u.leg.Addr().Is6() {
		rec, listen = "AAAA", "[::]:"+port
	}
	step := onHost("let the web server listen on "+listen, "")
	for _, w := range v.Live() {
		if listensOn(w.Fact.Listens, u.leg.Port) {
			p := w.Fact.Listens[slices.IndexFunc(w.Fact.Listens, func(x fact.Listen) bool { return x.Port == u.leg.Port })].Place
			step = edit(p, "add a listener on "+listen+" beside it")
			break
		}
	}
	f := fix("Add the missing listener, or delete the "+rec+" record until it is there.",
		step, v.withdraw(u.leg.Addr(), " (instead of the listener)"))
	f.Verify = "ss -ltn 'sport = :" + port + "' shows " + listen + ", and " + v.diagnoseAgain()
	return f
}

// publicServer is a socket beyond the CDN's usual two that may be the site's
// service: on a public or wildcard address and a port on which web servers and
// applications are usually found, or of a known web program.
func (v *View) publicServer() (fact.Socket, bool) {
	socks, _ := v.Sockets(func(s fact.Socket) bool {
		return !s.Addr.IsLoopback() && s.Port != 80 && s.Port != 443 && (appPort(s.Port) || appProgram(s.Program))
	})
	if len(socks) == 0 {
		return fact.Socket{}, false
	}
	return socks[0], true
}

// appPort reports whether applications are usually found on the port.
func appPort(p uint16) bool {
	switch p {
	case 81, 591, 1337, 1880, 2368, 3000, 3001, 4000, 4200, 4443, 5000, 5001, 5173, 5601, 7080, 7443, 8000, 8001, 8008,
		8069, 8080, 8081, 8082, 8083, 8088, 8090, 8096, 8123, 8181, 8443, 8444, 8787, 8880, 8888, 9000, 9080, 9090, 9443, 10000:
		return true
	}
	return false
}

func appProgram(name string) bool {
	switch strings.TrimSuffix(name, ".real") {
	case "nginx", "apache2", "httpd", "caddy", "lighttpd", "haproxy", "varnishd", "traefik", "envoy", "litespeed", "openlitespeed",
		"node", "gunicorn", "uwsgi", "puma", "java", "php", "dotnet", "docker-proxy", "rootlessport":
		return true
	}
	return false
}

// judgeWrongPort: the service runs, on a port that the edge does not contact.
func judgeWrongPort(v *View) []Verdict {
	legs := v.unheardLegs()
	if len(legs) == 0 {
		return nil
	}
	var out []Verdict
	for _, u := range legs {
		if s := v.plainSibling(u.leg); s != nil && s != u.leg && v.servedPlain(s).IsYes() {
			continue // the TLS port is what is missing
		}
		elsewhere, port, who := v.servedElsewhere(u)
		if !elsewhere.IsYes() {
			continue
		}
		c := newCase("listener.wrong-port", u.leg.Subject()).Explains(u.keys...).At(v.listenWhere(func(l fact.Listen) bool { return l.TLS == (u.leg.Port == 443) }))
		c.Ask("Is the port that the edge contacts refused?", u.refused, originward.Likely, originward.Likely)
		c.Must("Does the service answer on another port?", elsewhere)
		v.unserved(c, u, "Does no socket of the host serve the port that the edge contacts?", originward.Likely)
		c.Apart("Does no server that is stopped claim the port?", v.nobodyClaims(u))
		c.Apart("Does no socket hold the port on another address?", v.nothingNear(u))
		c.Apart("Is it the port that the edge should use?", v.rightPort(u.leg))
		c.Says("the service listens on port "+itoa(int(port))+", not on "+itoa(int(u.leg.Port)),
			who+" answers on port "+itoa(int(port))+"; the edge contacts port "+itoa(int(u.leg.Port))+", where nothing listens.")
		f := fix("Listen on "+itoa(int(u.leg.Port))+" (or put a reverse proxy there), or tell the CDN the port with an origin rule.",
			onHost("let "+who+" listen on port "+itoa(int(u.leg.Port)), ""),
			onCDN("add an origin rule for "+firstOf(v.Host, "the host")+": destination port "+itoa(int(port)), "delete the origin rule"))
		f.Verify = v.diagnoseAgain()
		c.Fix(f)
		out = append(out, c.Done())
	}
	return out
}

// servedElsewhere finds the service on another port: seen directly, or as a
// socket of the host.
func (v *View) servedElsewhere(u unheard) (a Ans, port uint16, who string) {
	for _, l := range v.Legs {
		if l.Origin == u.leg.Origin && l.Port != u.leg.Port && !usual(l.Port, u) && l.Used == fact.No && directWorks(l).IsYes() {
			return directWorks(l), l.Port, "the service"
		}
	}
	socks, by := v.Sockets(func(s fact.Socket) bool {
		return !s.Addr.IsLoopback() && s.Port != u.leg.Port && !usual(s.Port, u) &&
			v.socketFits(s, u.leg.Addr()) && (appPort(s.Port) || appProgram(s.Program))
	})
	if len(socks) == 0 {
		return Ans{}, 0, ""
	}
	slices.SortStableFunc(socks, func(a, b fact.Socket) int { return boolCmp(appProgram(b.Program), appProgram(a.Program)) })
	return Yes(socketText(socks[0]), by...), socks[0].Port, firstOf(socks[0].Program, "the service")
}

// usual reports whether a port is one of the web's own two, where a server is
// no sign of a wrong port: unless the edge contacts another.
func usual(p uint16, u unheard) bool {
	return (p == 80 || p == 443) && (u.leg.Port == 80 || u.leg.Port == 443)
}

// socketFits reports whether a socket could serve the address on its own port.
func (v *View) socketFits(s fact.Socket, a netip.Addr) bool {
	return !a.IsValid() || s.Serves(a) || s.Addr.IsUnspecified()
}

// nobodyClaims answers whether no stopped server is configured for the port:
// else that one is what is missing.
func (v *View) nobodyClaims(u unheard) Ans {
	if len(v.services) == 0 {
		return Unseen(lookServices)
	}
	asInstalled := false // a server that wants the port as it comes, and says nothing of the site
	unread := false      // a server of which nothing tells what it would serve
	for _, s := range u.servers {
		if !dead(s.Service) || s.State != "failed" && s.Enabled != fact.Yes {
			continue
		}
		switch would := v.wouldServe(s.Service, u.leg.Port); {
		case would == fact.No:
		case s.State == "failed" || would == fact.Yes && v.namesSite(s.Service) != fact.No:
			return No(nameOf(s.Service)+" is "+s.State+" and would serve the port", s.By)
		case would == fact.Yes:
			asInstalled = true
		default:
			unread = true
		}
	}
	if unread {
		return Unseen(lookWeb)
	}
	if asInstalled {
		return Unseen(lookMeant)
	}
	return Yes("no stopped server is meant for the port", v.services[0].ID)
}

// nobodyNames answers whether no stopped server has the site on the port.
func (v *View) nobodyNames(u unheard) Ans {
	if len(v.services) == 0 {
		return Unseen(lookServices)
	}
	for _, s := range u.servers {
		if !dead(s.Service) {
			continue
		}
		if len(v.web) == 0 {
			return Unseen(lookWeb)
		}
		if v.wouldServe(s.Service, u.leg.Port) == fact.Yes && v.namesSite(s.Service) == fact.Yes {
			return No(nameOf(s.Service)+" has the site on the port and is "+s.State, s.By)
		}
	}
	return Yes("no stopped server has the site on the port", v.services[0].ID)
}
