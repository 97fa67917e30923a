package remedy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/cdn"
)

// planAllowWeb completes an allow list of the packet filter, else one of the
// web server.
func planAllowWeb(ctx context.Context, s *site, found []originward.Finding) ([]Step, error) {
	steps, err := planFill(ctx, s, found)
	if len(steps) > 0 {
		return steps, nil
	}
	for _, w := range s.live() {
		e := newWebEdit(w.Server)
		for _, deny := range w.Access {
			if w.Server != "nginx" || deny.Action != "deny" || !deny.All {
				continue
			}
			var have []string
			for _, a := range w.Access {
				if a.Action == "allow" && a.Site == deny.Site && a.Path == deny.Path && a.Prefix.IsValid() {
					have = append(have, a.Prefix.String())
				}
			}
			var lines []string
			for _, f := range []originward.Family{originward.IP4, originward.IP6} {
				for _, r := range missing(have, f) {
					if f == originward.IP4 || slices.ContainsFunc(have, func(h string) bool { return strings.Contains(h, ":") }) {
						lines = append(lines, "allow "+r+";")
					}
				}
			}
			if len(lines) > 0 && len(have) > 0 {
				if err := e.before(deny.Place, lines...); err != nil {
					return nil, err
				}
			}
		}
		if e.done > 0 {
			return e.step(s, "nginx: allow the ranges of the CDN that the list misses", opReload)
		}
	}
	return nil, err
}

// planTrust restores the visitor's address, so that limits count visitors and
// not edges.
func planTrust(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	for _, w := range s.live() {
		switch w.Server {
		case "nginx":
			return s.realIP(w)
		case "haproxy":
			return s.exempt(w)
		}
	}
	return nil, errors.New("how this server restores the visitor's address is not known here")
}

var httpBlock = regexp.MustCompile(`^\s*http\s*\{`)

// realIP has nginx take the visitor's address from the CDN's header.
func (s *site) realIP(w fact.WebConfig) ([]Step, error) {
	if w.RealIP.Header != "" && len(w.RealIP.Missing) == 0 {
		return nil, errors.New("nginx restores the visitor's address already; the limit itself is too low for this visitor")
	}
	e := newWebEdit("nginx")
	lines, err := e.file(w.File)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(lines, httpBlock.MatchString)
	if i < 0 {
		return nil, errUnknownForm
	}
	text := "\t# Written by originward fix: visitors come through the CDN's edges.\n"
	for _, r := range cdnRanges() {
		text += "\tset_real_ip_from " + r.String() + ";\n"
	}
	if w.RealIP.Header == "" {
		text += "\treal_ip_header CF-Connecting-IP;\n"
	}
	if strings.TrimSpace(lines[i]) != "http {" {
		return nil, errUnknownForm
	}
	lines[i] += "\n" + strings.TrimSuffix(text, "\n")
	e.done++
	return e.step(s, "nginx: restore the visitor's address, so that limits count visitors and not edges", opReload)
}

var haproxyReject = regexp.MustCompile(`^\s*tcp-request\s+(connection|content)\s+reject\b`)

// exempt lets the CDN's ranges through before haproxy's own limits.
func (s *site) exempt(w fact.WebConfig) ([]Step, error) {
	e := newWebEdit("haproxy")
	lines, err := e.file(w.File)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, r := range cdnRanges() {
		all = append(all, r.String())
	}
	for i, l := range lines {
		if m := haproxyReject.FindStringSubmatch(l); m != nil {
			if err := e.before(fact.Place{File: w.File, Line: i + 1}, "tcp-request "+m[1]+" accept if { src "+strings.Join(all, " ")+" }"); err != nil {
				return nil, err
			}
		}
	}
	return e.step(s, "haproxy: let the CDN's ranges through before the limit", opReload)
}

// wordOfList is what stands between the separators of such lists.
var wordOfList = regexp.MustCompile(`[^\s,]+`)

// planWrappers takes the CDN's networks out of hosts.deny.
func planWrappers(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	return s.denied("/etc/hosts.deny", wordOfList)
}

// planPlugin takes the CDN's networks out of the files in which a plugin denies
// addresses.
func planPlugin(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	var paths []string
	for _, it := range fact.All[fact.Bans](s.b, originward.Host) {
		for _, src := range it.Fact.Sources {
			for _, b := range src.CDN {
				if b.Place.File != "" && strings.HasSuffix(b.Place.File, ".htaccess") && !slices.Contains(paths, b.Place.File) {
					paths = append(paths, b.Place.File)
				}
			}
		}
	}
	for _, w := range s.live() {
		for _, a := range w.Access {
			if a.Action == "deny" && len(a.CDN) > 0 && strings.HasSuffix(a.Place.File, ".htaccess") && !slices.Contains(paths, a.Place.File) {
				paths = append(paths, a.Place.File)
			}
		}
	}
	if len(paths) != 1 {
		return nil, errors.New("the plugin keeps its list where no file shows it; exempt the CDN's ranges in its settings")
	}
	return s.denied(paths[0], wordOfList)
}

// denied takes networks that hold addresses of the CDN out of a list in which
// words stand one by one; a line that denies nothing any more goes whole.
func (s *site) denied(path string, word *regexp.Regexp) ([]Step, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []string
	gone := 0
	for _, l := range strings.SplitAfter(string(raw), "\n") {
		if strings.HasPrefix(strings.TrimSpace(l), "#") {
			out = append(out, l)
			continue
		}
		left := 0
		n := word.ReplaceAllStringFunc(l, func(w string) string {
			p, ok := network(w)
			switch {
			case ok && touchesCDN(p):
				gone++
				return ""
			case ok:
				left++
			}
			return w
		})
		if n != l && left == 0 {
			continue
		}
		if n != l {
			n = regexp.MustCompile(`([:,])(\s*,)+`).ReplaceAllString(n, "$1")
			n = regexp.MustCompile(`[\s,]+\n$`).ReplaceAllString(n, "\n")
		}
		out = append(out, n)
	}
	if gone == 0 {
		return nil, fmt.Errorf("%s holds none of the CDN's networks any more; diagnose again", path)
	}
	title := "take " + Plural(gone, "network", "networks") + " of the CDN out of " + path
	return []Step{step("config", title, &Config{Edits: []Edit{{Path: path, Content: []byte(strings.Join(out, ""))}}})}, nil
}

// network reads an address, a prefix, or an address with a dotted mask.
func network(w string) (netip.Prefix, bool) {
	if ps := parts(w); len(ps) == 1 {
		return ps[0], true
	}
	host, mask, ok := strings.Cut(w, "/")
	a, err1 := netip.ParseAddr(host)
	m, err2 := netip.ParseAddr(mask)
	if !ok || err1 != nil || err2 != nil || !a.Is4() || !m.Is4() {
		return netip.Prefix{}, false
	}
	bits := 0
	for _, b := range m.As4() {
		for ; b&0x80 != 0; b <<= 1 {
			bits++
		}
	}
	return netip.PrefixFrom(a, bits).Masked(), true
}

func touchesCDN(p netip.Prefix) bool {
	if id, _ := cdn.Lookup(p.Addr()); id == cdn.Cloudflare {
		return true
	}
	return slices.ContainsFunc(cdnRanges(), p.Overlaps)
}

// planProxyProtocol has the listener speak plain HTTP or TLS again.
func planProxyProtocol(_ context.Context, s *site, found []originward.Finding) ([]Step, error) {
	words := map[string]*regexp.Regexp{"nginx": regexp.MustCompile(`\s+proxy_protocol\b`), "haproxy": regexp.MustCompile(`\s+accept-proxy\b`)}
	for _, w := range s.live() {
		e := newWebEdit(w.Server)
		for _, p := range w.ProxyProto {
			word := words[w.Server]
			if word == nil {
				continue
			}
			if err := e.at(p, func(l string) (string, bool) { return word.ReplaceAllString(l, ""), word.MatchString(l) }); err != nil {
				return nil, err
			}
		}
		if e.done > 0 {
			steps, err := e.step(s, w.Server+": expect no PROXY protocol on the listener that the CDN contacts", opReload)
			if err == nil {
				steps[0].Risk = "a balancer that does send the PROXY protocol to this listener is answered with an error from now on"
			}
			return steps, err
		}
	}
	_ = found
	return nil, errUnknownForm
}

// planTLSOn turns TLS on for a listener of a site that has its certificate.
func planTLSOn(ctx context.Context, s *site, found []originward.Finding) ([]Step, error) {
	for _, w := range s.live() {
		e := newWebEdit(w.Server)
		for _, site := range w.Sites {
			if site.Cert != "" && w.Server == "haproxy" {
				if err := haproxyTLS(e, w.Listens, ports(found), site.Cert); err != nil {
					return nil, err
				}
				break
			}
			if site.Cert == "" || !s.isHost(site.Names) {
				continue
			}
			for _, l := range site.Listens {
				if w.Server == "nginx" && slices.Contains(ports(found), l.Port) && !l.TLS {
					if err := e.listen(l, func(word, addr, rest string) string { return word + addr + " ssl" + rest }); err != nil {
						return nil, err
					}
				}
			}
			if w.Server == "apache" {
				if err := e.each(site.Place.File, regexp.MustCompile(`(?i)^(\s*SSLEngine\s+)off\b`), "${1}on"); err != nil {
					return nil, err
				}
			}
		}
		if e.done > 0 {
			return e.step(s, w.Server+": speak TLS on the port", opReload)
		}
	}
	return planIssue(ctx, s, found) // no certificate is configured for the site
}

// planCiphers takes out the site's own list of ciphers and versions: the
// program's defaults suit every CDN.
func planCiphers(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	for _, w := range s.live() {
		if w.Server == "haproxy" {
			e := newWebEdit("haproxy")
			if err := haproxyDefaults(e, w); err != nil {
				return nil, err
			}
			if e.done > 0 {
				return riskOf(defaultsRisk)(e.step(s, "haproxy: take its own lists of TLS versions and ciphers out of the bind lines", opReload))
			}
		}
		for _, site := range w.Sites {
			if w.Server != "nginx" || !s.isHost(site.Names) || site.Ciphers == "" && len(site.Protocols) == 0 {
				continue
			}
			e := newWebEdit("nginx")
			if err := e.each(site.Place.File, regexp.MustCompile(`\bssl_(ciphers|protocols)\s+[^;]*;\s?`), ""); err != nil {
				return nil, err
			}
			return riskOf(defaultsRisk)(e.step(s, "nginx: take out its own lists of TLS versions and ciphers", opReload))
		}
	}
	return nil, errUnknownForm
}

const defaultsRisk = "the program's defaults apply: TLS 1.2 and 1.3 with the common suites"

// riskOf says what the first of some steps risks.
func riskOf(text string) func([]Step, error) ([]Step, error) {
	return func(steps []Step, err error) ([]Step, error) {
		if err == nil {
			steps[0].Risk = text
		}
		return steps, err
	}
}

// planH2 offers the CDN HTTP/1.1 alone where the backend speaks nothing else.
func planH2(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	for _, w := range s.live() {
		e := newWebEdit(w.Server)
		switch w.Server {
		case "haproxy":
			if err := e.each(w.File, regexp.MustCompile(`\balpn h2,http/1\.1\b`), "alpn http/1.1"); err != nil {
				return nil, err
			}
		case "nginx":
			for _, l := range w.Listens {
				if l.HTTP2 {
					_ = e.listen(l, func(word, addr, rest string) string { return word + addr + strings.ReplaceAll(rest, " http2", "") })
				}
			}
		}
		if e.done > 0 {
			return e.step(s, w.Server+": offer HTTP/1.1 alone", opReload)
		}
	}
	return nil, errUnknownForm
}
