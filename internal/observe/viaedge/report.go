package viaedge

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
	"github.com/originward/originward/internal/escape"
)

// maxSentence bounds a sentence of evidence.
const maxSentence = 300

// report turns what the doors gave into evidence: every kind of answer once, and
// the series of visits beside it. rec is the edge's own record, nil when there
// is none.
func (r *run) report(rec *fact.EdgeRecord) {
	edges := r.recognised()
	greys := []netip.Addr{}
	for _, d := range r.doors {
		if !d.sure && !edges[d.edge.Addr] {
			if !slices.Contains(greys, d.edge.Addr) {
				greys = append(greys, d.edge.Addr)
				r.grey(d.edge.Addr)
			}
			continue
		}
		slices.SortStableFunc(d.answers, func(a, b visited) int { return a.at.Compare(b.at) })
		r.kinds(d)
		r.series(d, rec)
	}
}

// recognised are the addresses at which some door was answered by a CDN.
func (r *run) recognised() map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for _, d := range r.doors {
		for _, v := range d.answers {
			if v.answer.CDN != "" && (v.answer.Response != nil || v.answer.Detail != "") {
				out[d.edge.Addr] = true
			}
		}
	}
	return out
}

// kinds adds each kind of answer once: that the rest were like it stands in the
// series.
func (r *run) kinds(d *edgeDoor) {
	seen := map[string]bool{}
	for _, v := range d.answers {
		if v.answer.Variant == fact.VariantSecondVisit {
			continue
		}
		seen[kind(v.answer)] = true
		r.add(r.item(d, v))
	}
	for _, v := range d.answers {
		if k := kind(v.answer); v.answer.Variant == fact.VariantSecondVisit && !seen[k] {
			seen[k] = true
			r.add(r.item(d, v))
		}
	}
}

// kind is what makes two answers the same.
func kind(a fact.EdgeAnswer) string {
	f := fact.Fault{}
	if a.Failure != nil {
		f = *a.Failure
	}
	return fmt.Sprint(a.CDN, a.EdgeMade, a.Status, a.Error, a.Fault, a.Phase, a.Cache == "HIT", f.Phase, f.Type, a.RedirLoop)
}

// series adds the visits that asked the same, in the order in which they were
// made.
func (r *run) series(d *edgeDoor, rec *fact.EdgeRecord) {
	egress := map[string]netip.Addr{}
	if rec != nil {
		for _, x := range rec.Items {
			egress[bare(x.Ray)] = x.Egress
		}
	}
	rep := fact.Repeat{Target: netip.AddrPortFrom(d.edge.Addr, d.edge.Port), Via: "edge"}
	if d.edge.Port == 0 {
		rep.Target = netip.AddrPortFrom(d.edge.Addr, d.port)
	}
	for _, v := range d.answers {
		a := v.answer
		if a.Variant != fact.VariantPlain && a.Variant != fact.VariantSecondVisit {
			continue
		}
		run := fact.Run{At: v.at, MS: a.MS, Status: a.Status, Fault: a.Fault, Phase: a.Phase, Peer: d.edge.Addr, Ray: a.Ray, Egress: egress[a.Ray]}
		if a.Failure != nil {
			run.Fault, run.Phase = a.Failure.Type, a.Failure.Phase
		}
		rep.Runs = append(rep.Runs, run)
	}
	if len(rep.Runs) < 2 {
		return
	}
	r.add(originward.Evidence{
		Question: fact.QRepeat, At: rep.Runs[0].At, Subject: r.subject(d), Fact: rep,
		Text: textSeries(r.ask.Host, rep), Reproduce: r.reproduce(d, fact.EdgeAnswer{}),
	})
}

func (r *run) subject(d *edgeDoor) originward.Subject {
	port := d.edge.Port
	if port == 0 {
		port = d.port
	}
	return originward.Subject{Host: r.ask.Host, Addr: d.edge.Addr, Port: port, Family: originward.FamilyOf(d.edge.Addr), Scheme: d.scheme}
}

func (r *run) item(d *edgeDoor, v visited) originward.Evidence {
	return originward.Evidence{
		Question: fact.QEdgeAnswer, At: v.at, Subject: r.subject(d), Fact: v.answer,
		Text: Text(v.answer), Reproduce: r.reproduce(d, v.answer),
	}
}

// Text is one sentence about a visit for a person.
func Text(a fact.EdgeAnswer) string {
	url := a.Scheme + "://" + a.Host + a.Path
	if a.Failure != nil {
		words := fmt.Sprintf("a visit to %s by way of %s fails: %s", url, a.Target, failureWords(*a.Failure))
		if a.Detail != "" {
			words += "; " + a.Detail
		}
		return escape.Line(words, maxSentence)
	}
	parts := []string{fmt.Sprintf("a visitor to %s gets %d", url, a.Status)}
	switch {
	case a.EdgeMade == fact.Yes && a.Error != 0 && a.Error != a.Status:
		parts = append(parts, fmt.Sprintf("made by %s, error %d", maker(a), a.Error))
	case a.EdgeMade == fact.Yes:
		parts = append(parts, "made by "+maker(a))
	case a.EdgeMade == fact.No:
		parts = append(parts, "made by the origin")
	case a.CDN != "":
		parts = append(parts, "whether "+maker(a)+" or the origin made it cannot be told")
	}
	if a.Fault != "" {
		parts = append(parts, string(a.Fault))
	}
	if a.Ray != "" {
		parts = append(parts, "ray "+strings.TrimSuffix(a.Ray+"-"+a.Colo, "-"))
	}
	if a.Cache == "HIT" || a.Cache == "STALE" {
		parts = append(parts, "from the cache")
	}
	switch {
	case a.RedirLoop == fact.Yes:
		parts = append(parts, fmt.Sprintf("after %d redirects the same URL came back", len(a.Redirects)))
	case len(a.Redirects) > 0:
		parts = append(parts, fmt.Sprintf("after %d redirects", len(a.Redirects)))
	}
	return escape.Line(strings.Join(parts, ", "), maxSentence)
}

func maker(a fact.EdgeAnswer) string {
	if a.CDN == "" {
		return "the edge"
	}
	return "the edge (" + cdn.ID(a.CDN).Title() + ")"
}

func failureWords(f fact.Fault) string {
	after := time.Duration(f.AfterMS * float64(time.Millisecond)).Round(time.Millisecond)
	if f.Phase == originward.PhaseFirstByte && (f.Type == originward.HTTPResponseTimeout || f.Type == originward.ConnectionReadTimeout) {
		return fmt.Sprintf("the edge took the request and had not answered after %s; it may still be waiting for its origin", after)
	}
	words := fmt.Sprintf("%s in phase %s after %s", f.Type, f.Phase, after)
	if f.Detail != "" {
		words += ": " + f.Detail
	}
	return words
}

func textSeries(host string, rep fact.Repeat) string {
	counts := map[string]int{}
	for _, x := range rep.Runs {
		k := fmt.Sprint(x.Status)
		if x.Status == 0 {
			k = string(x.Fault)
		}
		counts[k]++
	}
	var words []string
	for k, n := range counts {
		words = append(words, fmt.Sprintf("%d × %s", n, k))
	}
	slices.Sort(words)
	return escape.Line(fmt.Sprintf("%d visits to %s by way of %s: %s", len(rep.Runs), host, rep.Target, strings.Join(words, ", ")), maxSentence)
}

func (r *run) reproduce(d *edgeDoor, a fact.EdgeAnswer) string {
	args := []string{"curl", "-sv", "-o", "/dev/null", "--max-time", "130"}
	if len(a.Redirects) > 0 {
		args = append(args, "-L", "--max-redirs", fmt.Sprint(maxRedirects))
	}
	if len(a.EdgeCert) > 0 {
		args = append(args, "-k")
	}
	addr := d.edge.Addr.String()
	if d.edge.Addr.Is6() {
		addr = "[" + addr + "]"
	}
	if d.edge.Port != 0 && d.edge.Port != d.port {
		args = append(args, "--connect-to", fmt.Sprintf("%s:%d:%s:%d", r.ask.Host, d.port, addr, d.edge.Port))
	} else {
		args = append(args, "--resolve", fmt.Sprintf("%s:%d:%s", r.ask.Host, d.port, addr))
	}
	path := a.Path
	if path == "" {
		path = r.ask.Path
	}
	return escape.Shell(append(args, d.scheme+"://"+hostPort(r.ask.Host, d.scheme, d.port)+path)...)
}
