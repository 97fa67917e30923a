package nginx

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// maxSites bounds the virtual hosts that are listed.
const maxSites = 4096

// sites are the server blocks.
func (r *reader) sites() []fact.Site {
	var out []fact.Site
	r.root.walk(func(s *scope, n *node) {
		if n.name == "server" && n.block && (s.kind == "http" || s.kind == "stream") && len(out) < maxSites {
			out = append(out, r.site(s.into(n)))
		}
	})
	spread(out)
	return out
}

func (r *reader) site(s *scope) fact.Site {
	site := fact.Site{Listens: listens(s), Stream: s.inside("stream"), Place: s.n.place()}
	site.Place.Text = conf.Show("server " + s.site)
	for _, n := range s.own("server_name") {
		for _, a := range n.args {
			site.Names = append(site.Names, conf.Show(a))
		}
	}
	r.certs(s, &site)
	if n := s.last("ssl_protocols"); n != nil {
		site.Protocols = n.args
	}
	if n := s.last("ssl_ciphers"); n != nil {
		site.Ciphers = conf.Show(n.arg(0))
	}
	r.clientCert(s, &site)
	if n := s.last("ssl_reject_handshake"); n != nil && n.on() {
		p := placed(s, n)
		site.RejectTLS = &p
	}
	if n := s.last("root"); n != nil {
		site.Root = conf.Show(conf.Abs(n.arg(0), r.src.Prefix))
	}
	if authenticates(s) {
		site.UserAuth = fact.Yes
	}
	site.Close = closes(s)
	redirect(s, &site)
	site.Upstream = upstreamOf(s)
	if own := s.own("set_real_ip_from"); len(own) > 0 || len(s.own("real_ip_header")) > 0 {
		ip := r.realIP(s)
		site.RealIP = &ip
	}
	site.Refuses = r.refusals(s)
	return site
}

// certs are the certificates of a site: nginx takes one of each key type.
func (r *reader) certs(s *scope, site *fact.Site) {
	keys := s.all("ssl_certificate_key")
	for i, n := range s.all("ssl_certificate") {
		p := fact.CertPair{Cert: r.certPath(n.arg(0))}
		if i < len(keys) {
			p.Key = r.certPath(keys[i].arg(0))
		}
		if i == 0 {
			site.Cert, site.Key = p.Cert, p.Key
		} else {
			site.MoreCerts = append(site.MoreCerts, p)
		}
	}
}

// certPath is a certificate's file. data: and engine: name none, and a
// variable's is only known at run time.
func (r *reader) certPath(arg string) string {
	if strings.HasPrefix(arg, "data:") || strings.HasPrefix(arg, "engine:") || strings.HasPrefix(arg, "store:") || strings.Contains(arg, "$") {
		return conf.Show(arg)
	}
	return conf.Show(conf.Abs(arg, filepath.Dir(r.src.Main)))
}

func (r *reader) clientCert(s *scope, site *fact.Site) {
	if n := s.last("ssl_verify_client"); n != nil && n.arg(0) != "off" {
		site.ClientCert = conf.Show(n.arg(0))
		if n := s.last("ssl_client_certificate"); n != nil {
			site.ClientCA = r.certPath(n.arg(0))
		}
		if n := s.last("ssl_trusted_certificate"); n != nil && site.ClientCA == "" {
			site.ClientCA = r.certPath(n.arg(0))
		}
	}
}

// everything reports whether a location holds for the whole site.
func everything(s *scope) bool {
	switch s.path {
	case "/", "^~ /", "~ .*", "~ /", "~ ^/", "~ ^", "~* .*", "~ ^/.*", "~ ^/(.*)$":
		return true
	}
	return false
}

// wide visits the directives that hold for the whole site: of the server block
// itself and of a location for everything.
func wide(s *scope, visit func(*scope, *node)) {
	for _, n := range s.kids {
		visit(s, n)
	}
	for _, n := range s.own("location") {
		if loc := s.into(n); everything(loc) {
			for _, k := range loc.kids {
				visit(loc, k)
			}
		}
	}
}

// closes is the line by which the whole site closes connections without an
// answer; nil = it does not, or only on a condition.
func closes(s *scope) *fact.Place {
	var out *fact.Place
	wide(s, func(c *scope, n *node) {
		if out == nil && n.name == "return" && n.arg(0) == "444" {
			p := placed(c, n)
			out = &p
		}
	})
	return out
}

// redirect finds the redirect of a whole site: unconditional, or on a simple
// condition such as the scheme.
func redirect(s *scope, site *fact.Site) {
	take := func(c *scope, n *node, cond string) {
		target, ok := redirectTarget(n)
		if !ok || site.Redirect != "" {
			return
		}
		site.Redirect = conf.Show(target)
		site.RedirectIf = conf.Show(cond)
		site.RedirectPlace = placed(c, n)
	}
	wide(s, func(c *scope, n *node) {
		switch n.name {
		case "return", "rewrite":
			take(c, n, "")
		case "if":
			for _, k := range n.kids {
				take(c.into(n), k, strings.Join(n.args, " "))
			}
		}
	})
}

func redirectTarget(n *node) (string, bool) {
	switch n.name {
	case "return":
		if len(n.args) == 1 && strings.HasPrefix(n.args[0], "http") {
			return n.args[0], true // a bare URL is a 302
		}
		code, _ := strconv.Atoi(n.arg(0))
		return n.arg(1), (code >= 301 && code <= 303 || code == 307 || code == 308) && len(n.args) == 2
	case "rewrite":
		if len(n.args) < 2 || n.args[0] != "^" && n.args[0] != "^(.*)$" && n.args[0] != "^/(.*)$" && n.args[0] != ".*" && n.args[0] != "^(.*)" {
			return "", false
		}
		flag := n.arg(2)
		return n.args[1], flag == "permanent" || flag == "redirect" || strings.HasPrefix(n.args[1], "http")
	}
	return "", false
}

// allCloses are all lines that close without an answer, with site and
// condition.
func (r *reader) allCloses() []fact.Place {
	var out []fact.Place
	r.root.walk(func(s *scope, n *node) {
		code := n.name == "return" && n.arg(0) == "444"
		limit := (n.name == "limit_req_status" || n.name == "limit_conn_status") && n.arg(0) == "444"
		page := n.name == "error_page" && strings.Contains(strings.Join(n.args, " "), "=444")
		if (code || limit || page) && len(out) < maxAccess {
			out = append(out, placed(s, n))
		}
	})
	return out
}
