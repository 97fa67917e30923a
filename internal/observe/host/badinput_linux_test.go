package host

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/netns"
)

// lookIn collects with mounts of its own: a script makes them first.
func lookIn(t *testing.T, n *netns.NS, q question, uid int, mounts string) *originward.Bundle {
	t.Helper()
	ask, err := json.Marshal(q)
	must(t, err)
	run := "exec " + program(t)
	if uid != 0 {
		run = fmt.Sprintf("exec setpriv --reuid %[1]d --regid %[1]d --clear-groups %s", uid, program(t))
	}
	cmd := exec.Command("unshare", "-m", "sh", "-ec", "mount --make-rprivate /\n"+mounts+"\n"+run)
	cmd.Env = append(os.Environ(), childEnv+"="+string(ask))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	must(t, n.Start(cmd))
	if err := cmd.Wait(); err != nil {
		t.Fatalf("collect: %v\n%s", err, errs.String())
	}
	if !utf8.Valid(out.Bytes()) {
		t.Error("the evidence is not UTF-8")
	}
	b, err := fact.ReadBundle(&out)
	must(t, err)
	for _, m := range b.NotObserved {
		if strings.Contains(m.Why, "internal error") {
			t.Errorf("%s: %s", m.Question, m.Why)
		}
	}
	return b
}

// TestWithoutProc: a container that has no procfs. What comes over netlink is
// still seen; everything else says that and why it is not.
func TestWithoutProc(t *testing.T) {
	n := origin(t)
	listen(t, n, "tcp4", "203.0.113.10:80")
	b := lookIn(t, n, question{Host: "shop.example"}, 0, "umount -l /proc")
	for _, q := range []originward.Question{fact.QListeners, fact.QCounters, fact.QServices, fact.QLoad} {
		if why := missing(b, q); !strings.Contains(why, "/proc") {
			t.Errorf("%s: %q", q, why)
		}
	}
	for _, s := range fact.All[fact.Services](b, originward.Host) {
		if s.Fact.Complete == fact.Yes {
			t.Errorf("services are said to be complete: %+v", s.Fact)
		}
	}
	for _, a := range fact.All[fact.Firewall](b, originward.Host) {
		for _, x := range a.Fact.Answers {
			for _, s := range x.CDN {
				if s.Verdict == fact.VerdictAccept && missing(b, fact.QFirewall) == "" {
					t.Errorf("the firewall is said to accept, and nothing is missing: %+v", s)
				}
			}
		}
	}
}

// TestMissingPrograms: legacy tables that nothing can print, and none of the
// tools that others would be asked through.
func TestMissingPrograms(t *testing.T) {
	if _, err := exec.LookPath("iptables-legacy"); err != nil {
		t.Skip("needs iptables-legacy")
	}
	n := origin(t)
	sh(t, n, "iptables-legacy -A INPUT -p tcp --dport 80 -j DROP")
	b := lookIn(t, n, question{}, 0, `for p in nft ipset iptables iptables-save iptables-legacy-save iptables-nft-save xtables-legacy-multi xtables-nft-multi journalctl systemctl nginx apache2 ufw fail2ban-client firewall-cmd cscli; do
for d in /usr/sbin /usr/bin /sbin /bin; do [ ! -e $d/$p ] || { mount --bind /dev/null "$(readlink -f $d/$p)"; }; done; done`)
	if why := missing(b, fact.QFirewall); !strings.Contains(why, "legacy iptables tables") {
		t.Errorf("the packet filter: %q", why)
	}
	for _, a := range only[fact.Firewall](t, b).Answers {
		for _, s := range a.CDN {
			if a.Family == originward.IP4 && s.Verdict != fact.VerdictUnknown {
				t.Errorf("rules that nobody could print: %+v", s)
			}
		}
	}
}

// TestUnreadableDirectory: what another user's directory hides is named, and
// nobody takes it for empty.
func TestUnreadableDirectory(t *testing.T) {
	n := origin(t)
	b := lookIn(t, n, question{}, nobody, `mkdir -p /etc/nginx /etc/fail2ban
mount -t tmpfs -o mode=700 tmpfs /etc/nginx; mount -t tmpfs -o mode=700 tmpfs /etc/fail2ban
echo 'events {} http { server { listen 80; return 444; } }' >/etc/nginx/nginx.conf`)
	if why := missing(b, fact.QWebConfig); !strings.Contains(why, "/etc/nginx") || !strings.Contains(why, "permission denied") || !strings.Contains(why, "root") {
		t.Errorf("nginx's configuration: %q", why)
	}
	for _, w := range fact.All[fact.WebConfig](b, originward.Host) {
		if w.Fact.Server == "nginx" && (w.Fact.Parsed != fact.Unknown || len(w.Fact.Timeouts)+len(w.Fact.Sites) > 0) {
			t.Errorf("said to be read: %+v", w.Fact)
		}
	}
}

// TestForeignLogs: a log of another character set, in another zone, under a
// writer that truncated it at twenty gigabytes, costs neither time nor truth.
func TestForeignLogs(t *testing.T) {
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Skip("needs nginx")
	}
	n := origin(t)
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	log := dir + "/error.log"
	conf := dir + "/nginx.conf"
	must(t, os.WriteFile(conf, []byte("pid "+dir+"/pid; error_log "+log+"; events {} http { access_log off; server { listen 203.0.113.10:80; return 200 ok; } }"), 0o644))
	sh(t, n, "nginx -c "+conf)
	t.Cleanup(func() { _ = exec.Command("sh", "-c", "kill $(cat "+dir+"/pid)").Run() })
	must(t, os.Truncate(log, 20<<30))
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	at := time.Now().Format("2006/01/02 15:04:05")
	_, err = f.WriteString("\n" + at + " [crit] 1#1: *1 open() \"/srv/caf\xe9/\xff\xfe\x1b[31m\" failed (28: No space left on device), client: 173.245.48.9, server: shop\n")
	must(t, err)
	must(t, f.Close())
	began := time.Now()
	b := lookIn(t, n, question{}, 0, ":")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	found := false
	for _, l := range fact.All[fact.Logs](b, originward.Host) {
		for _, line := range l.Fact.Lines {
			if strings.Contains(line.Text, "No space left") {
				found = true
				if !utf8.ValidString(line.Text) || strings.ContainsAny(line.Text, "\x1b\x00") {
					t.Errorf("not escaped: %q", line.Text)
				}
			}
		}
	}
	if !found {
		t.Errorf("the line behind the hole was not found; %s", missing(b, fact.QLogs))
	}
}
