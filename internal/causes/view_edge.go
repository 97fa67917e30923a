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
		}
	}
	own := len(v.Hits) > 0
	for _, r := range v.records {
		for _, x := range newestFirst(r.Fact.Items) {
			v.addRecord(r.ID, x, byRay, own)
		}
	}
	v.inferMode()
}

func hitOf(a fact.Item[fact.EdgeAnswer]) (Hit, bool) {
	f := a.Fact
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

// newestFirst is a sorted, bounded copy.
func newestFirst(items []fact.EdgeExchange) []fact.EdgeExchange {
	out := slices.Clone(items[:min(len(items), maxItems)])
	slices.SortStableFunc(out, func(a, b fact.EdgeExchange) int { return b.At.Compare(a.At) })
	return out
}

// before is how long before our own first look an exchange may lie and still
// speak of now. With visits of our own only what came with them counts: a
// record from before may be from before the failure.
const (
	beforeOwn  = 2 * time.Second
	beforeElse = 5 * time.Minute
)

// addRecord joins one recorded exchange to the visit with the same ray, or
// takes it as a hit of its own when it is fresh and new.
func (v *View) addRecord(id string, x fact.EdgeExchange, byRay map[string][]int, own bool) {
	if x.Host != "" && v.Host != "" && x.Host != v.Host {
		return
	}
	if is := byRay[x.Ray]; x.Ray != "" && len(is) > 0 {
		joined := false
		for _, i := range is {
			h := &v.Hits[i]
			if !h.Origin.IsValid() && h.Name == "" {
				h.join(id, x)
				joined = true
			}
		}
		if joined {
			return
		}
	}
	limit := beforeElse
	if own {
		limit = beforeOwn
	}
	if !v.At.IsZero() && x.At.Before(v.At.Add(-limit)) {
		return
	}
	if !own && v.haveHit(x) {
		return // an older one of the same pair
	}
	h := Hit{By: []string{id}, At: x.At, Scheme: x.Scheme, Status: x.Code, Code: x.Code, Ray: x.Ray, Reused: x.Reused, Rule: x.Rule}
	if x.Error != 0 {
		h.Code = x.Error
	}
	h.join(id, x)
	if len(v.Hits) < maxItems {
		v.Hits = append(v.Hits, h)
	}
}

// join adds what the edge's record knows of the same exchange.
func (h *Hit) join(id string, x fact.EdgeExchange) {
	h.By = addIDs(h.By, []string{id})
	h.Origin, h.Name, h.Egress, h.Reused, h.Errno, h.Rule = unmap(x.Origin), x.Name, x.Egress.Unmap(), x.Reused, x.Errno, x.Rule
	h.To = originScheme(x)
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
		if slices.Contains(codes, h.Code) {
			if a.Is != fact.Yes {
				a = Ans{Is: fact.Yes, Says: "the edge answers " + itoa(h.Code)}
			}
			a.By = addIDs(a.By, h.By)
		} else if a.Is == fact.No {
			a.By = addIDs(a.By, h.By)
		}
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
		if !h.Good() {
			return No("the edge answers "+itoa(h.Code), h.By...)
		}
		a.By = addIDs(a.By, h.By)
	}
	return a
}

// FailedVisits counts visits that got no answer of the edge at all, though the
// observer's own network is in order.
func (v *View) FailedVisits() int {
	n := 0
	for _, a := range v.answers {
		if a.Fact.Status == 0 && a.Fact.Failure != nil && !v.ownNetwork(originward.FamilyOf(a.Fact.Target.Addr())).IsNo() {
			n++
		}
	}
	return n
}
