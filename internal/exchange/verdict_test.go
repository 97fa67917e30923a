package exchange

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/originward/originward/fact"
)

// TestJudge is every reason on its own, several at once, and none.
func TestJudge(t *testing.T) {
	const host = "shop.example"
	root := authority(t, nil, "Root", nil)
	inter := authority(t, root, "Intermediate", nil)
	oldInter := authority(t, root, "Old Intermediate", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = testNow.AddDate(-2, 0, 0), testNow.AddDate(-1, 0, 0)
	})
	private := authority(t, nil, "Private Root", nil)
	privateInter := authority(t, private, "Private Intermediate", nil)
	originCA := authority(t, nil, "Origin CA", nil)
	lookAlike := authority(t, nil, "Intermediate", nil) // the name of another authority
	notCA := issue(t, root, "not-ca.example", nil)

	plain := func(c *x509.Certificate) {}
	expired := func(c *x509.Certificate) { c.NotAfter = testNow.Add(-time.Minute) }
	future := func(c *x509.Certificate) { c.NotBefore = testNow.Add(time.Minute) }
	named := func(names ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.DNSNames = names }
	}
	both := func(fs ...func(*x509.Certificate)) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			for _, f := range fs {
				f(c)
			}
		}
	}
	aia := func(c *x509.Certificate) { c.IssuingCertificateURL = []string{"ldap:///x", "http://ca.example/i.crt"} }
	sct := func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: []byte{4, 0}})
	}
	leaf := func(issuer *entity, change func(*x509.Certificate)) *entity { return issue(t, issuer, host, change) }
	good := leaf(inter, plain)
	self := leaf(nil, plain)
	wrongKey := leaf(inter, plain)
	wrongKey.cert.Signature = slices.Clone(wrongKey.cert.Signature)
	wrongKey.cert.Signature[len(wrongKey.cert.Signature)-1] ^= 1

	taken := leaf(originCA, plain)
	revoked := func(e *entity) map[CertName]time.Time { return map[CertName]time.Time{NameOf(e.cert): testNow} }

	public := &Trust{Roots: pool(root)}
	with := func(change func(*Trust)) *Trust { tr := *public; change(&tr); return &tr }
	tests := []struct {
		name    string
		chain   []*entity
		trust   *Trust
		names   []string
		reasons []fact.CertReason
		vouched string
		missing bool
	}{
		{"good", []*entity{good, inter}, public, []string{host}, nil, "public", false},
		{"good with root sent", []*entity{good, inter, root}, public, []string{host}, nil, "public", false},
		{"good, sent out of order", []*entity{good, root, inter}, public, []string{host}, nil, "public", false},
		{"target name matches", []*entity{good, inter}, public, []string{"www.example", host}, nil, "public", false},
		{"no name to judge", []*entity{good, inter}, public, nil, nil, "public", false},
		{"common name only", []*entity{leaf(inter, named()), inter}, public, []string{host}, nil, "public", false},
		{"common name beside others", []*entity{leaf(inter, named("other.example")), inter}, public, []string{host}, nil, "public", false},
		{"wildcard", []*entity{issue(t, inter, "x", named("*.example.com")), inter}, public, []string{"a.example.com"}, nil, "public", false},
		{"wildcard, two levels", []*entity{issue(t, inter, "x", named("*.example.com")), inter}, public, []string{"a.b.example.com"}, []fact.CertReason{fact.CertNameMismatch}, "public", false},
		{"wildcard, apex", []*entity{issue(t, inter, "x", named("*.example.com")), inter}, public, []string{"example.com"}, []fact.CertReason{fact.CertNameMismatch}, "public", false},
		{"address", []*entity{issue(t, inter, "x", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("192.0.2.2")} }), inter}, public, []string{"192.0.2.2"}, nil, "public", false},
		{"name mismatch", []*entity{issue(t, inter, "other.example", nil), inter}, public, []string{host, "www." + host}, []fact.CertReason{fact.CertNameMismatch}, "public", false},
		{"expired", []*entity{leaf(inter, expired), inter}, public, []string{host}, []fact.CertReason{fact.CertExpired}, "public", false},
		{"not yet valid", []*entity{leaf(inter, future), inter}, public, []string{host}, []fact.CertReason{fact.CertNotYetValid}, "public", false},
		{"expired and of another name", []*entity{issue(t, inter, "other.example", expired), inter}, public, []string{host}, []fact.CertReason{fact.CertExpired, fact.CertNameMismatch}, "public", false},
		{"expired intermediate", []*entity{leaf(oldInter, plain), oldInter}, public, []string{host}, []fact.CertReason{fact.CertExpired}, "", false},
		{"self-signed", []*entity{self}, public, []string{host}, []fact.CertReason{fact.CertSelfSigned}, "", false},
		{"self-signed and expired", []*entity{leaf(nil, expired)}, public, []string{host}, []fact.CertReason{fact.CertExpired, fact.CertSelfSigned}, "", false},
		{"self-signed in the custom store", []*entity{self}, with(func(tr *Trust) { tr.Custom = pool(self) }), []string{host}, nil, "custom", false},
		{"private root sent", []*entity{leaf(private, plain), private}, public, []string{host}, []fact.CertReason{fact.CertUnknownIssuer}, "", false},
		{"private root not sent", []*entity{leaf(private, plain)}, public, []string{host}, []fact.CertReason{fact.CertUnknownIssuer}, "", true},
		{"private intermediate sent", []*entity{leaf(privateInter, aia), privateInter}, public, []string{host}, []fact.CertReason{fact.CertUnknownIssuer}, "", true},
		{"intermediate missing, nothing known of it", []*entity{good}, public, []string{host}, []fact.CertReason{fact.CertUnknownIssuer}, "", true},
		{"intermediate missing, published", []*entity{leaf(inter, aia)}, public, []string{host}, []fact.CertReason{fact.CertChainIncomplete}, "", true},
		{"intermediate missing, logged", []*entity{leaf(inter, sct)}, public, []string{host}, []fact.CertReason{fact.CertChainIncomplete}, "", true},
		{"intermediate missing, known", []*entity{good}, with(func(tr *Trust) { tr.Intermediates = pool(inter) }), []string{host}, []fact.CertReason{fact.CertChainIncomplete}, "", true},
		{"intermediate missing and expired", []*entity{leaf(inter, both(aia, expired))}, public, []string{host}, []fact.CertReason{fact.CertExpired, fact.CertChainIncomplete}, "", true},
		{"known intermediate of an unknown root", []*entity{leaf(privateInter, plain)}, with(func(tr *Trust) { tr.Intermediates = pool(privateInter) }), []string{host}, []fact.CertReason{fact.CertUnknownIssuer}, "", true},
		{"wrong intermediate of the same name", []*entity{good, lookAlike}, public, []string{host}, []fact.CertReason{fact.CertUnknownIssuer}, "", true},
		{"origin CA", []*entity{leaf(originCA, plain)}, with(func(tr *Trust) { tr.OriginCA = pool(originCA) }), []string{host}, nil, "origin_ca", false},
		{"origin CA, revoked", []*entity{taken}, with(func(tr *Trust) { tr.OriginCA, tr.Revoked = pool(originCA), revoked(taken) }), []string{host}, []fact.CertReason{fact.CertRevoked}, "origin_ca", false},
		{"origin CA, another revoked", []*entity{leaf(originCA, plain)}, with(func(tr *Trust) { tr.OriginCA, tr.Revoked = pool(originCA), revoked(taken) }), []string{host}, nil, "origin_ca", false},
		{"same serial of another issuer", []*entity{good, inter}, with(func(tr *Trust) {
			tr.Revoked = map[CertName]time.Time{{Issuer: string(originCA.cert.RawSubject), Serial: string(good.cert.SerialNumber.Bytes())}: testNow}
		}), []string{host}, nil, "public", false},
		{"intermediate revoked", []*entity{good, inter}, with(func(tr *Trust) { tr.Revoked = revoked(inter) }), []string{host}, []fact.CertReason{fact.CertRevoked}, "public", false},
		{"revoked and untrusted", []*entity{taken}, with(func(tr *Trust) { tr.Revoked = revoked(taken) }), []string{host}, []fact.CertReason{fact.CertUnknownIssuer, fact.CertRevoked}, "", true},
		{"origin CA not given", []*entity{leaf(originCA, plain)}, public, []string{host}, []fact.CertReason{fact.CertUnknownIssuer}, "", true},
		{"custom store", []*entity{leaf(private, plain)}, with(func(tr *Trust) { tr.Custom = pool(private) }), []string{host}, nil, "custom", false},
		{"custom store replaces the public one", []*entity{good, inter}, with(func(tr *Trust) { tr.Custom = pool(private) }), []string{host}, []fact.CertReason{fact.CertUnknownIssuer}, "", true},
		{"custom store, origin CA stays", []*entity{leaf(originCA, plain)}, with(func(tr *Trust) { tr.Custom, tr.OriginCA = pool(private), pool(originCA) }), []string{host}, nil, "origin_ca", false},
		{"custom store, expired", []*entity{leaf(oldInter, plain)}, with(func(tr *Trust) { tr.Custom = pool(oldInter) }), []string{host}, []fact.CertReason{fact.CertExpired}, "", false},
		{"for clients only", []*entity{leaf(inter, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), inter}, public, []string{host}, []fact.CertReason{fact.CertUnusable}, "", false},
		{"issued by what is no authority", []*entity{leaf(notCA, plain), notCA}, public, []string{host}, []fact.CertReason{fact.CertUnusable}, "", false},
		{"broken signature", []*entity{wrongKey, inter}, public, []string{host}, []fact.CertReason{fact.CertUnusable}, "", false},
		{"unknown critical extension", []*entity{leaf(inter, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		}), inter}, public, []string{host}, []fact.CertReason{fact.CertUnusable}, "", false},
		{"none", nil, public, []string{host}, []fact.CertReason{fact.CertNone}, "", false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			tr := *tc.trust
			tr.Now = func() time.Time { return testNow }
			var chain []*x509.Certificate
			for _, e := range tc.chain {
				chain = append(chain, e.cert)
			}
			v := Judge(chain, nil, tc.names, &tr)
			if !slices.Equal(v.Reasons, tc.reasons) {
				t.Errorf("reasons %v, want %v (%v)", v.Reasons, tc.reasons, v.Err)
			}
			if v.Trust != tc.vouched || v.Judged != fact.Yes {
				t.Errorf("vouched for by %q, judged %q", v.Trust, v.Judged)
			}
			if (v.MissingIssuer != "") != tc.missing {
				t.Errorf("missing issuer %q", v.MissingIssuer)
			}
			if len(v.Reasons) > 0 && v.Err == nil && v.Reasons[0] != fact.CertNone {
				t.Error("no error behind the reason")
			}
		})
	}
}

func TestJudgeStapled(t *testing.T) {
	root := authority(t, nil, "Root", nil)
	inter := authority(t, root, "Intermediate", nil)
	other := authority(t, root, "Other", nil)
	leaf := issue(t, inter, "shop.example", nil)
	chain := []*x509.Certificate{leaf.cert, inter.cert}
	trust := &Trust{Roots: pool(root), Now: func() time.Time { return testNow }}
	later := testNow.Add(time.Hour)
	forged := staple(t, leaf, other, ocsp.Revoked, later)
	stranger := *leaf
	stranger.cert = &x509.Certificate{SerialNumber: big.NewInt(7)}
	for _, tc := range []struct {
		name    string
		raw     []byte
		stapled string
		reasons []fact.CertReason
	}{
		{"none", nil, "", nil},
		{"good", staple(t, leaf, inter, ocsp.Good, later), "good", nil},
		{"revoked", staple(t, leaf, inter, ocsp.Revoked, later), "revoked", []fact.CertReason{fact.CertRevoked}},
		{"unknown", staple(t, leaf, inter, ocsp.Unknown, later), "unknown", nil},
		{"good, out of date", staple(t, leaf, inter, ocsp.Good, testNow.Add(-time.Minute)), "unknown", nil},
		{"revoked, out of date", staple(t, leaf, inter, ocsp.Revoked, testNow.Add(-time.Minute)), "revoked", []fact.CertReason{fact.CertRevoked}},
		{"signed by another", forged, "", nil},
		{"about another certificate", staple(t, &stranger, inter, ocsp.Revoked, later), "", nil},
		{"garbage", []byte("garbage"), "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := Judge(chain, tc.raw, []string{"shop.example"}, trust)
			if v.Stapled != tc.stapled || !slices.Equal(v.Reasons, tc.reasons) {
				t.Errorf("stapled %q, reasons %v", v.Stapled, v.Reasons)
			}
		})
	}
}

func TestMatchesPattern(t *testing.T) {
	for _, tc := range []struct {
		pattern, host string
		want          bool
	}{
		{"a.example", "A.Example", true},
		{"a.example.", "a.example", true},
		{"*.example.com", "www.example.com", true},
		{"*.example.com", "WWW.EXAMPLE.COM.", true},
		{"*.example.com", "example.com", false},
		{"*.example.com", "a.b.example.com", false},
		{"*.example.com", ".example.com", false},
		{"*", "example", false},
		{"*.com", "example.com", false},
		{"w*.example.com", "www.example.com", false},
		{"*.*.com", "a.b.com", false},
		{"", "", false},
		{"a", "", false},
		{"xn--bcher-kva.example", "xn--bcher-kva.example", true},
	} {
		if got := matchesPattern(tc.pattern, tc.host); got != tc.want {
			t.Errorf("%q covers %q: %v, want %v", tc.pattern, tc.host, got, tc.want)
		}
	}
}
