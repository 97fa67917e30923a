package edgedns

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/originward/originward/internal/config"
)

// A zone of the configuration file holds every type, and is signed with its key.
func TestZoneOfTheFile(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key) // as `openssl ecparam -genkey` writes it
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "zone.key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "edge.yaml")
	if err := os.WriteFile(file, []byte(`listen: {http: ["198.51.100.10:80"], dns: ["127.0.0.1:0"]}
zones:
- name: shop.example
  dnssec: {key: zone.key}
  records:
  - {type: A, name: "@", content: 203.0.113.10, proxied: true}
  - {type: MX, name: "@", content: mail.shop.example, priority: 10}
  - {type: TXT, name: "@", content: "v=spf1 -all"}
  - {type: SRV, name: _sip._tcp.shop.example, content: "2 5060 sip.shop.example", priority: 1}
  - {type: CAA, name: "@", content: '0 issue "ca.example"'}
  - {type: NS, name: sub.shop.example, content: ns.other.example}
  - {type: TXT, name: "*.w.shop.example", content: any}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Loader{}.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	_, addr := start(t, cfg)
	signed := func(q *dns.Msg) { q.SetEdns0(4096, true) }
	public := ask(t, addr, "udp", "shop.example", dns.TypeDNSKEY, signed).Answer[0].(*dns.DNSKEY)
	for _, c := range []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"shop.example", dns.TypeA, "198.51.100.10"},
		{"shop.example", dns.TypeMX, "10 mail.shop.example."},
		{"shop.example", dns.TypeTXT, `"v=spf1 -all"`},
		{"_sip._tcp.shop.example", dns.TypeSRV, "1 2 5060 sip.shop.example."},
		{"shop.example", dns.TypeCAA, `0 issue "ca.example"`},
		{"x.w.shop.example", dns.TypeTXT, `"any"`},
	} {
		in := ask(t, addr, "udp", c.name, c.qtype, signed)
		if len(in.Answer) != 2 {
			t.Errorf("%s: %v", c.name, in)
			continue
		}
		if got := strings.TrimPrefix(in.Answer[0].String(), in.Answer[0].Header().String()); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if sig, ok := in.Answer[1].(*dns.RRSIG); !ok || sig.Verify(public, in.Answer[:1]) != nil {
			t.Errorf("%s: signature %v", c.name, in.Answer[1])
		}
	}
	if in := ask(t, addr, "udp", "x.sub.shop.example", dns.TypeA, nil); len(in.Ns) != 1 || in.Ns[0].Header().Rrtype != dns.TypeNS {
		t.Errorf("delegation: %v", in)
	}
}
