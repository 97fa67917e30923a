package remedy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// bundleWith is evidence of a zone in mode strict and one web server.
func bundleWith(t *testing.T, w fact.WebConfig) *originward.Bundle {
	t.Helper()
	b := &originward.Bundle{Host: "shop.example"}
	add := func(v originward.Vantage, f originward.Fact) {
		b.Evidence = append(b.Evidence, originward.Evidence{Vantage: v, Question: f.Question(), Fact: f})
	}
	add(originward.CDN, fact.CDNZone{Provider: "originward", ID: "z1", Name: "shop.example"})
	add(originward.Host, w)
	add(originward.Host, fact.Services{Services: []fact.Service{{Kind: w.Server, Role: "web", State: "running"}}})
	return b
}

// TestIssueFor: the site's lines name the new files, nobody else's do, and a
// certificate that a site outside the zone uses too is left alone.
func TestIssueFor(t *testing.T) {
	for name, c := range map[string]struct{ server, text, want, refused string }{
		"nginx": {
			"nginx", "server {\n  ssl_certificate \"/c/a.pem\";\n  ssl_certificate_key /c/a.key; # /c/a.key\n}\nserver { ssl_certificate /c/a.pem.old; ssl_certificate_key /c/b.key; }\n",
			"server {\n  ssl_certificate \"/etc/ssl/originward/shop.example.pem\";\n  ssl_certificate_key /etc/ssl/originward/shop.example.key; # /c/a.key\n}\nserver { ssl_certificate /c/a.pem.old; ssl_certificate_key /c/b.key; }\n", "",
		},
		"apache": {
			"apache", "sslcertificatefile /c/a.pem\n#SSLCertificateFile /c/a.pem\nSSLCertificateKeyFile /c/a.key\n",
			"sslcertificatefile /etc/ssl/originward/shop.example.pem\n#SSLCertificateFile /c/a.pem\nSSLCertificateKeyFile /etc/ssl/originward/shop.example.key\n", "",
		},
		"elsewhere": {"nginx", "include tls.conf;\n", "", "form that is not known"},
		"shared":    {"nginx", "ssl_certificate /c/a.pem; ssl_certificate_key /c/a.key;\n", "", "other.test"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "site.conf")
			if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			w := fact.WebConfig{Server: c.server, Running: fact.Yes, Sites: []fact.Site{{Names: []string{"shop.example", "www.shop.example", "_"}, Cert: "/c/a.pem", Key: "/c/a.key", Place: fact.Place{File: file, Line: 1}}}}
			if name == "shared" {
				w.Sites = append(w.Sites, fact.Site{Names: []string{"other.test"}, Cert: "/c/a.pem"})
			}
			s := &site{b: bundleWith(t, w), m: &Machine{}, cdn: API{Base: "http://192.0.2.1/client/v4"}}
			steps, err := planIssue(t.Context(), s, nil)
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Fatalf("%v, want %q", err, c.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			o := steps[0].Do.(*OriginCert)
			if got := string(o.Put.Edits[0].Content); got != c.want {
				t.Errorf("%s\nwant\n%s", got, c.want)
			}
			if strings.Join(o.Names, " ") != "shop.example www.shop.example" {
				t.Errorf("names %q", o.Names)
			}
			shown, err := Show(t.Context(), Plan{Steps: steps})
			if err != nil {
				t.Fatal(err)
			}
			raw, err := json.Marshal(shown)
			if err != nil || len(o.Key) == 0 || strings.Contains(string(raw), "PRIVATE") || strings.Contains(string(raw), "LS0t") { // base64 of ---
				t.Errorf("the shown plan holds the key: %s %v", raw, err)
			}
		})
	}
}
