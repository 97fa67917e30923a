package firewall

import (
	"fmt"
	"strings"

	"github.com/originward/originward/internal/firewall/replica"
)

// mismatch says how an observation contradicts every possible outcome of the segment; empty when one fits.
func (sh *shot) mismatch(o *replica.Observation, places map[rulePlace]uint64) string {
	var why []string
	for _, want := range append([]Outcome{sh.seg.Outcome}, sh.seg.Alternatives...) {
		bad := want.contradicts(o, places)
		if bad == "" {
			return ""
		}
		why = append(why, bad)
	}
	return strings.Join(why, "; ")
}

// contradicts compares one outcome with what the kernel did.
func (want *Outcome) contradicts(o *replica.Observation, places map[rulePlace]uint64) string {
	e, reply, dropped := o.Dropped()
	switch want.End {
	case EndAccept:
		if !o.Answered {
			return "accept, but no answer came back"
		}
		return want.redirected(o)
	case EndDrop:
		if o.Answered || o.Reset || o.ICMP {
			return "drop, but an answer came back"
		}
	case EndReject:
		if want.RejectWith == "tcp-reset" && !o.Reset || want.RejectWith != "tcp-reset" && !o.ICMP {
			return "reject with " + string(want.RejectWith) + ", which did not come back"
		}
	default:
		return ""
	}
	if want.Rule == nil || want.Rule.Engine == IptablesLegacy {
		if dropped {
			return "another engine's rule, but nf_tables dropped it"
		}
		return ""
	}
	if !dropped {
		return "drop by " + want.Rule.where() + ", which the trace does not show"
	}
	r := want.Rule
	same := e.Family.String() == r.Family && e.Table == r.Table && e.Chain == r.Chain && reply == want.Reply
	if r.Policy {
		same = same && e.Type == "policy"
	} else {
		same = same && e.Type == "rule" && e.Handle == places[rulePlace{r.Family, r.Table, r.Chain, r.Position}]
	}
	if !same {
		return "drop by " + r.where()
	}
	return ""
}

// redirected checks where a forwarded packet went.
func (want *Outcome) redirected(o *replica.Observation) string {
	r := want.Redirect
	if r == nil || !o.Forwarded {
		return ""
	}
	if r.To.IsValid() && o.Onward.Dst != r.To || r.ToPort != 0 && o.Onward.DstPort != r.ToPort {
		return fmt.Sprintf("redirected to %s port %d", r.To, r.ToPort)
	}
	return ""
}

// where names a rule in a few words.
func (r *RuleRef) where() string {
	at := fmt.Sprintf("%s %s %s", r.Family, r.Table, r.Chain)
	if r.Policy {
		return at + " policy"
	}
	return fmt.Sprintf("%s rule %d", at, r.Position)
}

// disagreement describes a probe the kernel treated otherwise.
func disagreement(sh *shot, o *replica.Observation, model string) Disagreement {
	d := Disagreement{Src: sh.src.String(), Model: model}
	switch {
	case o.Answered:
		d.Kernel = "accepted"
	case o.Reset:
		d.Kernel = "reset"
	case o.ICMP:
		d.Kernel = fmt.Sprintf("ICMP type %d code %d", o.ICMPType, o.ICMPCode)
	default:
		d.Kernel = "no answer"
	}
	if e, reply, ok := o.Dropped(); ok {
		d.Kernel += ", dropped by " + e.String()
		if reply {
			d.Kernel += " (the answer)"
		}
	}
	for _, e := range o.Request {
		d.KernelPath = append(d.KernelPath, e.String())
	}
	for _, e := range o.Reply {
		d.KernelPath = append(d.KernelPath, "answer: "+e.String())
	}
	return d
}
