package incident

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// report is a whole report around some observations.
func report(observed string) string {
	return "A title\nsource: documented\nIt happened.\n-- observed --\n" + observed + "\n-- expect --\ncause: listener.none likely\n"
}

func TestMistakes(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no section", "title\nsource: x\nstory\n", `x:4: section "observed" is missing`},
		{"unknown section", "title\nsource: x\nstory\n-- seen --\n", `x:4: section "seen": allowed are observed, not-observed, expect, later, expect-later`},
		{"section twice", report("edge https: 521") + "-- observed --\n", `x:8: section "observed" stands twice`},
		{"later without an expectation", report("edge https: 521") + "-- later --\n", "x:9: later and expect-later stand together"},
		{"no title", "\n-- observed --\n-- expect --\n", "x:1: the first line has to be a title"},
		{"no source", "title\nstory\n-- observed --\n-- expect --\n", "x:1: no source: is given"},
		{"no story", "title\nsource: x\n-- observed --\n-- expect --\n", "x:1: the comment does not tell what happened"},
		{"bad date", "title\nsource: x\ndate: yesterday\nstory\n-- observed --\n-- expect --\n", `x:3: date "yesterday"`},
		{"no colon", report("edge https 521"), "x:5: \"edge https 521\" has no colon"},
		{"vantage", report("\nmoon https: 521"), `x:6: vantage "moon": allowed are [outside edge host cdn]`},
		{"no such line", report("edge smoke: 521"), `x:5: "edge smoke" is no observation; allowed are edge https, edge http,`},
		{"answer", report("edge https: maybe"), `x:5: edge https: answer "maybe": allowed are a status and alert, body-stalls, closed`},
		{"outcome", report("outside https: maybe"), `x:5: outside https: outcome "maybe": allowed are a status and`},
		{"option", report("outside https: refused colour=red"), "x:5: unknown option colour=; allowed are after,"},
		{"option twice", report("outside https: refused after=1s after=2s"), "x:5: after= stands twice"},
		{"word", report("outside https: refused again"), `x:5: "again" means nothing here`},
		{"alert", report("outside https: alert red"), `x:5: outside https: alert "red": allowed are access_denied`},
		{"certificate", report("outside https: 200 cert=old"), "x:5: outside https: cert=old: allowed are expired"},
		{"quote", report(`host log oom kernel: "killed`), "x:5: the quote before"},
		{"range", report("host firewall cdn 443: drop ranges=192.0.2.0/24"), "192.0.2.0/24 lies in no range of the CDN"},
		{"kind of a log line", report(`host log fire: "x"`), `kind "fire": allowed are blocked_syn,`},
		{"json of no fact", report(`host weather: {"x":1}`), `x:5: question "weather": allowed are`},
		{"json that is none", report(`host tunnel: {"x":`), "x:5:"},
		{"field of no fact", report(`host tunnel: {"wheels":4}`), "x:5: tunnel: field wheels is not one of this fact"},
		{"cause", strings.Replace(report("edge https: 521"), "listener.none likely", "listener.gone likely", 1), `x:7: cause "listener.gone" is not in the catalogue`},
		{"standing", strings.Replace(report("edge https: 521"), "likely", "certain", 1), `x:7: standing "certain": allowed are proved and likely`},
		{"two answers", report("edge https: 521") + "answer: healthy\n", "x:7: one of cause:, answer: undetermined and answer: healthy"},
		{"nothing decides", strings.Replace(report("edge https: 521"), "cause: listener.none likely", "answer: undetermined", 1), "x:7: undetermined: the observation that decided"},
		{"next", report("edge https: 521") + "next: host weather\n", `x:8: question "weather": allowed are`},
	} {
		_, err := Parse("x", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if _, err := Parse("x", make([]byte, maxReport+1)); err == nil {
		t.Error("a report without bound is read")
	}
}

// TestLikeTheObservers holds short lines against what the observers make.
func TestLikeTheObservers(t *testing.T) {
	in, err := Parse("x", []byte(report(`edge https: 521 ray=8a1 colo=AMS
outside https: refused after=1.2s
outside https 2001:db8:a::10: alert unrecognized_name
host firewall cdn 443: drop ranges=173.245.48.0/21 rule="ip saddr @bad drop"
host rest: in-order
host tunnel: {"running":"yes","id":"t1"}`)))
	if err != nil {
		t.Fatal(err)
	}
	b := in.Stages[0].Bundle
	a := fact.All[fact.EdgeAnswer](&b)[0].Fact
	if a.Status != 521 || a.Error != 521 || a.EdgeMade != fact.Yes || a.CDN != "cloudflare" || a.Ray != "8a1" || a.Colo != "AMS" {
		t.Errorf("the edge's answer is %+v", a)
	}
	xs := fact.All[fact.Exchange](&b)
	if f := xs[0].Fact.Fault; f.Code != 521 || f.Errno != "ECONNREFUSED" || f.AfterMS != 1200 || xs[0].Fact.Connected() {
		t.Errorf("a refusal is %+v", f)
	}
	if f := xs[1].Fact.Fault; f.Alert != 1112 || f.Code != 525 || !xs[1].Fact.Connected() || xs[1].Subject.Family != originward.IP6 {
		t.Errorf("an alert is %+v", f)
	}
	g := fact.All[fact.Firewall](&b)[0].Fact.Answers[0]
	if len(g.CDN) != 2 || g.CDN[0].Verdict != fact.VerdictDrop || g.CDN[1].Verdict != fact.VerdictAccept {
		t.Fatalf("the packet filter is %+v", g.CDN)
	}
	for _, r := range g.CDN[1].Ranges {
		if r.Overlaps(g.CDN[0].Ranges[0]) {
			t.Errorf("%s is dropped and accepted", r)
		}
	}
	questions := map[originward.Question]bool{}
	for _, e := range b.Evidence {
		questions[e.Question] = true
	}
	for _, q := range []originward.Question{fact.QListeners, fact.QAddresses, fact.QServices, fact.QWebConfig, fact.QRoutes, fact.QLogs, fact.QCounters, fact.QTunnel} {
		if !questions[q] {
			t.Errorf("a host in order has no %s", q)
		}
	}
}

// TestBundlesAreBundles writes every stage's evidence and reads it again.
func TestBundlesAreBundles(t *testing.T) {
	for _, in := range read(t) {
		for _, s := range in.Stages {
			raw, err := json.Marshal(s.Bundle)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fact.ReadBundle(bytes.NewReader(raw)); err != nil {
				t.Errorf("%s, %s: %v", in.File, s.Name, err)
			}
		}
	}
}

// FuzzParse reads whatever comes: no panic, and a mistake names its line.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(corpus, "*.txtar"))
	if err != nil || len(files) == 0 {
		f.Fatal("no corpus", err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		in, err := Parse("x", raw)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "x:") {
				t.Fatalf("%v names no line", err)
			}
			return
		}
		for _, s := range in.Stages {
			judge(in, s)
		}
	})
}
