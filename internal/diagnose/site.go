package diagnose

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Site is what a visitor asks for: a host name, and where the person said so
// the scheme, port and path.
type Site struct {
	Host   string // lower case, no trailing dot, ASCII
	Scheme string // http, https; empty = not said
	Port   uint16 // 0 = the scheme's own
	Path   string // with query; "/" when not said
}

// URL writes the site as a visitor would type it.
func (s Site) URL() string {
	scheme := s.Scheme
	if scheme == "" {
		scheme = "https"
	}
	host := s.Host
	if s.Port != 0 {
		host += ":" + strconv.Itoa(int(s.Port))
	}
	return scheme + "://" + host + s.Path
}

// ParseSite reads HOST or URL from a command line.
func ParseSite(arg string) (Site, error) {
	if !strings.Contains(arg, "://") {
		if strings.ContainsAny(arg, "/?#@") {
			return ParseSite("https://" + arg)
		}
		host, port, err := splitPort(arg)
		if err != nil {
			return Site{}, err
		}
		name, err := ParseHost(host)
		return Site{Host: name, Port: port, Path: "/"}, err
	}
	u, err := url.Parse(arg)
	if err != nil {
		return Site{}, fmt.Errorf("%q is not a URL: %w", arg, errors.Unwrap(err))
	}
	if u.User != nil {
		return Site{}, fmt.Errorf("the URL holds a user name or password; leave it out: %s://%s%s", u.Scheme, u.Host, u.EscapedPath())
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return Site{}, fmt.Errorf("%q: scheme %q, allowed are http and https", arg, u.Scheme)
	}
	name, err := ParseHost(u.Hostname())
	if err != nil {
		return Site{}, err
	}
	_, port, err := splitPort(u.Host)
	if err != nil {
		return Site{}, err
	}
	path := u.RequestURI()
	if u.Opaque != "" || !strings.HasPrefix(path, "/") {
		path = "/"
	}
	return Site{Host: name, Scheme: u.Scheme, Port: port, Path: path}, nil
}

// splitPort takes a port off a host; an IPv6 address may stand in brackets.
func splitPort(s string) (host string, port uint16, err error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") || strings.Count(s, ":") > 1 && !strings.Contains(s, "]") {
		return s, 0, nil
	}
	n, err := strconv.ParseUint(s[i+1:], 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("%q: port %q, allowed are 1 to 65535", s, s[i+1:])
	}
	return s[:i], uint16(n), nil
}

// ParseHost reads a host name as visitors use it. An address is not one: the
// edge and the certificate are chosen by name.
func ParseHost(s string) (string, error) {
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return "", fmt.Errorf("%s is an address; give the site's host name, and the address with --origin %s", s, strings.Trim(s, "[]"))
	}
	trimmed := strings.TrimSuffix(s, ".")
	name, err := idna.Lookup.ToASCII(trimmed)
	if err != nil {
		// Names with underscores are used as host names in spite of the rules for names.
		name = strings.ToLower(trimmed)
	}
	if err := checkName(name); err != nil {
		return "", fmt.Errorf("host name %q: %w", s, err)
	}
	return name, nil
}

// checkName applies the lengths of RFC 1035 §2.3.4 and the letters of host
// names, with the underscore that DNS names may hold.
func checkName(name string) error {
	if name == "" {
		return errors.New("is empty")
	}
	if len(name) > 253 {
		return errors.New("is longer than 253 characters")
	}
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 {
			return errors.New("has a part that is empty or longer than 63 characters")
		}
		for _, c := range label {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_", c) {
				return fmt.Errorf("holds %q; allowed are letters, digits, hyphen, underscore and dots", c)
			}
		}
	}
	return nil
}
