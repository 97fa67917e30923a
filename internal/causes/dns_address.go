package causes

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// judgeStaleAddress: the record holds an address that the server has no more.
func judgeStaleAddress(v *View) []Verdict {
	var out []Verdict
	for _, o := range v.Origins {
		if o.Published == fact.No || !o.Addr.IsValid() || placeholder(o.Addr) || v.isFront(o.Addr) || v.IsEdge(o.Addr) {
			continue
		}
		here := v.HostIs(o.Addr)
		other, works := v.goodElsewhere(o)
		elsewhere := other != nil && other.Origin.Published == fact.No && other.Origin.Family() == o.Family()
		if !here.IsNo() && !elsewhere {
			continue
		}
		if n := v.published(o.Addr); len(n) > 1 || o.Addr.Is6() && v.worksOver4() {
			continue // one of several addresses: see dns.duplicate-records and dns.aaaa-unserved
		}
		out = append(out, v.stale(o, here, other, works, elsewhere))
	}
	return out
}

// worksOver4 reports whether a published IPv4 address is the server's, or
// answers: an AAAA beside it that does not is a matter of IPv6.
func (v *View) worksOver4() bool {
	return slices.ContainsFunc(v.Legs, func(l *Leg) bool {
		return l.Addr().Is4() && l.Origin.Published == fact.Yes && (v.HostIs(l.Addr()).IsYes() || directReaches(l).IsYes() || v.edgeReaches(l).IsYes())
	})
}

// publishedOf lists the addresses of a family that the edge uses.
func (v *View) publishedOf(f originward.Family) []netip.Addr {
	var out []netip.Addr
	for _, o := range v.Origins {
		if o.Published == fact.Yes && o.Family() == f {
			out = append(out, o.Addr)
		}
	}
	return out
}

// published lists the addresses of a's family that the edge uses.
func (v *View) published(a netip.Addr) []netip.Addr { return v.publishedOf(originward.FamilyOf(a)) }

func (v *View) stale(o *Origin, here Ans, other *Leg, works Ans, elsewhere bool) Verdict {
	var keys []string
	fails := Ans{}
	for _, l := range v.legsOf(o) {
		for _, b := range l.Bads {
			keys = append(keys, b.Key)
			fails = Ans{Is: fact.Yes, By: addIDs(fails.By, b.By), Says: "what is at " + o.Addr.String() + " fails with " + itoa(b.Code)}
		}
	}
	if !fails.IsYes() {
		fails = v.EdgeGood().Not()
	}
	pub, pubBy := v.hostPublic()
	c := newCase("dns.stale-address", subjectOf(o.Addr)).Explains(keys...)
	c.Ask("Does the address fail?", fails, originward.Possible, originward.Likely)
	c.Ask("Does the edge use this address?", v.edgeUses(o), originward.RuledOut, originward.Likely)
	right := ""
	unseen := originward.Possible
	if elsewhere {
		right = other.Addr().String()
		c.Must("Does the site answer at another address?", works)
		unseen = originward.Likely
	}
	c.Ask("Does the server have another address than the record?", here.Not(), originward.RuledOut, unseen)
	if same := sameFamily(pub, o.Addr); here.IsNo() && right == "" && len(same) > 0 {
		right = same[0].String()
		c.Ask("Which addresses has the server?", Yes("the server has "+addrsText(same), pubBy...), originward.Likely, originward.Likely)
	} else if here.IsNo() && right == "" {
		c.AtMost(originward.Possible, "the server has no public address of the family: it may stand behind a router that has it")
	}
	if right == "" || !elsewhere {
		c.Apart("Is the host that was looked at the site's server?", v.servesSite())
	}
	if mine := v.hostsOther(o); mine.IsYes() {
		tried := v.fails(o)
		c.Ask("Does this address fail when it is tried by itself, as another of the name's is the server's?", tried, originward.Possible, originward.Possible)
	}
	c.Says("the record points to an address that the server does not have",
		"The edge connects to "+o.Addr.String()+", and the server is at "+firstOf(right, "another address")+".")
	f := fix("Correct the record, and let it follow the server's address.",
		onCDN("set "+v.writtenAt(o.Addr)+" to "+firstOf(right, "the server's address"), "set it back to "+o.Addr.String()))
	f.Verify = v.diagnoseAgain()
	return c.Fix(f).Done()
}

// servesSite answers whether the host that was looked at is the one that
// serves the site, and not another machine whose evidence was given: its
// configuration or certificates name the site, or it names none and listens.
func (v *View) servesSite() Ans {
	if !v.Has(originward.Host) {
		return Unseen(lookWeb)
	}
	others := Ans{}
	for _, it := range v.web {
		if v.namesHost(it.Fact) {
			return Yes("its web server is configured for "+v.Host, it.ID)
		}
		if it.Fact.Running == fact.Yes && slices.ContainsFunc(it.Fact.Sites, func(s fact.Site) bool {
			return slices.ContainsFunc(s.Names, func(n string) bool { return strings.Contains(n, ".") })
		}) {
			others = No("its web server is configured for other names", it.ID)
		}
	}
	for _, it := range v.certs {
		for _, f := range it.Fact.Files {
			if len(f.Chain) > 0 && slices.ContainsFunc(f.Chain[0].Names, func(n string) bool { return nameMatches(n, v.Host) }) {
				return Yes(f.File+" is a certificate for "+v.Host, it.ID)
			}
		}
	}
	if others.IsNo() {
		return others
	}
	socks, by := v.Sockets(func(s fact.Socket) bool {
		return !s.Addr.IsLoopback() && (s.Port == 80 || s.Port == 443 || appPort(s.Port))
	})
	switch {
	case len(socks) > 0:
		return Yes(socketText(socks[0])+" may be the site's", by...)
	case len(v.listeners) == 0:
		return Unseen(lookListeners)
	}
	return No("it serves nothing that could be the site", v.listeners[0].ID)
}

// hostsOther answers whether another address of the name is the host's: then
// this one may be another server's, rightly so.
func (v *View) hostsOther(o *Origin) Ans {
	for _, x := range v.Origins {
		if x != o && x.Published == fact.Yes && v.HostIs(x.Addr).IsYes() {
			return v.HostIs(x.Addr)
		}
	}
	return Unseen(lookAddresses)
}

// fails answers whether an exchange with this very address fails.
func (v *View) fails(o *Origin) Ans {
	for _, l := range v.legsOf(o) {
		for _, x := range l.Direct {
			if x.Fact.Fault != nil && OutcomeOf(x.Fact) != "" {
				return Yes(l.String()+" fails directly", x.ID)
			}
		}
		for _, h := range l.Exact {
			if !h.Good() {
				return Yes("the edge fails at "+l.String(), h.By...)
			}
		}
	}
	return Unseen(lookDirect)
}

func sameFamily(as []netip.Addr, a netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, b := range as {
		if b.Is4() == a.Is4() {
			out = append(out, b)
		}
	}
	return out
}

func recordType(a netip.Addr) string {
	if a.Is6() {
		return "AAAA"
	}
	return "A"
}

// judgeAAAAUnserved: an AAAA record leads to a host without working IPv6.
func judgeAAAAUnserved(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		sib := v.familySibling(l)
		if l.Used == fact.No || !l.Addr().Is6() || sib == nil || placeholder(l.Addr()) {
			continue
		}
		no6 := v.noIPv6(l)
		if len(l.Bads) == 0 && !no6.IsYes() {
			continue
		}
		if l.Bads != nil && !v.unreached(l).IsYes() && !no6.IsYes() {
			continue // refused: a listener's matter
		}
		works := directReaches(sib)
		if !works.IsYes() {
			works = either(v.edgeReaches(sib), v.Listening(sib))
		}
		fails, keys := v.Fails(l, 521, 522, 523)
		c := newCase("dns.aaaa-unserved", l.Subject()).Explains(keys...)
		worst := originward.Likely
		if fails.IsNo() {
			worst = originward.Possible
		}
		c.Ask("Does IPv6 fail at connect?", fails, worst, originward.Likely)
		c.Must("Does IPv4 work?", works)
		unseen := originward.Possible
		if len(l.Direct) > 0 && v.ownNetwork(originward.IP6).Is != fact.No && !v.flaps(l).IsYes() {
			unseen = originward.Likely
		}
		c.Ask("Does the host lack the address, or any way out over IPv6?", no6, originward.RuledOut, unseen)
		c.Proof("Does the edge use the address?", v.edgeUses(l.Origin))
		c.Says("the AAAA record leads to a host without IPv6", l.Addr().String()+" is published and does not answer"+because(no6)+", while "+sib.String()+" works.")
		f := fix("Delete the AAAA record, or give the host that address and a route.",
			v.withdraw(l.Addr(), ""))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

func because(a Ans) string {
	if a.IsYes() && a.Says != "" {
		return " (" + a.Says + ")"
	}
	return ""
}

// noIPv6 answers whether the host has no such address, or no IPv6 route out.
func (v *View) noIPv6(l *Leg) Ans {
	here := v.HostIs(l.Addr())
	if here.IsNo() {
		return Yes(here.Says, here.By...)
	}
	for _, it := range v.routes {
		if it.Fact.Default6 == fact.No {
			return Yes("the host has no IPv6 default route", it.ID)
		}
	}
	if !here.Known() {
		return Unseen(lookAddresses)
	}
	if len(v.routes) == 0 {
		return Unseen(lookRoutes)
	}
	return No("the host has the address and a route", here.By...)
}

// judgeDuplicate: an old record stands beside the right one.
func judgeDuplicate(v *View) []Verdict {
	if v.balanced() {
		return nil // several origins are what a load balancer is for
	}
	var out []Verdict
	for _, o := range v.Origins {
		if o.Published != fact.Yes || !o.Addr.IsValid() || len(v.published(o.Addr)) < 2 {
			continue
		}
		var bads []Bad
		for _, l := range v.legsOf(o) {
			bads = append(bads, l.Bads...)
		}
		if len(bads) == 0 {
			continue
		}
		out = append(out, v.duplicate(o, bads))
	}
	return out
}

func (v *View) duplicate(o *Origin, bads []Bad) Verdict {
	fails := Ans{Is: fact.Yes, Says: o.Addr.String() + " fails with " + itoa(bads[0].Code)}
	var keys []string
	for _, b := range bads {
		fails.By = addIDs(fails.By, b.By)
		keys = append(keys, b.Key)
	}
	twin, works := v.twin(o)
	c := newCase("dns.duplicate-records", subjectOf(o.Addr)).Explains(keys...)
	c.Must("Does this address fail?", fails)
	c.Must("Does another address of the same record answer?", works)
	several := Unseen(lookRecords)
	switch {
	case len(v.recordList) > 0:
		several = Yes("the CDN holds "+addrsText(v.published(o.Addr))+" for the name", v.recordList[0].by)
	case len(v.cdnRecs) > 0:
		several = No("the CDN holds no record of the name", v.cdnRecs[0].ID)
	}
	c.Proof("Does the CDN hold several addresses for the name?", several)
	c.Apart("Does it fail every time, and not at times?", v.steady(v.legsOf(o)...))
	c.Apart("Is the address not the server's?", v.HostIs(o.Addr).Not())
	foreign := v.directOf(o)
	c.Ask("Was the address tried directly?", foreign, originward.Likely, originward.Likely)
	good := "the other address"
	if twin != nil {
		good = twin.Addr().String()
	}
	c.Says("an old record stands beside the right one", "The name has "+addrsText(v.published(o.Addr))+"; "+o.Addr.String()+" fails and "+good+" answers, so a share of the requests fails.")
	f := fix("Delete the stale record; let the updater replace records, not add them.",
		onCDN("delete the "+recordType(o.Addr)+" record "+o.Addr.String()+" of "+v.Host, "add the record again"))
	f.Verify = v.diagnoseAgain()
	return c.Fix(f).Done()
}

// twin is a leg of another published address of the family that answers.
func (v *View) twin(o *Origin) (*Leg, Ans) {
	seen := false
	for _, l := range v.Legs {
		if l.Origin == o || l.Origin.Published != fact.Yes || l.Used == fact.No || l.Origin.Family() != o.Family() {
			continue
		}
		if a := either(directReaches(l), v.edgeReaches(l)); a.IsYes() {
			return l, a
		}
		seen = seen || len(l.Direct) > 0
	}
	if seen {
		return nil, No("no other address of the family answers either")
	}
	return nil, Unseen(lookDirect)
}

// directOf answers whether an address was tried directly at all.
func (v *View) directOf(o *Origin) Ans {
	for _, l := range v.Legs {
		if l.Origin == o && len(l.Direct) > 0 {
			return Yes("it was tried directly", l.Direct[0].ID)
		}
	}
	return Unseen(lookDirect)
}
