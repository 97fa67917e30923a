package edgedns

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/config"
)

func records(t testing.TB, lines ...string) []originward.Record {
	t.Helper()
	var out []originward.Record
	for _, l := range lines {
		f := strings.SplitN(l, " ", 4)
		r := originward.Record{Name: f[0], Type: originward.RecordType(f[1]), Content: f[3], TTL: 1}
		if f[2] == "orange" {
			r.Proxied = true
		} else if _, err := fmt.Sscan(f[2], &r.TTL); err != nil {
			t.Fatal(l, err)
		}
		out = append(out, r)
	}
	return out
}

func key(t testing.TB) *config.DNSKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &config.DNSKey{Private: k}
}

func world(t testing.TB, resolver netip.AddrPort) *config.Config {
	cfg := &config.Config{
		Listen: config.Listen{HTTP: []string{"198.51.100.10:80"}, HTTPS: []string{"[2001:db8::10]:443"}, DNS: []string{"127.0.0.1:0"}},
		Zones: []config.Zone{{Zone: originward.Zone{Name: "shop.example", Records: records(t,
			"shop.example A orange 203.0.113.1",
			"grey.shop.example A 600 203.0.113.2",
			"grey.shop.example A 600 203.0.113.3",
			"grey.shop.example AAAA 1 2001:db8::2",
			"alias.shop.example CNAME 1 grey.shop.example",
			"away.shop.example CNAME 1 target.elsewhere.example",
			"orange.shop.example CNAME orange target.elsewhere.example",
			"orange.shop.example TXT 1 beside",
			"*.wild.shop.example A orange 203.0.113.1",
			"deep.empty.wild.shop.example A 1 203.0.113.9",
			"shop.example MX 300 10 mail.shop.example",
			"shop.example TXT 300 "+strings.Repeat("long text ", 20),
			"big.shop.example TXT 300 "+strings.Repeat("x", 3000),
			"_sip._tcp.shop.example SRV 120 1 2 5060 mail.shop.example",
			"sub.shop.example NS 300 ns.sub.shop.example",
			"ns.sub.shop.example A 300 203.0.113.53",
			"mail.shop.example A 1 203.0.113.4",
			"both.shop.example A 600 203.0.113.7",
			"off.shop.example A 600 203.0.113.8",
		)}, LoadBalancers: []config.LoadBalancer{
			{Name: "lb.shop.example", Enabled: true}, {Name: "both.shop.example", Enabled: true}, {Name: "off.shop.example"}, {Name: "*.many.shop.example", Enabled: true},
		}}, {
			DNSSEC: key(t), Serial: 7, Zone: originward.Zone{Name: "signed.example", Records: records(t,
				"signed.example A orange 203.0.113.1", "www.signed.example A 1 203.0.113.2", "*.w.signed.example TXT 1 any",
				"sub.signed.example NS 300 ns.elsewhere.example",
			)},
		}, {Zone: originward.Zone{Name: "flat.example", Records: records(t, "flat.example CNAME 1 target.elsewhere.example", "flat.example MX 1 10 mail.flat.example")}},
			{Zone: originward.Zone{Name: "inside.example", Records: records(t, "inside.example CNAME 1 alias.shop.example")}}},
	}
	if resolver.IsValid() {
		cfg.Resolver = []netip.AddrPort{resolver}
	}
	return cfg
}

func start(t testing.TB, cfg *config.Config) (*Server, string) {
	t.Helper()
	s, err := Start(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return s, s.Addrs()[0].String()
}

// resolver is a DNS server of others: target.elsewhere.example has addresses.
func resolver(t testing.TB) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Name == "target.elsewhere.example." && q.Question[0].Qtype == dns.TypeA {
			rr, _ := dns.NewRR("target.elsewhere.example. 60 IN A 192.0.2.99")
			m.Answer = append(m.Answer, rr)
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = srv.ActivateAndServe() }()
	t.Cleanup(func() { _ = srv.Shutdown() })
	return netip.MustParseAddrPort(pc.LocalAddr().String())
}

// ask asks and gives the records of answer, one line each.
func ask(t testing.TB, addr, network, name string, qtype uint16, edit func(*dns.Msg)) *dns.Msg {
	t.Helper()
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	if edit != nil {
		edit(q)
	}
	in, _, err := (&dns.Client{Net: network, Timeout: 5 * time.Second, UDPSize: 4096}).Exchange(q, addr)
	if err != nil {
		t.Fatalf("%s %s: %v", name, dns.TypeToString[qtype], err)
	}
	return in
}

func lines(rrs []dns.RR) []string {
	var out []string
	for _, rr := range rrs {
		out = append(out, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	slices.Sort(out)
	return out
}

func TestAnswers(t *testing.T) {
	_, addr := start(t, world(t, resolver(t)))
	for _, c := range []struct {
		name  string
		qtype uint16
		rcode int
		want  []string // of the answer
		auth  string   // first of the authority: its type; empty = none
		aa    bool
	}{
		{"shop.example", dns.TypeA, 0, []string{"shop.example. 300 IN A 198.51.100.10"}, "", true},
		{"shop.example", dns.TypeAAAA, 0, []string{"shop.example. 300 IN AAAA 2001:db8::10"}, "", true},
		{"shop.example", dns.TypeMX, 0, []string{"shop.example. 300 IN MX 10 mail.shop.example."}, "", true},
		{"shop.example", dns.TypeNS, 0, []string{"shop.example. 86400 IN NS ns1.shop.example."}, "", true},
		{"ns1.shop.example", dns.TypeA, 0, []string{"ns1.shop.example. 86400 IN A 127.0.0.1"}, "", true},
		{"grey.shop.example", dns.TypeA, 0, []string{"grey.shop.example. 600 IN A 203.0.113.2", "grey.shop.example. 600 IN A 203.0.113.3"}, "", true},
		{"grey.shop.example", dns.TypeAAAA, 0, []string{"grey.shop.example. 300 IN AAAA 2001:db8::2"}, "", true},
		{"grey.shop.example", dns.TypeMX, 0, nil, "SOA", true},
		{"alias.shop.example", dns.TypeA, 0, []string{"alias.shop.example. 300 IN CNAME grey.shop.example.", "grey.shop.example. 600 IN A 203.0.113.2", "grey.shop.example. 600 IN A 203.0.113.3"}, "", true},
		{"alias.shop.example", dns.TypeCNAME, 0, []string{"alias.shop.example. 300 IN CNAME grey.shop.example."}, "", true},
		{"away.shop.example", dns.TypeA, 0, []string{"away.shop.example. 300 IN CNAME target.elsewhere.example."}, "", true},
		{"orange.shop.example", dns.TypeA, 0, []string{"orange.shop.example. 300 IN A 198.51.100.10"}, "", true},
		{"orange.shop.example", dns.TypeCNAME, 0, nil, "SOA", true},
		{"orange.shop.example", dns.TypeTXT, 0, []string{`orange.shop.example. 300 IN TXT "beside"`}, "", true},
		{"lb.shop.example", dns.TypeA, 0, []string{"lb.shop.example. 300 IN A 198.51.100.10"}, "", true},
		{"both.shop.example", dns.TypeAAAA, 0, []string{"both.shop.example. 300 IN AAAA 2001:db8::10"}, "", true},
		{"off.shop.example", dns.TypeA, 0, []string{"off.shop.example. 600 IN A 203.0.113.8"}, "", true},
		{"x.many.shop.example", dns.TypeA, 0, []string{"x.many.shop.example. 300 IN A 198.51.100.10"}, "", true},
		{"x.wild.shop.example", dns.TypeA, 0, []string{"x.wild.shop.example. 300 IN A 198.51.100.10"}, "", true},
		{"a.b.wild.shop.example", dns.TypeA, 0, []string{"a.b.wild.shop.example. 300 IN A 198.51.100.10"}, "", true},
		{"empty.wild.shop.example", dns.TypeA, 0, nil, "SOA", true},   // exists, so no wildcard (RFC 4592)
		{"x.empty.wild.shop.example", dns.TypeA, 3, nil, "SOA", true}, // its closest encloser has no wildcard
		{"none.shop.example", dns.TypeA, 3, nil, "SOA", true},
		{"www.sub.shop.example", dns.TypeA, 0, nil, "NS", false},
		{"sub.shop.example", dns.TypeDS, 0, nil, "SOA", true},
		{"elsewhere.example", dns.TypeA, dns.RcodeRefused, nil, "", false},
		{"flat.example", dns.TypeA, 0, []string{"flat.example. 60 IN A 192.0.2.99"}, "", true},
		{"flat.example", dns.TypeAAAA, 0, nil, "SOA", true},
		{"flat.example", dns.TypeMX, 0, []string{"flat.example. 300 IN MX 10 mail.flat.example."}, "", true},
		{"inside.example", dns.TypeA, 0, []string{"inside.example. 300 IN A 203.0.113.2", "inside.example. 300 IN A 203.0.113.3"}, "", true},
		{"_sip._tcp.shop.example", dns.TypeSRV, 0, []string{"_sip._tcp.shop.example. 120 IN SRV 1 2 5060 mail.shop.example."}, "", true},
		{"grey.shop.example", dns.TypeANY, 0, []string{`grey.shop.example. 86400 IN HINFO "RFC8482" ""`}, "", true},
	} {
		for _, network := range []string{"udp", "tcp"} {
			in := ask(t, addr, network, c.name, c.qtype, nil)
			got := lines(in.Answer)
			if in.Rcode != c.rcode || !slices.Equal(got, c.want) || in.Authoritative != c.aa || in.RecursionAvailable {
				t.Errorf("%s %s %s: %s aa %v %q, want %s %q", network, c.name, dns.TypeToString[c.qtype], dns.RcodeToString[in.Rcode], in.Authoritative, got, dns.RcodeToString[c.rcode], c.want)
			}
			first := ""
			if len(in.Ns) > 0 {
				first = dns.TypeToString[in.Ns[0].Header().Rrtype]
			}
			if first != c.auth {
				t.Errorf("%s %s: authority %q, want %q", c.name, dns.TypeToString[c.qtype], first, c.auth)
			}
		}
	}
	referral := ask(t, addr, "udp", "www.sub.shop.example", dns.TypeA, nil)
	if got := lines(referral.Extra); len(got) != 1 || got[0] != "ns.sub.shop.example. 300 IN A 203.0.113.53" {
		t.Errorf("glue %q", got)
	}
}

func TestForms(t *testing.T) {
	_, addr := start(t, world(t, netip.AddrPort{}))
	// The letters of the question come back as they were sent, from memory too.
	for _, name := range []string{"gReY.Shop.ExAmPlE.", "GREY.shop.example.", "grey.shop.example."} {
		in := ask(t, addr, "udp", name, dns.TypeA, nil)
		if in.Question[0].Name != name || in.Answer[0].Header().Name != name {
			t.Errorf("%s: question %s, answer %s", name, in.Question[0].Name, in.Answer[0].Header().Name)
		}
	}
	// Addresses come in turn.
	first := map[string]bool{}
	for range 10 {
		first[ask(t, addr, "udp", "grey.shop.example", dns.TypeA, nil).Answer[0].String()] = true
	}
	if len(first) != 2 {
		t.Errorf("first addresses %v", first)
	}
	if in := ask(t, addr, "udp", "big.shop.example", dns.TypeTXT, nil); !in.Truncated || len(in.Answer) != 0 {
		t.Errorf("a large answer over UDP: %v", in)
	}
	if in := ask(t, addr, "tcp", "big.shop.example", dns.TypeTXT, nil); in.Truncated || len(in.Answer) != 1 {
		t.Errorf("a large answer over TCP: %v", in)
	}
	if in := ask(t, addr, "udp", "grey.shop.example", dns.TypeA, func(q *dns.Msg) { q.SetEdns0(4096, false) }); in.IsEdns0() == nil || in.IsEdns0().UDPSize() != udpSize {
		t.Errorf("EDNS: %v", in)
	}
	if in := ask(t, addr, "udp", "grey.shop.example", dns.TypeA, func(q *dns.Msg) { q.SetEdns0(4096, false); q.IsEdns0().SetVersion(1) }); in.Rcode != dns.RcodeBadVers {
		t.Errorf("EDNS version 1: %v", in)
	}
	if in := ask(t, addr, "udp", "grey.shop.example", dns.TypeA, func(q *dns.Msg) { q.Opcode = dns.OpcodeNotify }); in.Rcode != dns.RcodeNotImplemented {
		t.Errorf("NOTIFY: %v", in)
	}
	if in := ask(t, addr, "udp", "version.bind", dns.TypeTXT, func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassCHAOS }); in.Rcode != dns.RcodeRefused {
		t.Errorf("CHAOS: %v", in)
	}
	if in := ask(t, addr, "udp", "shop.example", dns.TypeAXFR, nil); in.Rcode != dns.RcodeRefused {
		t.Errorf("AXFR over UDP: %v", in)
	}
	if in := ask(t, addr, "udp", "grey.shop.example", dns.TypeA, func(q *dns.Msg) { q.RecursionDesired = false }); in.RecursionDesired {
		t.Error("RD is set that was not asked")
	}
}

// Packets that are no questions get an error or nothing, and the server goes on.
func TestHostilePackets(t *testing.T) {
	_, addr := start(t, world(t, netip.AddrPort{}))
	c, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, p := range []string{"", "x", strings.Repeat("\x00", 12), strings.Repeat("\xff", 600), "\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01",
		"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x3fabc", "\x00\x01\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01"} {
		if _, err := c.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	if in := ask(t, addr, "udp", "grey.shop.example", dns.TypeA, nil); len(in.Answer) != 2 {
		t.Errorf("afterwards: %v", in)
	}
}

func TestSigned(t *testing.T) {
	cfg := world(t, netip.AddrPort{})
	_, addr := start(t, cfg)
	do := func(q *dns.Msg) { q.SetEdns0(4096, true) }
	keys := ask(t, addr, "tcp", "signed.example", dns.TypeDNSKEY, do)
	k, ok := keys.Answer[0].(*dns.DNSKEY)
	if !ok {
		t.Fatalf("DNSKEY %v", keys)
	}
	for _, c := range []struct {
		name  string
		qtype uint16
		nsec  string // types denied by; empty = there is an answer
	}{
		{"signed.example", dns.TypeA, ""}, {"signed.example", dns.TypeSOA, ""}, {"www.Signed.example", dns.TypeA, ""}, {"x.w.signed.example", dns.TypeTXT, ""},
		{"signed.example", dns.TypeDNSKEY, ""},
		{"www.signed.example", dns.TypeMX, "A RRSIG NSEC"}, {"none.signed.example", dns.TypeA, "RRSIG NSEC TYPE128"}, {"sub.signed.example", dns.TypeDS, "NS RRSIG NSEC"},
	} {
		in := ask(t, addr, "udp", c.name, c.qtype, do)
		if in.Rcode != 0 {
			t.Errorf("%s: %v", c.name, in)
		}
		section := in.Answer
		if c.nsec != "" {
			section = in.Ns
		}
		signed := 0
		for _, rr := range section {
			sig, ok := rr.(*dns.RRSIG)
			if !ok {
				continue
			}
			var set []dns.RR
			for _, x := range section {
				if x.Header().Rrtype == sig.TypeCovered {
					set = append(set, x)
				}
			}
			if err := sig.Verify(k, set); err != nil || !sig.ValidityPeriod(time.Now()) {
				t.Errorf("%s %s: signature %v", c.name, dns.TypeToString[sig.TypeCovered], err)
			}
			signed++
		}
		want := 1
		if c.nsec != "" {
			want = 2 // SOA and NSEC
			var types []string
			for _, rr := range section {
				if n, ok := rr.(*dns.NSEC); ok {
					for _, x := range n.TypeBitMap {
						types = append(types, dns.Type(x).String())
					}
				}
			}
			if got := strings.Join(types, " "); strings.ReplaceAll(got, "NXNAME", "TYPE128") != c.nsec {
				t.Errorf("%s: denied by %q, want %q", c.name, got, c.nsec)
			}
		}
		if signed != want {
			t.Errorf("%s %s: %d signatures in %v", c.name, dns.TypeToString[c.qtype], signed, in)
		}
	}
	if in := ask(t, addr, "udp", "none.signed.example", dns.TypeA, nil); in.Rcode != dns.RcodeNameError || len(in.Ns) != 1 {
		t.Errorf("without DO: %v", in)
	}
}

func TestTransfer(t *testing.T) {
	cfg := world(t, netip.AddrPort{})
	_, addr := start(t, cfg)
	transfer := func(addr string) ([]dns.RR, error) {
		ch, err := new(dns.Transfer).In(new(dns.Msg).SetAxfr("shop.example."), addr)
		if err != nil {
			return nil, err
		}
		var all []dns.RR
		for e := range ch {
			if e.Error != nil {
				return nil, e.Error
			}
			all = append(all, e.RR...)
		}
		return all, nil
	}
	if all, err := transfer(addr); err == nil {
		t.Errorf("a transfer nobody may have: %v", all)
	}
	cfg = world(t, netip.AddrPort{})
	cfg.DNS.Transfer = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	_, addr = start(t, cfg)
	all, err := transfer(addr)
	if err != nil || len(all) < 18 || all[0].Header().Rrtype != dns.TypeSOA || all[len(all)-1].Header().Rrtype != dns.TypeSOA {
		t.Errorf("%v, %d records", err, len(all))
	}
	for _, l := range lines(all) {
		if strings.Contains(l, "203.0.113.1") && !strings.Contains(l, "203.0.113.1.") && strings.HasSuffix(l, "203.0.113.1") {
			t.Errorf("the transfer gives away an origin: %s", l)
		}
	}
}

func TestTLS(t *testing.T) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"ns1.edge.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	cfg := world(t, netip.AddrPort{})
	cfg.Listen.DNSTLS = []string{"127.0.0.1:0"}
	cfg.DNS.TLS = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}
	s, _ := start(t, cfg)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	c := &dns.Client{Net: "tcp-tls", Timeout: 5 * time.Second, TLSConfig: &tls.Config{RootCAs: pool, ServerName: "ns1.edge.example", NextProtos: []string{"dot"}}}
	in, _, err := c.Exchange(new(dns.Msg).SetQuestion("grey.shop.example.", dns.TypeA), s.Addrs()[1].String())
	if err != nil || len(in.Answer) != 2 {
		t.Errorf("over TLS: %v, %v", in, err)
	}
}

// A change is answered at once, from memory too.
func TestChange(t *testing.T) {
	cfg := world(t, netip.AddrPort{})
	s, addr := start(t, cfg)
	for range 3 {
		ask(t, addr, "udp", "grey.shop.example", dns.TypeA, nil)
	}
	next := world(t, netip.AddrPort{})
	next.Zones[0].Records = records(t, "grey.shop.example A orange 203.0.113.2")
	s.Apply(next)
	if got := lines(ask(t, addr, "udp", "grey.shop.example", dns.TypeA, nil).Answer); len(got) != 1 || !strings.HasSuffix(got[0], "198.51.100.10") {
		t.Errorf("after the change: %q", got)
	}
}

// What was changed while the server was about to start is in its first answer.
func TestFollowsFromTheFirstAnswer(t *testing.T) {
	whole := world(t, netip.AddrPort{})
	empty := *whole
	empty.Zones = nil
	s, err := Start(&empty, Options{Follow: func(apply func(*config.Config)) { apply(whole) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	if in := ask(t, s.Addrs()[0].String(), "udp", "grey.shop.example", dns.TypeA, nil); len(in.Answer) == 0 {
		t.Errorf("answer %v", in)
	}
}

func TestRateLimit(t *testing.T) {
	l := newLimiter(10)
	now := time.Unix(1000, 0)
	count := func(addr, name string, n int) (passed, cut int) {
		for range n {
			switch l.check(netip.MustParseAddr(addr), []byte(name), now) {
			case pass:
				passed++
			case truncate:
				cut++
			}
		}
		return passed, cut
	}
	if p, c := count("192.0.2.1", "a", 30); p != 10 || c != 10 {
		t.Errorf("30 equal answers: %d pass, %d are cut", p, c)
	}
	if p, _ := count("192.0.2.200", "a", 1); p != 0 {
		t.Error("the same network passes")
	}
	if p, _ := count("192.0.2.1", "b", 1); p != 1 {
		t.Error("another name does not pass")
	}
	if p, _ := count("198.51.100.1", "a", 1); p != 1 {
		t.Error("another network does not pass")
	}
	now = now.Add(time.Second)
	if p, _ := count("192.0.2.1", "a", 5); p != 5 {
		t.Error("a second later nothing passes")
	}
	if p, _ := count("127.0.0.1", "a", 100); p != 100 {
		t.Error("loopback is limited")
	}
	for i := range maxCounted + 10 { // memory stays bounded under a flood of names
		l.check(netip.MustParseAddr("192.0.2.1"), fmt.Append(nil, i), now)
	}
	if len(l.counted) > maxCounted {
		t.Errorf("%d counted", len(l.counted))
	}
}

func TestDig(t *testing.T) {
	for _, tool := range []string{"dig", "kdig"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
	cfg := world(t, netip.AddrPort{})
	_, addr := start(t, cfg)
	_, port, _ := net.SplitHostPort(addr)
	for _, c := range [][]string{
		{"dig", "@127.0.0.1", "-p", port, "+short", "shop.example", "A"},
		{"dig", "@127.0.0.1", "-p", port, "+short", "+tcp", "shop.example", "A"},
		{"dig", "@127.0.0.1", "-p", port, "+short", "+cookie=0011223344556677", "shop.example", "A"},
		{"kdig", "@127.0.0.1", "-p", port, "+short", "+padding", "shop.example", "A"},
	} {
		out, err := exec.Command(c[0], c[1:]...).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "198.51.100.10" {
			t.Errorf("%v: %v %s", c, err, out)
		}
	}
}

func TestStartFails(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cfg := &config.Config{Listen: config.Listen{DNS: []string{c.LocalAddr().String()}}}
	if _, err := Start(cfg, Options{}); err == nil || !strings.Contains(err.Error(), c.LocalAddr().String()) {
		t.Errorf("a port that is taken: %v", err)
	}
	if s, err := Start(&config.Config{}, Options{}); s != nil || err != nil || s.Shutdown(t.Context()) != nil {
		t.Errorf("without DNS: %v %v", s, err)
	}
}

// Packets as others write them never end the server, and what is answered the
// usual way is what the library would answer.
func FuzzParse(f *testing.F) {
	q := new(dns.Msg).SetQuestion("grey.shop.example.", dns.TypeA)
	b, _ := q.Pack()
	f.Add(b)
	q.SetEdns0(1232, true)
	b, _ = q.Pack()
	f.Add(b)
	cfg := world(f, netip.AddrPort{})
	s := newSnapshot(cfg, nil, newFlattener(time.Now), time.Now, nil)
	f.Fuzz(func(t *testing.T, packet []byte) {
		var q query
		var name [256]byte
		if !q.parse(packet, name[:0]) {
			_ = s.slow(packet, false)
			return
		}
		msg := new(dns.Msg)
		if err := msg.Unpack(packet); err != nil {
			return
		}
		if len(msg.Question) != 1 || msg.Question[0].Qtype != q.qtype {
			t.Fatalf("read type %d of %v", q.qtype, msg)
		}
		answer, later := s.reply(&q, nil, false)
		if later {
			return
		}
		got := new(dns.Msg)
		if err := got.Unpack(answer); err != nil || got.Id != msg.Id || len(answer) > max(q.size, 512) {
			t.Fatalf("answer %x to %x: %v", answer, packet, err)
		}
	})
}
