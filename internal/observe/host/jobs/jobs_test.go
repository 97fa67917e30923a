package jobs

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/hosttest"
	"github.com/originward/originward/internal/observe/host/procs"
)

func collectJobs(t *testing.T, archive string, list ...procs.Process) map[string]fact.Job {
	t.Helper()
	fs := hosttest.Tree(t, "/", archive)
	env := collect.NewEnv(collect.Ask{Root: fs.Root}, collect.Sources{
		Processes: func(context.Context, *collect.Env) procs.Table {
			return procs.Table{Processes: list, Complete: fact.Yes}
		},
	})
	seen, gone := run(t.Context(), env)
	if len(gone) > 0 {
		t.Errorf("not observed: %+v", gone)
	}
	out := map[string]fact.Job{}
	for _, e := range seen {
		if e.Text == "" || e.Reproduce == "" {
			t.Errorf("item without text or command: %+v", e)
		}
		for _, j := range e.Fact.(fact.Jobs).Jobs {
			out[strings.TrimSpace(j.Name+" "+map[bool]string{true: j.Target}[j.Kind == kindACME])] = j
		}
	}
	return out
}

func TestAllowlistUpdater(t *testing.T) {
	got := collectJobs(t, `-- /etc/cron.d/cf --
SHELL=/bin/sh
# m h dom mon dow user command
17 3 * * * root /usr/local/bin/update-cf >> /var/log/update-cf.log 2>&1
*/5 * * * * root /usr/bin/true
-- /usr/local/bin/update-cf --
#!/bin/sh
curl -fsS https://www.cloudflare.com/ips-v4 -o /tmp/v4
ipset create cf-new hash:net
nft add element inet filter cdn4 { $x }
-- /var/log/update-cf.log --
2026-11-20 03:17:01 updated 15 ranges
2026-11-22 03:17:01 fetching
curl: (22) The requested URL returned error: 403
2026-11-22 03:17:02 stored 0 ranges
`)
	j, ok := got["update-cf"]
	if !ok || j.Kind != kindAllowlist || j.OK != fact.No || len(j.Errors) != 1 || j.Errors[0].Line != 3 || j.Place.Line != 3 {
		t.Fatalf("%+v", got)
	}
	if !strings.Contains(j.Target, "cf-new") || !strings.Contains(j.Target, "inet filter cdn4") {
		t.Errorf("target %q", j.Target)
	}
	want, _ := time.ParseInLocation(time.DateTime, "2026-11-22 03:17:02", time.Local)
	if !j.Last.Equal(want) {
		t.Errorf("last run %v", j.Last)
	}
}

func TestTimersAndCrontabs(t *testing.T) {
	got := collectJobs(t, `-- /etc/systemd/system/ddns.timer --
[Timer]
OnCalendar=hourly
-- /etc/systemd/system/ddns.service --
[Service]
ExecStart=-/opt/ddns.sh
-- /opt/ddns.sh --
#!/bin/bash
RECORD=home.shop.example
LOGFILE=/var/log/ddns-own.log
curl -X PUT "https://api.cloudflare.com/client/v4/zones/$Z/dns_records/$R" >> $LOGFILE
-- /var/log/ddns-own.log --
[2026-11-22T10:00:00Z] updated home.shop.example to 203.0.113.9, 0 errors
-- /var/spool/cron/crontabs/root --
@daily "/root/.acme.sh"/acme.sh --cron --home "/root/.acme.sh" > /dev/null
-- /root/.acme.sh/shop.example_ecc/shop.example.conf --
Le_Domain='shop.example'
-- /root/.acme.sh/acme.sh.log --
[Sun Nov 22 00:10:01 UTC 2026] Renew: 'shop.example'
[Sun Nov 22 00:10:09 UTC 2026] shop.example:Verify error:Invalid response from https://shop.example/.well-known/acme-challenge/x: 525
`)
	if j := got["ddns.sh"]; j.Kind != kindDynDNS || j.OK != fact.Yes || j.Target != "home.shop.example" || j.Place.File != "/etc/systemd/system/ddns.service" {
		t.Errorf("%+v", got)
	}
	if j := got["acme.sh shop.example"]; j.OK != fact.No || len(j.Errors) != 1 || !strings.Contains(j.Errors[0].Text, "Verify error") {
		t.Errorf("%+v", got)
	}
}

func TestCertbot(t *testing.T) {
	got := collectJobs(t, `-- /etc/cron.d/certbot --
0 */12 * * * root test -x /usr/bin/certbot && certbot -q renew
-- /etc/letsencrypt/renewal/shop.example.conf --
version = 2.1.0
-- /etc/letsencrypt/renewal/other.example.conf --
version = 2.1.0
-- /var/log/letsencrypt/letsencrypt.log --
2026-11-22 00:00:01,100:DEBUG:certbot._internal.main:certbot version: 2.1.0
2026-11-22 00:00:09,100:INFO:certbot._internal.auth_handler:Challenge failed for domain shop.example
2026-11-22 00:00:09,200:ERROR:certbot._internal.renewal:Failed to renew certificate shop.example with error: Some challenges have failed.
`)
	shop, other := got["certbot shop.example"], got["certbot other.example"]
	if shop.OK != fact.No || len(shop.Errors) != 2 || shop.Errors[0].Line != 2 || shop.Last.IsZero() {
		t.Errorf("%+v", shop)
	}
	if other.Name == "" || other.OK == fact.No || len(other.Errors) != 0 {
		t.Errorf("another name's failure: %+v", other)
	}
}

func TestDaemonsAndDDClient(t *testing.T) {
	got := collectJobs(t, `-- /var/cache/ddclient/ddclient.cache --
## ddclient-3.10.0
atime=1795338005,host=home.shop.example,ip=203.0.113.9,mtime=1795338000,status=good home.shop.example
atime=1795338005,host=b.shop.example,status=failed b.shop.example
`, procs.Process{PID: 6, Exe: "/usr/bin/python3.11", Args: []string{"python3", "/opt/my-ddns.py"}},
		procs.Process{PID: 7, Comm: "cloudflare-ddns", Exe: "/bin/ddns", Container: "0123456789ab", Net: fact.No},
		procs.Process{PID: 8, Comm: "inadyn", Exe: "/usr/sbin/inadyn", Net: fact.No})
	if _, ok := got["my-ddns.py"]; !ok {
		t.Errorf("%+v", got)
	}
	if _, ok := got["inadyn"]; ok {
		t.Errorf("a process of another machine's namespace: %+v", got)
	}
	if j := got["ddclient"]; j.OK != fact.No || j.Target != "b.shop.example" { // the later of two with one name
		t.Errorf("%+v", j)
	}
}

func TestConfiguredUpdater(t *testing.T) {
	got := collectJobs(t, `-- /etc/ddclient.conf --
# Configuration
protocol=cloudflare, zone=shop.example, \\
login=token, password=very.secret.value \\
home.shop.example,www.shop.example
-- /var/log/ddclient.log --
2026-11-22 10:00:00 WARNING: could not connect to api.cloudflare.com
2026-11-22 10:00:01 FAILED: updating home.shop.example
`, procs.Process{PID: 5, Comm: "ddclient - slee", Exe: "/usr/bin/perl", Args: []string{"ddclient - sleeping for 290 seconds"}})
	j := got["ddclient"]
	if len(got) != 1 || j.OK != fact.No || len(j.Errors) != 2 || j.Target != "home.shop.example, www.shop.example" {
		t.Errorf("%+v", got)
	}
}

func TestCertbotFirstIssue(t *testing.T) {
	got := collectJobs(t, `-- /var/log/letsencrypt/letsencrypt.log --
2026-11-22 00:00:09,100:INFO:certbot._internal.auth_handler:Challenge failed for domain shop.example
2026-11-22 00:00:09,200:DEBUG:certbot:Some challenges have failed.
`)
	if j := got["certbot shop.example"]; j.OK != fact.No || len(j.Errors) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestNothing(t *testing.T) {
	if got := collectJobs(t, "-- /etc/hostname --\n"); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestBad(t *testing.T) {
	for line, want := range map[string]bool{
		"curl: (6) Could not resolve host": true, "HTTP/1.1 403 Forbidden": true, "status code: 502": true, "ERROR something": true,
		"0 errors, 15 ranges": false, "updated": false, "finished without errors": false, "HTTP/2 200": false, "code 200": false, "failed=0": false,
	} {
		if bad(line) != want {
			t.Errorf("bad(%q) = %v", line, !want)
		}
	}
}

func FuzzJobs(f *testing.F) {
	for _, s := range []string{
		"17 3 * * * root /x >> /var/log/x.log", "@daily x", "2026-11-22 03:17:01 failed", "Challenge failed for domain x", "host=a,ip=1.2.3.4,atime=99999999999999999999,status=x", "[Sun Nov 22 00:10:01 UTC 2026] x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ddclientHosts(s)
		inadynHosts(s)
		crontab("x", s, true, func(scheduled) {})
		runOf("x", []byte(s), 1)
		certbotRun("x", s, "a.example")
		ddclientLine("x", s, 1)
		recognise(s)
		targetOf(kindAllowlist, s)
		logsOf(body{text: s})
	})
}
