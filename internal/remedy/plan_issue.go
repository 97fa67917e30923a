package remedy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// certDir is where certificates of the origin CA are written.
const certDir = "/etc/ssl/originward"

// errIssue says how a certificate can be had.
var errIssue = errors.New("a certificate has to be issued: give --cdn-api and --cdn-token-file with a token that may edit SSL and certificates, and the CDN's origin CA issues one for the site")

// planIssue has the CDN's origin CA issue a certificate for the site, and the
// site's server use it: the certificate that was there stays where it is.
func planIssue(_ context.Context, s *site, found []originward.Finding) ([]Step, error) {
	api, err := s.api()
	if s.cdn.Base == "" {
		return nil, errIssue
	}
	if err != nil {
		return nil, err
	}
	for _, w := range s.candidates(found) {
		for _, v := range w.Sites {
			if v.Cert != "" && !v.Stream && (s.isHost(v.Names) || w.Server == "haproxy") {
				return s.issueFor(api, w, v)
			}
		}
	}
	for _, w := range s.candidates(found) { // a site that has none yet
		for _, v := range w.Sites {
			if v.Cert == "" && !v.Stream && v.RejectTLS == nil && (s.isHost(v.Names) || w.Server == "haproxy" && len(v.Listens) > 0) {
				return s.firstCert(api, w, v, ports(found))
			}
		}
	}
	return nil, errors.New("which server should serve the certificate is not certain: no configuration that was read names the site")
}

// issueFor replaces the certificate of a site.
func (s *site) issueFor(api API, w fact.WebConfig, v fact.Site) ([]Step, error) {
	names, err := s.namesFor(w, v.Cert)
	if err != nil {
		return nil, err
	}
	o, err := newOriginCert(api, names)
	if err != nil {
		return nil, err
	}
	o.Cert = filepath.Join(certDir, s.b.Host+".pem")
	if v.Key != "" && v.Key != v.Cert {
		o.KeyAt = filepath.Join(certDir, s.b.Host+".key")
	}
	e := newWebEdit(w.Server)
	for _, path := range s.placesOf(v) {
		for _, r := range certLines(w.Server, v, o) {
			if err := e.each(path, r.line, r.with); err != nil {
				return nil, err
			}
		}
	}
	want := 1
	if o.KeyAt != "" {
		want = 2
	}
	if e.done < want {
		return nil, fmt.Errorf("%w: %s names %s where it was not found", errUnknownForm, w.Server, v.Cert)
	}
	return s.issueStep(o, e)
}

// issueStep makes the step of a certificate and the edits that go with it.
func (s *site) issueStep(o *OriginCert, e *webEdit) ([]Step, error) {
	steps, err := e.step(s, "", opReload)
	if err != nil {
		return nil, err
	}
	o.Put = *steps[0].Do.(*Config)
	return []Step{issueTitle(o, e.server)}, nil
}

func issueTitle(o *OriginCert, server string) Step {
	st := step("origincert", server+": serve a certificate that the CDN's origin CA issues for "+strings.Join(o.Names, ", "), o)
	st.Risk = "browsers that come past the CDN do not trust it; whoever is to reach the origin directly needs a public certificate"
	return st
}

// lineEdit replaces what a pattern finds in a line.
type lineEdit struct {
	line *regexp.Regexp
	with string
}

// certLines are the lines by which a server names a site's certificate and key.
func certLines(server string, v fact.Site, o *OriginCert) []lineEdit {
	quote := func(word, path, to string) lineEdit {
		return lineEdit{regexp.MustCompile(`^([^#]*` + word + `\s+["']?)` + regexp.QuoteMeta(path) + `(["';\s]|$)`), "${1}" + to + "${2}"}
	}
	var out []lineEdit
	switch server {
	case "nginx":
		out = append(out, quote(`\bssl_certificate`, v.Cert, o.Cert))
		if o.KeyAt != "" {
			out = append(out, quote(`\bssl_certificate_key`, v.Key, o.KeyAt))
		}
	case "apache":
		out = append(out, quote(`(?i)\bSSLCertificateFile`, v.Cert, o.Cert))
		if o.KeyAt != "" {
			out = append(out, quote(`(?i)\bSSLCertificateKeyFile`, v.Key, o.KeyAt))
		}
	case "haproxy":
		out = append(out, quote(`\bcrt`, v.Cert, o.Cert))
	}
	return out
}

// placesOf are the files in which a site's lines may stand.
func (s *site) placesOf(v fact.Site) []string {
	out := []string{v.Place.File}
	for _, it := range fact.All[fact.Certificates](s.b, originward.Host) {
		for _, f := range it.Fact.Files {
			if f.File == v.Cert && f.Place.File != "" && !slices.Contains(out, f.Place.File) {
				out = append(out, f.Place.File)
			}
		}
	}
	return out
}

// namesFor are the names of every site that uses a certificate, as far as the
// origin CA issues for them; a site of another zone must keep its certificate.
func (s *site) namesFor(w fact.WebConfig, cert string) ([]string, error) {
	zone := s.zoneName()
	out := []string{s.b.Host}
	for _, v := range w.Sites {
		if v.Cert != cert {
			continue
		}
		for _, n := range v.Names {
			n = strings.ToLower(strings.TrimPrefix(n, "*."))
			_, addr := netip.ParseAddr(n)
			switch {
			case n == "" || n == "_" || n == "*" || n == "localhost" || addr == nil || strings.HasPrefix(n, "~") || strings.Contains(n, "*"):
			case n != zone && !strings.HasSuffix(n, "."+zone):
				return nil, fmt.Errorf("%s is the certificate of %s too, for which this zone's origin CA issues none; give the sites certificates of their own", cert, n)
			case !slices.Contains(out, n):
				out = append(out, n)
			}
		}
	}
	return out, nil
}

// zoneName is the name of the zone at the CDN.
func (s *site) zoneName() string {
	for _, it := range fact.All[fact.CDNZone](s.b, originward.CDN) {
		if it.Fact.Name != "" {
			return strings.ToLower(it.Fact.Name)
		}
	}
	return s.b.Host
}

// firstCert turns TLS on for a site that has no certificate: on the listener of
// the port, or on new ones beside those of port 80.
func (s *site) firstCert(api API, w fact.WebConfig, v fact.Site, ports []uint16) ([]Step, error) {
	if v.Redirect != "" {
		return nil, errors.New("the site only redirects: which one should answer with TLS, its owner knows")
	}
	o, err := newOriginCert(api, s.namesOf(v))
	if err != nil {
		return nil, err
	}
	o.Cert, o.KeyAt = filepath.Join(certDir, s.b.Host+".pem"), filepath.Join(certDir, s.b.Host+".key")
	e := newWebEdit(w.Server)
	switch w.Server {
	case "nginx":
		err = nginxFirst(e, v.Listens, ports, o)
	case "haproxy":
		o.KeyAt = ""
		err = haproxyFirst(e, v.Listens, ports, o.Cert)
	case "apache":
		return s.apacheFirst(e, v, o)
	default:
		err = errors.New("how TLS is turned on for a site of " + w.Server + " without a certificate is not known here; a certificate of the CDN's origin CA is enough behind its proxy")
	}
	if err != nil {
		return nil, err
	}
	return s.issueStep(o, e)
}

// nginxFirst writes the certificate behind the first listener that speaks TLS.
func nginxFirst(e *webEdit, listens []fact.Listen, ports []uint16, o *OriginCert) error {
	pair := "; ssl_certificate " + o.Cert + "; ssl_certificate_key " + o.KeyAt
	there := false
	once := func() (text string) { text, pair = pair, ""; return text }
	for _, l := range listens {
		if !l.TLS && l.Port != 80 && slices.Contains(ports, l.Port) {
			if err := e.listen(l, func(word, addr, rest string) string { return word + addr + " ssl" + rest + once() }); err != nil {
				return err
			}
			there = true
		}
	}
	for _, l := range listens {
		if there || l.TLS || l.Port != 80 {
			continue
		}
		err := e.listen(l, func(word, addr, rest string) string {
			return word + addr + rest + "; " + word + strings.TrimSuffix(addr, "80") + "443 ssl" + rest + once()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// haproxyFirst has haproxy speak TLS on the port, or on 443 beside 80.
func haproxyFirst(e *webEdit, listens []fact.Listen, ports []uint16, pair string) error {
	if err := haproxyTLS(e, listens, ports, pair); err != nil || e.done > 0 {
		return err
	}
	for _, l := range listens {
		if l.TLS || l.Port != 80 {
			continue
		}
		addr := strings.TrimSuffix(l.Addr, "80") + "443"
		if err := e.bindBeside(l, addr, func(rest string) string { return " ssl crt " + pair + rest }); err != nil {
			return err
		}
	}
	return nil
}

var (
	hostBegins = regexp.MustCompile(`(?i)^(\s*<VirtualHost\s+)([^>]*):80(\s*>)`)
	hostEnds   = regexp.MustCompile(`(?i)^\s*</VirtualHost>`)
)

// apacheFirst writes a virtual host for 443 beside that for 80, in a file of its
// own, which loads the TLS module where it is off.
func (s *site) apacheFirst(e *webEdit, v fact.Site, o *OriginCert) ([]Step, error) {
	lines, err := e.file(v.Place.File)
	if err != nil {
		return nil, err
	}
	text := "# Written by originward fix.\n"
	mods := "/etc/apache2/mods-available"
	if there, err := readFile(mods + "/ssl.load"); err == nil && there.There { // Debian's layout; elsewhere the module is loaded where it is installed
		text += "<IfModule !socache_shmcb_module>\n\tInclude " + mods + "/socache_shmcb.load\n</IfModule>\n" +
			"<IfModule !ssl_module>\n\tInclude " + mods + "/ssl.load\n\tInclude " + mods + "/ssl.conf\n\tListen 443\n</IfModule>\n"
	}
	in, found := false, false
	for i, l := range lines {
		if !in && i+1 >= v.Place.Line && hostBegins.MatchString(l) {
			in, found, l = true, true, hostBegins.ReplaceAllString(l, "${1}${2}:443${3}")
		}
		if in && hostEnds.MatchString(l) {
			text += "\tSSLEngine on\n\tSSLCertificateFile " + o.Cert + "\n\tSSLCertificateKeyFile " + o.KeyAt + "\n" + l + "\n"
			break
		}
		if in {
			text += l + "\n"
		}
	}
	if !found {
		return nil, errUnknownForm
	}
	svc, ok := s.serving("apache")
	if !ok {
		return nil, errors.New("no Apache was found on the host that could read the change")
	}
	d := daemonOf(svc, s.manager)
	file := filepath.Join(filepath.Dir(v.Place.File), "zz-originward-"+s.b.Host+".conf")
	o.Put = Config{Edits: []Edit{{Path: file, Content: []byte(text)}}, Serve: &d, Then: opReload, Test: testOf(d)}
	return []Step{issueTitle(o, "apache")}, nil
}

// namesOf are a site's own names that lie in the zone.
func (s *site) namesOf(v fact.Site) []string {
	out, zone := []string{s.b.Host}, s.zoneName()
	for _, n := range v.Names {
		n = strings.ToLower(n)
		if (n == zone || strings.HasSuffix(n, "."+zone)) && !strings.ContainsAny(n, "*~") && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// planLower is the trade-off: the edge checks the origin's certificate no more.
func planLower(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	a, err := s.api()
	if err != nil {
		return nil, err
	}
	st := step("ssl", "lower the SSL mode to full at the CDN", &SSL{API: a, Want: originward.SSLFull})
	st.Risk = "the edge accepts any certificate from then on, also a forged one: whoever stands between edge and origin can read and change everything"
	st.Better = "without --lower-ssl-mode, a certificate of the CDN's origin CA is issued and installed; set full (strict) again once a valid one is served"
	st.On = originward.WhereCDN
	return []Step{st}, nil
}

// strict reports whether the CDN checks the origin's certificate.
func (s *site) strict() bool {
	for _, it := range fact.All[fact.CDNSettings](s.b, originward.CDN) {
		if it.Fact.SSL == originward.SSLStrict {
			return true
		}
	}
	return false
}

// lowerText names the trade-off where it is not taken.
const lowerText = "lower the SSL mode to full (--lower-ssl-mode): it works at once, but the edge then accepts any certificate, also a forged one"
