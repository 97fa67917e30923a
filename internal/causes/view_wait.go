package causes

import (
	"slices"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// abandoned reports whether an exchange ended because its visitor left while
// the edge was still waiting for the origin. An edge waits longer than a look
// takes; what it was waiting for when we left, and from which address, tells
// nearly as much as its answer would.
func abandoned(x fact.EdgeExchange) bool {
	if x.Fault != originward.ProxyInternalError && x.Code != 499 && x.Code != 0 || len(x.Phases) == 0 {
		return false
	}
	last := x.Phases[len(x.Phases)-1]
	return !last.Done && last.MS >= realWait
}

// recorded are the exchanges of an edge's record, with those that have not ended:
// a wait that goes on tells the same as one whose visitor left.
func recorded(r fact.EdgeRecord) []fact.EdgeExchange {
	out := slices.Clone(r.Waiting[:min(len(r.Waiting), maxItems)])
	return append(out, r.Items[:min(len(r.Items), maxItems)]...)
}

// longWait is a wait in milliseconds after which even an impatient visitor has
// seen more than a slow page: the fast timers of our own probes.
const longWait = 2500

// addAbandoned takes a recorded exchange that its visitor abandoned for a wait
// of the edge. With visits of our own only those count that were made since,
// and only where one of ours had to wait: they are our own, which no ray joins.
// Visitors leave slow pages that would have come, too; without visits of our
// own a wait says something only when it was a long one.
func (v *View) addAbandoned(id string, x fact.EdgeExchange) {
	since, ours, waits := v.At.Add(-beforeElse), false, false
	for _, h := range v.Hits {
		if h.Own && !h.At.IsZero() && (!ours || h.At.Before(since)) {
			since, ours = h.At, true
		}
		waits = waits || h.Own && h.Pending
	}
	if ours && !waits || !ours && x.Phases[len(x.Phases)-1].MS < longWait {
		return
	}
	if !v.At.IsZero() && x.At.Before(since.Add(-time.Second)) || len(v.Hits) >= maxHits {
		return
	}
	h := Hit{At: x.At, Scheme: x.Scheme, Ray: x.Ray, Phase: x.Phase, MS: x.Phases[len(x.Phases)-1].MS, Pending: true, Own: true}
	h.join(id, x)
	h.Code, h.Fault, h.Made = 0, "", fact.Unknown // its answer is what nobody waited for
	v.Hits = append(v.Hits, h)
}

// lost reports whether an exchange with the origin failed, or waited in vain.
func (h *Hit) lost() bool { return h.Pending || h.Code >= 520 && h.Code <= 526 }

// Coming is the code and fault to which a wait of the edge comes unless the origin
// answers yet; 0 when that is not known. Only a SYN that stays unanswered for as
// long as a look waits leaves no choice.
func (h Hit) Coming() (int, originward.FaultType) {
	if !h.Pending || h.Phase != originward.PhaseConnect || h.MS < longWait {
		return 0, ""
	}
	return 522, originward.ConnectionTimeout
}

// comesTo are the codes to which a wait of the edge can lead: by what it was
// waiting for when we left, where its record tells.
func (b Bad) comesTo() []int {
	switch b.Phase {
	case originward.PhaseConnect:
		return []int{522}
	case originward.PhaseTLS:
		return []int{525, 522}
	case originward.PhaseFirstByte, originward.PhaseHeaders:
		return []int{524, 504}
	}
	return waitCodes
}

// meet keeps the phase of a wait only where all that tell one agree.
func (b *Bad) meet(o Bad) {
	if b.Code == 0 && o.Phase != "" && o.Phase != b.Phase {
		b.Phase = ""
	}
}
