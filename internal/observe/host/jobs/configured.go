package jobs

import (
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// configured are updaters that run by themselves once they are configured,
// with where their configuration and log lie: one line for each.
var configured = []struct {
	name  string
	files []string
	hosts func(text string) []string
}{
	{"ddclient", []string{"/etc/ddclient.conf", "/etc/ddclient/ddclient.conf"}, ddclientHosts},
	{"inadyn", []string{"/etc/inadyn.conf", "/etc/inadyn/inadyn.conf"}, inadynHosts},
	{"cloudflare-ddns", []string{"/etc/cloudflare-ddns.json", "/etc/cloudflare-ddns/config.json", "/opt/cloudflare-ddns/config.json"}, nil},
}

// configuredJobs lists the updaters that are configured here. Only the names
// that they keep are shown: the rest of such files is secrets.
func configuredJobs(f rootfs.FS) []fact.Job {
	var out []fact.Job
	for _, c := range configured {
		for _, file := range c.files {
			if f.Exists(file) != fact.Yes {
				continue
			}
			j := fact.Job{Kind: kindDynDNS, Name: c.name, Place: fact.Place{File: file}}
			if b, err := f.Read(file, maxScript); err == nil && c.hosts != nil {
				hosts := c.hosts(string(b))
				j.Target = escape.Line(strings.Join(hosts[:min(len(hosts), 8)], ", "), 300)
			}
			out = append(out, j)
			break
		}
	}
	return out
}

// ddclientHosts are the words of ddclient.conf that are no settings: the names
// behind "login=…, password=… home.shop.example,www.shop.example".
func ddclientHosts(text string) []string {
	var out []string
	text = strings.ReplaceAll(text, "\\\n", " ")
	for _, l := range strings.Split(text, "\n") {
		l, _, _ = strings.Cut(l, "#")
		for _, w := range strings.FieldsFunc(l, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' }) {
			if !strings.ContainsAny(w, "='\"/\\") && strings.Contains(w, ".") && len(w) < 254 {
				out = append(out, strings.ToLower(w))
			}
		}
	}
	return out
}

// inadynHosts are the values of hostname in inadyn.conf.
func inadynHosts(text string) []string {
	var out []string
	for _, l := range strings.Split(text, "\n") {
		k, v, ok := strings.Cut(strings.TrimSpace(l), "=")
		if !ok || strings.TrimSpace(k) != "hostname" {
			continue
		}
		for _, w := range strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(" \t,{}\"'", r) }) {
			out = append(out, strings.ToLower(w))
		}
	}
	return out
}
