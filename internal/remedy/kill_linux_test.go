package remedy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/netns"
	"github.com/originward/originward/internal/netns/nstest"
)

// TestMain lets this binary play the fix that is killed, and its guard.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "play-fix":
			os.Exit(playFix(os.Args[2], os.Args[3], os.Args[4]))
		case "play-guard":
			if err := Guard(context.Background(), os.Args[3], os.Args[5]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// playFix carries out the plan in a file and kills itself at one point.
func playFix(planFile, root, killAt string) int {
	raw, err := os.ReadFile(planFile)
	if err != nil {
		return 2
	}
	var p Plan
	if err := json.Unmarshal(raw, &p); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	point := 0
	j := Job{
		Plan: p, Root: root, Within: 30 * time.Second, Guard: []string{os.Args[0], "play-guard"},
		Verify: func(context.Context) (Verdict, error) { return Verdict{Helped: true, Text: "fine"}, nil },
		hook: func(name string) {
			point++
			fmt.Println(name)
			if strconv.Itoa(point) == killAt {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		},
	}
	res, err := j.Run(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("outcome", res.Outcome)
	return 0
}

// patient is a host in a namespace with something of every kind to change.
type patient struct {
	ns   *netns.NS
	dir  string
	root string
	plan string
}

const patientRules = `table inet f {
	set bad { type ipv4_addr; flags interval; elements = { 173.245.48.0/20, 198.51.100.0/24 } }
	chain in { type filter hook input priority 0; policy accept;
		ct state established accept
		tcp dport { 80, 443 } ip saddr 162.158.0.0/15 counter drop comment "one, two"
		ip saddr @bad drop
		tcp dport 22 accept
		tcp dport 443 drop
	}
}`

func newPatient(t *testing.T) *patient {
	t.Helper()
	for _, p := range []string{"nft", "iptables", "ipset", "ip"} {
		if !has(p) {
			t.Skipf("skipped: %s is not installed", p)
		}
	}
	p := &patient{ns: nstest.New(t, "fix"), dir: t.TempDir()}
	p.root = filepath.Join(p.dir, "journal")
	if _, err := p.ns.RunInput(t.Context(), patientRules, "nft", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	p.sh(t, `ip link set lo up
iptables -A INPUT -p tcp --dport 80 -j ACCEPT; iptables -A INPUT -s 104.16.0.0/13 -p tcp -m comment --comment "a \"b\" c" -j REJECT --reject-with tcp-reset; iptables -A INPUT -s 172.64.0.0/13 -j DROP
ipset create bad hash:net timeout 0 comment; ipset add bad 173.245.48.0/20 comment "x y" timeout 4000; ipset add bad 192.0.2.0/24
ip route add blackhole 172.64.0.0/13; ip -6 route add prohibit 2606:4700::/32`)
	p.file(t, "site.conf", "listen 443;\nserver_name a;\n", 0o640)
	p.file(t, "old.conf", "x\n", 0o600)
	p.sh(t, "cd "+p.dir+"; mkdir available enabled; echo there >available/real.conf; ln -s ../available/real.conf enabled/link.conf; touch -d 2020-02-02T02:02:02Z site.conf available/real.conf")
	if err := unix.Setxattr(filepath.Join(p.dir, "site.conf"), "user.note", []byte("keep"), 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
		t.Fatal(err)
	}
	chain := func(from, to []string) listEdit { return listEdit{from, to} }
	all := []string{"ct state established accept", `tcp dport { 80, 443 } ip saddr 162.158.0.0/15 counter drop comment "one, two"`, "ip saddr @bad drop", "tcp dport 22 accept", "tcp dport 443 drop"}
	after := []string{all[0], all[2], all[3], `ip saddr @originward_cdn4 tcp dport 443 accept comment "originward: the CDN"`, all[4]}
	ipt := []string{"-p tcp -m tcp --dport 80 -j ACCEPT", `-s 104.16.0.0/13 -p tcp -m comment --comment "a \"b\" c" -j REJECT --reject-with tcp-reset`, "-s 172.64.0.0/13 -j DROP"}
	plan := Plan{Host: "shop.example", Causes: []originward.CauseID{}, Steps: []Step{
		step("nft", "rules", &NFT{
			Sets: []NFTSet{
				{Family: "inet", Table: "f", Set: "bad", Delete: []string{"173.245.48.0/20"}, Add: []string{"203.0.113.0/24"}},
				{Family: "inet", Table: "f", Set: "originward_cdn4", Make: "type ipv4_addr; flags interval;", Add: []string{"173.245.48.0/20", "104.16.0.0/13"}},
			},
			Chains: []NFTChain{{"inet", "f", "in", chain(all, after)}},
		}),
		step("iptables", "iptables", &Iptables{Tool: "iptables", Table: "filter", Chains: []IptablesChain{
			{"originward-cdn", true, chain(nil, []string{"-s 173.245.48.0/20 -j ACCEPT"})},
			{"INPUT", false, chain(ipt, []string{"-p tcp -m tcp --dport 443 -j originward-cdn", ipt[0]})},
		}}),
		step("ipset", "ipset", &IPSet{Set: "bad", Delete: []string{"173.245.48.0/20"}, Add: []string{"203.0.113.0/25"}}),
		step("route", "routes", &Route{Delete: []RouteEntry{{"blackhole", netip.MustParsePrefix("172.64.0.0/13"), ""}, {"prohibit", netip.MustParsePrefix("2606:4700::/32"), ""}}}),
		step("sysctl", "sysctl", &Sysctl{Set: map[string]string{"net/ipv4/conf/all/rp_filter": "2"}}),
		step("config", "files", &Config{Edits: []Edit{
			{Path: filepath.Join(p.dir, "site.conf"), Content: []byte("listen 443 ssl;\nserver_name a;\n")},
			{Path: filepath.Join(p.dir, "new.conf"), Content: []byte("new\n"), Mode: 0o600},
			{Path: filepath.Join(p.dir, "old.conf"), Remove: true},
			{Path: filepath.Join(p.dir, "made/for/deep.conf"), Content: []byte("deep\n")},
			{Path: filepath.Join(p.dir, "enabled/link.conf"), Content: []byte("through a link\n")},
		}}),
	}}
	raw, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	p.plan = filepath.Join(p.dir, "plan.json")
	if err := os.WriteFile(p.plan, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *patient) sh(t *testing.T, script string) string {
	t.Helper()
	return nstest.Run(t, p.ns, "/bin/sh", "-euc", script)
}

func (p *patient) file(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 33, 33); err != nil {
		t.Fatal(err)
	}
}

// state is everything that the plan changes, counters aside.
func (p *patient) state(t *testing.T) string {
	t.Helper()
	s := p.sh(t, `nft list table inet f | sed -E 's/packets [0-9]+ bytes [0-9]+/C/'; for x in iptables ip6tables; do $x-save -t filter | sed -E '/^#/d; s/\[[0-9:]+\]//'; done
ipset save bad | sed -E 's/timeout [0-9]{4}/timeout T/; s/ (bucketsize|initval) [^ ]+//g' | sort; ip route; ip -6 route; cat /proc/sys/net/ipv4/conf/all/rp_filter
cd `+p.dir+`; find . -path ./journal -prune -o -type d -printf '%p %m\n' -o -name '*.conf' -printf '%p %m %U %G %l %T@\n' -exec cat {} \; | grep -v '^./journal' | sort`)
	return s + fmt.Sprint(attributes(filepath.Join(p.dir, "site.conf")))
}

// run carries out the plan, killed at one point; it gives the points passed.
func (p *patient) run(t *testing.T, killAt int) (points []string, killed bool) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	cmd := exec.Command(exe, "play-fix", p.plan, p.root, strconv.Itoa(killAt))
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := p.ns.Start(cmd); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		killed = true
	} else if err != nil {
		t.Fatalf("fix: %v: %s %s", err, out.String(), errs.String())
	}
	return strings.Split(strings.TrimSpace(out.String()), "\n"), killed
}

// settled waits until the guard has made an end.
func (p *patient) settled(t *testing.T) Past {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); ; {
		all, err := History(p.root)
		if err == nil && len(all) > 0 && all[0].State != "open" {
			return all[0]
		}
		if time.Now().After(end) {
			t.Fatalf("the guard did not make an end: %v %+v", err, all)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// writtenAt is the time of change in a listing of files.
var writtenAt = regexp.MustCompile(`(?m) \d+\.\d+$`)

// TestKilledAtEveryPoint kills the fix at every point, one after the other: the
// host returns to its former state, unless the fix had been kept already.
func TestKilledAtEveryPoint(t *testing.T) {
	p := newPatient(t)
	before := p.state(t)
	points, _ := p.run(t, 0)
	if points[len(points)-1] != "outcome "+OutcomeKept {
		t.Fatalf("not kept: %v", points)
	}
	fixed := p.state(t)
	if fixed == before {
		t.Fatal("the fix changed nothing")
	}
	if err := p.ns.Do(func() error { _, err := Undo(t.Context(), p.root, "", false); return err }); err != nil {
		t.Fatal(err)
	}
	if got := p.state(t); got != before {
		t.Fatalf("after the undo:\n%s\nbefore:\n%s", got, before)
	}
	n := len(points) - 1
	if n < 3*6+4 {
		t.Fatalf("only %d points: %v", n, points)
	}
	for at := 1; at <= n; at++ {
		reached, killed := p.run(t, at)
		name := reached[len(reached)-1]
		if !killed {
			t.Fatalf("point %d (%s): not killed", at, name)
		}
		past := p.settled(t)
		want, state := before, "undone"
		if name == "kept" {
			want, state = fixed, "kept"
		}
		got := p.state(t)
		if name == "kept" { // what a fix writes is as old as the fix
			got, want = writtenAt.ReplaceAllString(got, ""), writtenAt.ReplaceAllString(want, "")
		}
		if got != want || past.State != state {
			t.Fatalf("killed at %s: %s, want %s; state\n%s\nwant\n%s", name, past.State, state, got, want)
		}
	}
	t.Logf("killed at %d points, the last: %s", n, points[n-1])
}
