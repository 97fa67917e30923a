package bans

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

func decision(allow, deny, daemon, addr string) bool {
	w := tcpd{
		allow: parseWrappers("/etc/hosts.allow", []byte(allow)), deny: parseWrappers("/etc/hosts.deny", []byte(deny)),
		list: func(string) []string { return []string{"203.0.113.0/24", "198.51.100.9"} },
	}
	return w.decide(daemon, netip.MustParseAddr(addr)) != nil
}

func TestWrapperRules(t *testing.T) {
	for _, tt := range []struct {
		name, allow, deny, daemon, addr string
		refused                         bool
	}{
		{"nothing", "", "", "nginx", "173.245.48.1", false},
		{"all denied", "", "ALL: ALL\n", "nginx", "173.245.48.1", true},
		{"allowed first", "nginx: 173.245.48.0/255.255.240.0\n", "ALL: ALL\n", "nginx", "173.245.48.1", false},
		{"allow for another daemon", "sshd: ALL\n", "ALL: ALL\n", "nginx", "173.245.48.1", true},
		{"prefix with a dot", "", "ALL: 173.245.\n", "nginx", "173.245.48.1", true},
		{"prefix of another net", "", "ALL: 173.24.\n", "nginx", "173.245.48.1", false},
		{"cidr", "", "nginx: 104.16.0.0/13\n", "nginx", "104.23.1.1", true},
		{"v6", "", "nginx: [2400:cb00::]/32\n", "nginx", "2400:cb00::1", true},
		{"v6 single", "", "ALL: [2400:cb00::1]\n", "nginx", "2400:cb00::2", false},
		{"except in clients", "", "ALL: ALL EXCEPT 173.245.48.0/20\n", "nginx", "173.245.48.1", false},
		{"nested except", "", "ALL: ALL EXCEPT 173.245.48.0/20 EXCEPT 173.245.48.7\n", "nginx", "173.245.48.7", true},
		{"except in daemons", "", "ALL EXCEPT sshd: ALL\n", "sshd", "173.245.48.1", false},
		{"except in daemons, other", "", "ALL EXCEPT sshd: ALL\n", "nginx", "173.245.48.1", true},
		{"deny option in allow", "nginx: 173.245.48.1: deny\nnginx: ALL\n", "", "nginx", "173.245.48.1", true},
		{"allow option in deny", "", "nginx: 173.245.48.1: allow\nALL: ALL\n", "nginx", "173.245.48.1", false},
		{"local names only", "", "ALL: LOCAL\n", "nginx", "173.245.48.1", false},
		{"name pattern", "", "ALL: .example.com\n", "nginx", "173.245.48.1", false},
		{"file", "", "ALL: /etc/list\n", "nginx", "198.51.100.9", true},
		{"wildcard", "", "ALL: 173.245.*\n", "nginx", "173.245.48.1", true},
		{"continued line", "", "ALL: \\\n  173.245.48.1\n", "nginx", "173.245.48.1", true},
		{"spawn option", "", "ALL: 173.245.48.1: spawn (echo a:b) &: deny\n", "nginx", "173.245.48.1", true},
		{"comma list", "", "sshd, nginx: 10.0.0.1, 173.245.48.1\n", "nginx", "173.245.48.1", true},
		{"user@host", "", "ALL: root@173.245.48.1\n", "nginx", "173.245.48.1", true},
	} {
		if got := decision(tt.allow, tt.deny, tt.daemon, tt.addr); got != tt.refused {
			t.Errorf("%s: refused %v, want %v", tt.name, got, tt.refused)
		}
	}
}

func TestWrapperEvidence(t *testing.T) {
	s := on(t, `-- /etc/hosts.allow --
ALL: 173.245.48.0/20
-- /etc/hosts.deny --
# comment
ALL: 103.21.244.0/24
nginx: [2400:cb00::]/32
`)
	x := one(t, wrappers, s)
	equal(t, "refused", prefixes(x.CDN), []string{"103.21.244.0/24", "2400:cb00::/32"})
	if b := x.CDN[0]; b.Place.Line != 2 || b.Range != ranges[1] || b.Remove != "sed -i '2s/^/#/' /etc/hosts.deny" {
		t.Errorf("%+v", b)
	}
	if x.Enforced != fact.Unknown || x.Why == "" {
		t.Errorf("who asks is not known here: %+v", x.BanSource)
	}
	all := one(t, wrappers, on(t, "-- /etc/hosts.deny --\nALL: PARANOID\nALL: ALL\n"))
	if len(all.CDN) != 4 {
		t.Errorf("%+v", all.CDN)
	}
	if list, _ := wrappers(t.Context(), on(t, "-- /etc/hostname --\n")); len(list) != 0 {
		t.Errorf("a list that is not there: %+v", list)
	}
}

func TestLoadsWrappers(t *testing.T) {
	proc := t.TempDir()
	for pid, maps := range map[string]string{
		"7": "7f00-7f01 r-xp 00000000 fd:00 12 /usr/lib/x86_64-linux-gnu/libwrap.so.0.7.6\n",
		"8": "7f00-7f01 r-xp 00000000 fd:00 12 /usr/lib/x86_64-linux-gnu/libc.so.6\n",
	} {
		if err := os.MkdirAll(filepath.Join(proc, pid), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, pid, "maps"), []byte(maps), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !loadsWrappers(proc, 7) || loadsWrappers(proc, 8) || loadsWrappers(proc, 9) || loadsWrappers(proc, 0) {
		t.Error("the library is looked for in the process's memory map")
	}
}

func TestUsesWrappers(t *testing.T) {
	bin, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	if real, err := filepath.EvalSymlinks(bin); err == nil {
		bin = real
	}
	if got := usesWrappers(rootfs.FS{}, bin); got != fact.No {
		t.Errorf("nginx: %q", got)
	}
	if got := usesWrappers(rootfs.FS{}, "/etc/hostname"); got != fact.Unknown {
		t.Errorf("no program: %q", got)
	}
}

func FuzzWrappers(f *testing.F) {
	for _, s := range []string{"ALL: ALL EXCEPT 1.2.3.4 EXCEPT\n", "a b,c : [::]/0 : deny", ":::", "ALL: *?*?*?1", "ALL: /x", "\\", "ALL:1.2.3.4/255.0.255.0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w := tcpd{allow: parseWrappers("a", []byte(s)), deny: parseWrappers("d", []byte(s)), list: func(string) []string { return []string{"/x", "1.2.3.4"} }}
		for _, a := range []string{"173.245.48.1", "2400:cb00::1"} {
			w.decide("nginx", netip.MustParseAddr(a))
		}
		if strings.Count(s, "\n") < 50 {
			w.nets()
		}
	})
}
