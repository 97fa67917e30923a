package jobs

import (
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// certbot reads the lineages that certbot renews and its last log.
func certbot(f rootfs.FS) []fact.Job {
	lineages, _ := f.Glob("/etc/letsencrypt/renewal/*.conf")
	var jobs []fact.Job
	const log = "/var/log/letsencrypt/letsencrypt.log"
	text := logTail(f, log)
	if strings.TrimSpace(text) == "" { // rotated before each run
		text = logTail(f, log+".1")
	}
	for _, l := range lineages {
		name := strings.TrimSuffix(filepath.Base(l), ".conf")
		j := fact.Job{Kind: kindACME, Name: "certbot", Target: escape.Line(name, 253), Place: fact.Place{File: l}}
		o := certbotRun(log, text, name)
		j.Last, j.OK, j.Errors = o.last, o.ok, o.errors
		jobs = append(jobs, j)
		if len(jobs) == 100 {
			break
		}
	}
	if len(jobs) == 0 && text != "" { // a first issue that failed leaves no lineage
		o := certbotRun(log, text, "")
		j := fact.Job{Kind: kindACME, Name: "certbot", Place: fact.Place{File: log}, Last: o.last, OK: o.ok, Errors: o.errors}
		if m := certbotDomain.FindStringSubmatch(text); m != nil {
			j.Target = escape.Line(m[1]+m[2]+m[3], 253)
		}
		jobs = append(jobs, j)
	}
	return jobs
}

func logTail(f rootfs.FS, name string) string {
	file, err := f.Open(name)
	if err != nil {
		return ""
	}
	defer file.Close()
	fi, err := file.Stat()
	if err != nil {
		return ""
	}
	off := max(0, fi.Size()-tail)
	b := make([]byte, fi.Size()-off)
	n, _ := file.ReadAt(b, off)
	return string(b[:n])
}

var (
	certbotFailed  = regexp.MustCompile(`Failed to renew certificate (\S+) with error: (.*)`)
	certbotDomain  = regexp.MustCompile(`Challenge failed for domain (\S+)|Domain: (\S+)|Failed authorization procedure\. (\S+)`)
	certbotTrouble = regexp.MustCompile(`Challenge failed|Some challenges have failed|Failed authorization|Failed to renew|Detail: |Type: +\w+|Attempting to (?:renew|parse).*failed|The following (?:renewals failed|certificates could not)|AuthorizationError|unauthorized`)
)

// certbotRun reads what the last run said of one lineage. A run in which
// another one failed says nothing bad of this one.
func certbotRun(file, text, name string) outcome {
	var o outcome
	mine, other := false, false
	for i, l := range strings.Split(text, "\n") {
		if t, ok := moment(l); ok {
			o.last = t.UTC()
		}
		if m := certbotFailed.FindStringSubmatch(l); m != nil && name != "" {
			mine, other = mine || m[1] == name, other || m[1] != name
		}
		if m := certbotDomain.FindStringSubmatch(l); m != nil && name != "" {
			d := m[1] + m[2] + m[3]
			if d == name || strings.HasSuffix(d, "."+name) {
				mine = true
			} else {
				other = true
			}
		}
		if certbotTrouble.MatchString(l) && len(o.errors) < maxErrors && !strings.HasPrefix(l, "{") {
			o.errors = append(o.errors, fact.Place{File: file, Line: i + 1, Text: escape.Line(l, 300)})
		}
	}
	switch {
	case len(o.errors) > 0 && other && !mine:
		o.errors = nil
	case len(o.errors) > 0:
		o.ok = fact.No
	case strings.Contains(text, "no renewals were attempted") || strings.Contains(text, "No renewals were attempted") || strings.Contains(text, "not due for renewal") || strings.Contains(text, "not yet due for renewal") ||
		strings.Contains(text, "all renewals succeeded") || strings.Contains(text, "Successfully received certificate") || strings.Contains(text, "Congratulations"):
		o.ok = fact.Yes
	}
	return o
}

// acmeSH reads the certificates that acme.sh keeps, in root's and users' homes.
func acmeSH(f rootfs.FS) []fact.Job {
	var jobs []fact.Job
	for _, home := range []string{"/root/.acme.sh", "/home/*/.acme.sh", "/etc/acme.sh"} {
		confs, _ := f.Glob(home + "/*/*.conf")
		for _, c := range confs {
			name := strings.TrimSuffix(filepath.Base(c), ".conf")
			if !strings.HasPrefix(filepath.Base(filepath.Dir(c)), name) || strings.HasSuffix(name, ".csr") || len(jobs) >= 100 {
				continue // ca/…/account.conf and their like
			}
			j := fact.Job{Kind: kindACME, Name: "acme.sh", Target: escape.Line(name, 253), Place: fact.Place{File: c}}
			if o, ok := readLog(f, filepath.Dir(filepath.Dir(c))+"/acme.sh.log"); ok {
				j.Last = o.last
				for _, e := range o.errors {
					if strings.Contains(e.Text, name) {
						j.Errors = append(j.Errors, e)
					}
				}
				j.OK = o.ok
				if o.ok == fact.No && len(j.Errors) == 0 {
					j.OK = fact.Unknown // another certificate's failure
				}
			}
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// ddclient reads what ddclient remembers of each name that it keeps.
func ddclient(f rootfs.FS) []fact.Job {
	for _, name := range []string{"/var/cache/ddclient/ddclient.cache", "/var/lib/ddclient/ddclient.cache", "/var/tmp/ddclient.cache"} {
		b, err := f.Read(name, maxScript)
		if err != nil {
			continue
		}
		var jobs []fact.Job
		for i, l := range strings.Split(string(b), "\n") {
			if l = strings.TrimSpace(l); l != "" && l[0] != '#' && len(jobs) < 100 {
				if j, ok := ddclientLine(name, l, i+1); ok {
					jobs = append(jobs, j)
				}
			}
		}
		return jobs
	}
	return nil
}

// ddclientLine reads "atime=1795,host=shop.example,ip=192.0.2.1,status=good …".
func ddclientLine(file, line string, no int) (fact.Job, bool) {
	m := map[string]string{}
	for _, part := range strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' }) {
		if k, v, ok := strings.Cut(part, "="); ok && v != "" {
			m[k] = v
		}
	}
	if m["host"] == "" {
		return fact.Job{}, false
	}
	place := fact.Place{File: file, Line: no, Text: escape.Line(line, 240)}
	j := fact.Job{Kind: kindDynDNS, Name: "ddclient", Target: escape.Line(m["host"], 253), Place: place}
	status := m["status"]
	for _, k := range []string{"status-ipv4", "status-ipv6"} {
		if m[k] != "" && (status == "" || status == "good") {
			status = m[k]
		}
	}
	if a, err := netip.ParseAddr(m["ip"]); err == nil {
		j.Target += " = " + a.String()
	}
	for _, k := range []string{"atime", "mtime"} {
		if n, err := strconv.ParseInt(m[k], 10, 64); err == nil && n > 0 && j.Last.IsZero() {
			j.Last = time.Unix(n, 0).UTC()
		}
	}
	switch status {
	case "":
	case "good", "nochg":
		j.OK = fact.Yes
	default:
		j.OK = fact.No
		j.Errors = []fact.Place{place}
	}
	return j, true
}
