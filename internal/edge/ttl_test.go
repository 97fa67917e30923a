package edge

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// dnsServer answers with an address and a time to live; over UDP it says that the
// answer is too long when only TCP is to be used. It counts questions.
func dnsServer(t *testing.T, ttl uint32, tcpOnly bool) (netip.AddrPort, *atomic.Int64) {
	t.Helper()
	asked := new(atomic.Int64)
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		asked.Add(1)
		m := new(dns.Msg)
		m.SetReply(q)
		_, udp := w.LocalAddr().(*net.UDPAddr)
		switch {
		case udp && tcpOnly:
			m.Truncated = true
		case q.Question[0].Qtype == dns.TypeA:
			h := dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttl}
			m.Answer = []dns.RR{&dns.A{Hdr: h, A: net.IPv4(192, 0, 2, 1)}}
		}
		_ = w.WriteMsg(m) // a resolver that has gone asks again
	})
	_, own, _ := hosts() // an address on which nobody else takes the port over TCP
	p, err := net.ListenPacket("udp", own.String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", p.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{PacketConn: p, Handler: handler}, {Listener: l, Handler: handler}} {
		go s.ActivateAndServe() //nolint:errcheck // ends with the test
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return p.LocalAddr().(*net.UDPAddr).AddrPort(), asked
}

// An answer is used as long as it says, within bounds, over UDP and TCP alike.
func TestAnswerLife(t *testing.T) {
	for _, c := range []struct {
		name    string
		ttl     uint32
		tcpOnly bool
		want    time.Duration
	}{
		{"as it says", 5, false, 5 * time.Second},
		{"over TCP", 7, true, 7 * time.Second},
		{"never", 0, false, minLife},
		{"a week", 7 * 86400, false, maxLife},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, asked := dnsServer(t, c.ttl, c.tcpOnly)
			now := time.Now()
			r := newCachingResolver([]netip.AddrPort{at}, func() time.Time { return now })
			look := func() {
				t.Helper()
				addrs, err := r.LookupNetIP(context.Background(), "ip", "origin.example")
				if err != nil || len(addrs) != 1 || addrs[0].Unmap() != netip.MustParseAddr("192.0.2.1") {
					t.Fatalf("got %v: %v", addrs, err)
				}
			}
			look()
			first := asked.Load()
			now = now.Add(c.want - time.Millisecond)
			look()
			if asked.Load() != first {
				t.Error("asked again within the answer's life")
			}
			now = now.Add(2 * time.Millisecond)
			look()
			if asked.Load() == first {
				t.Error("not asked again after it")
			}
		})
	}
}
