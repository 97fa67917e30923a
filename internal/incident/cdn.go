package incident

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// cdnForms are the CDN's configuration.
var cdnForms = []form{
	{"cdn ssl", (*builder).ssl},
	{"cdn setting", (*builder).cdnSetting},
	{"cdn record", (*builder).cdnRecord},
	{"cdn covered", (*builder).covered},
	{"cdn zone", (*builder).zone},
	{"cdn rule", (*builder).cdnRule},
	{"cdn event", (*builder).cdnEvent},
}

func (b *builder) zoneSettings() *fact.CDNSettings {
	if b.settings == nil {
		b.settings = &fact.CDNSettings{Source: "api"}
	}
	return b.settings
}

func (b *builder) ssl(l *line) error {
	m, err := originward.ParseSSLMode(l.word())
	b.zoneSettings().SSL = m
	if l.has("told") {
		b.zoneSettings().Source = "flag"
	}
	return err
}

// cdnSetting reads "setting: http2-origin=on origin-pull=off edge-cert=no origin-port=N …".
func (b *builder) cdnSetting(l *line) error {
	s := b.zoneSettings()
	for _, t := range []struct {
		name string
		to   *fact.Tri
	}{{"http2-origin", &s.HTTP2Origin}, {"origin-pull", &s.OriginPull}, {"edge-cert", &s.EdgeCert}, {"always-https", &s.AlwaysHTTPS}} {
		v, err := triOf(l.opt(t.name))
		if err != nil {
			return err
		}
		if v != fact.Unknown {
			*t.to = v
		}
	}
	var err error
	if s.ReadTimeout, err = l.number("read-timeout"); err != nil {
		return err
	}
	s.OriginHost, s.OriginSNI, s.OriginName = l.opt("origin-host"), l.opt("origin-sni"), l.opt("origin-name")
	s.OriginPort, err = l.number("origin-port")
	return err
}

func (b *builder) recs() *fact.CDNRecords {
	if b.records == nil {
		b.records = &fact.CDNRecords{Name: b.site, Records: []fact.CDNRecord{}}
	}
	return b.records
}

// cdnRecord reads "record TYPE: CONTENT proxied|grey [resolved=ADDR,…]".
func (b *builder) cdnRecord(l *line) error {
	if len(l.head) != 1 {
		return fmt.Errorf("allowed is record TYPE")
	}
	f := b.recs()
	r := fact.CDNRecord{ID: "r" + strconv.Itoa(len(f.Records)+1), Type: l.head[0], Name: b.site, Content: l.word(), TTL: 1}
	if err := choose("type", r.Type, "A", "AAAA", "CNAME"); err != nil {
		return err
	}
	switch w := l.word(); w {
	case "proxied":
		r.Proxied = fact.Yes
	case "grey":
		r.Proxied = fact.No
	default:
		return fmt.Errorf("%q: allowed are proxied and grey", w)
	}
	var err error
	if s := l.list("resolved"); s != nil {
		r.Resolved, err = addrs(s)
	}
	f.Records = append(f.Records, r)
	return err
}

// covered reads "covered: no | yes by=…" and platform=yes|no.
func (b *builder) covered(l *line) error {
	f := b.recs()
	var err error
	if f.Covered, err = triOf(l.word()); err != nil {
		return err
	}
	f.CoveredBy = l.opt("by")
	f.Platform, err = triOf(l.opt("platform"))
	return err
}

func (b *builder) zone(l *line) error {
	z := fact.CDNZone{Provider: cmp.Or(l.opt("provider"), "cloudflare"), ID: "z1", Name: b.site, Status: l.word(), Paused: fact.No}
	if z.Status == "paused" {
		z.Status, z.Paused = "active", fact.Yes
	}
	if err := choose("status", z.Status, "active", "pending"); err != nil {
		return err
	}
	b.add(originward.CDN, z, b.subject(), "the zone at the CDN")
	return nil
}

// cdnRule reads `rule ACTION: matches=yes kind=custom expression="…" id=…`.
func (b *builder) cdnRule(l *line) error {
	if len(l.head) != 1 {
		return fmt.Errorf("allowed is rule ACTION")
	}
	if b.rules == nil {
		b.rules = &fact.CDNRules{Blocks: fact.No}
	}
	m := fact.RuleMatch{ID: cmp.Or(l.opt("id"), "rule1"), Kind: cmp.Or(l.opt("kind"), "custom"), Expression: l.opt("expression"), Action: l.head[0], DependsOn: l.list("depends-on")}
	var err error
	if m.Matches, err = triOf(l.opt("matches")); err != nil {
		return err
	}
	if m.Status, err = l.number("status"); err != nil {
		return err
	}
	if m.Matches == fact.Yes && m.Action == "block" {
		b.rules.Blocks = fact.Yes
	}
	b.rules.Evaluated = append(b.rules.Evaluated, m)
	return nil
}

// cdnEvent reads `event ACTION: kind=security|audit source=… rule=… ray=… "TEXT"`.
func (b *builder) cdnEvent(l *line) error {
	if len(l.head) != 1 {
		return fmt.Errorf("allowed is event ACTION")
	}
	if b.events == nil {
		b.events = &fact.CDNEvents{Ray: l.opt("ray")}
	}
	e := fact.CDNEvent{At: b.at, Kind: cmp.Or(l.opt("kind"), "security"), Ray: l.opt("ray"), Action: l.head[0], Source: l.opt("source"), RuleID: l.opt("rule"), Text: l.word()}
	b.events.Events = append(b.events.Events, e)
	return nil
}
