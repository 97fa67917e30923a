package bans

import (
	"context"
	"database/sql"
	"encoding/binary"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/webconfig"
)

func TestUFW(t *testing.T) {
	s := on(t, `-- /etc/ufw/ufw.conf --
ENABLED=yes
-- /etc/ufw/user.rules --
*filter
### RULES ###

### tuple ### allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp --dport 80 -j ACCEPT

### tuple ### deny any any 0.0.0.0/0 any 173.245.48.0/24 in comment=626f7473
-A ufw-user-input -s 173.245.48.0/24 -j DROP

### tuple ### reject tcp 443 0.0.0.0/0 any 172.17.0.1 in
-A ufw-user-input -p tcp --dport 443 -s 172.17.0.1 -j REJECT --reject-with tcp-reset

### tuple ### deny any any 0.0.0.0/0 any 198.51.100.0/24 in
-A ufw-user-input -s 198.51.100.0/24 -j DROP
`)
	x := one(t, ufw, s)
	if x.State != fact.Yes || x.Total != 3 {
		t.Errorf("%+v", x)
	}
	equal(t, "edge", prefixes(x.CDN), []string{"173.245.48.0/24"})
	b := x.CDN[0]
	if b.Reason != "bots" || b.Remove != "ufw delete deny from 173.245.48.0/24" || b.Place.Line != 7 || b.Range != ranges[0] || b.CDN != "edge" {
		t.Errorf("%+v", b)
	}
	if len(x.Private) != 1 || x.Private[0].Gateway != fact.Yes || x.Private[0].Remove != "ufw delete reject proto tcp from 172.17.0.1/32 to any port 443" {
		t.Errorf("%+v", x.Private)
	}
	off := one(t, ufw, on(t, "-- /etc/ufw/ufw.conf --\nENABLED=no\n-- /etc/ufw/user.rules --\n### tuple ### deny any any 0.0.0.0/0 any 104.16.0.1 in\n"))
	if off.State != fact.No || len(off.CDN) != 1 {
		t.Errorf("a disabled ufw: %+v", off)
	}
}

// ufw itself writes the lines.
func TestAgainstUFW(t *testing.T) {
	bin, err := exec.LookPath("ufw")
	if err != nil {
		t.Skip("ufw is not installed")
	}
	for args, want := range map[string]string{
		"deny from 173.245.48.0/24 comment bots":           "ufw delete deny from 173.245.48.0/24",
		"reject proto tcp from 172.17.0.1 to any port 443": "ufw delete reject proto tcp from 172.17.0.1/32 to any port 443",
		"deny in on eth0 from 2400:cb00::/32":              "ufw delete deny in on eth0 from 2400:cb00::/32",
		"route deny from 104.16.0.0/13":                    "ufw route delete deny from 104.16.0.0/13",
		"deny log from 104.16.0.0/13":                      "ufw delete deny log from 104.16.0.0/13",
		"limit 22/tcp":                                     "",
		"allow from 104.16.0.0/13":                         "",
		"deny out to 104.16.0.0/13":                        "",
	} {
		out, err := exec.Command(bin, append([]string{"--dry-run"}, strings.Fields(args)...)...).CombinedOutput()
		if err != nil {
			t.Skipf("ufw does not work here: %v: %s", err, out)
		}
		got := ""
		for _, l := range strings.Split(string(out), "\n") {
			if e, _, ok := ufwTuple(l); ok {
				got = e.remove
			}
		}
		if got != want {
			t.Errorf("ufw %s: %q, want %q\n%s", args, got, want, out)
		}
	}
}

func TestCSF(t *testing.T) {
	s := on(t, `-- /etc/csf/csf.conf --
TESTING = "0"
DROP = "DROP"
-- /etc/csf/csf.allow --
173.245.48.0/20 # cloudflare
-- /etc/csf/csf.deny --
# comment
103.21.244.9 # lfd: (mod_security) triggered
tcp|in|d=443|s=104.16.0.0/16 # manual
198.51.100.1
-- /var/lib/csf/csf.tempban --
1795348000|104.17.1.1|80|in|3600|lfd - (CT) IP hit the limit
1795300000|104.17.1.2|80|in|60|long over
`)
	list, _ := csf(t.Context(), s)
	if len(list) != 2 {
		t.Fatalf("%+v", list)
	}
	equal(t, "deny", prefixes(list[0].CDN), []string{"103.21.244.9/32", "104.16.0.0/16"})
	equal(t, "temporary", prefixes(list[1].CDN), []string{"104.17.1.1/32"})
	if list[0].Total != 3 || list[0].Action != "drop" || list[0].IgnoreCDN != fact.No || list[0].CDN[0].Remove != "csf -dr 103.21.244.9/32" || list[0].CDN[0].Place.Line != 2 {
		t.Errorf("%+v", list[0])
	}
	if b := list[1].CDN[0]; b.Until == "" || !strings.Contains(b.Reason, "hit the limit") {
		t.Errorf("%+v", b)
	}
}

func TestFirewalld(t *testing.T) {
	s := on(t, `-- /etc/firewalld/zones/public.xml --
<?xml version="1.0" encoding="utf-8"?>
<zone>
  <service name="http"/>
  <rule family="ipv4"><source address="104.16.0.0/13"/><reject type="icmp-admin-prohibited"/></rule>
  <rule><source ipset="bad"/><drop/></rule>
  <rule family="ipv4"><source address="198.51.100.0/24"/><accept/></rule>
</zone>
-- /etc/firewalld/zones/drop.xml --
<zone target="DROP"><source address="103.21.244.0/24"/></zone>
-- /etc/firewalld/zones/trusted.xml --
<zone target="ACCEPT"><source address="173.245.48.0/20"/></zone>
-- /etc/firewalld/ipsets/bad.xml --
<ipset type="hash:net"><entry>173.245.48.7</entry><entry>198.51.100.7</entry></ipset>
`, procs.Process{PID: 7, Comm: "firewalld", Args: []string{"/usr/bin/python3", "/usr/sbin/firewalld"}})
	list, gone := firewalld(t.Context(), s)
	if len(list) != 2 || len(gone) != 0 {
		t.Fatalf("%+v %+v", list, gone)
	}
	equal(t, "drop", prefixes(list[0].CDN), []string{"103.21.244.0/24"})
	equal(t, "public", prefixes(list[1].CDN), []string{"104.16.0.0/13", "173.245.48.7/32"})
	if list[1].Total != 3 || list[1].State != fact.Yes || !strings.Contains(list[1].CDN[0].Remove, "--remove-rich-rule") {
		t.Errorf("%+v", list[1])
	}
}

func TestIPSet(t *testing.T) {
	out := ipsetSave(on(t, ""), strings.NewReader(`create f2b-nginx hash:ip family inet hashsize 1024 maxelem 65536 timeout 600
add f2b-nginx 104.16.1.1 timeout 300
add f2b-nginx 198.51.100.2
create firehol_level1 hash:net family inet hashsize 1024 maxelem 65536
add firehol_level1 103.21.244.0/22
add firehol_level1 173.245.48.0/20 nomatch
create ports bitmap:port range 0-1024
add ports 80
add
`))
	if len(out) != 3 {
		t.Fatalf("%+v", out)
	}
	equal(t, "f2b", prefixes(out[0].CDN), []string{"104.16.1.1/32"})
	equal(t, "firehol", prefixes(out[1].CDN), []string{"103.21.244.0/22"})
	if out[0].CDN[0].Until != "2026-11-22T12:05:00Z" || out[0].CDN[0].Remove != "ipset del f2b-nginx 104.16.1.1" || out[1].List != fact.Yes || out[2].State != fact.Unknown {
		t.Errorf("%+v", out)
	}
}

func TestSSHGuard(t *testing.T) {
	x := one(t, sshguard, on(t, "-- /var/lib/sshguard/blacklist.db --\n1795300000|100|4|104.16.1.1\nbroken\n", procs.Process{PID: 3, Comm: "sshguard"}))
	equal(t, "sshguard", prefixes(x.CDN), []string{"104.16.1.1/32"})
	if x.State != fact.Yes || x.CDN[0].Since == "" {
		t.Errorf("%+v", x)
	}
}

func database(t *testing.T, root, name string, statements ...string) {
	t.Helper()
	file := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range statements {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCrowdSec(t *testing.T) {
	s := on(t, "-- /etc/crowdsec/config.yaml --\ndb_config:\n  type: sqlite\n  db_path: /data/cs.db\n", procs.Process{PID: 9, Comm: "crowdsec", Exe: "/usr/bin/crowdsec"})
	database(t, s.env.Root, "/data/cs.db",
		"CREATE TABLE decisions (id INTEGER, created_at datetime, until datetime, scenario TEXT, type TEXT, scope TEXT, value TEXT, origin TEXT, simulated bool)",
		"INSERT INTO decisions VALUES (1,'2026-11-22 10:00:00+00:00','2026-11-22 14:00:00+00:00','http-probing','ban','Ip','104.16.3.4','crowdsec',0)",
		"INSERT INTO decisions VALUES (2,'2026-11-22 10:00:00+00:00','2026-11-22 11:00:00+00:00','http-probing','ban','Ip','104.16.3.5','crowdsec',0)",
		"INSERT INTO decisions VALUES (3,'2026-11-22 10:00:00+00:00','2026-11-23 11:00:00+00:00','x','ban','Range','103.21.244.0/24','lists',0)",
		"INSERT INTO decisions VALUES (4,'2026-11-22 10:00:00+00:00','2026-11-23 11:00:00+00:00','x','ban','Ip','104.16.3.6','crowdsec',1)")
	before := tree(t, s.env.Root)
	list, gone := crowdsec(t.Context(), s)
	if len(list) != 2 || len(gone) != 0 {
		t.Fatalf("%+v %+v", list, gone)
	}
	equal(t, "own", prefixes(list[0].CDN), []string{"104.16.3.4/32"})
	equal(t, "lists", prefixes(list[1].CDN), []string{"103.21.244.0/24"})
	if list[0].List != fact.No || list[1].List != fact.Yes || list[0].Enforced != fact.Unknown || list[0].CDN[0].Until != "2026-11-22T14:00:00Z" {
		t.Errorf("%+v", list)
	}
	equal(t, "files beside the database", tree(t, s.env.Root), before)
}

// tree lists every file below a directory.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSiteLists(t *testing.T) {
	s := on(t, `-- /etc/apache2/apache2.conf --
Listen 80
<VirtualHost *:80>
	DocumentRoot /var/www/shop
</VirtualHost>
-- /var/www/shop/.htaccess --
Order allow,deny
Deny from 104.16.0.0/16 198.51.100
Require not ip 2400:cb00::1
# Deny from 103.21.244.1
`)
	file := filepath.Join(s.env.Root, "var/www/shop/wp-content/wflogs/ips.php")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	rec := func(ip string, until int64) []byte {
		a := netip.MustParseAddr(ip).As16()
		b := append([]byte{}, a[:]...)
		b = binary.LittleEndian.AppendUint32(b, uint32(until))
		return binary.LittleEndian.AppendUint32(b, 1)
	}
	data := append([]byte(wordfenceHead), append(rec("173.245.48.9", now.Unix()+60), rec("173.245.48.10", now.Unix()-60)...)...)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	c := webconfig.New()
	read := func(f func(context.Context, *survey, *webconfig.Configs) ([]seen, []originward.NotObserved)) reader {
		return func(ctx context.Context, s *survey) ([]seen, []originward.NotObserved) { return f(ctx, s, c) }
	}
	x := one(t, read(htaccess), s)
	equal(t, "htaccess", prefixes(x.CDN), []string{"104.16.0.0/16", "2400:cb00::1/128"})
	if x.Total != 3 || x.CDN[0].Place.Line != 2 {
		t.Errorf("%+v", x)
	}
	w := one(t, read(wordfence), s)
	equal(t, "wordfence", prefixes(w.CDN), []string{"173.245.48.9/32"})
	if w.Total != 1 || w.State != fact.Yes {
		t.Errorf("%+v", w)
	}
	if err := os.WriteFile(file, []byte("<?php something else"), 0o644); err != nil {
		t.Fatal(err)
	}
	if w := one(t, read(wordfence), s); w.State != fact.Unknown || w.Why == "" {
		t.Errorf("a foreign format: %+v", w)
	}
}

func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("root reads everything; the case is covered through a directory in place of a file")
	}
	s := on(t, "-- /etc/ufw/ufw.conf --\nENABLED=yes\n")
	if err := os.MkdirAll(filepath.Join(s.env.Root, "etc/ufw/user.rules"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, gone := ufw(t.Context(), s)
	if len(gone) != 1 || gone[0].Why == "" || gone[0].How == "" {
		t.Errorf("%+v", gone)
	}
}

func TestNothingInstalled(t *testing.T) {
	s := on(t, "-- /etc/hostname --\nx\n")
	seenItems, gone := run(t.Context(), s.env, sources(webconfig.New()))
	if len(seenItems) != 1 || len(gone) != 0 {
		t.Fatalf("%+v %+v", seenItems, gone)
	}
	if f := seenItems[0].Fact.(fact.Bans); f.Sources == nil || len(f.Sources) != 0 {
		t.Errorf("%+v", f)
	}
}

func TestPanicCostsOneSource(t *testing.T) {
	s := on(t, "")
	items, gone := run(t.Context(), s.env, []source{
		{"broken", func(context.Context, *survey) ([]seen, []originward.NotObserved) { panic("x") }},
		{"good", func(context.Context, *survey) ([]seen, []originward.NotObserved) {
			return []seen{{newSource("good", ""), "x"}}, nil
		}},
	})
	if len(items) != 1 || len(gone) != 1 {
		t.Errorf("%+v %+v", items, gone)
	}
}

func FuzzLists(f *testing.F) {
	for _, s := range []string{
		"### tuple ### deny any any 0.0.0.0/0 any 173.245.48.0/24 in comment=62", "1795348000|104.17.1.1|80|in|3600|x", "tcp|in|d=1|s=1.2.3.4",
		"create a hash:ip\nadd a 1.2.3.4 timeout 99999999999999999999", "Deny from 1. 2.3 all", "104.16.0.1 \t2026-11-22 10:00:00 + 600 = 2026-11-22 10:10:00",
	} {
		f.Add(s)
	}
	s := on(f, "")
	f.Fuzz(func(t *testing.T, text string) {
		ufwTuple(text)
		csfLine(text)
		csfTemp(text)
		banLine(text)
		ipsetSave(s, strings.NewReader(text))
		src := newSource("x", "y")
		htaccessLines(s, &src, []byte(text))
		wordfenceBlocks(s, &src, []byte(wordfenceHead+text))
	})
}
