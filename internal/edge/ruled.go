package edge

import (
	"github.com/originward/originward"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/http1"
)

// fields is a head as rules see it.
type fields struct{ *http1.Head }

// Len is the number of field lines.
func (f fields) Len() int { return len(f.Fields) }

// At gives a field line.
func (f fields) At(i int) (name, value []byte) { return f.Fields[i].Name, f.Fields[i].Value }

// ruled runs the zone's rules; what they answer is answered here.
func (v *visit) ruled() bool {
	set := &v.zone.rules
	if set.Empty() {
		return false
	}
	v.describe()
	v.routing = set.Route(&v.rule)
	run := rules.Run{Limits: v.edge.limiter, Now: v.began, Note: v.bound.note}
	d := set.Evaluate(&v.rule, &run)
	if !d.Stops() {
		return false
	}
	v.ruleID = d.ID
	v.fault = &originward.Fault{Phase: originward.PhaseRules, Type: originward.HTTPRequestDenied}
	v.block(d)
	return true
}

// describe fills in the request as rules see it.
func (v *visit) describe() {
	r := &v.rule
	r.Reset()
	r.IP, r.Host, r.Method = v.conn.addr, v.host, v.methodBytes()
	r.URI = rules.URI{Path: v.path, Query: v.query, Target: v.target}
	r.Raw = r.URI
	r.HTTPS, r.Version, r.Port, r.ServerIP = v.conn.https, protoBytes[v.proto], v.conn.local.Port(), v.conn.local.Addr()
	r.Ray, r.Colo, r.Zone, r.At = v.rayID[:16], v.rayID[17:], v.zone.Name, v.began
	r.TLS, r.Cipher = v.conn.tls.version, v.conn.tls.cipher
	r.Headers = fields{v.head}
}

// noteHit records a rule that matched without answering.
func (v *visit) noteHit(h rules.Hit) { v.logged = append(v.logged, h.ID) }
