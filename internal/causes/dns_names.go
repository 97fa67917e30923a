package causes

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// judgeUpdaterFailed: the job that keeps the record in step does not.
func judgeUpdaterFailed(v *View) []Verdict {
	var out []Verdict
	var left *leftBehind
	for _, it := range v.jobs {
		for _, j := range it.Fact.Jobs {
			if j.Kind != "dyndns" {
				continue
			}
			if left == nil {
				left = v.leftBehind()
			}
			out = append(out, v.updater(j, it.ID, *left))
		}
	}
	return out
}

// leftBehind are the recorded addresses that the host does not have.
type leftBehind struct {
	addr    netip.Addr // one of them
	differs Ans        // record and host differ
	fails   Ans
	keys    []string // failures of these addresses
}

func (v *View) leftBehind() *leftBehind {
	b := &leftBehind{differs: Unseen(lookRecords)}
	for _, o := range v.Origins {
		if o.Published == fact.No || !o.Addr.IsValid() {
			continue
		}
		here := v.HostIs(o.Addr)
		if !here.IsNo() {
			if here.IsYes() && !b.differs.IsYes() {
				b.differs = No("the record holds the host's address", here.By...)
			}
			continue
		}
		b.differs = Yes("the record holds "+o.Addr.String()+", which the host does not have", here.By...)
		b.addr = o.Addr
		for _, l := range v.legsOf(o) {
			for _, x := range l.Bads {
				b.keys = append(b.keys, x.Key)
				b.fails = Ans{Is: fact.Yes, By: addIDs(b.fails.By, x.By), Says: "the edge answers " + itoa(x.Code)}
			}
		}
	}
	if !b.fails.IsYes() {
		b.fails = v.EdgeGood().Not()
	}
	return b
}

func (v *View) updater(j fact.Job, by string, left leftBehind) Verdict {
	failed := tri(j.OK, "the last run of "+j.Name+": "+string(j.OK), lookJobs, by).Not()
	if len(j.Errors) > 0 {
		failed = Yes(j.Name+": "+j.Errors[0].Text, by)
	}
	differs, fails := left.differs, left.fails
	subj := originward.Subject{Host: v.Host, Unit: j.Name, File: j.Place.File, Line: j.Place.Line, Name: j.Target}
	if left.addr.IsValid() {
		subj.Addr, subj.Family = left.addr, originward.FamilyOf(left.addr)
	}
	if !failed.Known() && differs.IsYes() && v.Host != "" && lower(j.Target) == lower(v.Host) {
		// A job that works would have written the host's address.
		failed = Yes(j.Name+" keeps "+j.Target+", and "+differs.Says, append([]string{by}, differs.By...)...)
	}
	c := newCase("dns.updater-failed", subj).Explains(left.keys...)
	c.Ask("Does the recorded address fail?", fails, originward.Possible, originward.Likely)
	c.Ask("Do record and host differ?", differs, originward.Possible, originward.Possible)
	c.Must("Does the job fail?", failed)
	rec := Unseen(lookRecords)
	if len(v.cdnRecs) > 0 {
		rec = Yes("the CDN's records were read", v.cdnRecs[0].ID)
	}
	c.Proof("Were the CDN's records read?", rec)
	c.Says("the job that writes the record fails", j.Name+" should keep the record in step with the host's address and does not: "+failed.Says+".")
	f := fix("Repair the job, run it once, and be told when record and address differ.", edit(j.Place, "correct what its log names"), onHost("run "+j.Name+" once and read its output", ""))
	f.Verify = v.diagnoseAgain()
	return c.Fix(f).Done()
}

// judgeUnresolvable: the name to which the CDN forwards does not resolve.
func judgeUnresolvable(v *View) []Verdict {
	names, by := v.originNames()
	for _, d := range v.dns {
		if d.Fact.Role == "origin" && !slices.Contains(names, lower(d.Fact.Name)) {
			names = append(names, lower(d.Fact.Name))
		}
	}
	// The name of a tunnel has no address for anyone, and needs none.
	names = slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, tunnelDomain) })
	if id, _ := v.tunnelRecord(); id != "" && len(names) == 0 {
		return nil
	}
	says := v.EdgeSays(1016, 530)
	if len(names) == 0 && says.IsYes() {
		names = []string{""}
	}
	var out []Verdict
	for _, n := range names {
		dead := v.nameDead(n)
		if dead.IsNo() && !says.IsYes() || !dead.IsYes() && !says.IsYes() {
			continue
		}
		c := newCase("dns.target-unresolvable", originward.Subject{Host: v.Host, Name: n}).Explains(v.edgeKeys(1016, 530)...)
		c.Ask("Does the edge say that the origin's name does not resolve (1016)?", says, originward.Possible, originward.Likely)
		uses := Unseen(lookRecords)
		if slices.Contains(namesOnly(v), n) && n != "" {
			uses = Yes("the CDN forwards to "+n, by...)
		}
		c.Ask("Does the CDN forward to this name?", uses, originward.Likely, originward.Likely)
		unseen := originward.Possible
		if says.IsYes() {
			unseen = originward.Likely
		}
		c.Ask("Does a public resolver say that it does not exist?", dead, originward.Possible, unseen)
		c.Says("the origin's name does not resolve", firstOf(n, "The name to which the CDN forwards")+" has no address"+because(dead)+", so the edge has nowhere to connect to.")
		written, what := "the CNAME of "+v.Host, "record"
		if w, in := v.forwardsTo(n); in {
			written, what = w, "pool"
		}
		f := fix("Correct the name in the CDN's "+what+", or create it where the CDN resolves it.",
			onCDN("set "+written+" to the origin's right name (now "+firstOf(n, "not known")+")", "set it back to "+n))
		f.Verify = "dig +short " + firstOf(n, "TARGET") + " gives an address, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

func namesOnly(v *View) []string { n, _ := v.originNames(); return n }

// edgeKeys are the keys of failures without a leg, by code.
func (v *View) edgeKeys(codes ...int) []string {
	var out []string
	for _, b := range v.Bads {
		if slices.Contains(codes, b.Code) && !strings.Contains(b.Key, "loop") && !strings.Contains(b.Key, "cached") {
			out = append(out, b.Key)
		}
	}
	return out
}

// nameDead answers whether resolvers say that a name has no address.
func (v *View) nameDead(name string) Ans {
	a := Unseen(lookDNS)
	for _, d := range v.dns {
		f := d.Fact
		if lower(strings.TrimSuffix(f.Name, ".")) != name || name == "" {
			continue
		}
		switch {
		case len(f.Addrs()) > 0:
			return No(name+" resolves to "+addrsText(f.Addrs()), d.ID)
		case f.RCode == "NXDOMAIN" || f.RCode == "NOERROR":
			a = Yes(name+": "+f.RCode+" without an address, says "+f.Resolver, append(a.By, d.ID)...)
		case f.RCode == "SERVFAIL":
			if !a.IsYes() {
				a = Yes(name+": SERVFAIL, says "+f.Resolver, d.ID)
			}
		}
	}
	return a
}

// judgeLoop: the origin's own proxy leads back to the CDN.
func judgeLoop(v *View) []Verdict {
	var out []Verdict
	says := v.EdgeSays(1000, 1002, 502, 504, 508)
	var keys []string
	for _, b := range v.AllBads() {
		if slices.Contains([]int{1000, 1002, 502, 504, 508, 522, 524}, b.Code) {
			keys = append(keys, b.Key)
		}
	}
	for _, it := range v.Live() {
		for _, u := range it.Fact.Upstreams {
			if !v.leadsToEdge(u) || u.Site != "" && !v.siteIs(it.Fact, u.Site, 443) {
				continue
			}
			c := newCase("loop.proxy-resolves-to-cdn", originward.Subject{Host: v.Host, File: u.Place.File, Line: u.Place.Line, Name: u.Name}).Explains(keys...)
			c.Ask("Does the edge answer as for a loop?", says, originward.Possible, originward.Likely)
			c.Must("Does the proxy's upstream lead to the CDN?", Yes(at(u.Place)+" forwards to "+u.Name+", which is "+addrsText(u.Resolved)+" on the host: an edge", it.ID))
			c.Says("the origin's proxy sends requests back to the CDN", "The proxy forwards to "+u.Name+" ("+at(u.Place)+"), and on this host that name is the CDN's.")
			f := fix("Point the proxy at the local or origin address.", edit(u.Place, "forward to the application's own address (127.0.0.1:PORT or the container's name), not to the public name"), v.reloadOf(it.Fact.Server))
			f.Verify = v.diagnoseAgain()
			out = append(out, c.Fix(f).Done())
		}
	}
	return append(out, v.recordLoop()...)
}

// leadsToEdge reports whether an upstream's name means an edge: as the host
// found, or because it means the very address at which the edge was visited.
func (v *View) leadsToEdge(u fact.Upstream) bool {
	return u.Loop == fact.Yes || slices.ContainsFunc(u.Resolved, func(a netip.Addr) bool { return v.isFront(a.Unmap()) })
}

// recordLoop judges records whose content is an edge's own address.
func (v *View) recordLoop() []Verdict {
	var out []Verdict
	for _, r := range v.recordList {
		a, err := netip.ParseAddr(r.Content)
		if err != nil || !v.isFront(a.Unmap()) && !edgeAddr(a) {
			continue
		}
		c := newCase("loop.proxy-resolves-to-cdn", originward.Subject{Host: v.Host, Addr: a, Family: originward.FamilyOf(a), Name: r.Type}).Explains(v.edgeKeys(1000, 1002)...)
		c.Ask("Does the edge answer 1000 or 1002?", v.EdgeSays(1000, 1002), originward.Likely, originward.Likely)
		c.Must("Is the record's content an edge's own address?", Yes("the "+r.Type+" record is "+r.Content+", an address of the CDN", r.by))
		c.Says("the record points back at the CDN", "The CDN's record for the name holds "+r.Content+", which is an edge, not an origin.")
		f := fix("Put the origin's own address into the record.", onCDN("set the "+r.Type+" record of "+v.Host+" to the origin's address", "set it back to "+r.Content))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

func edgeAddr(a netip.Addr) bool {
	id, _ := cdn.Lookup(a)
	return id == cdn.Cloudflare
}

// judgePlaceholder: the record is a placeholder and nothing takes the name
// before it.
func judgePlaceholder(v *View) []Verdict {
	var out []Verdict
	for _, o := range v.Origins {
		if !placeholder(o.Addr) || o.Published == fact.No {
			continue
		}
		var keys []string
		fails := Ans{}
		for _, b := range v.AllBads() {
			if b.Leg == nil && slices.Contains([]int{1000, 1002, 1034, 530, 1016}, b.Code) || b.Leg != nil && b.Leg.Origin == o {
				keys = append(keys, b.Key)
				fails = Ans{Is: fact.Yes, By: addIDs(fails.By, b.By), Says: "the edge answers " + itoa(b.Code)}
			}
		}
		if !fails.IsYes() {
			fails = v.EdgeGood().Not()
		}
		c := newCase("dns.placeholder-without-route", subjectOf(o.Addr)).Explains(keys...)
		c.Ask("Does the edge fail?", fails, originward.Possible, originward.Likely)
		c.Must("Is the record a placeholder?", Yes(o.Addr.String()+" is reserved: such records are written where no origin exists", o.By...))
		c.Proof("Do the CDN's records hold it?", v.RecordFor(o.Addr))
		c.Proof("Does no worker, rule or balancer take the name first?", v.tookNone())
		c.Says("the record is a placeholder, and nothing takes the name before it", "The record holds "+o.Addr.String()+", at which no origin can be; a worker or rule that should answer for the name does not match.")
		f := fix("Let the worker's route or the rule match the name, or put the origin's address into the record.",
			onCDN("workers routes / rules: add one for "+firstOf(v.Host, "the host")+"/*", "delete it"))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// tookNone answers whether nothing at the CDN takes the name before its record
// counts. An edge of our own has no workers. That the edge tried the reserved
// address shows nothing: what a worker fetches goes there too.
func (v *View) tookNone() Ans {
	if a := v.Covered(); a.Known() {
		return a.Not()
	}
	for _, z := range v.zones {
		if z.Fact.Provider == string(cdn.Originward) {
			return Yes("the edge has no workers that could take it", z.ID)
		}
	}
	return Unseen(lookRules)
}
