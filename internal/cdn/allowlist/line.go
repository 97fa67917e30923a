package allowlist

import (
	"regexp"
	"slices"
	"strings"
)

// form is a kind of line: what it begins with, and what it does to the
// addresses behind that.
type form struct {
	begins *regexp.Regexp
	deny   bool
	apache bool // short forms of addresses are allowed
}

func begins(s string) *regexp.Regexp { return regexp.MustCompile(`(?i)^(?:` + s + `)`) }

// forms are the directives that take addresses, one line each. The first that
// fits holds.
var forms = []form{
	// Apache: mod_authz_host, mod_access_compat, mod_remoteip.
	{begins: begins(`require\s+not\s+ip\s`), deny: true, apache: true},
	{begins: begins(`require\s+ip\s`), apache: true},
	{begins: begins(`allow\s+from\s`), apache: true},
	{begins: begins(`deny\s+from\s`), deny: true, apache: true},
	{begins: begins(`remoteip(?:trusted|internal)proxy\s`), apache: true},
	// nginx: access, realip.
	{begins: begins(`allow\s`)},
	{begins: begins(`deny\s`), deny: true},
	{begins: begins(`set_real_ip_from\s`)},
	// ipset save.
	{begins: begins(`(?:ipset\s+)?add\s+\S+\s`)},
	// ufw: the command, and the table of its status.
	{begins: begins(`ufw\s+(?:insert\s+\d+\s+|prepend\s+)?(?:deny|reject)\s`), deny: true},
	{begins: begins(`ufw\s+(?:insert\s+\d+\s+|prepend\s+)?(?:allow|limit)\s`)},
	{begins: begins(`[\d,:]+(?:/\w+)?(?:\s+\(v6\))?\s+(?:DENY|REJECT)(?:\s+IN)?\s`), deny: true},
	{begins: begins(`[\d,:]+(?:/\w+)?(?:\s+\(v6\))?\s+(?:ALLOW|LIMIT)(?:\s+IN)?\s`)},
	// firewalld: ipsets and zones.
	{begins: begins(`<entry>`)},
	{begins: begins(`<source\s+address=`)},
	// Caddy.
	{begins: begins(`(?:trusted_proxies\s+static|(?:@\S+\s+)?(?:remote_ip|client_ip))\s`)},
	// HAProxy.
	{begins: begins(`acl\s+\S+\s+src\s`)},
	// nft commands and sets on one line.
	{begins: begins(`(?:nft\s+)?add\s+element\s+\S+\s+\S+\s+\S+\s`)},
	// YAML lists.
	{begins: begins(`-\s+`)},
}

var (
	iptablesRule = regexp.MustCompile(`^(?:\[\d+:\d+\]\s*)?(?:\S*ip6?tables\S*\s.*)?(?:^|\s)?-[AI]\s`)
	nftSource    = regexp.MustCompile(`\bip6?\s+saddr\s+(!=\s*)?`)
	nftElements  = regexp.MustCompile(`\belements\s*=\s*\{`)
	geoBlock     = regexp.MustCompile(`^geo\s+[^;]*\{`)
	everyone     = regexp.MustCompile(`(?i)^(?:allow\s+(?:from\s+)?all|require\s+all\s+granted)$`)
	comment      = regexp.MustCompile(`(?:^|\s)(?:#|//|;).*$`)
)

// text reads one line of any of the kinds.
func (p *parser) text(line string) {
	line = strings.TrimSpace(comment.ReplaceAllString(strings.TrimRight(line, "\r"), ""))
	switch {
	case line == "":
	case p.open:
		p.elements(line)
	case p.geo:
		p.geoLine(line)
	case geoBlock.MatchString(line):
		p.geo, p.depth = true, 0
		p.geoLine(line[strings.IndexByte(line, '{'):])
	case nftElements.MatchString(line):
		p.elements(line[nftElements.FindStringIndex(line)[1]:])
	case iptablesRule.MatchString(line):
		p.iptables(strings.Fields(line), line)
	case nftSource.MatchString(line):
		p.nftRule(line)
	default:
		for _, part := range strings.Split(line, ";") {
			p.directive(strings.TrimSpace(part))
		}
	}
}

// directive reads one directive, or a line that is nothing but addresses.
func (p *parser) directive(s string) {
	if s == "" {
		return
	}
	if everyone.MatchString(s) {
		p.words([]string{"0.0.0.0/0", "::/0"}, false)
		return
	}
	for _, f := range forms {
		m := f.begins.FindString(s)
		if m == "" {
			continue
		}
		ws := fields(s[len(m):])
		n := p.words(ws, f.deny || slices.Contains(ws, "nomatch")) // ipset: an exception
		if f.apache {
			for _, w := range ws {
				if x, ok := classful(w); ok && !looksLikeAddress(w) {
					p.list.Entries = append(p.list.Entries, Entry{p.line, x, f.deny, w})
					n++
				}
			}
		}
		if n > 0 || f.begins.String() != yamlForm {
			return
		}
	}
	ws := fields(s)
	bare := 0
	for _, w := range ws {
		if looksLikeAddress(w) {
			bare++
		}
	}
	switch {
	case bare == 0:
	case bare == len(ws):
		p.words(ws, false)
	default:
		p.unread(s, "not a line that is known to list addresses")
	}
}

var yamlForm = forms[len(forms)-1].begins.String()

// elements reads the elements of an nft set until the brace that ends them.
// Timeouts, counters and comments stand between the addresses.
func (p *parser) elements(s string) {
	end := strings.IndexByte(s, '}')
	p.open = end < 0
	if end >= 0 {
		s = s[:end]
	}
	p.words(fields(s), false)
}

// nftRule reads the source match of one rule.
func (p *parser) nftRule(line string) {
	at := nftSource.FindStringSubmatchIndex(line)
	rest := line[at[1]:]
	switch {
	case at[2] >= 0:
		p.unread(line, "a negated match")
		return
	case strings.HasPrefix(rest, "@"):
		return // the set's own elements count
	case strings.HasPrefix(rest, "{") && !strings.Contains(rest, "}"):
		p.unread(line, "a match that goes on in the next line")
		return
	}
	var deny bool
	verdict := " " + strings.Join(fields(line), " ") + " "
	switch {
	case strings.Contains(verdict, " drop ") || strings.Contains(verdict, " reject "):
		deny = true
	case strings.Contains(verdict, " accept ") || strings.Contains(verdict, " return "):
	default:
		p.unread(line, "what happens to these addresses is decided in another chain")
		return
	}
	if strings.HasPrefix(rest, "{") {
		p.words(fields(rest[1:strings.IndexByte(rest, '}')]), deny)
		return
	}
	if ws := fields(rest); len(ws) > 0 {
		p.words(ws[:1], deny)
	}
}

// geoLine reads lines of nginx's geo block: an address and a value.
func (p *parser) geoLine(line string) {
	p.depth += strings.Count(line, "{") - strings.Count(line, "}")
	p.geo = p.depth > 0
	for _, part := range strings.Split(line, ";") {
		ws := fields(part)
		if len(ws) == 2 && ws[0] != "default" && ws[0] != "include" {
			p.words(ws[:1], ws[0] == "delete" || falsy[strings.ToLower(ws[1])])
		}
	}
}

// falsy are values of a geo variable that people write for "not one of them".
var falsy = map[string]bool{"0": true, "no": true, "off": true, "false": true, "deny": true, "block": true}
