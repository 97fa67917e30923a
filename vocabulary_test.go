package originward

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"
)

// constants reads the string constants of a type from a source file, so that a list
// that forgets a new one fails.
func constants(t *testing.T, file, typ string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if id, ok := v.Type.(*ast.Ident); !ok || id.Name != typ {
				continue
			}
			for _, e := range v.Values {
				text, err := strconv.Unquote(e.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, text)
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s: no constants of type %s", file, typ)
	}
	sort.Strings(out)
	return out
}

func sorted[T ~string](vs []T) []string {
	var out []string
	for _, v := range vs {
		out = append(out, string(v))
	}
	sort.Strings(out)
	return out
}

func TestListsAreWhole(t *testing.T) {
	for _, l := range []struct {
		file, typ string
		list      []string
	}{
		{"fault.go", "FaultType", sorted(faultTypes)},
		{"phase.go", "Phase", sorted(Phases())},
		{"vantage.go", "Vantage", sorted(Vantages())},
		{"vantage.go", "SSLMode", sorted(SSLModes())},
	} {
		if want := constants(t, l.file, l.typ); !slices.Equal(l.list, want) {
			t.Errorf("%s: listed %v, declared %v", l.typ, l.list, want)
		}
	}
}

// TestOriginScheme is cloudflare.md §7: every mode, scheme and kind of port.
func TestOriginScheme(t *testing.T) {
	for _, tc := range []struct {
		mode   SSLMode
		scheme string
		port   uint16
		want   string
		at     uint16
	}{
		{SSLOff, "https", 443, "http", 80},
		{SSLOff, "http", 80, "http", 80},
		{SSLOff, "http", 8080, "http", 8080},
		{SSLFlexible, "https", 443, "http", 80},
		{SSLFlexible, "http", 80, "http", 80},
		{SSLFlexible, "https", 2053, "https", 2053},
		{SSLFull, "https", 443, "https", 443},
		{SSLFull, "http", 80, "http", 80},
		{SSLFull, "https", 8443, "https", 8443},
		{SSLStrict, "https", 443, "https", 443},
		{SSLStrict, "http", 2082, "http", 2082},
		{SSLOriginPull, "https", 443, "https", 443},
		{SSLOriginPull, "http", 80, "https", 443},
	} {
		scheme, port, ok := tc.mode.OriginScheme(tc.scheme, tc.port)
		if scheme != tc.want || port != tc.at || !ok {
			t.Errorf("%s, visitor %s %d: %s %d %v", tc.mode, tc.scheme, tc.port, scheme, port, ok)
		}
	}
	if _, _, ok := SSLMode("").OriginScheme("https", 443); ok {
		t.Error("an unknown mode has a scheme")
	}
	for _, m := range SSLModes() {
		if got := m.Validates(); got != (m == SSLStrict || m == SSLOriginPull) {
			t.Errorf("%s validates: %v", m, got)
		}
	}
}

func TestParseSSLMode(t *testing.T) {
	for in, want := range map[string]SSLMode{
		"off": SSLOff, "flexible": SSLFlexible, "full": SSLFull, "strict": SSLStrict, "origin_pull": SSLOriginPull,
		"full_strict": SSLStrict, "full-strict": SSLStrict,
	} {
		if got, err := ParseSSLMode(in); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "Full", "none", "strict "} {
		_, err := ParseSSLMode(in)
		if err == nil || !strings.Contains(err.Error(), "origin_pull") {
			t.Errorf("%q: %v does not say what is allowed", in, err)
		}
	}
}

func TestStandingOrder(t *testing.T) {
	order := []Standing{Proved, Likely, Possible, StandingUnknown, RuledOut}
	for i, s := range order {
		if s.Rank() != i {
			t.Errorf("%s ranks %d", s, s.Rank())
		}
		if s.Named() != (i < 2) {
			t.Errorf("%s named: %v", s, s.Named())
		}
	}
	if Standing("").Named() || Standing("").Rank() != StandingUnknown.Rank() {
		t.Error("the zero standing is more than unknown")
	}
}

func TestExitCode(t *testing.T) {
	one := []Evidence{{ID: "e1"}}
	for _, tc := range []struct {
		name string
		d    Diagnosis
		want int
	}{
		{"cause", Diagnosis{Status: StatusBroken, RootCauses: []CauseID{"listener.none"}, Evidence: one}, ExitCauseFound},
		{"healthy", Diagnosis{Status: StatusHealthy, Evidence: one}, ExitHealthy},
		{"healthy with a cause", Diagnosis{Status: StatusHealthy, RootCauses: []CauseID{"x"}, Evidence: one}, ExitCauseFound},
		{"undecided", Diagnosis{Status: StatusBroken, Evidence: one}, ExitUndecided},
		{"degraded, undecided", Diagnosis{Status: StatusDegraded, Evidence: one}, ExitUndecided},
		{"nothing seen", Diagnosis{Status: StatusUnknown}, ExitNothingSeen},
		{"zero", Diagnosis{}, ExitNothingSeen},
	} {
		if got := tc.d.ExitCode(); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestFamilyOf(t *testing.T) {
	for in, want := range map[string]Family{"192.0.2.1": IP4, "::ffff:192.0.2.1": IP4, "2001:db8::1": IP6} {
		if got := FamilyOf(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s: %q", in, got)
		}
	}
	if FamilyOf(netip.Addr{}) != "" {
		t.Error("no address has a family")
	}
}

func TestRecordAddress(t *testing.T) {
	for _, tc := range []struct {
		r  Record
		ok bool
	}{
		{Record{Type: RecordA, Content: "192.0.2.1"}, true},
		{Record{Type: RecordAAAA, Content: "2001:db8::1"}, true},
		{Record{Type: RecordCNAME, Content: "192.0.2.1"}, false},
		{Record{Type: RecordA, Content: "nonsense"}, false},
	} {
		if _, ok := tc.r.Address(); ok != tc.ok {
			t.Errorf("%+v: %v", tc.r, ok)
		}
	}
}

// TestEvidenceRoundTrip: a fact of an unknown kind survives being read and written.
func TestEvidenceRoundTrip(t *testing.T) {
	in := `{"id":"e1","vantage":"host","question":"from-the-future","at":"2026-11-22T08:00:00Z","subject":{"port":443},"fact":{"new":[1,2]},"text":"t"}`
	var e Evidence
	if err := json.Unmarshal([]byte(in), &e); err != nil {
		t.Fatal(err)
	}
	raw, ok := e.Fact.(RawFact)
	if !ok || raw.Question() != "from-the-future" || e.Subject.Port != 443 || !e.At.Equal(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)) {
		t.Fatalf("%+v", e)
	}
	out, err := json.Marshal(e)
	if err != nil || string(out) != in {
		t.Errorf("written %s, %v", out, err)
	}
}
