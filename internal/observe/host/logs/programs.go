package logs

import (
	"regexp"
	"strings"
)

// programNames maps what processes and syslog tags are called to the programs
// of the table.
var programNames = []struct{ begins, program string }{
	{"nginx", "nginx"}, {"openresty", "nginx"}, {"angie", "nginx"},
	{"apache2", "apache"}, {"httpd", "apache"}, {"mod_evasive", "apache"},
	{"php-fpm", "php-fpm"}, {"haproxy", "haproxy"}, {"lighttpd", "lighttpd"}, {"caddy", "caddy"},
	{"fail2ban", "fail2ban"}, {"crowdsec", "crowdsec"}, {"cloudflared", "cloudflared"},
	{"certbot", "certbot"}, {"letsencrypt", "certbot"}, {"acme.sh", "acme.sh"}, {"lego", "lego"},
	{"audit", "audit"}, {"kernel", "kernel"}, {"systemd", "systemd"}, {"stunnel", "stunnel"},
	// What runs applications: their logs have no common form, and are read for a
	// few plain sentences only.
	{"python", "app"}, {"gunicorn", "app"}, {"uwsgi", "app"}, {"node", "app"}, {"deno", "app"}, {"bun", "app"}, {"java", "app"},
	{"ruby", "app"}, {"puma", "app"}, {"unicorn", "app"}, {"php", "app"}, {"perl", "app"}, {"dotnet", "app"}, {"beam.smp", "app"},
}

// programOf is the program of a process or tag; empty for one that is not
// read.
func programOf(name string) string {
	name = strings.ToLower(name)
	for _, p := range programNames {
		if strings.HasPrefix(name, p.begins) {
			return p.program
		}
	}
	return ""
}

var tagRE = regexp.MustCompile(`^(?:[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}|\d{4}-\d{2}-\d{2}T\S+) \S+ ([^\s\[:]+)(?:\[\d+\])?:`)

// syslogProgram is the program that wrote a syslog line.
func syslogProgram(line string) string {
	g := tagRE.FindStringSubmatch(line)
	if g == nil {
		return ""
	}
	return programOf(g[1])
}

// defaultLogs lists where distributions put logs; one line adds one. A missing
// one is only worth a word where its program is there.
var defaultLogs = []struct {
	pattern, program string
	access           bool
}{
	{"/var/log/nginx/*error*.log", "nginx", false},
	{"/var/log/nginx/*access*.log", "nginx", true},
	{"/var/log/apache2/*error*.log", "apache", false},
	{"/var/log/apache2/*access*.log", "apache", true},
	{"/var/log/httpd/*error_log", "apache", false},
	{"/var/log/httpd/*access_log", "apache", true},
	{"/var/log/php*-fpm.log", "php-fpm", false},
	{"/var/log/php-fpm/error.log", "php-fpm", false},
	{"/var/log/haproxy.log", "haproxy", true},
	{"/var/log/lighttpd/error.log", "lighttpd", false},
	{"/var/log/lighttpd/access.log", "lighttpd", true},
	{"/var/log/caddy/*.log", "caddy", true},
	{"/var/log/fail2ban.log", "fail2ban", false},
	{"/var/log/crowdsec.log", "crowdsec", false},
	{"/var/log/cloudflared.log", "cloudflared", false},
	{"/var/log/letsencrypt/letsencrypt.log", "certbot", false},
	{"/var/log/audit/audit.log", "audit", false},
	{"/var/log/kern.log", "kernel", false},
	{"/var/log/syslog", "syslog", false},
	{"/var/log/messages", "syslog", false},
}
