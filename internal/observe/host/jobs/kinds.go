package jobs

import (
	"regexp"
	"slices"
	"strings"

	"github.com/originward/originward/internal/escape"
)

// The kinds of jobs that matter for the hop.
const (
	kindDynDNS    = "dyndns"
	kindAllowlist = "allowlist"
	kindACME      = "acme"
)

// kindRow recognises a job by what it runs; the first that matches counts.
type kindRow struct {
	kind string
	name string   // of the tool; empty = the script's own
	has  []string // one of these must be there: cheaper than the expression
	re   *regexp.Regexp
}

// kindRows: one line for each tool.
var kindRows = []kindRow{
	{kindACME, "certbot", []string{"certbot", "letsencrypt-auto"}, regexp.MustCompile(`\bcertbot\b|letsencrypt-auto`)},
	{kindACME, "acme.sh", []string{"acme.sh"}, regexp.MustCompile(`\bacme\.sh\b`)},
	{kindACME, "lego", []string{"lego"}, regexp.MustCompile(`\blego\b[^\n]*\brenew\b`)},
	{kindACME, "dehydrated", []string{"dehydrated"}, regexp.MustCompile(`\bdehydrated\b[^\n]*(?:-c\b|--cron\b)`)},
	{kindACME, "getssl", []string{"getssl"}, regexp.MustCompile(`\bgetssl\b`)},
	{kindACME, "uacme", []string{"uacme"}, regexp.MustCompile(`\buacme\b[^\n]*\bissue\b`)},
	{kindAllowlist, "", []string{"cloudflare.com", "ips-v", "ip-ranges.json", "public-ip-list"},
		regexp.MustCompile(`cloudflare\.com/(?:client/v4/)?ips(?:-v[46])?\b|\bips-v[46]\b|ip-ranges\.json|api\.fastly\.com/public-ip-list`)},
	{kindDynDNS, "ddclient", []string{"ddclient"}, regexp.MustCompile(`\bddclient\b`)},
	{kindDynDNS, "inadyn", []string{"inadyn"}, regexp.MustCompile(`\binadyn\b`)},
	{kindDynDNS, "", []string{"api.cloudflare.com", "ddns", "duckdns", "dynv6", "dyndns"},
		regexp.MustCompile(`api\.cloudflare\.com/client/v4/zones/[^\n]*dns_records|cloudflare-ddns|cf-ddns|\bddns\b|duckdns\.org|dynv6\.com|dyndns`)},
}

// recognise gives kind and name of what a body of text runs.
func recognise(text string) (kind, tool string, ok bool) {
	for _, r := range kindRows {
		if slices.ContainsFunc(r.has, func(w string) bool { return strings.Contains(text, w) }) && r.re.MatchString(text) {
			return r.kind, r.name, true
		}
	}
	return "", "", false
}

// daemons are programs that do such a job by running all the time.
var daemons = map[string]string{
	"ddclient": kindDynDNS, "inadyn": kindDynDNS, "cloudflare-ddns": kindDynDNS, "cloudflare-ddn": kindDynDNS, "ddns-updater": kindDynDNS, "ddns": kindDynDNS, "oznu-cloudflar": kindDynDNS,
}

var (
	setTarget  = regexp.MustCompile(`\bipset\s+(?:-!\s+|-exist\s+)?(?:create|add|swap|flush|restore|-A|-N)\s+"?([A-Za-z0-9_.:${}-]+)`)
	nftTarget  = regexp.MustCompile(`\bnft\s+(?:add|flush|create|delete)\s+(?:set|element)\s+(\w+\s+\S+\s+\S+)`)
	fileTarget = regexp.MustCompile(`>\s*"?(/etc/[A-Za-z0-9_./@-]+)`)
	ufwTarget  = regexp.MustCompile(`\bufw\s+(?:insert \d+ )?allow\b`)
	recordName = regexp.MustCompile(`(?i)\b(?:record(?:_?name)?|domain|host(?:name)?|zone(?:_?name)?|cf_?record)=["']?([a-z0-9*-]+(?:\.[a-z0-9-]+)+)`)
)

// targetOf is what a job keeps: sets, files and rules of an allow list, the
// names of records.
func targetOf(kind, text string) string {
	var out []string
	add := func(re *regexp.Regexp) {
		for _, m := range re.FindAllStringSubmatch(text, 16) {
			if t := strings.Join(strings.Fields(m[1]), " "); !slices.Contains(out, t) && len(out) < 6 {
				out = append(out, t)
			}
		}
	}
	switch kind {
	case kindAllowlist:
		add(setTarget)
		add(nftTarget)
		add(fileTarget)
		if ufwTarget.MatchString(text) {
			out = append(out, "ufw")
		}
	case kindDynDNS:
		add(recordName)
	}
	return escape.Line(strings.Join(out, ", "), 300)
}
