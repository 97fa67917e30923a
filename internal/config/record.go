package config

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/dnsrec"
)

func (v value) records(zone string) []originward.Record {
	var out []originward.Record
	lines := map[originward.Record]int{}
	byName := map[string]map[originward.RecordType]int{}
	v.list(func(v value) {
		rec, ok := v.record(zone)
		if !ok {
			return
		}
		same := rec
		same.Proxied, same.TTL = false, 0
		if line, twice := lines[same]; twice {
			v.fail(fmt.Sprintf("the same record stands in line %d already", line))
			return
		}
		lines[same] = v.n.Line
		types := byName[rec.Name]
		if types == nil {
			types = map[originward.RecordType]int{}
			byName[rec.Name] = types
		}
		for t, line := range types {
			if t == originward.RecordCNAME || rec.Type == originward.RecordCNAME {
				v.fail(fmt.Sprintf("%s cannot have a CNAME beside another record (line %d)", rec.Name, line))
				return
			}
		}
		types[rec.Type] = v.n.Line
		out = append(out, rec)
	})
	return out
}

func (v value) record(zone string) (originward.Record, bool) {
	v, ok := v.resolve()
	if !ok {
		return originward.Record{}, false
	}
	var rec originward.Record
	var name, content, priority value
	proxied := value{}
	before := len(v.r.problems)
	if !v.object(
		key{"type", func(v value) {
			s, _ := v.oneOf(recordTypes()...)
			rec.Type = originward.RecordType(s)
		}},
		key{"name", func(v value) { name = v }},
		key{"content", func(v value) { content = v }},
		key{"priority", func(v value) { priority = v }},
		key{"proxied", func(v value) { proxied = v; rec.Proxied, _ = v.flag() }},
		key{"ttl", func(v value) { rec.TTL, _ = v.integer(1, 86400) }},
	) {
		return rec, false
	}
	if len(v.r.problems) > before {
		return rec, false
	}
	if rec.Type == "" || name.n == nil || content.n == nil {
		v.fail("needs type, name and content", "{type: A, name: "+zone+", content: 203.0.113.10, proxied: true}")
		return rec, false
	}
	if priority.n != nil && !dnsrec.HasPriority(rec.Type) {
		priority.fail("a " + string(rec.Type) + " record has no priority")
		return rec, false
	}
	if !rec.Type.Origin() {
		if rec.Proxied {
			proxied.fail("a "+string(rec.Type)+" record cannot be proxied", "A", "AAAA", "CNAME")
			return rec, false
		}
		return content.otherRecord(zone, rec, name, priority)
	}
	if rec.Name, ok = name.recordName(zone); !ok {
		return rec, false
	}
	rec.Content, ok = content.recordContent(rec.Type)
	return rec, ok
}

func recordTypes() (names []string) {
	for _, t := range dnsrec.Types() {
		names = append(names, string(t))
	}
	return names
}

// otherRecord reads a record that leads to no origin, in the form of Cloudflare's API:
// a priority stands beside the content.
func (v value) otherRecord(zone string, rec originward.Record, name, priority value) (originward.Record, bool) {
	x := dnsrec.Record{Type: rec.Type}
	before := len(v.r.problems)
	x.Name, _ = name.text()
	if n := strings.ToLower(strings.TrimSuffix(x.Name, ".")); n != "@" && n != zone && !strings.HasSuffix(n, "."+zone) {
		name.notWithin(zone)
	}
	x.Content, _ = v.text()
	if dnsrec.HasPriority(rec.Type) {
		if priority.n == nil {
			v.fail("a "+string(rec.Type)+" record needs a priority", "priority: 10")
			return rec, false
		}
		x.Priority, _ = priority.integer(0, 65535)
	}
	if len(v.r.problems) > before {
		return rec, false
	}
	x, problem := dnsrec.Check(zone, x)
	if problem != nil {
		at := map[string]value{"/name": name, "/priority": priority}[problem.Field]
		if at.n == nil {
			at = v
		}
		at.fail(problem.Msg)
		return rec, false
	}
	rec.Name, rec.Content = x.Name, x.Content
	if dnsrec.HasPriority(rec.Type) {
		rec.Content = fmt.Sprintf("%d %s", x.Priority, x.Content)
	}
	return rec, true
}

// recordName reads a name within the zone; "@" is the zone itself.
func (v value) recordName(zone string) (string, bool) {
	if s, ok := v.text(); ok && s == "@" {
		return zone, true
	}
	name, ok := v.hostName(true)
	if !ok {
		return "", false
	}
	if name != zone && !strings.HasSuffix(name, "."+zone) {
		v.notWithin(zone)
		return "", false
	}
	return name, true
}

func (v value) notWithin(zone string) {
	v.fail("the name is not within the zone "+zone, zone, "www."+zone, "*."+zone, "@")
}

func (v value) recordContent(t originward.RecordType) (string, bool) {
	if t == originward.RecordCNAME {
		return v.hostName(false)
	}
	s, ok := v.text()
	if !ok {
		return "", false
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil, a.Zone() != "":
		v.fail("not an address", addressOf(t))
	case t == originward.RecordA && !a.Is4():
		v.fail("an A record needs an IPv4 address", addressOf(t), "type: AAAA")
	case t == originward.RecordAAAA && !a.Is6():
		v.fail("an AAAA record needs an IPv6 address", addressOf(t), "type: A")
	default:
		return a.String(), true
	}
	return "", false
}

func addressOf(t originward.RecordType) string {
	if t == originward.RecordAAAA {
		return "an IPv6 address such as 2001:db8::10"
	}
	return "an IPv4 address such as 203.0.113.10"
}
