package remedy

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// planReloadCert has the server read the renewed certificate.
func planReloadCert(_ context.Context, s *site, _ []originward.Finding) ([]Step, error) {
	for _, it := range fact.All[fact.Certificates](s.b, originward.Host) {
		for _, f := range it.Fact.Files {
			if svc, ok := s.serving(f.Program); ok && isRunning(svc) {
				d := daemonOf(svc, s.manager)
				return []Step{step("service", "have "+svc.Kind+" read its certificate again", &Service{Daemon: d, Op: opReload})}, nil
			}
		}
	}
	for _, svc := range s.services(func(v fact.Service) bool { return v.Role == "web" && isRunning(v) }) {
		return []Step{step("service", "have "+svc.Kind+" read its certificate again", &Service{Daemon: daemonOf(svc, s.manager), Op: opReload})}, nil
	}
	return nil, errors.New("no running web server was found")
}

// planChain has the server send the intermediate certificate too: from the
// whole chain that lies beside the leaf, or by adding a file of this host that
// holds it; where none does, the CDN's origin CA issues a certificate that needs
// none.
func planChain(ctx context.Context, s *site, found []originward.Finding) ([]Step, error) {
	for _, it := range fact.All[fact.Certificates](s.b, originward.Host) {
		for _, f := range it.Fact.Files {
			if len(f.Chain) != 1 {
				continue
			}
			steps, err := s.completeChain(f)
			if len(steps) > 0 || err != nil {
				return steps, err
			}
		}
	}
	if s.cdn.Base != "" {
		return planIssue(ctx, s, found)
	}
	return nil, errors.New("the intermediate certificate is not on this host; fetch it from the authority that issued the leaf, and put it behind the leaf; or give --cdn-api and a token that may edit, and the CDN's origin CA issues a certificate that needs none")
}

// completeChain completes one file; none = nothing that completes it was found.
func (s *site) completeChain(f fact.CertFile) ([]Step, error) {
	raw, err := os.ReadFile(f.File)
	if err != nil {
		return nil, err
	}
	leaf, err := certsOf(raw)
	if err != nil || len(leaf) == 0 {
		return nil, nil
	}
	svc, ok := s.serving(f.Program)
	if !ok {
		return nil, fmt.Errorf("no running %s was found", f.Program)
	}
	full := filepath.Join(filepath.Dir(f.File), "fullchain.pem") // as certbot names it
	if beside, _ := os.ReadFile(full); full != f.File {
		if chain, err := certsOf(beside); err == nil && len(chain) > 1 && chain[0].Equal(leaf[0]) {
			e := newWebEdit(f.Program)
			v := fact.Site{Cert: f.File, Place: f.Place}
			for _, path := range s.placesOf(v) {
				for _, r := range certLines(f.Program, v, &OriginCert{Cert: full}) {
					if err := e.each(path, r.line, r.with); err != nil {
						return nil, err
					}
				}
			}
			if e.done > 0 {
				return e.step(s, f.Program+": send the whole chain, "+full, opReload)
			}
		}
	}
	issuer, from := issuerOf(leaf[len(leaf)-1], f)
	if issuer == nil {
		return nil, nil
	}
	whole := strings.TrimRight(string(raw), "\n") + "\n" + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Raw}))
	d := daemonOf(svc, s.manager)
	c := &Config{Edits: []Edit{{Path: f.File, Content: []byte(whole), Secret: strings.Contains(string(raw), "PRIVATE KEY")}}, Serve: &d, Then: opReload, Test: testOf(d)}
	return []Step{step("config", "add the intermediate certificate of "+from+" to "+f.File, c)}, nil
}

// certsOf are the certificates of a PEM file.
func certsOf(raw []byte) (out []*x509.Certificate, err error) {
	for len(raw) > 0 {
		var b *pem.Block
		if b, raw = pem.Decode(raw); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// certPlaces are where certificates of authorities lie, beside that of the leaf.
var certPlaces = []string{
	"/etc/ssl/*", "/etc/ssl/certs/*", "/usr/local/share/ca-certificates/*", "/usr/share/ca-certificates/*/*", "/etc/pki/tls/certs/*", "/etc/letsencrypt/live/*/chain.pem",
}

// maxCertFile bounds a file that is searched: a bundle of every public root has
// some 200 KiB.
const maxCertFile = 1 << 20

// issuerOf finds the intermediate that signed a certificate in a file of this
// host. A root completes no chain: whoever does not trust it does not by being
// sent it.
func issuerOf(leaf *x509.Certificate, f fact.CertFile) (*x509.Certificate, string) {
	files := []string{f.IssuerFile}
	for _, pattern := range append([]string{filepath.Join(filepath.Dir(f.File), "*")}, certPlaces...) {
		more, _ := filepath.Glob(pattern)
		files = append(files, more...)
	}
	for _, path := range files {
		st, err := os.Stat(path)
		if err != nil || !st.Mode().IsRegular() || st.Size() > maxCertFile {
			continue
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		all, _ := certsOf(raw)
		for _, c := range all {
			if c.IsCA && !bytes.Equal(c.RawIssuer, c.RawSubject) && bytes.Equal(c.RawSubject, leaf.RawIssuer) && time.Now().Before(c.NotAfter) && leaf.CheckSignatureFrom(c) == nil {
				return c, path
			}
		}
	}
	return nil, ""
}
