package causes

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// judgeAppPlugin: the application, or a script's own list, denies the edge.
func judgeAppPlugin(v *View) []Verdict {
	var out []Verdict
	for _, r := range v.refusals() {
		if r.what.Restored == fact.Yes || r.what.Everyone || len(r.what.Ranges) == 0 || hasAny(r.what.By.Text, "geo", "country") {
			continue
		}
		c := v.webCase("ban.app-plugin", r)
		c.Must("Does a line deny addresses of the edge?", Yes(at(r.what.By)+" refuses "+rangesText(r.what.Ranges), r.item.ID))
		c.Ask("Do the edge's own addresses lie among them?", v.egressIn(r.what.Ranges, r.leg), originward.Possible, originward.Likely)
		c.Says("a deny list of the site holds addresses of the edge", at(r.what.By)+" refuses "+rangesText(r.what.Ranges)+", which is the edge, not a visitor.")
		f := fix("Take the CDN's ranges out of the list, and judge the visitor's address that the CDN sends.", edit(r.what.By, "take the CDN's ranges out"), v.reloadIfServer(r))
		f.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(f).Done())
	}
	return slices.Concat(out, v.pluginLists(), v.deniedByPage(), v.deniedByLog())
}

// reloadIfServer reloads the server when the line stands in its own
// configuration; an .htaccess file is read at every request.
func (v *View) reloadIfServer(r refusedAt) originward.Step {
	if hasAny(r.what.By.File, ".htaccess") {
		return originward.Step{}
	}
	return v.reloadOf(r.item.Fact.Server)
}

// pluginLists judges the lists of application plugins.
func (v *View) pluginLists() []Verdict {
	var out []Verdict
	for _, it := range v.bans {
		for _, s := range it.Fact.Sources {
			if !hasAny(s.Tool, "wordfence", "htaccess", "wordpress", "wp-", "ithemes", "sucuri", "plugin", "bad-bot", "badbot", "modsecurity") || len(s.CDN) == 0 || s.State == fact.No {
				continue
			}
			for _, l := range v.Legs {
				if l.Used != fact.No && v.Here(l) && len(l.Bads) > 0 {
					out = append(out, v.pluginList(l, s, it.ID))
				}
			}
		}
	}
	return out
}

func (v *View) pluginList(l *Leg, s fact.BanSource, by string) Verdict {
	fails, keys := v.Fails(l, 403, 503, 520)
	subj := l.Subject()
	subj.File, subj.Unit, subj.Ranges = firstOf(s.CDN[0].Place.File, s.File), s.Tool, some(banRanges(s.CDN))
	subj.Line = s.CDN[0].Place.Line
	c := newCase("ban.app-plugin", subj).Explains(keys...)
	c.Ask("Does the application refuse the visitor?", fails, originward.Possible, originward.Likely)
	c.Ask("Did the edge pass the origin's answer on?", v.passedOn(403), originward.RuledOut, originward.Likely)
	c.Must("Does the list hold addresses of the edge?", Yes(s.Tool+" ("+firstOf(at(s.CDN[0].Place), s.File)+") denies "+rangesText(banRanges(s.CDN)), by))
	c.Ask("Do the edge's own addresses lie among them?", v.egressIn(banRanges(s.CDN), l), originward.Possible, originward.Likely)
	c.Says(s.Tool+" denies addresses of the edge", s.Tool+" denies "+rangesText(banRanges(s.CDN))+": it sees the edge's address in place of the visitor's.")
	f := fix("Take the edge's addresses out of the list, and let the application read the visitor's address from the CDN's header.",
		append(liftAll(s.CDN), edit(s.CDN[0].Place, "take the CDN's addresses out"))...)
	f.Verify = v.diagnoseAgain()
	return c.Fix(f).Done()
}

// deniedByPage judges refusals whose page names the edge: whoever wrote it takes the
// edge for the visitor.
func (v *View) deniedByPage() []Verdict {
	var out []Verdict
	for _, l := range v.Legs {
		if l.Used == fact.No {
			continue
		}
		for h := range l.hits() {
			if h.Made != fact.No || h.Head == nil || !refusal(h.Status) {
				continue
			}
			a := v.edgeNamed(h.Head.Body)
			if !a.IsValid() {
				continue
			}
			fails, keys := v.Fails(l, h.Status)
			subj := l.Subject()
			subj.Ranges = []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}
			c := newCase("ban.app-plugin", subj).Explains(keys...)
			c.Ask("Does the visitor get this refusal?", fails, originward.Possible, originward.Likely)
			c.Must("Does the page name an address of the edge as the visitor's?", Yes("the "+itoa(h.Status)+" that the origin wrote names "+a.String()+", an address of the edge", h.By...))
			c.Ask("Is a source that is no edge served?", v.othersServed(l), originward.RuledOut, originward.Likely)
			c.AtMost(originward.Likely, "the page does not say which program wrote it")
			c.Says("the application refuses the edge's address", "The page that the origin answers with names "+a.String()+": the application sees the edge in place of the visitor, and refuses it.")
			f := fix("Let the application read the visitor's address from the CDN's header, and take the edge's addresses out of its list.", v.restoreVisitor(),
				onHost("search the application and its plugins for the words of the page, and take "+a.String()+" out of their block list", ""))
			f.Verify = v.diagnoseAgain()
			out = append(out, c.Fix(f).Done())
			break
		}
	}
	return out
}

// deniedByLog judges refusals that the application's own log tells of, with the
// edge's address for the visitor's.
func (v *View) deniedByLog() []Verdict {
	return v.toldByApp("ban.app-plugin", fact.LogDenied, "the application refuses the edge's address",
		fix("Let the application read the visitor's address from the CDN's header, and take the edge's addresses out of its list.", v.restoreVisitor()))
}

// toldByApp judges answers of the application's that its log explains by the
// address of the edge.
func (v *View) toldByApp(id originward.CauseID, kind, title string, f *originward.Fix) []Verdict {
	var out []Verdict
	lines, by := v.Lines(func(l fact.LogLine) bool {
		return v.fromEdge(l) && (l.Program == "app" || hasAny(l.Text, "fastcgi sent"))
	}, kind)
	if len(lines) == 0 {
		return nil
	}
	for _, l := range v.Legs {
		if l.Used == fact.No || !v.Here(l) {
			continue
		}
		codes := []int{403, 401, 406, 429, 503}
		if kind == fact.LogLimited {
			codes = []int{429, 503}
		}
		fails, keys := v.Fails(l, codes...)
		subj := l.Subject()
		subj.Ranges = []netip.Prefix{netip.PrefixFrom(lines[0].Client, lines[0].Client.BitLen())}
		c := newCase(id, subj).Explains(keys...)
		c.Ask("Does the visitor get a refusal?", fails, originward.Possible, originward.Likely)
		for _, h := range l.Bad(codes...) {
			c.Ask("Did the edge pass the origin's answer on?", v.passedOn(h.Code), originward.RuledOut, originward.Likely)
			break
		}
		c.Must("Does the application's log refuse an address of the edge?", Yes("the application's log: "+lines[0].Text, by...))
		c.Apart("Is a source that is no edge served?", v.othersServed(l))
		c.Says(title, "The application sees "+lines[0].Client.String()+", the edge, in place of the visitor: "+lines[0].Text)
		g := *f
		g.Verify = v.diagnoseAgain()
		out = append(out, c.Fix(&g).Done())
	}
	return out
}

// fine reports whether a direct exchange ended as a visitor would want it to.
func (v *View) fine(x fact.Item[fact.Exchange]) bool {
	return directCode(v, x) == 0 && OutcomeOf(x.Fact) == OutOK
}

// othersServed answers whether the leg serves a source that is not the CDN's.
func (v *View) othersServed(l *Leg) Ans {
	for _, x := range l.Direct {
		if v.fine(x) {
			return Yes(l.String()+" serves a source that is not the CDN's", x.ID)
		}
	}
	if len(l.Direct) == 0 {
		return Unseen(lookDirect)
	}
	return No(l.String()+" does not serve a source that is not the CDN's either", l.Direct[0].ID)
}

// refusal reports whether a status is one by which applications turn visitors away.
func refusal(status int) bool {
	return status == 401 || status == 403 || status == 406 || status == 429
}

// edgeNamed is an address of the edge that a text names; the zero Addr when it names
// none.
func (v *View) edgeNamed(text string) netip.Addr {
	words := strings.FieldsFunc(text, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F' || r == '.' || r == ':')
	})
	for _, w := range words {
		a, err := netip.ParseAddr(strings.Trim(w, ".:"))
		if err == nil && (v.IsEdge(a) || slices.Contains(v.Egress, a)) {
			return a
		}
	}
	return netip.Addr{}
}
