package counters

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/originward/originward/fact"
)

const netstat = `TcpExt: SyncookiesSent ListenOverflows ListenDrops Unknown
TcpExt: 5 7 9 11
IpExt: InNoRoutes InOctets
IpExt: 3 1000
MPTcpExt: SyncookiesSent
MPTcpExt: 99
`

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshot(t *testing.T) {
	proc := t.TempDir()
	write(t, proc, "net/netstat", netstat)
	write(t, proc, "net/snmp", "Ip: Forwarding OutNoRoutes\nIp: 1 4\nTcp: PassiveOpens\nTcp: 6\nUdp: InErrors\nUdp: 8\n")
	write(t, proc, "net/snmp6", "Ip6OutNoRoutes                  \t12\nUdp6InErrors 4\n")
	got := snapshot(proc)
	want := map[string]uint64{"SyncookiesSent": 5, "ListenOverflows": 7, "ListenDrops": 9, "InNoRoutes": 3, "OutNoRoutes": 4, "PassiveOpens": 6, "Ip6OutNoRoutes": 12}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s = %d, want %d", k, got[k], v)
		}
	}
	g := growth(map[string]uint64{"a": 5, "b": 9, "gone": 1}, map[string]uint64{"a": 8, "b": 2, "new": 4})
	if len(g) != 1 || g["a"] != 3 {
		t.Errorf("growth %v: a counter that went back or is new has none", g)
	}
	if got := snapshot(t.TempDir()); len(got) != 0 {
		t.Errorf("without procfs: %v", got)
	}
}

func TestConntrack(t *testing.T) {
	proc := t.TempDir()
	if c, ok := conntrack(proc); c.Used != fact.Unknown || ok {
		t.Errorf("without procfs: %+v %v", c, ok)
	}
	write(t, proc, "sys/net/core/somaxconn", "4096")
	if c, ok := conntrack(proc); c.Used != fact.No || !ok {
		t.Errorf("not loaded: %+v %v", c, ok)
	}
	write(t, proc, "sys/net/netfilter/nf_conntrack_count", "262144\n")
	write(t, proc, "sys/net/netfilter/nf_conntrack_max", "262144\n")
	if c, ok := conntrack(proc); c.Used != fact.Yes || ok {
		t.Errorf("without statistics: %+v %v", c, ok)
	}
	write(t, proc, "net/stat/nf_conntrack", "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error\n"+
		"00040000  00000000 0 0 0 0 0 0 0 00000001 00000010 00000002 0\n00040000  00000000 0 0 0 0 0 0 0 00000001 0000000f 00000000 0\n")
	c, ok := conntrack(proc)
	if !ok || c.Count != 262144 || c.Max != 262144 || c.Drop != 31 || c.InsertFail != 2 || c.EarlyDrop != 2 {
		t.Errorf("%+v %v", c, ok)
	}
}

func TestSettings(t *testing.T) {
	proc := t.TempDir()
	write(t, proc, "sys/net/ipv4/ip_local_port_range", "32768\t60999\n")
	write(t, proc, "sys/net/ipv4/tcp_tw_recycle", "1\n")
	v := settings(proc)
	if v["net.ipv4.ip_local_port_range"] != "32768 60999" || v["net.ipv4.tcp_tw_recycle"] != "1" || len(v) != 2 {
		t.Errorf("%v", v)
	}
	if r := portRange(v); r != [2]int{32768, 60999} {
		t.Errorf("%v", r)
	}
	for _, bad := range []string{"", "1", "9 1", "a b", "1 2 3"} {
		if r := portRange(map[string]string{"net.ipv4.ip_local_port_range": bad}); r != [2]int{} {
			t.Errorf("%q: %v", bad, r)
		}
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{"173.245.48.7": "173.245.48.0/24", "2400:cb00:1:2::3": "2400:cb00:1::/48", "fe80::1%eth0": "fe80::/48"} {
		if got := network(netip.MustParseAddr(in)).String(); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func FuzzCounters(f *testing.F) {
	f.Add(netstat)
	f.Add("TcpExt: A\nTcpExt:\n")
	f.Add("entries drop\nzz 1\n1 2 3 4\n")
	f.Add("Ip6OutNoRoutes -1\n")
	f.Fuzz(func(t *testing.T, s string) {
		out := map[string]uint64{}
		parsePairs([]byte(s), out)
		parseColumns([]byte(s), out)
		for k := range out {
			if !names[k] {
				t.Errorf("unknown counter %q", k)
			}
		}
		sumColumns(s)
	})
}
