//go:build linux

package firewall_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/originward/originward/internal/firewall"
)

// TestLoopback asks about connections the host makes to itself: rules of both directions count, and the kernel is asked
// by making them.
func TestLoopback(t *testing.T) {
	h := newHost(t, [2]string{"nft -f -", `table inet f {
		chain o { type filter hook output priority 0; policy accept; ip saddr 172.17.0.1 tcp dport 80 reject with tcp reset; }
		chain i { type filter hook input priority 0; policy accept; iif lo ip saddr 127.0.0.1 tcp dport 80 drop; }
	}`})
	for _, tt := range []struct {
		dst, src string
		port     uint16
		want     firewall.Verdict
		chain    string
	}{
		{"127.0.0.1", "127.0.0.1", 80, firewall.Drop, "i"},
		{"127.0.0.1", "172.17.0.1", 80, firewall.Reject, "o"},
		{"127.0.0.1", "203.0.113.10", 80, firewall.Accept, ""},
		{"127.0.0.1", "127.0.0.1", 443, firewall.Accept, ""},
		{"::1", "::1", 80, firewall.Accept, ""},
	} {
		err := h.w.Do(func() error {
			s, err := firewall.Collect(context.Background(), firewall.Options{})
			if err != nil {
				return err
			}
			a := s.Ask(firewall.Question{Dst: netip.MustParseAddr(tt.dst), Port: tt.port})
			if len(a.In) != 1 || a.In[0].Name != "lo" || a.In[0].Why != "loopback" {
				t.Errorf("%s: arrives on %+v", tt.dst, a.In)
			}
			seg := find(t, a.Others, tt.src)
			if seg.Verdict != tt.want || tt.chain != "" && (seg.Rule == nil || seg.Rule.Chain != tt.chain) {
				t.Errorf("%+v: %+v", tt, seg)
			}
			p, err := s.Prove(context.Background(), a)
			if err != nil {
				return err
			}
			if !p.Done || p.Probes == 0 || p.Agreed != p.Probes {
				t.Errorf("%+v: proof %+v", tt, p)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
