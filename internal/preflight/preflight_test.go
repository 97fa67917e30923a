package preflight

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

const host = "shop.example"

var (
	v4 = netip.MustParseAddr("203.0.113.10")
	v6 = netip.MustParseAddr("2001:db8::10")
)

func bundle(xs ...fact.Exchange) *originward.Bundle {
	b := &originward.Bundle{Schema: originward.EvidenceSchema, Host: host}
	for i, x := range xs {
		b.Evidence = append(b.Evidence, originward.Evidence{
			ID: fmt.Sprintf("e%d", i+1), Vantage: originward.Outside, Question: fact.QExchange, Fact: x,
		})
	}
	return b
}

func plain(a netip.Addr, scheme string, port uint16) fact.Exchange {
	return fact.Exchange{Target: netip.AddrPortFrom(a, port), Scheme: scheme, Host: host, Path: "/"}
}

func answers(x fact.Exchange, status int, location string) fact.Exchange {
	x.Response = &fact.Response{Status: status, Header: map[string]string{}}
	if location != "" {
		x.Response.Header["location"] = location
	}
	if x.Scheme == "https" {
		x.TLS = &fact.TLS{Complete: true, Judged: fact.Yes}
	}
	return x
}

func fails(x fact.Exchange, p originward.Phase, f originward.FaultType) fact.Exchange {
	x.Fault = &fact.Fault{Phase: p, Type: f}
	return x
}

func cert(x fact.Exchange, rs ...fact.CertReason) fact.Exchange {
	x.TLS.Reasons = rs
	return x
}

func variant(x fact.Exchange, v string) fact.Exchange {
	x.Variant = v
	return x
}

// short is "mode scheme: outcome status/error".
func short(m Matrix, a netip.Addr) string {
	var out []string
	for _, c := range m.Cells {
		if c.Addr == a && (c.Port == 80 || c.Port == 443) {
			out = append(out, fmt.Sprintf("%s %s=%s %d/%d", c.Mode, c.Scheme, c.Outcome, c.Status, c.Error))
		}
	}
	return strings.Join(out, "; ")
}

func TestMatrix(t *testing.T) {
	http, https := plain(v4, "http", 80), plain(v4, "https", 443)
	for _, tt := range []struct {
		name  string
		xs    []fact.Exchange
		want  string
		modes string
	}{
		{"healthy", []fact.Exchange{answers(http, 200, ""), answers(https, 200, "")},
			"off http=served 200/0; off https=redirected 301/0; flexible http=served 200/0; flexible https=served 200/0; full http=served 200/0; full https=served 200/0; strict http=served 200/0; strict https=served 200/0; origin_pull http=served 200/0; origin_pull https=served 200/0",
			"[origin_pull strict full flexible off]"},
		{"no TLS port", []fact.Exchange{answers(http, 200, ""), fails(https, originward.PhaseConnect, originward.ConnectionRefused)},
			"off http=served 200/0; off https=redirected 301/0; flexible http=served 200/0; flexible https=served 200/0; full http=served 200/0; full https=failed 521/521; strict http=served 200/0; strict https=failed 521/521; origin_pull http=failed 521/521; origin_pull https=failed 521/521",
			"[flexible off]"},
		{"self-signed", []fact.Exchange{answers(http, 200, ""), cert(answers(https, 200, ""), fact.CertSelfSigned)},
			"off http=served 200/0; off https=redirected 301/0; flexible http=served 200/0; flexible https=served 200/0; full http=served 200/0; full https=served 200/0; strict http=served 200/0; strict https=failed 526/526; origin_pull http=failed 526/526; origin_pull https=failed 526/526",
			"[full flexible off]"},
		{"redirect to https", []fact.Exchange{answers(http, 301, "https://shop.example/"), variant(answers(http, 301, "https://shop.example/"), fact.VariantFlexible), answers(https, 200, "")},
			"off http=served 301/0; off https=redirected 301/0; flexible http=served 301/0; flexible https=loop 301/0; full http=served 301/0; full https=served 200/0; strict http=served 301/0; strict https=served 200/0; origin_pull http=served 200/0; origin_pull https=served 200/0",
			"[origin_pull strict full off]"},
		{"redirect that heeds the visitor's scheme", []fact.Exchange{answers(http, 301, "https://shop.example/"), variant(answers(http, 200, ""), fact.VariantFlexible), answers(https, 200, "")},
			"off http=served 301/0; off https=redirected 301/0; flexible http=served 301/0; flexible https=served 200/0; full http=served 301/0; full https=served 200/0; strict http=served 301/0; strict https=served 200/0; origin_pull http=served 200/0; origin_pull https=served 200/0",
			"[origin_pull strict full flexible off]"},
		{"handshake fails, port 80 not tried", []fact.Exchange{fails(https, originward.PhaseTLS, originward.TLSAlertReceived)},
			"off http=unknown 0/0; off https=redirected 301/0; flexible http=unknown 0/0; flexible https=unknown 0/0; full http=unknown 0/0; full https=failed 525/525; strict http=unknown 0/0; strict https=failed 525/525; origin_pull http=failed 525/525; origin_pull https=failed 525/525",
			"[]"},
		{"silent, empty", []fact.Exchange{fails(http, originward.PhaseConnect, originward.ConnectionTimeout), fails(https, originward.PhaseFirstByte, originward.HTTPResponseIncomplete)},
			"off http=failed 522/522; off https=redirected 301/0; flexible http=failed 522/522; flexible https=failed 522/522; full http=failed 522/522; full https=failed 520/520; strict http=failed 522/522; strict https=failed 520/520; origin_pull http=failed 520/520; origin_pull https=failed 520/520",
			"[]"},
		{"body breaks off, server error", []fact.Exchange{fails(http, originward.PhaseBody, originward.HTTPResponseIncomplete), answers(https, 503, "")},
			"off http=cut 0/0; off https=redirected 301/0; flexible http=cut 0/0; flexible https=cut 0/0; full http=cut 0/0; full https=served 503/0; strict http=cut 0/0; strict https=served 503/0; origin_pull http=served 503/0; origin_pull https=served 503/0",
			"[]"},
	} {
		m := Of(bundle(tt.xs...))
		if got := short(m, v4); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
		if got := fmt.Sprint(m.Modes()); got != tt.modes {
			t.Errorf("%s: modes %s, want %s", tt.name, got, tt.modes)
		}
		for _, c := range m.Cells {
			if c.Why == "" {
				t.Errorf("%s: cell without a reason: %+v", tt.name, c)
			}
		}
	}
}

// A certificate that was not judged is neither good nor bad.
func TestUnjudgedCertificate(t *testing.T) {
	x := answers(plain(v4, "https", 443), 200, "")
	x.TLS.Judged = fact.Unknown
	for _, c := range Of(bundle(x)).Cells {
		if c.Mode == originward.SSLStrict && c.Scheme == "https" && c.Outcome != Unknown {
			t.Errorf("strict: %+v", c)
		}
		if c.Mode == originward.SSLFull && c.Scheme == "https" && c.Outcome != Served {
			t.Errorf("full: %+v", c)
		}
	}
}

func TestFamiliesAndPorts(t *testing.T) {
	b := bundle(
		answers(plain(v4, "https", 443), 200, ""), fails(plain(v6, "https", 443), originward.PhaseConnect, originward.DestinationIPUnroutable),
		answers(plain(v4, "https", 8443), 200, ""), answers(plain(v4, "http", 3000), 200, ""),
	)
	m := Of(b)
	want := map[string]string{
		"strict https 443 ip6":      "failed 523",
		"strict https 443 ip4":      "served 200",
		"flexible https 8443 ip4":   "served 200", // flexible is for 443 only
		"full https 8443 ip6":       "unknown 0",
		"full http 3000 ip4":        "unsupported 0",
		"origin_pull http 3000 ip4": "unsupported 0",
	}
	for _, c := range m.Cells {
		k := fmt.Sprintf("%s %s %d %s", c.Mode, c.Scheme, c.Port, c.Family)
		if w, ok := want[k]; ok {
			if got := fmt.Sprintf("%s %d", c.Outcome, c.Status); got != w {
				t.Errorf("%s: %s, want %s", k, got, w)
			}
			delete(want, k)
		}
	}
	if len(want) > 0 {
		t.Errorf("no cells for %v", want)
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	x := answers(plain(v4, "https", 443), 200, "")
	b := bundle(x, fails(plain(v4, "https", 443), originward.PhaseConnect, originward.ConnectionTimeout), answers(plain(v6, "http", 80), 200, ""), answers(plain(v4, "http", 8080), 200, ""))
	first, _ := json.Marshal(Of(b))
	for range 20 {
		rand.Shuffle(len(b.Evidence), func(i, j int) { b.Evidence[i], b.Evidence[j] = b.Evidence[j], b.Evidence[i] })
		if again, _ := json.Marshal(Of(b)); string(again) != string(first) {
			t.Fatalf("%s\n%s", first, again)
		}
	}
	if !strings.Contains(string(first), `"error":522`) {
		t.Errorf("the exchange that failed once does not count: %s", first)
	}
}

func TestEmpty(t *testing.T) {
	if m := Of(bundle()); len(m.Cells) != 0 || len(m.Modes()) != 0 {
		t.Errorf("%+v", m)
	}
}
