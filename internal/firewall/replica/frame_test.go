package replica

import (
	"net/netip"
	"testing"
)

func flows() []Flow {
	a := netip.MustParseAddr
	return []Flow{
		{a("104.16.0.1"), a("203.0.113.10"), 40000, 443},
		{a("2606:4700::1"), a("2001:db8::10"), 1024, 80},
	}
}

// TestFrames: what is sent is what is read back, and its checksums are right.
func TestFrames(t *testing.T) {
	for _, f := range flows() {
		for flags, kind := range map[byte]string{flagSYN: "syn", flagSYN | flagACK: "synack", flagRST | flagACK: "rst"} {
			seq := uint32(7)
			if kind != "syn" {
				seq = 8 // the answer acknowledges the byte after the SYN
			}
			ip := segment(f, flags, 7, seq)
			s, ok := parseFrame(ethernet(make([]byte, 6), f.Src.Is4(), ip))
			if !ok || s.kind != kind || s.flow != f || s.seq != 7 {
				t.Errorf("%v %s: %+v %v", f, kind, s, ok)
			}
			_, _, tcp, _ := splitIP(ip)
			start := uint32(0)
			if f.Src.Is6() {
				start = pseudo6(f, len(tcp))
			} else if start = pseudo4(f, len(tcp)); checksum(ip[:20], 0) != 0 {
				t.Errorf("%v: header checksum", f)
			}
			if checksum(tcp, start) != 0 {
				t.Errorf("%v: checksum", f)
			}
		}
	}
}

// FuzzParseFrame: what an interface carries is anything.
func FuzzParseFrame(f *testing.F) {
	for _, fl := range flows() {
		ip := segment(fl, flagSYN, 7, 0)
		f.Add(ethernet(make([]byte, 6), fl.Src.Is4(), ip))
		unreachable := append([]byte{3, 13, 0, 0, 0, 0, 0, 0}, ip...)
		outer := segment(fl.Reverse(), flagACK, 0, 0)
		head := 20
		if fl.Src.Is6() {
			head, outer[6] = 40, 58
		} else {
			outer[9] = 1
		}
		f.Add(ethernet(make([]byte, 6), fl.Src.Is4(), append(outer[:head:head], unreachable...)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, ok := parseFrame(b)
		if ok && (s.kind == "" || !s.flow.Src.IsValid() || !s.flow.Dst.IsValid()) {
			t.Fatalf("%+v", s)
		}
	})
}
