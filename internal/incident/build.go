package incident

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// The addresses of a report that does not tell its own.
var (
	origin4 = netip.MustParseAddr("203.0.113.10")
	front   = netip.MustParseAddr("104.21.5.5") // an address of Cloudflare's edge
	prober  = netip.MustParseAddr("198.51.100.77")
	prober6 = netip.MustParseAddr("2001:db8:c::77")
)

// builder turns lines into evidence. Facts to which several lines add are kept
// until all are read.
type builder struct {
	site  string
	at    time.Time
	out   []originward.Evidence
	notes []originward.NotObserved
	gets  int // rays given out

	services  *fact.Services
	firewall  *fact.Firewall
	logs      *fact.Logs
	bans      *fact.Bans
	addresses *fact.Addresses
	routes    *fact.Routes
	counters  *fact.Counters
	load      *fact.Load
	jobs      *fact.Jobs
	tunnel    *fact.Tunnel
	names     *fact.Resolution
	web       []*fact.WebConfig
	record    *fact.EdgeRecord
	records   *fact.CDNRecords
	settings  *fact.CDNSettings
	rules     *fact.CDNRules
	events    *fact.CDNEvents

	rest    string   // server of a host that is in order but for what is told
	without []string // questions that were not looked at all the same
}

func newBuilder(site string, at time.Time) *builder { return &builder{site: site, at: at} }

// add puts one item of evidence.
func (b *builder) add(v originward.Vantage, f originward.Fact, s originward.Subject, text string) {
	b.out = append(b.out, originward.Evidence{Vantage: v, Question: f.Question(), At: b.at.Add(time.Duration(len(b.out)) * time.Second), Subject: s, Fact: f, Text: text})
}

func (b *builder) subject() originward.Subject { return originward.Subject{Host: b.site} }

// of is the subject of something seen at an address and port.
func (b *builder) of(a netip.AddrPort, scheme string) originward.Subject {
	return originward.Subject{Host: b.site, Addr: a.Addr(), Port: a.Port(), Family: originward.FamilyOf(a.Addr()), Scheme: scheme}
}

// form is one kind of line: the words before the colon, of which the last may
// be followed by more, and how the line is read.
type form struct {
	head string
	read func(*builder, *line) error
}

// forms lists every kind of line, the short before the general.
func forms() []form {
	return slices.Concat(edgeForms, outsideForms, hostForms, filterForms, webForms, cdnForms, restForm)
}

// observe reads one line of an observation.
func (b *builder) observe(l *line) error {
	v := originward.Vantage(l.head[0])
	if !slices.Contains(originward.Vantages(), v) {
		return fmt.Errorf("vantage %q: allowed are %v", v, originward.Vantages())
	}
	if l.json != "" {
		return b.whole(v, l)
	}
	head := strings.Join(l.head, " ")
	for _, f := range forms() {
		rest, ok := strings.CutPrefix(head, f.head)
		if !ok || rest != "" && rest[0] != ' ' {
			continue
		}
		l.head = strings.Fields(rest)
		if err := f.read(b, l); err != nil {
			return fmt.Errorf("%s: %w", f.head, err)
		}
		return l.done()
	}
	return fmt.Errorf("%q is no observation; allowed are %s, and VANTAGE QUESTION: {JSON of the fact}", head, heads(v))
}

func heads(v originward.Vantage) string {
	var out []string
	for _, f := range forms() {
		if strings.HasPrefix(f.head, string(v)+" ") {
			out = append(out, f.head)
		}
	}
	return strings.Join(out, ", ")
}

// whole reads a line that gives a fact in its own form.
func (b *builder) whole(v originward.Vantage, l *line) error {
	if len(l.head) != 2 {
		return fmt.Errorf("before a JSON object stand vantage and question, not %q", strings.Join(l.head, " "))
	}
	q := originward.Question(l.head[1])
	if err := (Look{v, q}).check(); err != nil {
		return err
	}
	e := originward.Evidence{Question: q, Fact: originward.RawFact{Q: q, JSON: json.RawMessage(l.json)}}
	if err := fact.Type(&e); err != nil {
		return err
	}
	if err := strict(l.json, e.Fact); err != nil {
		return fmt.Errorf("%s: %w", q, err)
	}
	b.add(v, e.Fact, b.subject(), string(q)+" as reported")
	return nil
}

// strict reports fields that the fact's type does not have: written again, the
// fact must hold every name that was read.
func strict(raw string, f originward.Fact) error {
	again, err := json.Marshal(f)
	if err != nil {
		return err
	}
	var was, is any
	if err := json.NewDecoder(strings.NewReader(raw)).Decode(&was); err != nil {
		return err
	}
	if err := json.NewDecoder(bytes.NewReader(again)).Decode(&is); err != nil {
		return err
	}
	return subset("", was, is)
}

func subset(at string, was, is any) error {
	switch w := was.(type) {
	case map[string]any:
		m, _ := is.(map[string]any)
		for k, v := range w {
			x, ok := m[k]
			if !ok && v != nil && v != "" && v != false && v != float64(0) {
				return fmt.Errorf("field %s%s is not one of this fact", at, k)
			}
			if err := subset(at+k+".", v, x); err != nil {
				return err
			}
		}
	case []any:
		s, _ := is.([]any)
		for i, v := range w {
			if i < len(s) {
				if err := subset(at, v, s[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// miss reads one line of what was not observed: "VANTAGE [QUESTION]: why".
func (b *builder) miss(l *line) error {
	k := Look{Vantage: originward.Vantage(l.head[0])}
	if len(l.head) > 1 {
		k.Question = originward.Question(l.head[1])
	}
	if err := k.check(); err != nil {
		return err
	}
	if len(l.head) > 2 || len(l.words) == 0 {
		return fmt.Errorf("a line here is VANTAGE [QUESTION]: why")
	}
	b.notes = append(b.notes, originward.NotObserved{Vantage: k.Vantage, Question: k.Question, Why: strings.Join(l.words, " ")})
	l.words = nil
	return l.done()
}

// bundle is everything that was read, as observers hand it over.
func (b *builder) bundle() originward.Bundle {
	b.fill()
	b.flush()
	notes := slices.DeleteFunc(b.notes, func(n originward.NotObserved) bool {
		return slices.ContainsFunc(b.out, func(e originward.Evidence) bool {
			return e.Vantage == n.Vantage && (n.Question == "" || n.Question == e.Question)
		})
	})
	return originward.Bundle{Schema: originward.EvidenceSchema, Host: b.site, AskedAt: b.at, Evidence: b.out, NotObserved: notes}
}

// flush puts the facts to which several lines added.
func (b *builder) flush() {
	host := func(f originward.Fact, text string) { b.add(originward.Host, f, originward.Subject{}, text) }
	if b.services != nil {
		host(*b.services, "the web servers of the host")
	}
	if b.firewall != nil {
		host(*b.firewall, "what the host's packet filter does with new connections")
	}
	if b.logs != nil {
		host(*b.logs, "the logs of the failing time")
	}
	if b.bans != nil {
		host(*b.bans, "who is banned on the host")
	}
	if b.addresses != nil {
		host(*b.addresses, "the addresses of the host")
	}
	if b.routes != nil {
		host(*b.routes, "the ways that replies take")
	}
	if b.counters != nil {
		host(*b.counters, "the kernel's counters")
	}
	if b.load != nil {
		host(*b.load, "the load of the host")
	}
	if b.jobs != nil {
		host(*b.jobs, "the update jobs of the host")
	}
	if b.tunnel != nil {
		host(*b.tunnel, "the tunnel's connector")
	}
	if b.names != nil {
		host(*b.names, "what names mean on the host")
	}
	for _, w := range b.web {
		b.add(originward.Host, *w, originward.Subject{Unit: w.Server, File: w.File}, "the configuration of "+w.Server)
	}
	b.flushRest()
}

func (b *builder) flushRest() {
	if b.record != nil {
		b.add(originward.Edge, *b.record, b.subject(), "the edge's own record")
	}
	if b.records != nil {
		b.add(originward.CDN, *b.records, b.subject(), "the CDN's records of the name")
	}
	if b.settings != nil {
		b.add(originward.CDN, *b.settings, b.subject(), "the CDN's settings")
	}
	if b.rules != nil {
		b.add(originward.CDN, *b.rules, b.subject(), "the CDN's rules")
	}
	if b.events != nil {
		b.add(originward.CDN, *b.events, b.subject(), "the CDN's events")
	}
}

// addr reads an address.
func addr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return a, fmt.Errorf("%q is no address", s)
	}
	return a, nil
}

// addrs reads several addresses.
func addrs(ss []string) ([]netip.Addr, error) {
	out := []netip.Addr{}
	for _, s := range ss {
		a, err := addr(s)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// prefixes reads prefixes and addresses; "cdn4" and "cdn6" are all ranges of
// Cloudflare of a family.
func prefixes(ss []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range ss {
		switch s {
		case "cdn4", "cdn6":
			ps, _ := cdn.Ranges(cdn.Cloudflare, originward.Family("ip"+s[3:]))
			out = append(out, ps...)
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, err := netip.ParseAddr(s)
			if err != nil {
				return nil, fmt.Errorf("%q is neither a range nor an address", s)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// triOf reads yes, no and unknown; empty is unknown.
func triOf(s string) (fact.Tri, error) {
	switch s {
	case "yes", "on":
		return fact.Yes, nil
	case "no", "off":
		return fact.No, nil
	case "", "unknown":
		return fact.Unknown, nil
	}
	return "", fmt.Errorf("%q: allowed are yes, no, unknown", s)
}

// place reads FILE:LINE.
func place(s string) fact.Place {
	file, no, ok := strings.Cut(s, ":")
	p := fact.Place{File: file}
	if ok {
		_, _ = fmt.Sscanf(no, "%d", &p.Line) // a place without a number is a file
	}
	return p
}

// choose reads a word of a closed list.
func choose(what, s string, allowed ...string) error {
	if !slices.Contains(allowed, s) {
		return fmt.Errorf("%s %q: allowed are %s", what, s, strings.Join(allowed, ", "))
	}
	return nil
}
