package causes

import (
	"net/netip"
	"slices"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// View is the evidence of one bundle, indexed, with the predicates that the
// causes share. It is worked out once and never changes.
type View struct {
	Host string
	At   time.Time // when it was asked; the only clock there is

	Mode    Mode      // how the edge speaks to origins
	Hits    []Hit     // what the edge answered, newest knowledge first per ray
	Origins []*Origin // addresses that the edge uses, or may use
	Legs    []*Leg    // origin address and port, with everything seen of it
	Bads    []Bad     // failures that no leg carries: 1016, a rule's 403, a loop
	Egress  []netip.Addr

	own       []fact.Item[fact.OwnNetwork]
	dns       []fact.Item[fact.DNS]
	exchanges []fact.Item[fact.Exchange]
	answers   []fact.Item[fact.EdgeAnswer]
	records   []fact.Item[fact.EdgeRecord]
	paths     []fact.Item[fact.Path]
	repeats   []fact.Item[fact.Repeat]

	listeners  []fact.Item[fact.Listeners]
	counters   []fact.Item[fact.Counters]
	addresses  []fact.Item[fact.Addresses]
	routes     []fact.Item[fact.Routes]
	services   []fact.Item[fact.Services]
	containers []fact.Item[fact.Containers]
	web        []fact.Item[fact.WebConfig]
	certs      []fact.Item[fact.Certificates]
	firewall   []fact.Item[fact.Firewall]
	bans       []fact.Item[fact.Bans]
	logs       []fact.Item[fact.Logs]
	drops      []fact.Item[fact.Drops]
	load       []fact.Item[fact.Load]
	clock      []fact.Item[fact.Clock]
	resolution []fact.Item[fact.Resolution]
	jobs       []fact.Item[fact.Jobs]
	tunnels    []fact.Item[fact.Tunnel]

	zones    []fact.Item[fact.CDNZone]
	cdnRecs  []fact.Item[fact.CDNRecords]
	settings []fact.Item[fact.CDNSettings]
	rules    []fact.Item[fact.CDNRules]
	events   []fact.Item[fact.CDNEvents]
	stats    []fact.Item[fact.CDNStats]
	balancer []fact.Item[fact.CDNBalancer]

	from   map[originward.Vantage]int // items per vantage
	blocks []block                    // what the packet filter turns away

	recordList []record
	gates      map[*Leg]Gate
	fronts     map[netip.AddrPort]bool // where the edge was visited
	edgePIDs   map[int]bool            // processes of the host that are the edge
	upPorts    map[uint16]bool         // ports to which an upstream that answers leads
	apps       apps                    // sockets that may be an application's
	silent     []unheard               // legs on which nothing seems to answer
}

// NewView indexes a bundle whose evidence has ids. The order of the evidence
// is the caller's: package diagnose sorts it.
func NewView(b *originward.Bundle) *View {
	v := &View{Host: b.Host, At: b.AskedAt, from: map[originward.Vantage]int{}, gates: map[*Leg]Gate{}, fronts: map[netip.AddrPort]bool{}, edgePIDs: map[int]bool{}}
	for i := range b.Evidence {
		v.from[b.Evidence[i].Vantage]++
	}
	v.indexNetwork(b)
	v.indexHost(b)
	v.indexCDN(b)
	v.trim()
	v.readFronts()
	v.readRecords()
	v.readEgress()
	v.readMode()
	v.readHits()
	v.readOrigins()
	v.readLegs()
	v.readBads()
	v.blocks = first(v.readBlocks(), maxBlocks)
	for i := range v.blocks {
		v.blocks[i].cause = v.blockCause(v.blocks[i])
	}
	v.silent = v.readUnheard()
	v.upPorts = v.answeringPorts()
	v.apps = v.readApps()
	return v
}

// take is fact.All within bounds.
func take[T originward.Fact](b *originward.Bundle, vs ...originward.Vantage) []fact.Item[T] {
	var out []fact.Item[T]
	for x := range fact.Each[T](b, vs...) {
		if out = append(out, x); len(out) == maxItems {
			break
		}
	}
	return out
}

func (v *View) indexNetwork(b *originward.Bundle) {
	v.own = take[fact.OwnNetwork](b)
	v.dns = take[fact.DNS](b)
	v.exchanges = take[fact.Exchange](b)
	v.answers = take[fact.EdgeAnswer](b, originward.Edge)
	v.records = take[fact.EdgeRecord](b, originward.Edge)
	v.paths = take[fact.Path](b)
	v.repeats = take[fact.Repeat](b)
}

func (v *View) indexHost(b *originward.Bundle) {
	v.listeners = take[fact.Listeners](b, originward.Host)
	v.counters = take[fact.Counters](b, originward.Host)
	v.addresses = take[fact.Addresses](b, originward.Host)
	v.routes = take[fact.Routes](b, originward.Host)
	v.services = take[fact.Services](b, originward.Host)
	v.containers = take[fact.Containers](b, originward.Host)
	v.web = take[fact.WebConfig](b, originward.Host)
	v.certs = take[fact.Certificates](b, originward.Host)
	v.firewall = take[fact.Firewall](b, originward.Host)
	v.bans = take[fact.Bans](b, originward.Host)
	v.logs = take[fact.Logs](b, originward.Host)
	v.drops = take[fact.Drops](b, originward.Host)
	v.load = take[fact.Load](b, originward.Host)
	v.clock = take[fact.Clock](b)
	v.resolution = take[fact.Resolution](b, originward.Host)
	v.jobs = take[fact.Jobs](b, originward.Host)
	v.tunnels = take[fact.Tunnel](b, originward.Host)
}

func (v *View) indexCDN(b *originward.Bundle) {
	v.zones = take[fact.CDNZone](b, originward.CDN)
	v.cdnRecs = take[fact.CDNRecords](b, originward.CDN)
	v.settings = take[fact.CDNSettings](b, originward.CDN)
	v.rules = take[fact.CDNRules](b, originward.CDN)
	v.events = take[fact.CDNEvents](b, originward.CDN)
	v.stats = take[fact.CDNStats](b, originward.CDN)
	v.balancer = take[fact.CDNBalancer](b, originward.CDN)
}

// Has reports whether any evidence came from the vantage.
func (v *View) Has(w originward.Vantage) bool { return v.from[w] > 0 }

// readEgress collects the edge's own source addresses.
func (v *View) readEgress() {
	add := func(as []netip.Addr) {
		for _, a := range as {
			if a = a.Unmap(); a.IsValid() && !slices.Contains(v.Egress, a) && len(v.Egress) < maxItems {
				v.Egress = append(v.Egress, a)
			}
		}
	}
	for _, r := range v.records {
		add(r.Fact.Egress)
		for _, x := range recorded(r.Fact) {
			add([]netip.Addr{x.Egress})
		}
	}
	for _, s := range v.settings {
		add(s.Fact.Egress)
	}
	slices.SortFunc(v.Egress, netip.Addr.Compare)
}

// Mode is how the edge speaks to the origin, and who said so.
type Mode struct {
	SSL      originward.SSLMode // empty = not known
	By       []string
	FromCDN  bool // read from the CDN's configuration, or told by the user
	HTTPS    Ans  // an https visitor is carried to the origin over https
	Validate Ans  // the edge checks the certificate
}

// readMode finds the SSL mode: the CDN's configuration first, then the edge's
// own record; the codes that only some modes give are read in readHits.
func (v *View) readMode() {
	m := &v.Mode
	for _, s := range v.settings {
		if s.Fact.SSL != "" {
			m.SSL, m.By, m.FromCDN = s.Fact.SSL, []string{s.ID}, true
			break
		}
	}
	if m.SSL == "" {
		m.SSL, m.By = v.recordMode()
	}
	if m.SSL != "" {
		https := m.SSL != originward.SSLOff && m.SSL != originward.SSLFlexible
		m.HTTPS = when(https, "the SSL mode is "+string(m.SSL), m.By...)
		m.Validate = when(m.SSL.Validates(), "the SSL mode is "+string(m.SSL), m.By...)
		return
	}
	m.HTTPS, m.Validate = Unseen(lookMode), Unseen(lookMode)
}

// recordMode is the mode of the newest exchange that the edge recorded for the
// host.
func (v *View) recordMode() (mode originward.SSLMode, by []string) {
	var at time.Time
	for _, r := range v.records {
		for _, x := range r.Fact.Items[:min(len(r.Fact.Items), maxItems)] {
			if x.SSL != "" && (mode == "" || x.At.After(at)) {
				mode, by, at = x.SSL, []string{r.ID}, x.At
			}
		}
	}
	return mode, by
}

// inferMode reads what codes say of the mode: 525 and 526 exist only where the
// edge speaks TLS, 526 only where it checks.
func (v *View) inferMode() {
	if v.Mode.SSL != "" {
		return
	}
	for _, h := range v.Hits {
		switch h.Code {
		case 526:
			v.Mode.Validate = Yes("526 exists only where the edge checks the certificate", h.By...)
			v.Mode.HTTPS = Yes("526 exists only where the edge speaks TLS to the origin", h.By...)
			return
		case 525:
			v.Mode.HTTPS = Yes("525 exists only where the edge speaks TLS to the origin", h.By...)
		}
	}
}

// Setting is the first settings item in which keep finds something.
func (v *View) Setting(keep func(fact.CDNSettings) bool) (fact.CDNSettings, string, bool) {
	for _, s := range v.settings {
		if keep(s.Fact) {
			return s.Fact, s.ID, true
		}
	}
	return fact.CDNSettings{}, "", false
}
