package incident

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// edgeForms are what visitors get, and what an edge tells of its exchanges.
var edgeForms = []form{
	{"edge https", func(b *builder, l *line) error { return b.visit("https", l) }},
	{"edge http", func(b *builder, l *line) error { return b.visit("http", l) }},
	{"edge repeat", func(b *builder, l *line) error { return b.repeat(originward.Edge, "edge", l) }},
	{"edge record", (*builder).edgeRecord},
}

// keys lists the names of a table, in order.
func keys[V any](m map[string]V) string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// visit reads "https [PORT]: STATUS [ERROR] …": what a visitor of the edge got.
func (b *builder) visit(scheme string, l *line) error {
	to, err := target(originward.Edge, scheme, l.head)
	if err != nil {
		return err
	}
	to = netip.AddrPortFrom(front, to.Port())
	times, err := l.number("times")
	if err != nil || times > 50 {
		return cmp.Or(err, fmt.Errorf("times=%d: allowed are 1 to 50", times))
	}
	a := fact.EdgeAnswer{
		Target: to, Scheme: scheme, Host: b.site, Path: "/", Variant: l.opt("variant"), CDN: cmp.Or(l.opt("cdn"), "cloudflare"),
		Cache: l.opt("cache"), Colo: l.opt("colo"), Phase: originward.Phase(l.opt("phase")), Fault: originward.FaultType(l.opt("fault")),
	}
	ray := l.opt("ray")
	if a.CDN == "none" {
		a.CDN = ""
	}
	word := l.word()
	if o, fails := outcomes[word]; fails {
		a.CDN, a.MS = "", o.ms
		a.Failure = &fact.Fault{Phase: o.phase, Type: o.typ, Errno: o.errno, Ended: o.ended, AfterMS: o.ms, Detail: "as reported"}
		if o.typ == originward.TLSAlertReceived {
			name := l.word()
			a.Failure.Alert, a.Failure.AlertName = 1000+alerts[name], name
		}
	} else if err := b.status(&a, word, l); err != nil {
		return err
	}
	for range max(times, 1) {
		b.gets++
		x := a
		if x.Failure == nil && x.CDN == "cloudflare" {
			x.Ray = cmp.Or(ray, fmt.Sprintf("8%015x", b.gets))
		}
		b.add(originward.Edge, x, b.of(to, scheme), "a visitor gets "+word)
	}
	return nil
}

// status reads what the visitor saw on the page.
func (b *builder) status(a *fact.EdgeAnswer, word string, l *line) error {
	var err error
	if a.Status, err = strconv.Atoi(word); err != nil || a.Status < 100 || a.Status > 599 {
		return fmt.Errorf("answer %q: allowed are a status and %s", word, keys(outcomes))
	}
	a.MS, a.Page, a.EdgeMade = 80, "html", fact.No
	if len(l.words) > 0 {
		if n, err := strconv.Atoi(l.words[0]); err == nil && n >= 400 {
			a.Error = n
			l.word()
		}
	}
	switch {
	case l.has("by-edge"), a.Error >= 1000, a.Status >= 520 && a.Status <= 530 && a.CDN == "cloudflare":
		a.EdgeMade, a.Error = fact.Yes, cmp.Or(a.Error, a.Status)
	case l.has("by-unknown"):
		a.EdgeMade = fact.Unknown
	}
	if s := l.opt("after"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("after=%s: allowed is a duration, such as 125s", s)
		}
		a.MS = float64(d.Milliseconds())
	}
	if s := l.opt("age"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("age=%s: allowed are seconds", s)
		}
		a.Age = &n
	}
	a.Response = &fact.Response{Status: a.Status, Proto: "HTTP/2.0", Header: map[string]string{"server": cmp.Or(l.opt("server"), a.CDN)}, Title: l.opt("title"), Body: l.opt("body"), BodyBytes: 900}
	if loc := l.opt("location"); loc != "" {
		a.Response.Header["location"] = loc
	}
	if l.has("loop") {
		a.RedirLoop = fact.Yes
		loc := scheme(a.Scheme) + b.site + "/"
		a.Redirects = []string{loc, loc, loc}
		a.Response.Header["location"] = loc
	}
	return nil
}

func scheme(s string) string { return s + "://" }

// edgeRecord reads one exchange that the edge itself recorded.
func (b *builder) edgeRecord(l *line) error {
	if b.record == nil {
		b.record = &fact.EdgeRecord{}
	}
	x := fact.EdgeExchange{At: b.at, Host: b.site, Scheme: cmp.Or(l.opt("scheme"), "https"), Ray: l.opt("ray"), Detail: l.opt("detail"), Errno: l.opt("errno")}
	var err error
	if o := l.opt("origin"); o != "" {
		if x.Origin, err = netip.ParseAddrPort(o); err != nil {
			return fmt.Errorf("origin=%s: allowed is ADDRESS:PORT", o)
		}
	}
	if e := l.opt("egress"); e != "" {
		if x.Egress, err = addr(e); err != nil {
			return err
		}
		if !slices.Contains(b.record.Egress, x.Egress) {
			b.record.Egress = append(b.record.Egress, x.Egress)
		}
	}
	x.SSL, x.Phase, x.Fault = originward.SSLMode(l.opt("ssl")), originward.Phase(l.opt("phase")), originward.FaultType(l.opt("fault"))
	x.Code, err = strconv.Atoi(l.word())
	if err != nil {
		return fmt.Errorf("the first word has to be the status that the visitor got")
	}
	b.record.Items = append(b.record.Items, x)
	return nil
}

// repeat reads a series: "repeat [ADDR] [PORT]: OUTCOME=N …", of which the
// words are taken in order.
func (b *builder) repeat(v originward.Vantage, via string, l *line) error {
	to, err := target(v, "https", l.head)
	if err != nil {
		return err
	}
	if v == originward.Edge {
		to = netip.AddrPortFrom(front, to.Port())
	}
	r := fact.Repeat{Target: to, Via: via}
	for len(l.words) > 0 {
		w, times, _ := strings.Cut(l.word(), "×")
		n := 1
		if times != "" {
			if n, err = strconv.Atoi(times); err != nil || n < 1 || n > 200 {
				return fmt.Errorf("%s×%s: allowed are 1 to 200 times", w, times)
			}
		}
		for range n {
			run := fact.Run{At: b.at.Add(time.Duration(len(r.Runs)) * time.Second), MS: 40, Peer: to.Addr()}
			if o, fails := outcomes[w]; fails {
				run.Fault, run.Phase, run.MS = o.typ, o.phase, o.ms
			} else if run.Status, err = strconv.Atoi(w); err != nil {
				return fmt.Errorf("%q: allowed are a status and %s, with ×TIMES", w, keys(outcomes))
			}
			r.Runs = append(r.Runs, run)
		}
	}
	b.add(v, r, b.of(to, ""), "repeated")
	return nil
}

// dns reads "dns [origin] [NAME]: [RCODE] ADDRESS … [cname=…]".
func (b *builder) dns(l *line) error {
	d := fact.DNS{Name: b.site, Role: "site", Resolver: "1.1.1.1:53", A: []netip.Addr{}, AAAA: []netip.Addr{}, CNAME: l.list("cname"), RCode: "NOERROR"}
	if len(l.head) > 0 && l.head[0] == "origin" {
		d.Role, l.head = "origin", l.head[1:]
	}
	if len(l.head) > 0 {
		d.Name = l.head[0]
	}
	for len(l.words) > 0 {
		w := l.word()
		switch w {
		case "NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED":
			d.RCode = w
			continue
		case "timeout":
			d.RCode, d.Failure = "", w
			continue
		case "edge":
			w = front.String()
		}
		a, err := addr(w)
		if err != nil {
			return fmt.Errorf("%q: allowed are addresses, edge, NOERROR, NXDOMAIN, SERVFAIL, REFUSED, timeout", w)
		}
		if a.Is4() {
			d.A = append(d.A, a)
		} else {
			d.AAAA = append(d.AAAA, a)
		}
	}
	d.InCDN = cdn.InCDN(d.Addrs())
	switch n := len(d.Addrs()); {
	case n == 0:
	case len(d.InCDN) == n:
		d.Colour = "orange"
	case len(d.InCDN) == 0:
		d.Colour = "grey"
	default:
		d.Colour = "mixed"
	}
	b.add(originward.Outside, d, originward.Subject{Host: b.site, Name: d.Name}, "a public resolver says what "+d.Name+" is")
	return nil
}

// network reads "network: ip4=yes ip6=no": what the observer itself can send.
func (b *builder) network(l *line) error {
	var own fact.OwnNetwork
	for _, f := range []struct {
		name   string
		family originward.Family
		source netip.Addr
	}{{"ip4", originward.IP4, prober}, {"ip6", originward.IP6, prober6}} {
		t, err := triOf(l.opt(f.name))
		if err != nil {
			return err
		}
		s := fact.FamilyState{Family: f.family, Usable: t}
		if t == fact.Yes {
			s.Source = f.source
		} else if t == fact.No {
			s.Reason = "ENETUNREACH"
		}
		own.Families = append(own.Families, s)
	}
	b.add(originward.Outside, own, b.subject(), "the observer's own network")
	return nil
}

// path reads a trace: "path [ADDR] [PORT]: reached|lost [mtu-ok=N mtu-lost=N]".
func (b *builder) path(l *line) error {
	to, err := target(originward.Outside, "https", l.head)
	if err != nil {
		return err
	}
	p := fact.Path{Target: to, Method: "tcp", Hops: []fact.Hop{{TTL: 1, Addr: netip.MustParseAddr("198.51.100.1"), RTT: time.Millisecond}}}
	switch w := l.word(); w {
	case "reached":
		p.Reached = fact.Yes
	case "lost":
		p.Reached = fact.No
	default:
		return fmt.Errorf("%q: allowed are reached and lost", w)
	}
	if p.MTU.LargestOK, err = l.number("mtu-ok"); err != nil {
		return err
	}
	if p.MTU.SmallestLost, err = l.number("mtu-lost"); err != nil {
		return err
	}
	b.add(originward.Outside, p, b.of(to, ""), "a trace to the service port")
	return nil
}
