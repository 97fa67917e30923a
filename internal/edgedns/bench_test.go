package edgedns

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// BenchmarkPacket is one answer from memory, without the sockets.
func BenchmarkPacket(b *testing.B) {
	s := newSnapshot(world(b, netip.AddrPort{}), nil, newFlattener(time.Now), time.Now, nil)
	packet, err := new(dns.Msg).SetQuestion("grey.shop.example.", dns.TypeA).Pack()
	if err != nil {
		b.Fatal(err)
	}
	out := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		var q query
		var name [256]byte
		if !q.parse(packet, name[:0]) {
			b.Fatal("not the usual query")
		}
		if _, later := s.reply(&q, out, false); later {
			b.Fatal("later")
		}
	}
}

// BenchmarkSigned is an answer that is signed anew.
func BenchmarkSigned(b *testing.B) {
	s := newSnapshot(world(b, netip.AddrPort{}), nil, newFlattener(time.Now), time.Now, nil)
	q := new(dns.Msg).SetQuestion("www.signed.example.", dns.TypeA)
	b.ReportAllocs()
	for b.Loop() {
		s.answer(q, true, false)
	}
}

// BenchmarkUDP asks over loopback, many questions under way at once; it counts
// asker and server together.
func BenchmarkUDP(b *testing.B) {
	_, addr := start(b, world(b, netip.AddrPort{}))
	packet, err := new(dns.Msg).SetQuestion("grey.shop.example.", dns.TypeA).Pack()
	if err != nil {
		b.Fatal(err)
	}
	c, err := net.Dial("udp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	const window = 64
	var got atomic.Int64
	slots := make(chan struct{}, window)
	go func() {
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			got.Add(1)
			select {
			case <-slots:
			default:
			}
		}
	}()
	for b.Loop() {
		select {
		case slots <- struct{}{}:
		case <-time.After(time.Second): // lost on the way: its slot is given up
			<-slots
		}
		if _, err := c.Write(packet); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(got.Load())/b.Elapsed().Seconds(), "answers/s")
}
