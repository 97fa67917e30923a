package lab

import (
	"context"
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
	}
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
