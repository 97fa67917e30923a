package allowlist

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     string // "line:prefix", "line:-prefix" for a refusal, "line:?" for unread
	}{
		{"plain", "173.245.48.0/20\n# note 1.2.3.4\n\n2400:cb00::/32 # v6\n", "1:173.245.48.0/20 4:2400:cb00::/32"},
		{"one line, commas", "103.21.244.0/22, 103.22.200.0/22", "1:103.21.244.0/22 1:103.22.200.0/22"},
		{"windows line ends", "103.21.244.0/22\r\n10.0.0.1\r\n", "1:103.21.244.0/22 2:10.0.0.1/32"},
		{"host bits", "173.245.48.77/20", "1:173.245.48.0/20"},
		{"nginx", "allow 173.245.48.0/20;\n  allow 2400:cb00::/32; deny 10.0.0.0/8;\ndeny all;", "1:173.245.48.0/20 2:2400:cb00::/32 2:-10.0.0.0/8"},
		{"nginx real ip", "set_real_ip_from 103.21.244.0/22;\nreal_ip_header CF-Connecting-IP;", "1:103.21.244.0/22"},
		{"nginx allow all", "allow all;", "1:0.0.0.0/0 1:::/0"},
		{"nginx geo", "geo $realip_remote_addr $cf {\n default 0;\n 173.245.48.0/20 1;\n 2400:cb00::/32 1;\n 10.0.0.0/8 0;\n}\nlisten 443;", "3:173.245.48.0/20 4:2400:cb00::/32 5:-10.0.0.0/8"},
		{"nginx other lines", "listen 203.0.113.5:443 ssl;\nproxy_pass http://127.0.0.1:8080;\nserver_name a.example;", ""},
		{"apache", "Require ip 173.245.48.0/20 10.1 192.168\n  require not ip 1.2.3.4\nRemoteIPTrustedProxy 2400:cb00::/32\nRemoteIPHeader CF-Connecting-IP", "1:173.245.48.0/20 1:10.1.0.0/16 1:192.168.0.0/16 2:-1.2.3.4/32 3:2400:cb00::/32"},
		{"apache 2.2", "Order deny,allow\nDeny from all\nAllow from 103.21.244.0/255.255.252.0", "3:103.21.244.0/22"},
		{"ipset", "create cf hash:net family inet hashsize 1024 maxelem 65536\nadd cf 173.245.48.0/20\nadd cf 10.0.0.0/8 nomatch\nadd ports 103.21.244.0/22,tcp:443 timeout 0", "2:173.245.48.0/20 3:-10.0.0.0/8 4:103.21.244.0/22"},
		{"iptables-save", "*filter\n:INPUT DROP [0:0]\n-A INPUT -s 173.245.48.0/20 -p tcp -m tcp --dport 443 -j ACCEPT\n[12:720] -A INPUT -s 1.2.3.4/32 -j DROP\n-A INPUT -d 9.9.9.9/32 -j ACCEPT\n-A INPUT -s 103.21.244.0/22 -j CDN\n-A INPUT ! -s 141.101.64.0/18 -j DROP\n-A INPUT -m iprange --src-range 10.0.0.0-10.0.0.3 -j ACCEPT\nCOMMIT",
			"3:173.245.48.0/20 4:-1.2.3.4/32 6:? 7:? 8:10.0.0.0/30"},
		{"iptables script", "iptables -I INPUT -p tcp --dport 443 -s 173.245.48.0/20,103.21.244.0/22 -j ACCEPT", "1:173.245.48.0/20 1:103.21.244.0/22"},
		{"nft set", "table inet filter {\n set cf {\n  type ipv4_addr\n  flags interval\n  elements = { 173.245.48.0/20, 103.21.244.0/22 timeout 1h expires 59m3s,\n    103.22.200.0-103.22.203.255 }\n }\n chain input {\n  ip saddr @cf tcp dport 443 accept\n  ip saddr 1.2.3.4 drop\n  ip6 saddr { 2400:cb00::/32, 2606:4700::/32 } tcp dport { 80, 443 } accept\n  ip saddr != 10.0.0.0/8 drop\n  ip daddr 9.9.9.9 accept\n  ip saddr 8.8.8.8 jump other\n }\n}",
			"5:173.245.48.0/20 5:103.21.244.0/22 6:103.22.200.0/22 10:-1.2.3.4/32 11:2400:cb00::/32 11:2606:4700::/32 12:? 13:? 14:?"},
		{"nft one line", "nft add element inet filter cf { 173.245.48.0/20 }", "1:173.245.48.0/20"},
		{"ufw", "ufw allow from 173.245.48.0/20 to any port 443 proto tcp\nufw deny from 1.2.3.4", "1:173.245.48.0/20 2:-1.2.3.4/32"},
		{"ufw status", "To                         Action      From\n--                         ------      ----\n443/tcp                    ALLOW       173.245.48.0/20\n80,443/tcp                 DENY IN     1.2.3.4", "3:173.245.48.0/20 4:-1.2.3.4/32"},
		{"firewalld", `<ipset type="hash:net">` + "\n <entry>173.245.48.0/20</entry>\n</ipset>", "2:173.245.48.0/20"},
		{"caddy, haproxy, yaml", "trusted_proxies static 173.245.48.0/20 2400:cb00::/32\nacl cf src 103.21.244.0/22\n- 10.0.0.0/8\n- \"10.1.0.0/16\"", "1:173.245.48.0/20 1:2400:cb00::/32 2:103.21.244.0/22 3:10.0.0.0/8 4:10.1.0.0/16"},
		{"json api", "{\"result\":{\"ipv4_cidrs\":[\"173.245.48.0/20\",\n\"103.21.244.0/22\"],\n\"ipv6_cidrs\":[\"2400:cb00::/32\"]},\"success\":true}", "1:173.245.48.0/20 2:103.21.244.0/22 3:2400:cb00::/32"},
		{"nft json", "{\"nftables\":[{\"set\":{\"elem\":[{\"prefix\":{\"addr\":\"173.245.48.0\",\"len\":20}},\"1.2.3.4\",\n{\"range\":[\"10.0.0.0\",\"10.0.0.1\"]}]}}]}", "1:173.245.48.0/20 1:1.2.3.4/32 2:10.0.0.0/31"},
		{"broken json is read as lines", "[\n\"173.245.48.0/20\",\n", "2:173.245.48.0/20"},
		{"bad entries", "173.245.48.0/33\n300.1.2.3\n1.2.3.4/255.0.255.0\n10.0.0.9-10.0.0.1\n1.2.3.4", "1:? 2:? 3:? 4:? 5:1.2.3.4/32"},
		{"mapped", "::ffff:173.245.48.0/116", "1:173.245.48.0/20"},
		{"empty", "", ""},
		{"prose", "We allow the CDN since 2024, see 1.2.3.4 for details", "1:?"},
	} {
		l, err := Read(strings.NewReader(tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := render(l); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func render(l *List) string {
	at := map[int][]string{}
	high := 0
	for _, e := range l.Entries {
		sign := ""
		if e.Deny {
			sign = "-"
		}
		at[e.Line] = append(at[e.Line], fmt.Sprintf("%d:%s%s", e.Line, sign, e.Prefix))
		high = max(high, e.Line)
	}
	for _, u := range l.Unread {
		at[u.Line] = append(at[u.Line], fmt.Sprintf("%d:?", u.Line))
		high = max(high, u.Line)
	}
	var out []string
	for i := range high + 1 {
		out = append(out, at[i]...)
	}
	return strings.Join(out, " ")
}

func TestUnreadableFiles(t *testing.T) {
	if _, err := Read(strings.NewReader("abc\x00def")); !errors.Is(err, ErrNotText) {
		t.Errorf("binary: %v", err)
	}
	if _, err := Read(strings.NewReader(strings.Repeat("1.2.3.4\n", MaxBytes/8+1))); err == nil || !strings.Contains(err.Error(), "MiB") {
		t.Errorf("too large: %v", err)
	}
	if _, err := Read(strings.NewReader(strings.Repeat("1.2.3.4 ", maxEntries+2))); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("too many: %v", err)
	}
}

func TestSplit(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.0-10.0.0.255":                                 "10.0.0.0/24",
		"10.0.0.1-10.0.0.6":                                   "10.0.0.1/32 10.0.0.2/31 10.0.0.4/31 10.0.0.6/32",
		"0.0.0.0-255.255.255.255":                             "0.0.0.0/0",
		"255.255.255.254-255.255.255.255":                     "255.255.255.254/31",
		"2400:cb00::-2400:cb00:ffff:ffff:ffff:ffff:ffff:ffff": "2400:cb00::/32",
	} {
		ps, ok, err := prefixes(in)
		if err != nil || !ok {
			t.Errorf("%s: %v %v", in, ok, err)
			continue
		}
		var got []string
		for _, p := range ps {
			got = append(got, p.String())
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s = %s, want %s", in, s, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"allow 173.245.48.0/20;", "Require ip 10.1", "elements = { 1.2.3.4,\n5.6.7.8 }", "-A INPUT -s 1.2.3.4 -j ACCEPT",
		`{"range":["1.2.3.4","1.2.3.9"]}`, "geo $a {\n1.2.3.4 1;\n}", "add x 1.2.3.4-1.2.3.8", "::-ffff::",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := Read(strings.NewReader(s))
		if err != nil {
			return
		}
		lines := strings.Count(s, "\n") + 1
		for _, e := range l.Entries {
			if !e.Prefix.IsValid() || e.Prefix != e.Prefix.Masked() || e.Line < 1 || e.Line > lines {
				t.Errorf("entry %+v of %d lines", e, lines)
			}
			if e.Prefix.Addr() == (netip.Addr{}) {
				t.Errorf("entry without address: %+v", e)
			}
		}
		for _, u := range l.Unread {
			if u.Line < 1 || u.Line > lines || len(u.Text) > maxText || u.Why == "" {
				t.Errorf("unread %+v", u)
			}
		}
	})
}
