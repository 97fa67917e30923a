package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/originward/originward"
)

// systemdWorlds stand on a booted systemd, with the software as its units run
// it.
func systemdWorlds() []*World {
	base := World{
		Decides: hostDecides, Systemd: true,
		Needs: []string{"nginx", "nft", "dbus-daemon", "/lib/systemd/systemd"},
	}
	denied := strings.Join(append(prefixStrings(cdnRanges(originward.IP4)), prefixStrings(cdnRanges(originward.IP6))...), " ")
	return []*World{
		base.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "systemd-firewalld-zone", "firewalld's zone does not list the web services", 523, ids("firewall.host.port-closed")
			w.Needs = append(w.Needs, "firewall-cmd")
			w.Setup = steps(unitNginx, sh("systemctl start firewalld; firewall-cmd -q --add-service=http --add-service=https"))
			w.Break = sh("firewall-cmd -q --remove-service=http --remove-service=https")
			w.Cure = sh("firewall-cmd -q --add-service=http --add-service=https")
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "systemd-firewalld-rich", "a rich rule of firewalld rejects every range of the CDN", 521, ids("firewall.host.range-blocked")
			w.Needs = append(w.Needs, "firewall-cmd")
			w.Setup = steps(unitNginx, sh("systemctl start firewalld; firewall-cmd -q --add-service=http --add-service=https"))
			rules := func(verb string) step {
				var b strings.Builder
				b.WriteString("firewall-cmd -q")
				for _, r := range prefixStrings(cdnRanges(originward.IP4)) {
					b.WriteString(" --" + verb + "-rich-rule='rule family=ipv4 source address=" + r + " reject'")
				}
				return sh(b.String())
			}
			w.Break, w.Cure = rules("add"), rules("remove")
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "systemd-fail2ban", "fail2ban's unit banned every address of the edge after failed logins in nginx's log", 521, ids("ban.edge-ip")
			w.Needs = append(w.Needs, "fail2ban-server", "iptables")
			w.Setup = steps(unitNginx, write("/etc/fail2ban/jail.local", "[sshd]\nenabled = false\n[nginx-http-auth]\nenabled = true\nbackend = polling\nport = http,https\nlogpath = /var/log/nginx/error.log\nmaxretry = 3\nfindtime = 3600\n"),
				sh("rm -f /etc/fail2ban/jail.d/*; systemctl start fail2ban"))
			w.Break = steps(failedLogins, sh("for i in $(seq 300); do [ \"$(fail2ban-client status nginx-http-auth | grep -o 'Currently banned:.*' | grep -o '[0-9]*$')\" = 4 ] && exit; sleep 0.1; done; fail2ban-client status nginx-http-auth; exit 1"))
			w.Cure = sh("fail2ban-client unban --all >/dev/null; sleep 0.5")
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "systemd-ip-deny", "nginx's unit denies the CDN's ranges by IPAddressDeny=, which no packet filter shows", 522, ids("firewall.host.range-blocked")
			w.Setup = steps(unitNginx)
			w.Break = steps(write("/etc/systemd/system/nginx.service.d/scanners.conf", "[Service]\nIPAddressDeny="+denied+"\n"), sh("systemctl daemon-reload; systemctl restart nginx"), listens(443))
			w.Cure = steps(sh("rm -r /etc/systemd/system/nginx.service.d; systemctl daemon-reload; systemctl restart nginx"), listens(443))
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "systemd-app-oom", "the application behind nginx took more memory than it may, and the kernel killed it", 502, ids("capacity.oom")
			w.Needs, w.Also = append(w.Needs, "python3", "curl"), ids("backend.down")
			w.Setup = steps(unitApp("ok", "no"), unitNginx, reload(site(toApp)), memoryLimited("shop-app.service", 64<<20))
			w.Break = steps(sh("curl -s -m 20 http://127.0.0.1:3000/eat >/dev/null || true"), failed("shop-app.service"))
			w.Cure = steps(sh("systemctl start shop-app"), listens(3000))
		}),
		base.with(func(w *World) {
			w.Name, w.Title, w.Code, w.Causes = "systemd-app-crashes", "the application behind nginx dies of a segmentation fault at every request, and its unit starts it again", 502, ids("backend.crashed")
			w.Needs = append(w.Needs, "python3")
			w.Stands, w.Also = originward.Likely, ids("backend.down")
			w.Setup = steps(unitApp("ok", "always"), unitNginx, reload(site(toApp)))
			w.Break = steps(unitApp("segfault", "always"), sh("for i in 1 2 3; do curl -s -m 5 http://127.0.0.1:3000/ >/dev/null || true; sleep 0.3; done"), listens(3000))
			w.Cure = unitApp("ok", "always")
		}),
	}
}

// unitApp makes a step that starts the application as a unit.
func unitApp(mode, restart string) step {
	return steps(write("/opt/app/app.py", appScript),
		write("/etc/systemd/system/shop-app.service", "[Unit]\nDescription=The shop's application\nStartLimitIntervalSec=0\n[Service]\nExecStart=/usr/bin/python3 /opt/app/app.py 3000 "+mode+"\nRestart="+restart+"\nRestartSec=50ms\n"),
		sh("systemctl daemon-reload; systemctl restart shop-app"), listens(3000))
}

// failed makes a step that waits until a unit has failed.
func failed(unit string) step {
	return sh("for i in $(seq 100); do systemctl -q is-failed " + unit + " && exit 0; sleep 0.1; done; exit 1")
}

// memoryLimited makes a step that limits the memory of a unit's processes, by
// whichever cgroups this machine has: its own systemd can hand down only those
// of version 2.
func memoryLimited(unit string, limit int) step {
	return func(_ context.Context, s *Stage) error {
		own := filepath.Join(s.Origin.cgroup, "system.slice", unit)
		pids, err := os.ReadFile(filepath.Join(own, "cgroup.procs"))
		if err != nil {
			return err
		}
		most := []byte(strconv.Itoa(limit))
		if _, err := os.Stat(filepath.Join(own, "memory.max")); err == nil {
			return os.WriteFile(filepath.Join(own, "memory.max"), most, 0)
		}
		return s.limitMemory(pids, most)
	}
}

// limitMemory puts processes into a cgroup of version 1 that limits their memory.
func (s *Stage) limitMemory(pids, most []byte) error {
	const base = "/sys/fs/cgroup/memory"
	dir := filepath.Join(base, filepath.Base(s.Dir))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("a cgroup that limits memory: %w", err)
	}
	s.closers = append(s.closers, closer(func() error {
		left, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		err := moveTo(base, left)
		return errors.Join(err, os.Remove(dir))
	}))
	if err := os.WriteFile(filepath.Join(dir, "memory.limit_in_bytes"), most, 0); err != nil {
		return err
	}
	return moveTo(dir, pids)
}

// moveTo moves processes into a cgroup.
func moveTo(dir string, pids []byte) error {
	for pid := range strings.FieldsSeq(string(pids)) {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(pid), 0); err != nil {
			return err
		}
	}
	return nil
}

// unitNginx starts nginx by its unit.
func unitNginx(ctx context.Context, s *Stage) error {
	if err := s.ensureCert(); err != nil {
		return err
	}
	if err := s.NginxConf(nginxSite); err != nil {
		return err
	}
	if err := s.Origin.Sh(ctx, "mkdir -p /var/log/nginx /var/lib/nginx; : >/var/log/nginx/error.log; systemctl start nginx"); err != nil {
		return err
	}
	return s.WaitListen(ctx, 443)
}

// failedLogins writes what nginx writes for them, from the edge's addresses:
// the visitors behind it are many, the address is one.
func failedLogins(ctx context.Context, s *Stage) error {
	var b strings.Builder
	for _, a := range edges4() {
		for range 4 {
			b.WriteString("echo \"$(date '+%Y/%m/%d %H:%M:%S') [error] 77#77: *1 user \\\"admin\\\": password mismatch, client: " + a.String() + ", server: shop.example, request: \\\"GET /wp-login.php HTTP/1.1\\\", host: \\\"shop.example\\\"\" >>/var/log/nginx/error.log\n")
		}
	}
	return s.Origin.Sh(ctx, b.String())
}
