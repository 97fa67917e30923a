package rules

import "fmt"

// Managed runs a managed rule set over the requests for which its expression holds
// (phase http_request_firewall_managed).
type Managed struct {
	Head            // Action is what happens to what the set finds: Block, Log or a challenge
	Paranoia  int   // 1 to 4
	Threshold int   // score from which a request is acted upon
	Disabled  []int // rules of the set that are left out
	Judge     Judge
}

// Judge is a managed rule set.
type Judge interface {
	// Judge scores a request with what is known of its body.
	Judge(r *Request, b Body) Score
}

// Body is the beginning of a request's body.
type Body struct {
	Bytes []byte
	Cut   bool // there is more
}

// Score is what a managed rule set thinks of a request.
type Score struct {
	Total int    // 0 = nothing was found
	Rule  string // id of the gravest rule that matched
	What  string // what it found
	Count int    // how many rules matched
}

// managedID is the rule of the OWASP Core Rule Set that compares the score with its
// threshold.
const managedID = "949110"

// managed runs the managed rule sets.
func (s *Set) managed(r *Request, x *Run) Decision {
	for i := range s.Managed {
		m := &s.Managed[i]
		if m.Judge == nil || !m.holds(r) {
			continue
		}
		score := m.Judge.Judge(r, x.Body())
		if score.Total < m.Threshold {
			continue
		}
		h := m.hit(FromManaged)
		h.ID = managedID
		h.Description = fmt.Sprintf("Inbound Anomaly Score Exceeded (Total Score: %d): %s %s", score.Total, score.Rule, score.What)
		if score.Count > 1 {
			h.Description += fmt.Sprintf(" and %d more", score.Count-1)
		}
		if m.Action == Log {
			x.note(h)
			continue
		}
		if d, yes := x.stop(h, nil); yes {
			return d
		}
	}
	return Decision{}
}
