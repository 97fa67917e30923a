//go:build linux

package difftest

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/originward/originward/internal/firewall"
	"github.com/originward/originward/internal/firewall/nfnl"
)

var speed = flag.Bool("difftest.speed", false, "measure reading and answering large rulesets (takes minutes, most of them the kernel's)")

var speedCase = flag.String("difftest.case", "", "with -difftest.speed: only rulesets whose name holds this")

// childEnv makes the test binary measure instead of test, as a process of its own whose memory counts.
const childEnv = "ORIGINWARD_FIREWALL_MEASURE"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := json.NewEncoder(os.Stdout).Encode(measure()); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// measurement is what one process found.
type measurement struct {
	Dump, Collect, Ask time.Duration // the kernel's dump alone; reading; answering ports 80 and 443
	// The same in processor time of this process, kernel included: what a machine that does nothing else would take.
	DumpCPU, CollectCPU, AskCPU time.Duration
	PeakKB                      int
	Segments                    int
	Blocked                     float64
	Err                         string
}

// beyond is what reading and one answer cost on top of the kernel's dump.
func (m measurement) beyond() time.Duration { return m.CollectCPU - m.DumpCPU + m.AskCPU/2 }

// measure runs in the child.
func measure() (m measurement) {
	runtime.LockOSThread()
	ctx := context.Background()
	start, cpu := time.Now(), used()
	if err := rawDump(ctx); err != nil {
		m.Err = err.Error()
		return m
	}
	m.Dump, m.DumpCPU = time.Since(start), used()-cpu
	start, cpu = time.Now(), used()
	s, err := firewall.Collect(ctx, firewall.Options{})
	if err != nil {
		m.Err = err.Error()
		return m
	}
	m.Collect, m.CollectCPU = time.Since(start), used()-cpu
	start, cpu = time.Now(), used()
	for _, port := range []uint16{80, 443} {
		a := s.Ask(firewall.Question{Dst: host4, Port: port, Interface: "eth0", Ranges: ranges()})
		m.Segments = len(a.CDN.Segments) + a.CDN.Omitted
		m.Blocked = a.CDN.Shares.Blocked()
	}
	m.Ask, m.AskCPU = time.Since(start), used()-cpu
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		m.Err = err.Error()
	}
	for _, l := range strings.Split(string(status), "\n") {
		if f := strings.Fields(l); len(f) > 1 && f[0] == "VmHWM:" {
			m.PeakKB, _ = strconv.Atoi(f[1])
		}
	}
	return m
}

// used is the processor time of this process so far.
func used() time.Duration {
	var r unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// rawDump lets the kernel send everything once, and looks at nothing.
func rawDump(ctx context.Context) error {
	c, err := nfnl.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	type set struct {
		fam   uint8
		attrs []byte
	}
	var sets []set
	for _, get := range []uint16{1, 4, 10, 19, 7} {
		_, err := c.Dump(ctx, nfnl.Message{Type: nfnl.SubsysNFTables<<8 | get}, func(m nfnl.Message) error {
			if get != 10 {
				return nil
			}
			var b nfnl.Builder
			it := nfnl.Attrs(m.Attrs)
			for it.Next() {
				if it.Type <= 2 {
					b.Put(it.Type, it.Val)
				}
			}
			sets = append(sets, set{m.Family, b.B})
			return it.Err
		})
		if err != nil {
			return err
		}
	}
	for _, s := range sets {
		m := nfnl.Message{Type: nfnl.SubsysNFTables<<8 | 13, Family: s.fam, Attrs: s.attrs}
		if _, err := c.Dump(ctx, m, func(nfnl.Message) error { return nil }); err != nil {
			return err
		}
	}
	var b nfnl.Builder
	b.PutU8(1, 7)
	_, err = c.Dump(ctx, nfnl.Message{Type: nfnl.SubsysIPSet<<8 | 7, Family: 2, Attrs: b.B}, func(nfnl.Message) error { return nil })
	return err
}

// rulesetsForSpeed are the cases of the targets.
var rulesetsForSpeed = []struct {
	name   string
	limit  time.Duration // beyond the dump
	whole  time.Duration // of everything, 0 for none
	tool   string
	write  func(b *strings.Builder)
	blocks bool
}{
	{"ordinary, 500 rules", 20 * time.Millisecond, 20 * time.Millisecond, "nft", func(b *strings.Builder) {
		fmt.Fprintln(b, "table inet f { chain i { type filter hook input priority 0; policy drop; ct state established,related accept; iifname \"lo\" accept")
		for i := range 490 {
			fmt.Fprintf(b, "ip saddr 10.%d.%d.0/24 tcp dport { 22, 3306 } accept\n", i/256, i%256)
		}
		fmt.Fprintln(b, "tcp dport { 80, 443 } accept\n}\n}")
	}, false},
	{"50,000 rules, other addresses", 400 * time.Millisecond, 0, "nft", func(b *strings.Builder) {
		fmt.Fprintln(b, "table inet f { chain i { type filter hook input priority 0; policy accept;")
		for i := range 50_000 {
			fmt.Fprintf(b, "ip saddr 10.%d.%d.%d tcp dport %d drop\n", i/65536, i/256%256, i%256, 1+i%60000)
		}
		fmt.Fprintln(b, "}\n}")
	}, false},
	{"50,000 single CDN addresses, a rule each", 200 * time.Millisecond, 0, "nft", func(b *strings.Builder) {
		fmt.Fprintln(b, "table ip f { chain i { type filter hook input priority 0; policy accept;")
		for i := range 50_000 {
			n := uint32(104)<<24 | uint32(16)<<16 + uint32(i)*7
			fmt.Fprintf(b, "ip saddr %s drop\n", netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}))
		}
		fmt.Fprintln(b, "}\n}")
	}, true},
	{"hash set of 500,000 addresses", 50 * time.Millisecond, 0, "nft", func(b *strings.Builder) {
		fmt.Fprintln(b, "table ip f { set s { type ipv4_addr; size 1000000; }\nchain i { type filter hook input priority 0; policy accept; ip saddr @s drop; }\n}\nadd element ip f s {")
		for i := range 500_000 {
			n := uint32(i) * 7919
			fmt.Fprintf(b, "%d.%d.%d.%d,\n", byte(n>>24)|1, byte(n>>16), byte(n>>8), byte(n))
		}
		fmt.Fprintln(b, "104.16.0.1 }")
	}, true},
	{"interval set of 500,000 networks", 50 * time.Millisecond, 0, "nft", func(b *strings.Builder) {
		fmt.Fprintln(b, "table ip f { set s { type ipv4_addr; flags interval; }\nchain i { type filter hook input priority 0; policy accept; ip saddr @s drop; }\n}\nadd element ip f s {")
		for i := range 500_000 {
			n := uint32(i)*4096 + 1<<28
			fmt.Fprintf(b, "%d.%d.%d.%d/24,\n", byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		}
		fmt.Fprintln(b, "0.0.0.1 }")
	}, true},
	{"ipset hash:net of 500,000 addresses", 50 * time.Millisecond, 0, "ipset", func(b *strings.Builder) {
		fmt.Fprintln(b, "create big hash:net maxelem 1000000 hashsize 262144")
		for i := range 500_000 {
			n := uint32(i) * 7919
			fmt.Fprintf(b, "add big %d.%d.%d.%d -exist\n", byte(n>>24)|1, byte(n>>16), byte(n>>8), byte(n))
		}
	}, true},
}

// memoryLimit is the target for all of them.
const memoryLimitKB = 150 << 10

// TestSpeed measures the targets in processes of their own and prints them beside the kernel's own dump time.
func TestSpeed(t *testing.T) {
	if !*speed {
		t.Skip("measures large rulesets; run with -difftest.speed")
	}
	needRoot(t, "nft", "ipset", "iptables-nft")
	t.Logf("%-44s %10s %10s %10s %12s %8s", "ruleset", "dump", "read", "2 answers", "beyond, cpu", "peak")
	for _, c := range rulesetsForSpeed {
		if !strings.Contains(c.name, *speedCase) {
			continue
		}
		w := newWorld(t)
		var b strings.Builder
		c.write(&b)
		args := map[string][]string{"nft": {"-f", "-"}, "ipset": {"restore"}}[c.tool]
		if out, err := run(w, b.String(), c.tool, args...); err != nil {
			w.Close()
			t.Fatalf("%s: %v\n%.300s", c.name, err, out)
		}
		if c.tool == "ipset" {
			if out, err := run(w, "", "iptables-nft", "-A", "INPUT", "-m", "set", "--match-set", "big", "src", "-j", "DROP"); err != nil {
				t.Fatalf("%v %s", err, out)
			}
		}
		best := measurement{Err: "not run"}
		for range 3 {
			m := child(t, w)
			if best.Err != "" || m.beyond() < best.beyond() {
				best = m
			}
		}
		w.Close()
		beyond := best.beyond()
		t.Logf("%-44s %10s %10s %10s %12s %5d MiB  %d segments, %.2g blocked", c.name, best.Dump.Round(100*time.Microsecond), best.Collect.Round(100*time.Microsecond),
			best.Ask.Round(10*time.Microsecond), beyond.Round(100*time.Microsecond), best.PeakKB>>10, best.Segments, best.Blocked)
		if best.PeakKB > memoryLimitKB {
			t.Errorf("%s: %d MiB, more than %d", c.name, best.PeakKB>>10, memoryLimitKB>>10)
		}
		if beyond > 3*c.limit {
			t.Errorf("%s: %s beyond the dump, the target is %s", c.name, beyond, c.limit)
		}
		if c.blocks && best.Blocked == 0 {
			t.Errorf("%s: nothing is blocked", c.name)
		}
	}
}

// child measures inside the namespace.
func child(t *testing.T, w interface{ Do(func() error) error }) (m measurement) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Do(func() error { return runChild(exe, &m) }); err != nil {
		t.Fatal(err)
	}
	if m.Err != "" {
		t.Fatal(m.Err)
	}
	return m
}
