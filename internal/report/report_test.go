package report

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

var at = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// sample is a diagnosis with everything that a page can show, and with hostile
// text in every place that a stranger can fill.
func sample() *originward.Diagnosis {
	because := originward.CauseID("firewall.host.range-blocked")
	evil := "\x1b[31m<script>alert(1)</script>\r\n`rm`|"
	return &originward.Diagnosis{
		Schema: originward.DiagnosisSchema, Host: "shop.example", AskedAt: at, DurationMS: 812,
		Status:     originward.StatusBroken,
		Edge:       &originward.EdgeAnswer{Code: 521, Fault: originward.ConnectionRefused, Ray: "8f2a000000000001", At: at},
		RootCauses: []originward.CauseID{because},
		Findings: []originward.Finding{
			{
				Cause: because, Standing: originward.Proved, Title: "A rule on the host refuses the CDN's addresses",
				Where:   originward.WhereHost,
				Subject: originward.Subject{Addr: netip.MustParseAddr("203.0.113.10"), Port: 443, File: "/etc/nftables.conf", Line: 14},
				For:     []string{"e1", "e2"}, Against: []string{"e3"}, Why: "because " + evil,
				Fix: &originward.Fix{
					Summary: "Remove the rule.", Verify: "Ask the edge again: it answers 200.",
					Steps: []originward.Step{{Run: "nft delete rule inet filter input handle 14", Undo: "nft add rule …", On: originward.WhereHost, Risk: "opens the port"}},
				},
			},
			{
				Cause: "listener.none", Standing: originward.Likely, Title: "Nothing listens", Where: originward.WhereHost,
				BecauseOf: &because, For: []string{}, Against: []string{},
			},
			{
				Cause: "path.mtu-blackhole", Standing: originward.Possible, Title: "Large packets vanish", Where: originward.WhereNetwork,
				Next: &originward.Next{Observe: originward.Host, How: "originward host"}, For: []string{}, Against: []string{},
			},
		},
		Evidence: []originward.Evidence{
			{ID: "e1", Vantage: originward.Host, Question: fact.QFirewall, At: at, Fact: fact.Firewall{}, Text: "nft rejects " + evil, Reproduce: "nft list ruleset"},
			{ID: "e2", Vantage: originward.Edge, Question: fact.QEdgeAnswer, At: at, Fact: fact.EdgeAnswer{}, Text: "the edge answers 521"},
			{ID: "e3", Vantage: originward.Outside, Question: fact.QExchange, At: at, Fact: fact.Exchange{}, Text: "a direct connect works"},
		},
		NotObserved: []originward.NotObserved{{Vantage: originward.CDN, Why: "no token " + evil, How: "set CLOUDFLARE_API_TOKEN"}},
	}
}

func render(t *testing.T, f Format, d *originward.Diagnosis) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d, f, Options{Version: "test"}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEveryFormTellsCauseFixAndGap(t *testing.T) {
	for _, f := range []Format{"text", "markdown", "html"} {
		s := render(t, f, sample())
		for _, want := range []string{
			"firewall.host.range-blocked", "A rule on the host refuses", "proved", "nft delete rule inet filter input handle 14",
			"opens the port", "it answers 200", "CLOUDFLARE", "521", "path.mtu-blackhole", "follows",
		} {
			if !strings.Contains(strings.ReplaceAll(strings.ToLower(s), `\_`, "_"), strings.ToLower(want)) {
				t.Errorf("%s: %q is missing in\n%s", f, want, s)
			}
		}
	}
}

func TestHostileTextStaysText(t *testing.T) {
	for _, f := range Formats() {
		s := render(t, Format(f), sample())
		if strings.Contains(s, "\x1b[31m") {
			t.Errorf("%s: a terminal escape came through", f)
		}
		if (f == "html" || f == "markdown") && strings.Contains(s, "<script>") {
			t.Errorf("%s: a script came through", f)
		}
	}
}

func TestColourOnlyWhenAsked(t *testing.T) {
	var plain, coloured bytes.Buffer
	if err := Text(&plain, sample(), TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := Text(&coloured, sample(), TextOptions{Colour: true}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain.String(), "\x1b[") || !strings.Contains(coloured.String(), "\x1b[") {
		t.Error("colour does not follow the option")
	}
}

func TestTextFitsWidth(t *testing.T) {
	s := render(t, "text", sample())
	for _, l := range strings.Split(s, "\n") {
		if n := len([]rune(l)); n > 80 {
			t.Errorf("%d columns: %s", n, l)
		}
	}
}

func TestDifferencesOfDirectAndEdge(t *testing.T) {
	d := sample()
	d.Evidence[1].Fact = fact.EdgeAnswer{Scheme: "https", Status: 521, Error: 521, EdgeMade: fact.Yes, Response: &fact.Response{Status: 521}}
	d.Evidence[2].Fact = fact.Exchange{Scheme: "https", Response: &fact.Response{Status: 200}}
	var b bytes.Buffer
	if err := Text(&b, d, TextOptions{Detail: true}); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{b.String(), render(t, "markdown", d), render(t, "html", d)} {
		if !strings.Contains(s, "Straight from the origin") || !strings.Contains(s, "200") {
			t.Errorf("the difference of status is missing in\n%s", s)
		}
	}
	if strings.Contains(render(t, "markdown", sample()), "Straight from the origin") {
		t.Error("a difference without both sides")
	}
}

func TestVerdicts(t *testing.T) {
	undecided := sample()
	undecided.RootCauses, undecided.Findings = nil, undecided.Findings[2:]
	healthy := sample()
	healthy.RootCauses, healthy.Findings, healthy.Status = nil, nil, originward.StatusHealthy
	two := sample()
	two.Findings[1].BecauseOf = nil
	two.RootCauses = append(two.RootCauses, "listener.none")
	for _, c := range []struct {
		d    *originward.Diagnosis
		want string
	}{
		{sample(), "The cause: A rule"},
		{undecided, "not decided yet: look from host next: originward host"},
		{healthy, "Healthy"},
		{two, "2 independent causes"},
	} {
		if got := verdict(c.d); !strings.Contains(got, c.want) {
			t.Errorf("verdict %q, want %q in it", got, c.want)
		}
	}
}

func schema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("../../docs/schema/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestJSONFollowsTheSchema(t *testing.T) {
	s := schema(t, "diagnosis.json")
	full := render(t, "json", sample())
	if err := validate(t, s, full); err != nil {
		t.Errorf("a whole diagnosis: %v", err)
	}
	empty := render(t, "json", &originward.Diagnosis{Schema: originward.DiagnosisSchema, AskedAt: at, Status: originward.StatusUnknown})
	if err := validate(t, s, empty); err != nil {
		t.Errorf("an empty diagnosis: %v", err)
	}
	if validate(t, s, strings.Replace(full, `"proved"`, `"certain"`, 1)) == nil {
		t.Error("the schema lets an unknown standing pass")
	}
}

func TestBundleFollowsTheSchemaAndReadsBack(t *testing.T) {
	d := sample()
	var b bytes.Buffer
	if err := Bundle(&b, &originward.Bundle{Host: d.Host, AskedAt: at, Evidence: d.Evidence, NotObserved: d.NotObserved}); err != nil {
		t.Fatal(err)
	}
	if err := validate(t, schema(t, "evidence.json"), b.String()); err != nil {
		t.Error(err)
	}
	back, err := fact.ReadBundle(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := back.Evidence[1].Fact.(fact.EdgeAnswer); !ok || len(back.Evidence) != 3 {
		t.Errorf("read back %T of %d items", back.Evidence[1].Fact, len(back.Evidence))
	}
}

func TestSARIFNamesFileAndLine(t *testing.T) {
	var log sarifLog
	if err := json.Unmarshal([]byte(render(t, "sarif", sample())), &log); err != nil {
		t.Fatal(err)
	}
	r := log.Runs[0].Results
	if len(r) != 3 || r[0].Level != "error" || r[0].Locations[0].Physical.Region.StartLine != 14 || r[2].Level != "note" {
		t.Errorf("results: %+v", r)
	}
}
