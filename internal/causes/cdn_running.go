package causes

import (
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// judgeProtocolPolicy: another CDN's origin scheme does not fit the origin.
func judgeProtocolPolicy(v *View) []Verdict {
	var out []Verdict
	for _, h := range v.Hits {
		if h.CDN == "" || h.CDN == string(cdn.Cloudflare) || h.CDN == string(cdn.Originward) || h.Code != 502 && h.Code != 504 && h.Code != 503 {
			continue
		}
		for _, o := range v.Origins {
			http, https := v.schemeLegs(o)
			if http == nil || https == nil {
				continue
			}
			one := directWorks(http).IsYes() != directWorks(https).IsYes() && directReaches(http).Known() && directReaches(https).Known()
			c := newCase("cdn.protocol-policy", subjectOf(o.Addr)).Explains(v.codeKeys(502, 503, 504)...)
			c.Must("Does the CDN fail towards the origin?", Yes(h.CDN+" answers "+itoa(h.Code), h.By...))
			c.Ask("Does the origin serve only one of http and https?", when(one, "http and https of the origin differ", addIDs(idsOf(http.Direct), idsOf(https.Direct))...), originward.RuledOut, originward.Possible)
			c.Ask("Does the CDN use the other one?", v.policy(one, directWorks(http).IsYes()), originward.RuledOut, originward.Likely)
			c.Says("the CDN speaks the wrong scheme to the origin", h.CDN+" answers "+itoa(h.Code)+", and the origin serves only one of http and https.")
			f := fix("Set the CDN's origin protocol policy to the scheme that the origin serves.", onCDN("origin protocol policy: the scheme that the direct test shows as working", ""))
			f.Verify = v.diagnoseAgain()
			out = append(out, c.Fix(f).Done())
		}
		break
	}
	return out
}

// policy answers whether the CDN's configured scheme is the one that the
// origin does not serve.
func (v *View) policy(one, httpWorks bool) Ans {
	if !v.Mode.HTTPS.Known() || !v.Mode.FromCDN || !one {
		return Unseen(lookMode)
	}
	return when(v.Mode.HTTPS.IsYes() == httpWorks, "the configuration: "+string(v.Mode.SSL), v.Mode.By...)
}

func idsOf(xs []fact.Item[fact.Exchange]) []string {
	var out []string
	for _, x := range xs {
		out = append(out, x.ID)
	}
	return out
}

// codeKeys are the keys of all failures with one of the codes.
func (v *View) codeKeys(codes ...int) []string {
	var out []string
	for _, b := range v.AllBads() {
		if slices.Contains(codes, b.Code) {
			out = append(out, b.Key)
		}
	}
	return out
}

// judgeOriginTimeout: the origin is reached and its first byte comes too late.
func judgeOriginTimeout(v *View) []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No {
			continue
		}
		fails, keys := v.Fails(l, 524)
		slow := v.slowAnswer(l)
		if !fails.IsYes() && !slow.IsYes() {
			continue
		}
		c := newCase("cdn.origin-timeout", l.Subject()).Explains(keys...).Vague()
		unseen := originward.Possible
		if slow.IsYes() && (v.Hits == nil || fails.IsYes()) {
			unseen = originward.Likely // the edge waits as well, as far as it was watched
		}
		c.Ask("Does the edge give up waiting for the response (524)?", v.edgeFails(l, fails, 524), originward.Possible, unseen)
		c.Ask("Is the response just as late for a direct request?", slow, originward.Possible, originward.Likely)
		c.Ask("Does the server work, and is it only late?", v.onlyLate(l), originward.Likely, originward.Likely)
		if v.answersItself(l) && !fails.IsYes() {
			c.AtMost(originward.Possible, "the host itself gets the response at once")
		}
		c.Says("the origin's response comes later than the edge waits", l.String()+" accepts the request and sends nothing in time"+because(slow)+".")
		f := fix("Find what holds the response; answer early, stream or make it asynchronous; raise the CDN's read timeout where the plan allows it.",
			onHost("time curl -sko /dev/null --resolve "+firstOf(v.Host, "HOST")+":"+itoa(int(l.Port))+":127.0.0.1 "+l.Scheme+"://"+firstOf(v.Host, "HOST")+"/", ""),
			onCDN("proxy_read_timeout: above the slowest answer (Enterprise)", "set it back"))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return out
}

// edgeFails keeps a failure only where the edge itself saw it.
func (v *View) edgeFails(l *Leg, a Ans, code int) Ans {
	if !a.IsYes() {
		return a
	}
	for _, b := range l.Bad(code) {
		if b.Edge && b.Code == code {
			return a
		}
	}
	if a := v.loggedLate(); a.IsYes() && code == 524 {
		return a
	}
	return Unseen(Look{originward.Edge, fact.QEdgeAnswer, "wait as long as the edge does: run diagnose with --patient"})
}

// loggedLate answers whether the origin's log holds requests that took a
// minute or more until the edge hung up on them (nginx writes 499).
func (v *View) loggedLate() Ans {
	lines, by := v.Lines(func(x fact.LogLine) bool { return v.fromEdge(x) && x.Status == 499 }, fact.LogSlow)
	if len(lines) == 0 {
		return Unseen(lookLogs)
	}
	return Yes("the origin's log: "+lines[0].Text, by...)
}

// slowAnswer answers whether a direct or local request is accepted and then
// left without a response for as long as it was waited for.
func (v *View) slowAnswer(l *Leg) Ans {
	for _, x := range slices.Concat(l.Direct, l.Local) {
		if OutcomeOf(x.Fact) == OutSlow {
			return Yes("the request is accepted and no response came within the wait ("+firstOf(x.Fact.Timers, "fast")+" timers)", x.ID)
		}
	}
	if len(l.Direct) == 0 {
		return Unseen(lookDirect)
	}
	return No("direct requests do not end by waiting", idsOf(l.Direct)...)
}

// onlyLate answers whether the server is alive: the host shows its processes
// running and its upstreams not refused, or the log shows late answers.
func (v *View) onlyLate(l *Leg) Ans {
	for _, s := range v.Services(func(s fact.Service) bool { return isWeb(s) && s.Stopped == fact.Yes }) {
		return No(nameOf(s.Service)+" is frozen", s.By)
	}
	if s := v.Services(func(s fact.Service) bool { return isWeb(s) && running(s) && s.Stopped == fact.Unknown }); len(s) > 0 {
		return Unseen(lookServices) // a frozen process looks like one that is late
	}
	if a := v.Logged("the proxy waits for its backend in vain", nil, fact.LogUpstreamTimeout, fact.LogWorkersFull); a.IsYes() {
		return a
	}
	if len(v.services) == 0 {
		return Unseen(lookServices)
	}
	socks, by := v.SocketsOf(l)
	if len(socks) == 0 {
		return Unseen(lookListeners)
	}
	if a := v.queueFull(l); a.IsYes() {
		return No(a.Says, a.By...)
	}
	return Yes("the server accepts connections on the host", by...)
}

// judgeCachedError: the edge serves a stored error.
func judgeCachedError(v *View) []Verdict {
	var out []Verdict
	for _, h := range v.Hits {
		if !h.Cached || h.Good() && !v.outlived(h) || h.Status < 400 {
			continue
		}
		c := newCase("cdn.cached-error", originward.Subject{Host: v.Host, Name: itoa(h.Code)}).Explains("edge|cached|" + itoa(h.Code))
		c.Must("Does the edge answer an error from its cache?", Yes("the edge answers "+itoa(h.Code)+" from its cache", h.By...))
		c.Ask("Is the origin in order now?", v.healthyBehind(), originward.RuledOut, originward.Likely)
		c.Says("the edge serves a stored error", "The edge answers "+itoa(h.Code)+" out of its cache, although the origin answers well again.")
		f := fix("Purge the URL, and do not cache errors.", onCDN("purge the URL (POST /zones/ID/purge_cache {\"files\":[…]})", ""), onHost("send Cache-Control: no-store with error answers", ""))
		f.Verify = "a visit gives the origin's answer, and " + v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
		break
	}
	return out
}

// healthyBehind answers whether the origin answers well: past the cache, or
// directly.
func (v *View) healthyBehind() Ans {
	for _, h := range v.Hits {
		if !h.Cached && h.Contact() {
			return when(h.Good(), "past the cache the edge answers "+itoa(h.Code), h.By...)
		}
	}
	for _, l := range v.Legs {
		if l.Used == fact.No || len(l.Direct) == 0 || !l.Main {
			continue
		}
		good := directWorks(l)
		for _, x := range l.Direct {
			if directCode(v, x) != 0 {
				good = No("the origin itself answers badly", x.ID)
			}
		}
		return good
	}
	return Unseen(lookDirect)
}

// judgeEdgeIncident: the CDN itself failed.
func judgeEdgeIncident(v *View) []Verdict {
	says := v.EdgeSays(500, 502, 504, 520, 521, 522, 523, 524, 525, 530)
	if !says.IsYes() {
		return nil
	}
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No || !l.Main || !directWorks(l).IsYes() || !v.edgeOnly(l) {
			continue
		}
		_, keys := v.Fails(l)
		c := newCase("cdn.edge-incident", originward.Subject{Host: v.Host, Addr: l.Addr(), Port: l.Port}).Explains(keys...).Vague()
		c.Must("Does the edge fail?", says)
		c.Must("Does the origin answer directly?", directWorks(l))
		c.Ask("Does the host itself take the edge's connections?", v.admits(l), originward.RuledOut, originward.Possible)
		c.AtMost(originward.Possible, "whether other sites fail too shows on the CDN's status page only")
		c.Says("the CDN itself may have failed", "The edge fails, and the origin is in order from every side that was looked at.")
		c.Fix(fix("Look at the CDN's status page; wait or fail over, and change nothing at the origin."))
		out = append(out, c.Done())
	}
	return out
}

// workerOn answers whether a worker takes the name.
func (v *View) workerOn() Ans {
	for _, it := range v.cdnRecs {
		if it.Fact.Covered == fact.Yes && hasAny(it.Fact.CoveredBy, "worker") {
			return Yes("the name is taken by "+it.Fact.CoveredBy, it.ID)
		}
		if it.Fact.Covered == fact.No {
			return No("no worker takes the name", it.ID)
		}
	}
	return Unseen(lookRules)
}

// WorkerTakes reports whether a worker of the CDN was seen to take the name.
func (v *View) WorkerTakes() bool { return v.workerOn().IsYes() }

// judgeWorkerSelfFetch: a worker fetches its own name, and there is no origin.
func judgeWorkerSelfFetch(v *View) []Verdict {
	w := v.workerOn()
	says := v.EdgeSays(522, 1019)
	if !w.IsYes() || !says.IsYes() {
		return nil
	}
	instant := Unseen(lookEdge)
	for _, h := range v.Hits {
		if h.Code == 522 && h.MS > 0 {
			instant = when(h.MS < 5000, "the 522 came after "+itoa(int(h.MS))+" ms, without the wait of a lost connect", h.By...)
		}
	}
	none := Yes("no record of the CDN holds an origin")
	for _, o := range v.Origins {
		if o.Addr.IsValid() && !placeholder(o.Addr) && o.Published == fact.Yes {
			none = No("the name has an origin at "+o.Addr.String(), o.By...)
		}
	}
	c := newCase("cdn.worker-self-fetch", originward.Subject{Host: v.Host}).Explains(v.codeKeys(522, 1019)...)
	c.Must("Does the edge answer 522?", says)
	c.Must("Does a worker take the name?", w)
	c.Ask("Did the 522 come at once?", instant, originward.Possible, originward.Likely)
	c.Apart("Does the name have no origin?", none)
	c.AtMost(originward.Likely, "what the worker fetches stands in its code only")
	c.Says("a worker fetches its own name", "A worker takes the name and its request to the same name goes past the edge, to an origin that does not exist.")
	f := fix("Call the handler in the worker's own process, use a service binding, or the strictly-public fetch flag.", onCDN("worker: compatibility flag global_fetch_strictly_public, or a service binding", "take the flag away"))
	f.Verify = v.diagnoseAgain()
	return []Verdict{c.Fix(f).Done()}
}

// judgeWorkerPort: a worker's request to another port is not carried there.
func judgeWorkerPort(v *View) []Verdict {
	w := v.workerOn()
	says := v.EdgeSays(522, 521)
	if !w.IsYes() || !says.IsYes() {
		return nil
	}
	for _, l := range v.Legs {
		if l.Port == 80 || l.Port == 443 || !directWorks(l).IsYes() {
			continue
		}
		c := newCase("cdn.worker-port", l.Subject()).Explains(v.codeKeys(522, 521)...)
		c.Must("Does the edge fail at connect?", says)
		c.Must("Does a worker take the name?", w)
		c.Must("Does the other port answer directly?", directWorks(l))
		c.AtMost(originward.Likely, "which port the worker asks for stands in its code only")
		c.Says("a worker's request to port "+itoa(int(l.Port))+" is not carried to that port", "The origin answers on port "+itoa(int(l.Port))+" directly; a worker's own request keeps to 80 and 443.")
		f := fix("Serve on 80 or 443, or use a tunnel.", onHost("put a reverse proxy on 443 in front of port "+itoa(int(l.Port)), ""))
		f.Verify = v.diagnoseAgain()
		return []Verdict{c.Fix(f).Done()}
	}
	return nil
}

// judgeOtherCDNCode: another CDN's 521 means another thing.
func judgeOtherCDNCode(v *View) []Verdict {
	for _, h := range v.Hits {
		if h.Status != 521 && h.Code != 521 || h.CDN == "" || h.CDN == string(cdn.Cloudflare) || h.CDN == string(cdn.Originward) {
			continue
		}
		c := newCase("lookalike.other-cdn-code", originward.Subject{Host: v.Host, Name: h.CDN}).Explains(v.codeKeys(521)...)
		c.Must("Is the answer a 521?", Yes("the answer is a 521", h.By...))
		c.Must("Does another platform write it?", Yes("its headers name "+h.CDN, h.By...))
		c.Says("the 521 is "+h.CDN+"'s, and means another thing there", "The response names "+h.CDN+", which uses 521 with a meaning of its own (often: no configuration for the host).")
		f := fix("Read that platform's manual for 521; register the host there.", onCDN(strings.TrimSpace("in "+h.CDN+"'s settings: add the host "+v.Host), ""))
		f.Verify = v.diagnoseAgain()
		return []Verdict{c.Fix(f).Done()}
	}
	return nil
}
