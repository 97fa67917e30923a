package dnsask

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/originward/originward/fact"
)

// serve runs a DNS server on loopback, UDP and TCP on the same port.
func serve(t *testing.T, h dns.HandlerFunc) Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: l, Handler: h}, {PacketConn: pc, Handler: h}} {
		ready := make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go s.ActivateAndServe()
		<-ready
		t.Cleanup(func() { s.Shutdown() })
	}
	s, err := Parse(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func zone(t *testing.T, records ...string) dns.HandlerFunc {
	var rrs []dns.RR
	for _, r := range records {
		rr, err := dns.NewRR(r)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		for _, rr := range rrs {
			if rr.Header().Rrtype == q.Question[0].Qtype || rr.Header().Rrtype == dns.TypeCNAME {
				m.Answer = append(m.Answer, rr)
			}
		}
		w.WriteMsg(m)
	}
}

func rcode(rc int) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) { w.WriteMsg(new(dns.Msg).SetRcode(q, rc)) }
}

// byType answers A and AAAA apart.
func byType(a, aaaa dns.HandlerFunc) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		if q.Question[0].Qtype == dns.TypeA {
			a(w, q)
		} else {
			aaaa(w, q)
		}
	}
}

func silent(dns.ResponseWriter, *dns.Msg) {}

var quick = Options{Timeout: 150 * time.Millisecond, Tries: 1}

func TestAsk(t *testing.T) {
	good := zone(t, "shop.example. 120 IN A 203.0.113.10", "shop.example. 60 IN AAAA 2001:db8::10")
	for _, tt := range []struct {
		name    string
		handler dns.HandlerFunc
		want    string
	}{
		{"both families", good, "a=[203.0.113.10] aaaa=[2001:db8::10] cname=[] rcode=NOERROR failure= ttl=60"},
		{"chain", zone(t, "shop.example. 300 IN CNAME WWW.shop.example.", "www.shop.example. 300 IN CNAME lb.host.example.", "lb.host.example. 30 IN A 203.0.113.9"),
			"a=[203.0.113.9] aaaa=[] cname=[www.shop.example lb.host.example] rcode=NOERROR failure= ttl=30"},
		{"a chain in a circle", zone(t, "shop.example. 1 IN CNAME a.example.", "a.example. 1 IN CNAME shop.example."), "a=[] aaaa=[] cname=[a.example shop.example] rcode=NOERROR failure= ttl=1"},
		{"nxdomain", rcode(dns.RcodeNameError), "a=[] aaaa=[] cname=[] rcode=NXDOMAIN failure= ttl=0"},
		{"servfail", rcode(dns.RcodeServerFailure), "a=nil aaaa=nil cname=[] rcode=SERVFAIL failure= ttl=0"},
		{"refused by the server", rcode(dns.RcodeRefused), "a=nil aaaa=nil cname=[] rcode=REFUSED failure= ttl=0"},
		{"silent", silent, "a=nil aaaa=nil cname=[] rcode= failure=timeout ttl=0"},
		{"one family silent", byType(good, silent), "a=[203.0.113.10] aaaa=nil cname=[] rcode=NOERROR failure= ttl=120"},
		{"one family broken", byType(good, rcode(dns.RcodeServerFailure)), "a=[203.0.113.10] aaaa=nil cname=[] rcode=NOERROR failure= ttl=120"},
		{"garbage", func(w dns.ResponseWriter, q *dns.Msg) {
			w.Write([]byte{byte(q.Id >> 8), byte(q.Id), 0x81, 0x80, 0, 1, 0, 9})
		}, "a=nil aaaa=nil cname=[] rcode= failure=malformed ttl=0"},
	} {
		d := Ask(t.Context(), serve(t, tt.handler), "Shop.Example", "site", quick)
		got := fmt.Sprintf("a=%s aaaa=%s cname=%v rcode=%s failure=%s ttl=%d", list(d.A), list(d.AAAA), d.CNAME, d.RCode, d.Failure, d.TTL)
		if got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
		if d.Name != "shop.example" || d.Role != "site" || !strings.HasPrefix(d.Resolver, "127.0.0.1:") {
			t.Errorf("%s: %+v", tt.name, d)
		}
	}
}

func list(as []netip.Addr) string {
	if as == nil {
		return "nil"
	}
	return fmt.Sprint(as)
}

func TestNothingListens(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := pc.LocalAddr().String()
	pc.Close()
	s, _ := Parse(addr)
	if d := Ask(t.Context(), s, "shop.example", "site", quick); d.Failure != "refused" || d.RCode != "" {
		t.Errorf("%+v", d)
	}
}

// An answer that does not fit is asked for again over TCP.
func TestTruncated(t *testing.T) {
	var rrs []string
	for i := range 50 {
		rrs = append(rrs, fmt.Sprintf("shop.example. 60 IN A 203.0.113.%d", i+1))
	}
	whole := zone(t, rrs...)
	s := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if w.RemoteAddr().Network() == "udp" {
			m := new(dns.Msg).SetReply(q)
			m.Truncated = true
			w.WriteMsg(m)
			return
		}
		whole(w, q)
	})
	if d := Ask(t.Context(), s, "shop.example", "site", quick); len(d.A) != 50 {
		t.Errorf("%d addresses", len(d.A))
	}
}

func TestSecondTryAndServer(t *testing.T) {
	var n atomic.Int32
	lossy := func(w dns.ResponseWriter, q *dns.Msg) {
		if n.Add(1) > 1 {
			zone(t, "shop.example. 60 IN A 203.0.113.10")(w, q)
		}
	}
	s := serve(t, byType(lossy, zone(t)))
	if d := Ask(t.Context(), s, "shop.example", "site", Options{Timeout: 200 * time.Millisecond}); len(d.A) != 1 {
		t.Errorf("no second try: %+v", d)
	}
	dead := serve(t, silent)
	live := serve(t, zone(t, "shop.example. 60 IN A 203.0.113.10"))
	both := Server{name: "system", addrs: []netip.AddrPort{dead.Addr(), live.Addr()}}
	if d := Ask(t.Context(), both, "shop.example", "site", quick); len(d.A) != 1 || d.Resolver != "system" {
		t.Errorf("no second server: %+v", d)
	}
}

func TestBudgetHolds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	d := Ask(ctx, serve(t, silent), "shop.example", "site", Options{})
	if d.Failure != "timeout" || time.Since(start) > 900*time.Millisecond {
		t.Errorf("%s after %s", d.Failure, time.Since(start))
	}
}

// Who stops asking is not kept waiting.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	d := Ask(ctx, serve(t, silent), "shop.example", "site", Options{Timeout: 5 * time.Second})
	if d.Failure != Cancelled || time.Since(start) > 2*time.Second {
		t.Errorf("%s after %s", d.Failure, time.Since(start))
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"9.9.9.9": "9.9.9.9:53", "9.9.9.9:5353": "9.9.9.9:5353", "2620:fe::fe": "[2620:fe::fe]:53",
		"[2620:fe::fe]": "[2620:fe::fe]:53", "[2620:fe::fe]:54": "[2620:fe::fe]:54",
	} {
		if s, err := Parse(in); err != nil || s.String() != want {
			t.Errorf("Parse(%q) = %q, %v", in, s, err)
		}
	}
	for _, in := range []string{"", "dns.example", "9.9.9.9:", "9.9.9.9:0", "9.9.9.9:99999", "1.2.3.4:dns"} {
		if _, err := Parse(in); err == nil || !strings.Contains(err.Error(), "9.9.9.9") {
			t.Errorf("Parse(%q): %v", in, err)
		}
	}
}

func TestSystemFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	os.WriteFile(path, []byte("search lan\nnameserver 127.0.0.53\nnameserver 2001:db8::53\n"), 0o600)
	s, err := fromFile(path)
	if err != nil || s.String() != "system" || fmt.Sprint(s.addrs) != "[127.0.0.53:53 [2001:db8::53]:53]" {
		t.Errorf("%v, %v", s, err)
	}
	os.WriteFile(path, []byte("search lan\n"), 0o600)
	if _, err := fromFile(path); err == nil || !strings.Contains(err.Error(), "--resolver") {
		t.Errorf("no server: %v", err)
	}
}

func TestPaint(t *testing.T) {
	edge := netip.MustParseAddr("198.51.100.10")
	for _, tt := range []struct{ addrs, want string }{
		{"", ""}, {"203.0.113.1", Grey}, {"104.16.1.1 2606:4700::1", Orange}, {"104.16.1.1 203.0.113.1", Mixed}, {"198.51.100.10", Orange},
	} {
		d := fact.DNS{}
		for _, s := range strings.Fields(tt.addrs) {
			d.A = append(d.A, netip.MustParseAddr(s))
		}
		if Paint(&d, []netip.Addr{edge}); d.Colour != tt.want || d.InCDN == nil {
			t.Errorf("%q is %q, want %q", tt.addrs, d.Colour, tt.want)
		}
	}
}

func TestHosts(t *testing.T) {
	d, ok := readHosts(strings.NewReader("127.0.0.1 localhost\n203.0.113.10\tshop.example www # web\n2001:db8::1 SHOP.example.\nnonsense shop.example\n"), "shop.example", "site")
	if !ok || fmt.Sprint(d.A, d.AAAA) != "[203.0.113.10] [2001:db8::1]" || d.Resolver != HostsFile {
		t.Errorf("%+v, %v", d, ok)
	}
	if _, ok := readHosts(strings.NewReader("127.0.0.1 localhost\n"), "shop.example", "site"); ok {
		t.Error("found a name that is not there")
	}
}
