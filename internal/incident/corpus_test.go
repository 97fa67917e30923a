package incident

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/causes"
	"github.com/originward/originward/internal/diagnose"
)

const corpus = "../../testdata/incidents"

// read gives the reports of the corpus in the order of their names.
func read(t testing.TB) []*Incident {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(corpus, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*Incident
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		in, err := Parse(filepath.Base(f), raw)
		if err != nil {
			t.Error(err)
			continue
		}
		out = append(out, in)
	}
	return out
}

// outcome of one stage: what was said, what is wrong with it, and what stands
// proved that is not the cause.
type judged struct {
	said   string
	wrong  []string
	proved []originward.CauseID
}

func judge(in *Incident, s Stage) judged {
	d := diagnose.Explain(&s.Bundle, diagnose.Options{})
	j := judged{said: says(d)}
	put := func(format string, args ...any) { j.wrong = append(j.wrong, fmt.Sprintf(format, args...)) }
	if s.Expect.Healthy && d.Status != originward.StatusHealthy {
		put("is %s, not healthy", d.Status)
	}
	for _, c := range s.Expect.Causes {
		if got := standing(d, c.ID); got.Rank() > c.Standing.Rank() {
			put("%s stands %q, not %s", c.ID, got, c.Standing)
		}
	}
	for _, id := range d.RootCauses {
		if !expects(s.Expect, id) {
			put("%s is named", id)
		}
	}
	for _, f := range d.Findings {
		if slices.Contains(s.Expect.Never, f.Cause) && f.Standing.Named() {
			put("%s stands %s, and never should", f.Cause, f.Standing)
		}
		if f.Standing == originward.Proved && f.Cause != originward.Healthy && !expects(s.Expect, f.Cause) && !folded(d, f, s.Expect) {
			j.proved = append(j.proved, f.Cause)
		}
	}
	if s.Expect.Undetermined && standing(d, originward.Undetermined) == "" {
		put("it is not called undetermined")
	}
	if n := nexts(d); len(s.Expect.Next) > 0 && !slices.ContainsFunc(s.Expect.Next, func(k Look) bool { return asks(n, k) }) {
		put("asks for %s, not for %v", show(n), s.Expect.Next)
	}
	return j
}

// folded reports whether a finding is a consequence of an expected cause.
func folded(d originward.Diagnosis, f originward.Finding, e Expect) bool {
	return f.BecauseOf != nil && expects(e, *f.BecauseOf)
}

func expects(e Expect, id originward.CauseID) bool {
	return slices.ContainsFunc(e.Causes, func(c Cause) bool { return c.ID == id })
}

func standing(d originward.Diagnosis, id originward.CauseID) originward.Standing {
	for _, f := range d.Findings {
		if f.Cause == id {
			return f.Standing
		}
	}
	return ""
}

// nexts are the questions that the diagnosis asks next: those of the
// undetermined finding and of root causes that are short of proof.
func nexts(d originward.Diagnosis) []originward.Next {
	var out []originward.Next
	for _, f := range d.Findings {
		root := slices.Contains(d.RootCauses, f.Cause) && f.Standing != originward.Proved
		if f.Next != nil && (f.Cause == originward.Undetermined || root) {
			out = append(out, *f.Next)
		}
	}
	return out
}

func asks(ns []originward.Next, k Look) bool {
	return slices.ContainsFunc(ns, func(n originward.Next) bool {
		return n.Observe == k.Vantage && (k.Question == "" || n.Question == k.Question)
	})
}

func show(ns []originward.Next) string {
	var out []string
	for _, n := range ns {
		out = append(out, string(n.Observe)+" "+string(n.Question))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func says(d originward.Diagnosis) string {
	if len(d.RootCauses) == 0 {
		return string(d.Status) + ", next " + show(nexts(d))
	}
	var out []string
	for _, id := range d.RootCauses {
		out = append(out, string(id)+" "+string(standing(d, id)))
	}
	return strings.Join(out, ", ")
}

func (e Expect) String() string {
	switch {
	case e.Healthy:
		return "healthy"
	case e.Undetermined:
		return fmt.Sprintf("undetermined, next %v", e.Next)
	}
	var out []string
	for _, c := range e.Causes {
		out = append(out, string(c.ID)+" "+string(c.Standing))
	}
	return strings.Join(out, ", ")
}

// The measures of the corpus: how many reports there are at least, and how
// many of them must be named or rightly left open. Nothing may be proved that
// was not the cause.
const (
	leastReports = 60
	leastRight   = 95 // of a hundred
)

// TestCorpus holds the engine to what really happened.
func TestCorpus(t *testing.T) {
	right, all, falsely := 0, 0, 0
	table := "report | stage | expected | found | \n"
	for _, in := range read(t) {
		good := true
		for _, s := range in.Stages {
			j := judge(in, s)
			mark := "right"
			if len(j.wrong) > 0 {
				mark, good = "WRONG: "+strings.Join(j.wrong, "; "), false
			}
			for _, id := range j.proved {
				falsely++
				t.Errorf("%s, %s: %s stands proved and was not the cause", in.File, s.Name, id)
			}
			table += fmt.Sprintf("%s | %s | %s | %s | %s\n", strings.TrimSuffix(in.File, ".txtar"), s.Name, s.Expect, j.said, mark)
		}
		all++
		if good {
			right++
		}
	}
	t.Logf("%s%d of %d named or rightly undecided, %d falsely proved", table, right, all, falsely)
	if all < leastReports {
		t.Errorf("%d reports, at least %d are expected", all, leastReports)
	}
	if right*100 < all*leastRight {
		t.Errorf("%d of %d are right, at least %d in a hundred are expected\n%s", right, all, leastRight, table)
	}
}

// TestCorpusCovers: the reports are over all families, open cases included.
func TestCorpusCovers(t *testing.T) {
	families, open := map[string]int{}, 0
	for _, in := range read(t) {
		seen := map[string]bool{}
		for _, s := range in.Stages {
			if s.Expect.Undetermined {
				open++
			}
			for _, c := range s.Expect.Causes {
				e, _ := causes.Find(c.ID)
				seen[e.Family] = true
			}
		}
		for f := range seen {
			families[f]++
		}
	}
	for _, c := range causes.Catalogue() {
		if families[c.Family] == 0 {
			t.Errorf("no report of family %s", c.Family)
		}
	}
	if open < 10 {
		t.Errorf("%d open reports: a corpus of solved ones teaches to guess", open)
	}
	t.Logf("reports by family: %v; open: %d", families, open)
}

// TestWrongReportFails: a report whose expectation is wrong is noticed.
func TestWrongReportFails(t *testing.T) {
	raw := []byte("a\nsource: documented\nit happened\n-- observed --\nedge https: 521\nhost listeners: nginx@0.0.0.0:443\n-- expect --\ncause: listener.none proved\n")
	in, err := Parse("x", raw)
	if err != nil {
		t.Fatal(err)
	}
	if j := judge(in, in.Stages[0]); len(j.wrong) == 0 {
		t.Error("a wrong expectation passes")
	}
}
