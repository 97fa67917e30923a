package causes

import (
	"net/netip"
	"slices"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// Hit is one answer of the edge to a visitor, or one exchange that the edge
// recorded, joined by ray where both are known.
type Hit struct {
	By      []string
	At      time.Time
	Scheme  string // the visitor's
	Port    uint16 // the visitor's
	Variant string
	Status  int      // HTTP status that the visitor got
	Code    int      // 52x, 1xxx when the edge made it; else the origin's status
	Made    fact.Tri // the edge wrote the answer
	Fault   originward.FaultType
	Phase   originward.Phase
	Origin  netip.AddrPort
	To      string // scheme towards the origin
	Name    string // origin name, for resolve faults
	Egress  netip.Addr
	Ray     string
	Cached  bool
	Reused  bool
	Loop    bool // the redirect leads to the same URL
	Errno   string
	Rule    string
	CDN     string
	MS      float64
	Title   string
	Redir   []string
	Own     bool // one of our own visits
	Attempt bool // the edge tried again after it: the visitor did not see it
	Pending bool // the edge was still waiting for the origin when we stopped waiting for it
	Head    *fact.Response
}

// Good reports whether a visitor is served by this answer.
func (h Hit) Good() bool {
	if h.Loop || h.Status == 0 {
		return false
	}
	switch h.Status {
	case 400, 403, 421, 429, 431, 494, 495, 496, 497:
		return false
	case 404:
		if unclaimedPage(h.Head) {
			return false // not a page of the site: its host does not know the name
		}
	}
	switch h.Fault {
	case originward.HTTPResponseIncomplete, originward.HTTPResponseTransfer, originward.HTTPResponseContent:
		return false // the head was good, and the visitor's body ends before its end
	}
	return h.Status < 500 && h.Code < 500
}

// Contact reports whether the answer shows a whole exchange with an origin.
func (h Hit) Contact() bool {
	return h.Code != 0 && h.Code < 520 && h.Made != fact.Yes && !h.Cached
}

// readHits joins visits with the edge's own record of them.
func (v *View) readHits() {
	byRay := map[string][]int{}
	for _, a := range v.answers {
		if h, ok := hitOf(a); ok {
			if h.Ray != "" {
				byRay[h.Ray] = append(byRay[h.Ray], len(v.Hits))
			}
			v.Hits = append(v.Hits, h)
			if len(v.Hits) >= maxHits {
				break
			}
		}
	}
	for _, r := range v.repeats {
		v.addRuns(r, byRay)
	}
	take := v.recordsTaken()
	for _, r := range v.records {
		for _, x := range newestFirst(recorded(r.Fact)) {
			v.addRecord(r.ID, x, byRay, take)
		}
	}
	v.inferMode()
}

func hitOf(a fact.Item[fact.EdgeAnswer]) (Hit, bool) {
	f := a.Fact
	if f.Status == 0 && f.Failure != nil && waited(f.Failure.Phase, f.Failure.Type, f.Failure.AfterMS) {
		return Hit{By: []string{a.ID}, At: a.At, Scheme: f.Scheme, Port: f.Target.Port(), Variant: f.Variant, CDN: f.CDN, MS: f.Failure.AfterMS, Pending: true, Own: true}, true
	}
	if f.Status == 0 {
		return Hit{}, false
	}
	h := Hit{
		By: []string{a.ID}, At: a.At, Scheme: f.Scheme, Port: f.Target.Port(), Variant: f.Variant,
		Status: f.Status, Code: f.Status, Made: f.EdgeMade, Fault: f.Fault, Phase: f.Phase, Ray: f.Ray,
		Cached: f.Cache == "HIT" || f.Cache == "STALE", Loop: f.RedirLoop == fact.Yes, CDN: f.CDN,
		MS: f.MS, Redir: f.Redirects, Own: true, Head: f.Response,
	}
	if f.Error != 0 {
		h.Code = f.Error
	}
	if f.Response != nil {
		h.Title = f.Response.Title
	}
	return h, true
}

// waited reports whether a visit ended with us waiting for the edge, which had
// taken the request: it was waiting for the origin in turn. Edges wait longer
// for a connect than a look takes (19 s at Cloudflare), so this is how silence
// of the origin looks on a quick run.
func waited(p originward.Phase, t originward.FaultType, ms float64) bool {
	late := t == originward.HTTPResponseTimeout || t == originward.ConnectionReadTimeout
	return late && (p == originward.PhaseFirstByte || p == originward.PhaseHeaders) && ms >= realWait
}

// realWait is how long something must have been waited for, in milliseconds,
// before its silence says anything: less is a look whose time was up.
const realWait = 500

// newestFirst is a sorted, bounded copy.
func newestFirst(items []fact.EdgeExchange) []fact.EdgeExchange {
	out := slices.Clone(items[:min(len(items), maxItems)])
	slices.SortStableFunc(out, func(a, b fact.EdgeExchange) int { return b.At.Compare(a.At) })
	return out
}

// addRuns takes the further visits of a series through the edge.
func (v *View) addRuns(r fact.Item[fact.Repeat], byRay map[string][]int) {
	if r.Fact.Via != "edge" {
		return
	}
	for _, x := range r.Fact.Runs[:min(len(r.Fact.Runs), maxItems)] {
		pending := x.Status == 0 && waited(x.Phase, x.Fault, x.MS)
		if x.Status == 0 && !pending || len(v.Hits) >= maxHits || x.Ray != "" && len(byRay[x.Ray]) > 0 {
			continue
		}
		h := Hit{
			By: []string{r.ID}, At: x.At, Scheme: v.firstScheme(), Port: r.Fact.Target.Port(), Status: x.Status, Code: x.Status, Fault: x.Fault, Phase: x.Phase,
			Ray: x.Ray, Egress: x.Egress.Unmap(), Reused: x.Reused, MS: x.MS, Own: true,
		}
		v.likeAnswer(&h)
		if pending {
			h.Pending, h.Fault, h.Phase = true, "", "" // they are the visit's, not the origin's
		} else if x.Fault != "" {
			h.Made = fact.Yes
		}
		if x.Ray != "" {
			byRay[x.Ray] = append(byRay[x.Ray], len(v.Hits))
		}
		v.Hits = append(v.Hits, h)
	}
}

// likeAnswer gives a visit of a series what is only told of the visit that was
// looked at closely: who wrote an answer of this status, and its number.
func (v *View) likeAnswer(h *Hit) {
	if c := originward.CodeFor(h.Phase, h.Fault); h.Fault != "" && h.Phase != "" && c.Status == h.Status && c.Error != 0 {
		h.Code = c.Error
		return
	}
	for _, a := range v.answers {
		if a.Fact.Status == h.Status && h.Status != 0 && a.Fact.Variant != fact.VariantNoCookie {
			h.Made, h.Cached = a.Fact.EdgeMade, a.Fact.Cache == "HIT" || a.Fact.Cache == "STALE"
			if a.Fact.Error != 0 {
				h.Code = a.Fact.Error
			}
			h.Loop = h.Loop || a.Fact.RedirLoop == fact.Yes
			return
		}
	}
}

// firstScheme is the scheme of the plain visits that a series repeats.
func (v *View) firstScheme() string {
	for _, a := range v.answers {
		if a.Fact.Variant == "" && a.Fact.Scheme != "" {
			return a.Fact.Scheme
		}
	}
	return "https"
}

// recordsTaken says which recorded exchanges of others count. With answers to
// visits of our own none does: a record from before may be from before the
// failure. Where one of ours still waits, those that ended in vain tell what
// such a wait comes to.
func (v *View) recordsTaken() func(fact.EdgeExchange) bool {
	switch {
	case len(v.Hits) == 0:
		return func(fact.EdgeExchange) bool { return true }
	case !slices.ContainsFunc(v.Hits, func(h Hit) bool { return h.Pending }):
		return func(fact.EdgeExchange) bool { return false }
	}
	return func(x fact.EdgeExchange) bool { return x.Fault != "" && slices.Contains(waitCodes, x.Code) }
}

// beforeElse is how long before the look an exchange that the edge recorded
// may lie and still speak of now.
const beforeElse = 5 * time.Minute

// addRecord joins one recorded exchange to the visit with the same ray, or
// takes it as a hit of its own where we made no visit.
func (v *View) addRecord(id string, x fact.EdgeExchange, byRay map[string][]int, take func(fact.EdgeExchange) bool) {
	if x.Host != "" && v.Host != "" && x.Host != v.Host {
		return
	}
	if abandoned(x) {
		v.addAbandoned(id, x)
		return
	}
	if is := byRay[x.Ray]; x.Ray != "" && len(is) > 0 {
		for _, i := range is {
			if h := &v.Hits[i]; !h.Origin.IsValid() && h.Name == "" && (x.Code == h.Status || x.Code == 0) {
				h.join(id, x)
				return
			}
		}
		if v.takeRecord(id, x) { // an attempt before the one that answered
			v.Hits[len(v.Hits)-1].Attempt = true
		}
		return
	}
	if take(x) && (v.At.IsZero() || !x.At.Before(v.At.Add(-beforeElse))) && !v.haveHit(x) {
		v.takeRecord(id, x)
	}
}

// takeRecord makes a recorded exchange a hit of its own, within bounds.
func (v *View) takeRecord(id string, x fact.EdgeExchange) bool {
	h := Hit{By: []string{id}, At: x.At, Scheme: x.Scheme, Status: x.Code, Code: x.Code, Ray: x.Ray, Reused: x.Reused, Rule: x.Rule}
	if x.Error != 0 {
		h.Code = x.Error
	}
	if c := originward.CodeFor(x.Phase, x.Fault); x.Fault != "" && h.Code < 500 && !c.IsZero() {
		h.Status, h.Code = c.Status, c.Error // what it would have answered, had it not tried again
	}
	h.join(id, x)
	if len(v.Hits) >= maxHits {
		return false
	}
	v.Hits = append(v.Hits, h)
	return true
}

// join adds what the edge's record knows of the same exchange.
func (h *Hit) join(id string, x fact.EdgeExchange) {
	h.By = addIDs(h.By, []string{id})
	h.Origin, h.Name, h.Egress, h.Reused, h.Errno, h.Rule = unmap(x.Origin), x.Name, x.Egress.Unmap(), x.Reused, x.Errno, x.Rule
	h.To = originScheme(x)
	if x.Error != 0 {
		h.Code = x.Error
	}
	if h.Phase == "" {
		h.Phase = x.Phase
	}
	if h.Fault == "" {
		h.Fault = x.Fault
	}
	if h.Made == fact.Unknown {
		h.Made = fact.TriOf(x.Fault != "" || x.Rule != "")
	}
}

// originScheme is the scheme towards the origin: by the mode when it is
// recorded, else as the record says.
func originScheme(x fact.EdgeExchange) string {
	if s, _, ok := x.SSL.OriginScheme(x.Scheme, visitorPort(x.Scheme)); ok {
		return s
	}
	return x.Scheme
}

func visitorPort(scheme string) uint16 {
	if scheme == "http" {
		return 80
	}
	return 443
}

func (v *View) haveHit(x fact.EdgeExchange) bool {
	return slices.ContainsFunc(v.Hits, func(h Hit) bool {
		return h.Origin == unmap(x.Origin) && h.Egress == x.Egress.Unmap() && h.Scheme == x.Scheme
	})
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// EdgeSays is the answer to "did the edge give one of these codes", over all
// plain visits.
func (v *View) EdgeSays(codes ...int) Ans {
	if len(v.Hits) == 0 {
		return Unseen(lookEdge)
	}
	a := No("the edge answers otherwise")
	for _, h := range v.Hits {
		if h.Pending {
			continue
		}
		if slices.Contains(codes, h.Code) {
			if a.Is != fact.Yes {
				a = Ans{Is: fact.Yes, Says: "the edge answers " + itoa(h.Code)}
			}
			a.By = addIDs(a.By, h.By)
		} else if a.Is == fact.No {
			a.By = addIDs(a.By, h.By)
		}
	}
	if a.IsNo() && len(a.By) == 0 {
		return Unseen(lookEdge) // it was still waiting
	}
	return a
}

// EdgeGood reports whether every visit through the edge was served.
func (v *View) EdgeGood() Ans {
	if len(v.Hits) == 0 {
		return Unseen(lookEdge)
	}
	a := Yes("every visit through the edge was served")
	for _, h := range v.Hits {
		if h.Attempt {
			continue
		}
		if h.Pending {
			return No("the edge waits for the origin", h.By...)
		}
		if !h.Good() {
			return No("the edge answers "+itoa(h.Code), h.By...)
		}
		a.By = addIDs(a.By, h.By)
	}
	return a
}

// FailedVisits counts visits that did not get through to the edge, though the
// observer's own network is in order.
func (v *View) FailedVisits() int {
	n := 0
	for _, a := range v.answers {
		if failedVisit(a.Fact) && !v.ownNetwork(originward.FamilyOf(a.Fact.Target.Addr())).IsNo() {
			n++
		}
	}
	return n
}

// failedVisit reports whether a visit ended before the edge had the request.
// A wait of next to nothing was no wait: the look's time was up.
func failedVisit(f fact.EdgeAnswer) bool {
	if f.Status != 0 || f.Failure == nil || waited(f.Failure.Phase, f.Failure.Type, f.Failure.AfterMS) {
		return false
	}
	return f.Failure.Ended != "timeout" || f.Failure.AfterMS >= realWait
}
