package report

import (
	"archive/tar"
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

func sheetOf(d *originward.Diagnosis, to Audience) string {
	var b bytes.Buffer
	if err := NewSheet(d, SheetOptions{Audience: to, Redacted: []Row{{"2 × mail", "mail addresses"}}}).Markdown(&b); err != nil {
		panic(err)
	}
	return b.String()
}

// TestSheetAsks: whoever can mend it is asked to, whoever cannot is told so.
func TestSheetAsks(t *testing.T) {
	for _, c := range []struct {
		where originward.Where
		to    Audience
		want  string
	}{
		{originward.WhereHost, ForHost, "Please: Remove the rule."},
		{originward.WhereHost, ForTeam, "Please: Remove the rule."},
		{originward.WhereHost, ForCDN, "mended at the origin host, not by you"},
		{originward.WhereCDN, ForCDN, "Please: Remove the rule."},
		{originward.WhereCDN, ForHost, "mended at the CDN, not by you"},
		{originward.WhereNetwork, ForCDN, "Please: Remove the rule."},
		{originward.WhereProvider, ForHost, "Please: Remove the rule."},
		{originward.WhereProvider, ForCDN, "mended at the hosting provider, not by you"},
		{originward.WhereVisitor, ForTeam, "mended at the visitor's side, not by you"},
	} {
		d := sample()
		d.Findings[0].Where = c.where
		s := sheetOf(d, c.to)
		if !strings.Contains(s, c.want) {
			t.Errorf("%s at %s: %q is missing in\n%s", c.to, c.where, c.want, s[:600])
		}
		if strings.Contains(c.want, "not by you") == strings.Contains(s[:strings.Index(s, "| Host name")], "Please: Remove") {
			t.Errorf("%s at %s is asked to mend what it cannot:\n%s", c.to, c.where, s[:600])
		}
	}
}

func TestSheetUndecidedBlamesNobody(t *testing.T) {
	d := sample()
	d.RootCauses, d.Findings = nil, d.Findings[2:]
	for to, want := range map[Audience]string{ForCDN: "in which phase", ForHost: "filters, limits or reroutes", ForTeam: "originward host"} {
		s := sheetOf(d, to)
		if !strings.Contains(s, "not decided") || !strings.Contains(s, want) || strings.Contains(s, "The evidence shows") {
			t.Errorf("%s:\n%s", to, s)
		}
	}
}

// TestSheetFirstScreen: what is broken, the ask, the figures, then the rest.
func TestSheetFirstScreen(t *testing.T) {
	d := sample()
	d.Evidence[1].Fact = fact.EdgeAnswer{Status: 521, Error: 521, Ray: "8f2a000000000001", Colo: "LAB"}
	d.Findings = append(d.Findings, originward.Finding{Cause: "path.transit-loss", Standing: originward.RuledOut, Title: "Packets are lost", Against: []string{"e3"}})
	d.Evidence = append(d.Evidence, originward.Evidence{ID: "e4", Vantage: originward.Edge, At: at, Fact: fact.EdgeRecord{Items: []fact.EdgeExchange{
		{At: at.Add(-time.Minute), Fault: originward.ConnectionRefused, Code: 521}, {At: at.Add(-2 * time.Minute), Fault: originward.ConnectionRefused, Code: 521}, {At: at.Add(-time.Hour), Code: 200},
	}}})
	s := sheetOf(d, ForHost)
	last := -1
	for _, want := range []string{
		"# shop.example answers 521", "**What we ask.**", "| Host name | shop.example |", "521 at 1 of 1 visits", "2026-11-22 07:58:00 UTC (first failure", "8f2a000000000001-LAB at",
		"firewall.host.range-blocked", "## What it is not", "Seen against it: a direct connect works", "## To see it yourself", "nft list ruleset", "## Not looked at", "2 × mail",
	} {
		i := strings.Index(s, want)
		if i <= last {
			t.Errorf("%q stands at %d, after what should follow it (%d), in\n%s", want, i, last, s)
		}
		last = i
	}
	for _, evil := range []string{"\x1b", "<script"} {
		var h bytes.Buffer
		if err := NewSheet(d, SheetOptions{Audience: ForTeam}).HTML(&h); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(h.String(), evil) || strings.Contains(s, evil) {
			t.Errorf("%q comes through", evil)
		}
	}
}

func TestSheetChangesAreRecent(t *testing.T) {
	d := sample()
	d.Evidence = append(d.Evidence, originward.Evidence{ID: "e5", Vantage: originward.CDN, At: at, Fact: fact.CDNRecords{Records: []fact.CDNRecord{
		{Type: "A", Name: "shop.example", Content: "203.0.113.10", Modified: at.Add(-time.Hour)},
		{Type: "A", Name: "old.shop.example", Content: "203.0.113.9", Modified: at.Add(-30 * 24 * time.Hour)},
	}}})
	s := sheetOf(d, ForTeam)
	if !strings.Contains(s, "2026-11-22 07:00:00 UTC: DNS record A shop.example") || strings.Contains(s, "old.shop.example") {
		t.Errorf("changes:\n%s", s)
	}
}

func TestAudience(t *testing.T) {
	if _, err := ParseAudience("boss"); err == nil || !strings.Contains(err.Error(), "cdn, host, team") {
		t.Errorf("a wrong audience gives %v", err)
	}
}

func TestArchive(t *testing.T) {
	var a, b bytes.Buffer
	files := []File{{"report.md", []byte("hello")}, {"evidence.json", []byte("{}")}}
	if err := Archive(&a, files, at); err != nil {
		t.Fatal(err)
	}
	if err := Archive(&b, files, at); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("the same files are other bytes (%v)", err)
	}
	z, err := zstd.NewReader(&a)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	r := tar.NewReader(z)
	for _, f := range files {
		h, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if data, _ := io.ReadAll(r); h.Name != f.Name || string(data) != string(f.Data) || h.Uname != "" {
			t.Errorf("%s holds %q", h.Name, data)
		}
	}
}

func TestJUnit(t *testing.T) {
	var s junitSuite
	out := render(t, "junit", sample())
	if err := xml.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if s.Tests != 3 || s.Failures != 2 || s.Skipped != 1 || len(s.Cases) != 3 {
		t.Errorf("%d tests, %d failures, %d skipped", s.Tests, s.Failures, s.Skipped)
	}
	d := sample()
	d.Status, d.RootCauses, d.Findings = originward.StatusHealthy, nil, nil
	if out := render(t, "junit", d); strings.Contains(out, "<failure") || !strings.Contains(out, `failures="0"`) {
		t.Errorf("healthy gives\n%s", out)
	}
}
