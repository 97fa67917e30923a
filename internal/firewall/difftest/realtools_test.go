//go:build linux

package difftest

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/originward/originward/internal/firewall/eval"
)

var real = flag.Bool("difftest.real", false, "let ufw, firewalld and fail2ban themselves write the rules (takes some 20 s)")

// realTool is a program that runs inside the namespace, in a mount namespace of its own where what it changes on disk
// are copies.
type realTool struct {
	name   string
	needs  []string
	script string
	// blocked is a source the script has refused; it proves that the rules are there and were understood.
	blocked string
}

var realTools = []realTool{
	{"ufw", []string{"ufw"}, `
cp -a /etc/ufw $DIR/ufw; cp -a /etc/default $DIR/default
mount --bind $DIR/ufw /etc/ufw; mount --bind $DIR/default /etc/default
sed -i 's/^IPV6=.*/IPV6=yes/' /etc/default/ufw
ufw --force enable
ufw allow 80/tcp
ufw allow from 104.16.0.0/13 to any port 443 proto tcp
ufw insert 1 deny from 173.245.48.0/20
ufw limit 22/tcp
ufw prepend reject from 2606:4700::/32
`, "173.245.50.1"},
	{"firewalld", []string{"firewalld", "firewall-cmd", "dbus-daemon"}, `
mount -t proc proc /proc
mount -t tmpfs tmpfs /run; mkdir -p /run/dbus /run/lock
cp -a /etc/firewalld $DIR/firewalld; mount --bind $DIR/firewalld /etc/firewalld
dbus-daemon --system --fork --nopidfile
/usr/bin/python3 /usr/sbin/firewalld --nofork --nopid --log-file $DIR/log &
P=$!
for i in $(seq 200); do firewall-cmd --state >/dev/null 2>&1 && break; done
firewall-cmd --zone=public --add-interface=eth0
firewall-cmd --zone=public --add-service=http
firewall-cmd --zone=public --add-rich-rule='rule family=ipv4 source address=104.16.0.0/13 reject'
firewall-cmd --zone=drop --add-source=173.245.48.0/20
firewall-cmd --zone=public --add-rich-rule='rule family=ipv6 source address=2606:4700::/32 drop'
kill -9 $P
`, "173.245.50.1"},
	{"fail2ban", []string{"fail2ban-server", "fail2ban-client"}, `
mkdir $DIR/f2b; cp -a /etc/fail2ban $DIR/conf; touch $DIR/web.log
cat >$DIR/conf/jail.local <<E
[DEFAULT]
backend = polling
[web]
enabled = true
filter = nginx-http-auth
logpath = $DIR/web.log
port = http,https
banaction = nftables-multiport
[web2]
enabled = true
filter = nginx-http-auth
logpath = $DIR/web.log
port = http,https
banaction = iptables-ipset
[sshd]
enabled = false
E
rm -f $DIR/conf/jail.d/*
fail2ban-server -b -c $DIR/conf -s $DIR/f2b/sock -p $DIR/f2b/pid -x
C="fail2ban-client -s $DIR/f2b/sock"
for i in $(seq 200); do $C ping >/dev/null 2>&1 && break; done
$C set web banip 173.245.50.1 2606:4700::1
$C set web2 banip 104.16.5.9
for i in $(seq 200); do nft list ruleset | grep -q 173.245.50.1 && break; done
for i in $(seq 200); do ipset list | grep -q 104.16.5.9 && break; done
kill -9 $(cat $DIR/f2b/pid)
`, "173.245.50.1"},
}

// TestRealTools has the programs themselves write the rules.
func TestRealTools(t *testing.T) {
	if !*real {
		t.Skip("starts ufw, firewalld and fail2ban; run with -difftest.real")
	}
	for _, tool := range realTools {
		t.Run(tool.name, func(t *testing.T) {
			needRoot(t, append(tool.needs, "nft", "unshare")...)
			w := newWorld(t)
			defer w.Close()
			script := filepath.Join(t.TempDir(), "run.sh")
			text := "set -e\nmount --make-rprivate /\nDIR=$(mktemp -d)\ntrap 'rm -rf $DIR' EXIT\n" + tool.script
			if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
			if out, err := run(w, "", "unshare", "-m", "-p", "-f", "--kill-child", "bash", script); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			h, err := readAll(w)
			if err != nil {
				t.Fatal(err)
			}
			if !blocked(h, tool.blocked) {
				t.Errorf("%s is not blocked", tool.blocked)
			}
			y, err := compare(w, h, rand.New(rand.NewPCG(1, 1)), questions, 12)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(y.row(tool.name))
			if len(y.disagree) > 0 {
				t.Errorf("%d of %d packets disagree:\n%s", len(y.disagree), y.packets, strings.Join(y.disagree[:min(3, len(y.disagree))], "\n"))
			}
			if y.unknown > 0 {
				t.Errorf("%d of %d packets are unknown: %v", y.unknown, y.packets, y.why)
			}
		})
	}
}

// blocked asks the model about one source.
func blocked(h *eval.Host, src string) bool {
	v := verdictOf(h, src)
	return v == eval.VerdictDrop || v == eval.VerdictReject
}
