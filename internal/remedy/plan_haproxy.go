package remedy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
)

// bindBeside adds a bind line beside that of a listener, with its options.
func (e *webEdit) bindBeside(l fact.Listen, addr string, options func(rest string) string) error {
	return e.listen(l, func(word, old, rest string) string {
		return word + old + rest + "\n\tbind " + addr + options(rest)
	})
}

var familyWords = regexp.MustCompile(`\s+(v4v6|v6only)\b`)

// haproxyFamily binds the missing family beside the other.
func haproxyFamily(e *webEdit, w fact.WebConfig, six bool) error {
	for _, l := range w.Listens {
		host := hostPart(l.Addr)
		if strings.Contains(host, ":") == six || host != "" && host != "*" && host != "0.0.0.0" && host != "::" {
			continue
		}
		addr, own := fmt.Sprintf("0.0.0.0:%d", l.Port), ""
		if six {
			addr, own = fmt.Sprintf(":::%d", l.Port), " v6only"
		}
		if err := e.bindBeside(l, addr, func(rest string) string { return own + familyWords.ReplaceAllString(rest, "") }); err != nil {
			return err
		}
	}
	return nil
}

// haproxyPort binds a port beside a listener that speaks the same, on the same
// addresses.
func haproxyPort(e *webEdit, w fact.WebConfig, port uint16) error {
	for _, l := range w.Listens {
		if host := hostPart(l.Addr); l.TLS != (port == 443) || host != "" && host != "*" && host != "0.0.0.0" && host != "::" {
			continue
		}
		addr := l.Addr[:strings.LastIndexByte(l.Addr, ':')+1] + fmt.Sprint(port)
		return e.bindBeside(l, addr, func(rest string) string { return rest })
	}
	return nil
}

// haproxyTLS has the listeners of the ports speak TLS, with a file of
// certificate and key.
func haproxyTLS(e *webEdit, listens []fact.Listen, ports []uint16, pair string) error {
	for _, l := range listens {
		if l.TLS || l.Port == 80 || !slices.Contains(ports, l.Port) {
			continue
		}
		if err := e.listen(l, func(word, addr, rest string) string { return word + addr + " ssl crt " + pair + rest }); err != nil {
			return err
		}
	}
	return nil
}

// haproxyCiphers are the words of bind lines, and the defaults for them, that
// narrow TLS.
var haproxyCiphers = []*regexp.Regexp{
	regexp.MustCompile(`^(\s*bind\s.*?)\s+(?:ciphers|ciphersuites|ssl-max-ver|ssl-min-ver|curves|sigalgs)\s+\S+`),
	regexp.MustCompile(`^(\s*bind\s.*?)\s+(?:force-tlsv1[0-3]|no-tlsv1[0-3])\b`),
}

// haproxyDefaults takes these words out of every bind line.
func haproxyDefaults(e *webEdit, w fact.WebConfig) error {
	lines, err := e.file(w.File)
	if err != nil {
		return err
	}
	for i, l := range lines {
		for again := true; again; {
			again = false
			for _, r := range haproxyCiphers {
				if n := r.ReplaceAllString(lines[i], "${1}"); n != lines[i] {
					lines[i], again = n, true
				}
			}
		}
		if lines[i] != l {
			e.done++
		}
	}
	return nil
}

var serverTLS = regexp.MustCompile(`^(\s*server\s+\S+\s+\S+.*?\sssl)\b`)

// haproxyServer changes the server line of a backend: its name in the
// handshake, TLS where the backend speaks it, none where it does not.
func haproxyServer(e *webEdit, u fact.Upstream) error {
	return e.at(u.Place, func(l string) (string, bool) {
		switch {
		case !strings.HasPrefix(strings.TrimSpace(l), "server"):
			return l, false
		case u.Scheme == "https" && u.SNI == fact.No && !strings.Contains(l, " sni "):
			n := serverTLS.ReplaceAllString(l, "${1} sni req.hdr(host),field(1,:)")
			return n, n != l
		case u.Scheme == "http" && u.Speaks == "tls" && !strings.Contains(l, " ssl"):
			return strings.TrimRight(l, " \t") + " ssl verify none sni req.hdr(host),field(1,:)", true
		}
		return l, false
	})
}

// haproxyServers changes those of a configuration's server lines that fail.
func (s *site) haproxyServers(w fact.WebConfig, title string, wrong func(fact.Upstream) bool) ([]Step, error) {
	e := newWebEdit("haproxy")
	for _, u := range w.Upstreams {
		if !wrong(u) {
			continue
		}
		if err := haproxyServer(e, u); err != nil {
			return nil, err
		}
	}
	steps, err := e.step(s, "haproxy: "+title, opReload)
	if err == nil && slices.ContainsFunc(w.Upstreams, func(u fact.Upstream) bool { return wrong(u) && u.Scheme == "http" }) {
		steps[0].Risk = "the backend's certificate is not checked: fine on this host, not over a network of others"
		steps[0].Better = "verify required with the ca-file of whoever issued the backend's certificate"
	}
	return steps, err
}

// family is the one that findings miss.
func missesSix(found []originward.Finding) bool {
	return slices.ContainsFunc(found, func(f originward.Finding) bool { return f.Subject.Family == originward.IP6 })
}
