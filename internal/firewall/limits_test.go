//go:build linux

package firewall_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/originward/originward/internal/firewall"
)

var bpfHook = flag.Bool("bpfhook", false, "attach a BPF program to a netfilter hook; run nothing else meanwhile")

// collectWith collects with options.
func (h *host) collectWith(o firewall.Options) *firewall.Snapshot {
	h.t.Helper()
	var s *firewall.Snapshot
	err := h.w.Do(func() error {
		var err error
		s, err = firewall.Collect(context.Background(), o)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// allUnknown fails the test unless nothing about any source is claimed.
func allUnknown(t *testing.T, a firewall.Answer) {
	t.Helper()
	for _, side := range []firewall.Side{a.CDN, a.Others} {
		if len(side.Segments) == 0 {
			t.Error("a side without segments")
		}
		for _, s := range side.Segments {
			if s.Verdict != firewall.Unknown {
				t.Errorf("%v are said to be %s", s.Prefixes, s.Verdict)
			}
		}
	}
}

// unread returns the limit on a thing.
func unread(t *testing.T, s *firewall.Snapshot, what string) firewall.Limit {
	t.Helper()
	i := slices.IndexFunc(s.Unread, func(l firewall.Limit) bool { return strings.HasPrefix(l.What, what) })
	if i < 0 {
		t.Fatalf("no limit on %s in %+v", what, s.Unread)
	}
	return s.Unread[i]
}

// TestWithoutCapability: who may not look must not say that the way is free, nor that it is closed.
func TestWithoutCapability(t *testing.T) {
	h := newHost(t, [2]string{"nft -f -", "table inet f { chain in { type filter hook input priority 0; tcp dport 80 drop; } }"})
	var s *firewall.Snapshot
	err := h.w.Do(func() error {
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var had, less [2]unix.CapUserData
		if err := unix.Capget(&hdr, &had[0]); err != nil {
			return err
		}
		less = had
		less[0].Effective &^= 1 << unix.CAP_NET_ADMIN
		if err := unix.Capset(&hdr, &less[0]); err != nil {
			return err
		}
		var err error
		s, err = firewall.Collect(context.Background(), firewall.Options{})
		if e := unix.Capset(&hdr, &had[0]); e != nil {
			return e
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if l := unread(t, s, "nf_tables"); !l.Hides || !strings.Contains(l.How, "CAP_NET_ADMIN") {
		t.Errorf("limit %+v", l)
	}
	allUnknown(t, s.Ask(firewall.Question{Dst: host4, Port: 80, Ranges: cdn}))
}

// TestLegacyUnreadable: legacy tables that nothing can print hide what they do.
func TestLegacyUnreadable(t *testing.T) {
	h := newHost(t, [2]string{"iptables-legacy-restore", "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 80 -j DROP\nCOMMIT\n"})
	s := h.collectWith(firewall.Options{LegacySave4: "/nonexistent/iptables-legacy-save"})
	unread(t, s, "legacy iptables tables")
	allUnknown(t, s.Ask(firewall.Question{Dst: host4, Port: 80, Ranges: cdn}))
	if v := find(t, h.ask(host4, 80).CDN, "104.16.0.1").Verdict; v != firewall.Drop {
		t.Errorf("with the tool: %s", v)
	}
}

// TestSetTooLarge: a look-up in a set that was left out is unknown, other rules still decide.
func TestSetTooLarge(t *testing.T) {
	h := newHost(t, [2]string{"nft -f -", `table ip f {
	set big { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2, 192.0.2.3 } }
	chain in { type filter hook input priority 0; tcp dport 80 drop; ip saddr @big drop; }
}`})
	s := h.collectWith(firewall.Options{MaxElements: 2})
	if v := find(t, s.Ask(firewall.Question{Dst: host4, Port: 80, Ranges: cdn}).CDN, "104.16.0.1").Verdict; v != firewall.Drop {
		t.Errorf("port 80: %s", v)
	}
	seg := find(t, s.Ask(firewall.Question{Dst: host4, Port: 443, Ranges: cdn}).CDN, "104.16.0.1")
	if seg.Verdict != firewall.Unknown || len(seg.DependsOn) == 0 || !strings.Contains(seg.DependsOn[0].Name, "big") {
		t.Errorf("port 443: %s, %+v", seg.Verdict, seg.DependsOn)
	}
}

// TestIngress: a netdev chain meets the packet before everything else, on its own interface.
func TestIngress(t *testing.T) {
	h := newHost(t, [2]string{"nft -f -", `table netdev early {
	chain eth { type filter hook ingress device eth0 priority 0; ip saddr 104.16.0.0/13 tcp dport 443 drop; }
}`})
	s := h.collect()
	seg := find(t, s.Ask(firewall.Question{Dst: host4, Port: 443, Ranges: cdn, Interface: "eth0"}).CDN, "104.17.0.1")
	if seg.Verdict != firewall.Drop || seg.Hook != "ingress" || seg.Rule == nil || seg.Rule.Family != "netdev" {
		t.Errorf("over eth0: %+v", seg)
	}
	if v := find(t, s.Ask(firewall.Question{Dst: host4, Port: 443, Ranges: cdn, Interface: "docker0"}).CDN, "104.17.0.1").Verdict; v == firewall.Drop {
		t.Errorf("over docker0: %s", v)
	}
}

// TestTrafficControl: a filter outside netfilter makes an accept depend on it.
func TestTrafficControl(t *testing.T) {
	if _, err := exec.LookPath("tc"); err != nil {
		t.Skipf("needs tc: %v", err)
	}
	h := newHost(t)
	h.run("", "tc", "qdisc", "add", "dev", "eth0", "clsact")
	h.run("", "tc", "filter", "add", "dev", "eth0", "ingress", "protocol", "ip", "u32", "match", "u32", "0", "0", "flowid", "1:1")
	h.dependsOutside("tc filter on eth0", "tc")
}

// dependsOutside expects a limit, and answers that depend on what is outside the rules.
func (h *host) dependsOutside(limit, tag string) {
	h.t.Helper()
	s := h.collect()
	unread(h.t, s, limit)
	seg := find(h.t, s.Ask(firewall.Question{Dst: host4, Port: 443, Ranges: cdn, Interface: "eth0"}).CDN, "104.17.0.1")
	if seg.Verdict != firewall.Depends || !slices.ContainsFunc(seg.DependsOn, func(g firewall.Tag) bool { return g.Kind == firewall.TagExternal && g.Name == tag }) {
		h.t.Errorf("%s, depends on %+v", seg.Verdict, seg.DependsOn)
	}
}

// TestPrograms: BPF programs that no list of rules or filters shows.
func TestPrograms(t *testing.T) {
	load := func(t *testing.T, typ ebpf.ProgramType, attach ebpf.AttachType, result int32) *ebpf.Program {
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Type: typ, AttachType: attach, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, result), asm.Return()},
		})
		if err != nil {
			t.Skipf("needs BPF programs of this type: %v", err)
		}
		t.Cleanup(func() { p.Close() })
		return p
	}
	attach := func(t *testing.T, h *host, f func() (link.Link, error)) {
		var l link.Link
		if err := h.w.Do(func() (err error) { l, err = f(); return err }); err != nil {
			t.Skipf("needs this kind of attachment: %v", err)
		}
		t.Cleanup(func() { l.Close() })
	}
	t.Run("xdp", func(t *testing.T) {
		h, p := newHost(t), load(t, ebpf.XDP, ebpf.AttachNone, 2)
		attach(t, h, func() (link.Link, error) { return link.AttachXDP(link.XDPOptions{Program: p, Interface: 2}) })
		h.dependsOutside("XDP program on eth0", "XDP")
	})
	t.Run("tcx", func(t *testing.T) {
		h, p := newHost(t), load(t, ebpf.SchedCLS, ebpf.AttachNone, -1)
		attach(t, h, func() (link.Link, error) {
			return link.AttachTCX(link.TCXOptions{Program: p, Interface: 2, Attach: ebpf.AttachTCXIngress})
		})
		h.dependsOutside("tc filter on eth0", "tc")
	})
	t.Run("netfilter", func(t *testing.T) {
		if !*bpfHook {
			t.Skip("needs -bpfhook: other namespaces see the program too, and tests there would depend on it")
		}
		h, p := newHost(t), load(t, ebpf.Netfilter, ebpf.AttachNetfilter, 1)
		attach(t, h, func() (link.Link, error) {
			return link.AttachNetfilter(link.NetfilterOptions{
				Program: p, ProtocolFamily: link.NetfilterProtoIPv4, Hook: link.NetfilterInetLocalIn, Priority: -128,
			})
		})
		h.dependsOutside("BPF program on the ip hook input", "BPF")
	})
}

// prove proves an answer in the namespace.
func (h *host) prove(s *firewall.Snapshot, a firewall.Answer) (p firewall.Proof, err error) {
	e := h.w.Do(func() error {
		p, err = s.Prove(context.Background(), a)
		return nil
	})
	return p, errors.Join(e, err)
}

// TestProve: the kernel confirms an answer, and its contradiction makes a segment unknown.
func TestProve(t *testing.T) {
	h := newHost(t, [2]string{"nft -f -", `table inet f {
	set ban { type ipv4_addr; flags interval; elements = { 104.16.0.0/16 } }
	chain in { type filter hook input priority 0; tcp dport 443 ip saddr @ban reject with tcp reset; }
}`})
	s := h.collect()
	a := s.Ask(firewall.Question{Dst: host4, Port: 443, Ranges: cdn})
	p, err := h.prove(s, a)
	if err != nil || !p.Done || p.Probes == 0 || p.Agreed != p.Probes || len(p.Disagree) > 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	p.Apply(&a)
	if seg := find(t, a.CDN, "104.16.0.1"); !seg.Confirmed || seg.Verdict != firewall.Reject {
		t.Errorf("%+v", seg)
	}
	// An answer that is wrong: the ruleset of another host.
	lie := newHost(t).collect().Ask(firewall.Question{Dst: host4, Port: 443, Ranges: []netip.Prefix{netip.MustParsePrefix("104.16.0.0/16")}})
	p, err = h.prove(s, lie)
	if err != nil || len(p.Disagree) == 0 {
		t.Fatalf("a wrong answer is not contradicted: %+v, %v", p, err)
	}
	p.Apply(&lie)
	if seg := find(t, lie.CDN, "104.16.0.1"); seg.Verdict != firewall.Unknown || seg.Confirmed {
		t.Errorf("after a contradiction: %+v", seg)
	}
}

// TestSetTooSlow: a set that takes too long to read leaves its look-ups unknown, and nothing else.
func TestSetTooSlow(t *testing.T) {
	var b strings.Builder
	b.WriteString("table ip f {\nset big { type ipv4_addr; flags interval; }\nchain i { type filter hook input priority 0; tcp dport 443 drop; ip saddr @big drop; }\n}\nadd element ip f big {\n")
	for i := range 20_000 {
		fmt.Fprintf(&b, "104.%d.%d.%d/32,\n", 16+i/16384, i/64%256, i%64*4)
	}
	b.WriteString("192.0.2.1 }\n")
	h := newHost(t)
	h.run(b.String(), "nft", "-f", "-")
	s := h.collectWith(firewall.Options{SetTime: time.Nanosecond})
	a := s.Ask(firewall.Question{Dst: host4, Port: 80, Ranges: cdn})
	if g := find(t, a.CDN, "104.16.0.1"); g.Verdict != firewall.Unknown || !strings.Contains(fmt.Sprint(g.DependsOn, g.Alternatives), "takes longer") {
		t.Errorf("the set was not read: %+v", g)
	}
	if g := find(t, s.Ask(firewall.Question{Dst: host4, Port: 443, Ranges: cdn}).CDN, "104.16.0.1"); g.Verdict != firewall.Drop {
		t.Errorf("the rule before it: %+v", g)
	}
	if g := find(t, h.ask(host4, 80).CDN, "104.16.0.0"); g.Verdict != firewall.Drop {
		t.Errorf("read in time: %+v", g)
	}
}
