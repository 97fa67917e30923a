package remedy

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/spell"
)

// planRejected mends what a server's own test names, where the mend is certain:
// a key file that is gone and lies beside under another name, a word of one
// letter's difference, a line that the program does not know at all.
func planRejected(ctx context.Context, s *site, found []originward.Finding) ([]Step, error) {
	for _, w := range s.candidates(found) {
		svc, ok := s.serving(w.Server)
		if !ok {
			continue
		}
		d := daemonOf(svc, s.manager)
		t := testOf(d)
		if t == nil {
			continue
		}
		if _, err := s.m.Run(ctx, "", t[0], t[1:]...); err != nil {
			return s.mend(w, d, err.Error())
		}
	}
	return nil, errors.New("the server's own test passes now; diagnose again")
}

var (
	lostKey = regexp.MustCompile(`(?:cannot load certificate key "|SSLCertificateKeyFile: file ')([^"']+)["']`)
	unknown = regexp.MustCompile(`unknown directive "([^"]+)" in (\S+):(\d+)`)
	badWord = regexp.MustCompile(`parsing \[([^:\]]+):(\d+)\]\s*: unknown keyword '([^']+)'`)
)

func (s *site) mend(w fact.WebConfig, d Daemon, said string) ([]Step, error) {
	e := newWebEdit(w.Server)
	if m := lostKey.FindStringSubmatch(said); m != nil {
		return s.findKey(w, d, m[1])
	}
	if m := unknown.FindStringSubmatch(said); m != nil {
		line, _ := strconv.Atoi(m[3])
		better := closest(m[1], nginxWords)
		if better == "" {
			return nil, fmt.Errorf("nginx does not know the directive %q at %s:%s, and no directive is spelt alike; correct it by hand", m[1], m[2], m[3])
		}
		word := regexp.MustCompile(`\b` + regexp.QuoteMeta(m[1]) + `\b`)
		err := e.at(fact.Place{File: m[2], Line: line}, func(l string) (string, bool) { return word.ReplaceAllString(l, better), word.MatchString(l) })
		if err != nil {
			return nil, err
		}
		return e.step(s, fmt.Sprintf("nginx: spell %q as %q", m[1], better), opStart)
	}
	if m := badWord.FindStringSubmatch(said); m != nil {
		line, _ := strconv.Atoi(m[2])
		err := e.at(fact.Place{File: m[1], Line: line}, func(l string) (string, bool) {
			t := strings.TrimLeft(l, " \t")
			return l[:len(l)-len(t)] + "# taken out, haproxy does not know it: " + t, strings.HasPrefix(t, m[3])
		})
		if err != nil {
			return nil, err
		}
		steps, err := e.step(s, fmt.Sprintf("haproxy: take out the line that it does not know (%s)", m[3]), opStart)
		if err == nil {
			steps[0].Risk = "what the line was meant to do is not done; no version of haproxy that is installed here ever did it"
		}
		return steps, err
	}
	first, _, _ := strings.Cut(said, "\n")
	return nil, fmt.Errorf("the mend is not certain, a person has to correct it: %s", first)
}

// findKey looks beside a lost key for a file with the key of the certificate,
// and puts it where it is wanted.
func (s *site) findKey(w fact.WebConfig, d Daemon, path string) ([]Step, error) {
	var certs []string
	for _, site := range w.Sites {
		if site.Key == path && site.Cert != "" && !slices.Contains(certs, site.Cert) {
			certs = append(certs, site.Cert)
		}
	}
	if len(certs) == 0 { // the configuration could not be read whole
		for _, it := range fact.All[fact.Certificates](s.b, originward.Host) {
			for _, f := range it.Fact.Files {
				if f.Key == path {
					certs = append(certs, f.File)
				}
			}
		}
	}
	beside, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	for _, cert := range certs {
		for _, b := range beside {
			f, err := readFile(b)
			if err != nil || len(f.Content) > 1<<20 || !keyOf(cert, f.Content) {
				continue
			}
			c := &Config{Edits: []Edit{{Path: path, Content: onlyKey(f.Content), Mode: 0o600, Secret: true}}, Serve: &d, Then: opReload, Test: testOf(d)}
			return []Step{step("config", "put the key of "+cert+", which is in "+b+", at "+path, c)}, nil
		}
	}
	return nil, fmt.Errorf("the key %s is gone, and no file beside it holds the key of its certificate; restore it from a backup, or issue a new certificate", path)
}

// keyOf reports whether a file holds the private key of a certificate.
func keyOf(certFile string, raw []byte) bool {
	cert, err := os.ReadFile(certFile)
	if err != nil || len(onlyKey(raw)) == 0 {
		return false
	}
	pair, err := tls.X509KeyPair(cert, onlyKey(raw))
	if err != nil {
		return false
	}
	switch pair.PrivateKey.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
		return true
	}
	return false
}

// onlyKey are the private keys of a file, without certificates.
func onlyKey(raw []byte) []byte {
	var out []byte
	for len(raw) > 0 {
		var b *pem.Block
		if b, raw = pem.Decode(raw); b == nil {
			break
		}
		if strings.Contains(b.Type, "PRIVATE KEY") {
			out = append(out, pem.EncodeToMemory(b)...)
		}
	}
	return out
}

// nginxWords are directives of nginx that sites use most (nginx.org, alphabetical
// index of directives).
var nginxWords = []string{
	"access_log", "add_header", "alias", "allow", "auth_basic", "auth_basic_user_file", "autoindex", "charset", "client_body_timeout",
	"client_header_timeout", "client_max_body_size", "default_type", "deny", "error_log", "error_page", "expires", "fastcgi_index", "fastcgi_param",
	"fastcgi_pass", "fastcgi_read_timeout", "gzip", "gzip_types", "include", "index", "internal", "keepalive", "keepalive_requests",
	"keepalive_timeout", "large_client_header_buffers", "limit_conn", "limit_conn_zone", "limit_req", "limit_req_zone", "listen", "location",
	"log_format", "proxy_buffer_size", "proxy_buffering", "proxy_buffers", "proxy_cache", "proxy_connect_timeout", "proxy_http_version",
	"proxy_pass", "proxy_read_timeout", "proxy_redirect", "proxy_send_timeout", "proxy_set_header", "proxy_ssl_name", "proxy_ssl_server_name",
	"real_ip_header", "real_ip_recursive", "resolver", "return", "rewrite", "root", "sendfile", "server", "server_name", "server_tokens",
	"set", "set_real_ip_from", "ssl_certificate", "ssl_certificate_key", "ssl_ciphers", "ssl_client_certificate", "ssl_dhparam",
	"ssl_prefer_server_ciphers", "ssl_protocols", "ssl_reject_handshake", "ssl_session_cache", "ssl_session_tickets", "ssl_session_timeout",
	"ssl_stapling", "ssl_stapling_verify", "ssl_trusted_certificate", "ssl_verify_client", "tcp_nodelay", "tcp_nopush", "try_files",
	"types_hash_max_size", "upstream", "worker_connections", "worker_processes", "worker_rlimit_nofile",
}

// closest is the one word that differs by few letters; empty = none, or several
// equally near.
func closest(word string, words []string) string {
	near, sole := spell.Nearest(word, words)
	if !sole || spell.Distance(word, near)*3 > len(word) {
		return ""
	}
	return near
}
