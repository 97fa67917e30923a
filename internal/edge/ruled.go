package edge

import (
	"bytes"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/edge/cache"
	"github.com/originward/originward/internal/edge/challenge"
	"github.com/originward/originward/internal/edge/events"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/http1"
)

// ruling is what a zone's rules made of a request.
type ruling struct {
	rule       rules.Request
	response   rules.Reply
	described  bool
	settings   rules.Settings
	caching    rules.Caching
	rewritten  []byte      // target towards the origin; nil = as it came
	hits       []rules.Hit // that did not answer
	toOrigin   rules.HeaderEdit
	toVisitor  rules.HeaderEdit
	challenged bool      // a challenge answers
	counted    bool      // by the rate limits that wait for responses
	passed     int8      // a challenge was solved before: 0 = not looked, 1 = yes, -1 = no
	given      time.Time // when it was solved
}

func (r *ruling) reset() {
	r.rule.Reset()
	r.response, r.settings, r.caching = rules.Reply{}, rules.Settings{}, rules.Caching{}
	r.described, r.rewritten, r.hits, r.challenged, r.counted, r.passed = false, nil, r.hits[:0], false, false, 0
	r.toOrigin.Reset()
	r.toVisitor.Reset()
}

// fields is a head as rules see it.
type fields struct{ *http1.Head }

// Len is the number of field lines.
func (f fields) Len() int { return len(f.Fields) }

// At gives a field line.
func (f fields) At(i int) (name, value []byte) { return f.Fields[i].Name, f.Fields[i].Value }

// ruled runs the zone's rules in the order of their phases; what they answer is
// answered here (phases-list).
func (v *visit) ruled() bool {
	set := &v.zone.rules
	if set.Empty() {
		return false
	}
	v.describe()
	if rule, to := set.Redirected(&v.rule); rule != nil {
		v.ruleID = rule.ID
		v.reply(rule.Status, nil, [2]string{"Location", to}, [2]string{"Cache-Control", "private, no-store"})
		return true
	}
	if set.Rewritten(&v.rule) {
		if !bytes.HasPrefix(v.rule.Path, []byte(ownPrefix)) {
			v.rewritten = v.rule.Target
		} else {
			v.refuse(1035) // a rewrite must not lead into the edge's own part
			return true
		}
	}
	v.settings = set.Configured(&v.rule)
	v.routing = set.Route(&v.rule)
	run := rules.Run{Limits: v.edge.limiter, Now: v.began, Note: v.bound.note, Solved: v.bound.solved, Settings: v.settings, Body: v.bound.body}
	d := set.Evaluate(&v.rule, &run)
	if d.Stops() {
		v.ruleID, v.challenged = d.ID, d.Action.Challenges()
		v.fault = &originward.Fault{Phase: originward.PhaseRules, Type: originward.HTTPRequestDenied}
		v.stop(d)
	} else {
		set.EditRequest(&v.rule, &v.toOrigin)
		v.ruling.caching = set.Cached(&v.rule)
	}
	if d.Stops() || len(v.hits) > 0 {
		v.measureRules(d.Stops(), string(d.Source), string(d.Action))
		v.tell(d)
	}
	return d.Stops()
}

// describe fills in the request as rules see it.
func (v *visit) describe() {
	if v.described {
		return
	}
	v.described = true
	r := &v.rule
	r.IP, r.Host, r.Method = v.conn.addr, v.host, v.methodBytes()
	r.URI = rules.URI{Path: v.path, Query: v.query, Target: v.target}
	r.Raw = r.URI
	r.HTTPS, r.Version, r.Port, r.ServerIP = v.conn.https, protoBytes[v.proto], v.conn.local.Port(), v.conn.local.Addr()
	r.Ray, r.Colo, r.Zone, r.At = v.rayID[:16], v.rayID[17:], v.zone.Name, v.began
	r.TLS, r.Cipher = v.conn.tls.version, v.conn.tls.cipher
	r.Headers = fields{v.head}
	if v.st.geo != nil {
		r.Places = v.st.geo
	}
}

// originTarget is the target that the origin is asked for.
func (v *visit) originTarget() []byte {
	if v.rewritten != nil {
		return v.rewritten
	}
	return v.target
}

// noteHit records a rule that matched without answering.
func (v *visit) noteHit(h rules.Hit) {
	v.logged = append(v.logged, h.ID)
	v.hits = append(v.hits, h)
}

// visitorOf is whom challenges and clearances belong to.
func (v *visit) visitorOf(zone string) challenge.Visitor {
	return challenge.Visitor{Zone: zone, Addr: v.conn.addr, Agent: v.head.Get("User-Agent")}
}

// solved tells whether the visitor has solved a challenge of the zone's, and when; it
// is looked at once.
func (v *visit) solved() (given time.Time, ok bool) {
	if v.passed == 0 {
		v.passed = -1
		if c := cookie(v.head, challenge.CookieName); c != nil {
			if t, ok := v.edge.guard.keeper.Cleared(string(c), v.visitorOf(v.zone.Name), v.began); ok {
				v.passed, v.given = 1, t
			}
		}
	}
	return v.given, v.passed > 0
}

// cookie is the value of a cookie; nil when there is none.
func cookie(h *http1.Head, name string) []byte {
	for line := range h.Values("Cookie") {
		for part := range bytes.SplitSeq(line, []byte(";")) {
			if k, val, ok := bytes.Cut(bytes.TrimSpace(part), []byte("=")); ok && string(k) == name {
				return val
			}
		}
	}
	return nil
}

// tell makes security events of what the rules did.
func (v *visit) tell(d rules.Decision) {
	log := v.edge.guard.events
	policy := log.Policy()
	if !policy.Takes(v.ray) {
		return
	}
	where := v.rule.Where()
	e := events.Event{
		At: v.began.UTC(), Ray: v.ray.String(), Colo: v.st.cfg.Colo, Zone: v.zone.Name,
		Client: policy.Addr(v.conn.addr), Country: where.Country, ASN: where.ASN,
		Method: events.Bounded(v.method), Host: events.Bounded(v.host), Path: events.Bounded(v.path),
		Scheme: v.conn.scheme(), Protocol: v.proto.String(), UserAgent: events.Bounded(v.head.Get("User-Agent")), Sample: 1,
	}
	if policy.Sample > 0 {
		e.Sample = 1 / policy.Sample
	}
	if policy.Query {
		e.Query = events.Bounded(v.query)
	}
	list := make([]events.Event, 0, len(v.hits)+1)
	add := func(h rules.Hit, status int) {
		e.Source, e.Action, e.RuleID, e.Status = string(h.Source), string(h.Action), h.ID, status
		if e.Outcome = events.WentOn; status != 0 {
			e.Outcome = events.Stopped
		}
		e.Description, e.Expression = events.Bounded(h.Description), events.Bounded(h.Expression)
		if h.Passed {
			e.Action += "_bypassed"
		}
		list = append(list, e)
	}
	for _, h := range v.hits {
		add(h, 0)
	}
	if d.Stops() {
		add(d.Hit, v.status)
	}
	log.Add(list...)
}

// shownClient is the visitor's address as the access log shows it.
func (v *visit) shownClient() string {
	if v.st.access.Client == "full" {
		return v.conn.text
	}
	return v.st.access.Addr(v.conn.addr)
}

// shownTarget is the target as the access log shows it.
func (v *visit) shownTarget() []byte {
	if v.st.access.Query {
		return v.target
	}
	path, _, _ := bytes.Cut(v.target, []byte("?"))
	return path
}

// sslMode is the mode in which the origin is asked.
func (v *visit) sslMode() originward.SSLMode {
	if v.settings.SSL != "" {
		return v.settings.SSL
	}
	return v.zone.SSL
}

// cacheSettings are the zone's with what cache rules changed; nil = nothing is kept.
func (v *visit) cacheSettings() *cache.Settings {
	c := &v.ruling.caching
	set := v.zone.cache
	if c.Zero() {
		return set
	}
	var s cache.Settings
	if set != nil {
		s = *set
	}
	if c.Keep != nil {
		if !*c.Keep {
			return nil
		}
		s.Level = cache.Everything
	}
	if s.Level == cache.Off {
		return nil
	}
	if c.IgnoreQuery != nil {
		s.IgnoreQuery = *c.IgnoreQuery
	}
	s.ForcedTTL, s.OnlyAsked = c.EdgeTTL, c.OnlyAsked
	return &s
}

// country is the visitor's as origins are told it: XX for an unknown one, empty when
// the edge has no database of countries.
func (v *visit) country() string {
	if v.st.geo == nil || v.st.cfg.Geo.Country == "" {
		return ""
	}
	v.describe()
	if c := v.rule.Where().Country; len(c) == 2 && upper(c[0]) && upper(c[1]) {
		return c
	}
	return "XX"
}

func upper(c byte) bool { return c >= 'A' && c <= 'Z' }
