package drops

import (
	"net/netip"
	"strings"
	"testing"
)

// sample is a SYN from 173.245.48.9 to 203.0.113.10 port 443 as the program hands it over.
func sample() []byte {
	b := make([]byte, evSize)
	b[evReason] = 6
	copy(b[evIP:], []byte{0x45, 0, 0, 60, 0, 0, 0x40, 0, 57, 6, 0, 0, 173, 245, 48, 9, 203, 0, 113, 10})
	copy(b[evTCP:], []byte{0x30, 0x39, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02})
	return b
}

func TestDecode(t *testing.T) {
	e, ok := decode(sample(), map[uint32]string{6: "SKB_DROP_REASON_NETFILTER_DROP"})
	want := event{src: netip.MustParseAddr("173.245.48.9"), dst: netip.MustParseAddr("203.0.113.10"), srcPort: 12345, dstPort: 443, reason: "SKB_DROP_REASON_NETFILTER_DROP"}
	if !ok || e != want {
		t.Errorf("%+v, want %+v", e, want)
	}
	if e, _ := decode(sample(), nil); e.reason != "reason 6" {
		t.Errorf("a reason without a name: %q", e.reason)
	}
	if _, ok := decode(sample()[:70], nil); ok {
		t.Error("a short event was accepted")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample())
	six := sample()
	six[evIP] = 0x60
	f.Add(six)
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, ok := decode(b, nil); ok && (!e.src.IsValid() || !e.dst.IsValid() || e.reason == "") {
			t.Errorf("%+v", e)
		}
	})
}

func TestSymbols(t *testing.T) {
	list := "ffffffff81000000 T _text\nffffffff81200010 t nft_do_chain\t[nf_tables]\nffffffff81100000 T tcp_v4_rcv\nffffffff81100050 d some_data\nrubbish\nzz T x\n"
	got := symbols(strings.NewReader(list), []uint64{0xffffffff81100123, 0xffffffff81200040, 0x10})
	if got[0xffffffff81100123] != "tcp_v4_rcv" || got[0xffffffff81200040] != "nft_do_chain" || len(got) != 2 {
		t.Errorf("%v", got)
	}
	if got := symbols(strings.NewReader("0000000000000000 T _text\n"), []uint64{0xffffffff81100123}); len(got) != 0 {
		t.Errorf("hidden addresses named %v", got)
	}
}

// TestOffsets reads this kernel's own type information.
func TestOffsets(t *testing.T) {
	o, err := readOffsets()
	if err != nil {
		t.Skipf("needs a kernel that names reasons of drops: %v", err)
	}
	if o.args < 3 || o.head == 0 || o.network == 0 || o.protocol == 0 || o.dev == 0 || o.inum == 0 || len(o.reasons) < 20 {
		t.Errorf("%+v", o)
	}
	if _, ok := o.reasons[0]; !ok {
		t.Error("reasons do not begin at zero")
	}
}
