package redact

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Options say what is the owner's own, and whether it is hidden too.
type Options struct {
	Host    string       // the asked name; names of its domain are kept
	Origins []netip.Addr // the origin's own addresses; kept
	Public  bool         // for everyone to read: hide Host's domain and Origins too
}

// Redactor replaces, and counts what it replaced. It is not for use by several
// goroutines at once.
type Redactor struct {
	m      *Map
	opts   Options
	own    map[netip.Addr]bool
	domain string         // the registrable domain of Host; empty = none
	sites  []string       // other sites, longest first
	match  *regexp.Regexp // of sites; nil = none
	asked  *regexp.Regexp // names of the asked domain
	tally  map[Kind]int
}

// New makes a redactor that enters what it replaces into m.
func New(m *Map, o Options) *Redactor {
	r := &Redactor{m: m, opts: o, own: map[netip.Addr]bool{}, tally: map[Kind]int{}}
	for _, a := range o.Origins {
		r.own[a.Unmap()] = true
	}
	r.domain = domainOf(o.Host)
	return r
}

func domainOf(host string) string {
	host = strings.ToLower(strings.Trim(host, "."))
	if d, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return d
	}
	return host
}

// Sites tells names of other sites, which are replaced wherever they stand from
// now on. Names of the asked domain, single labels and patterns without a
// domain are left alone.
func (r *Redactor) Sites(names []string) {
	for _, n := range names {
		n = strings.ToLower(strings.Trim(strings.TrimPrefix(n, "*."), "."))
		d := domainOf(n)
		if !siteName.MatchString(n) || d == r.domain || strings.HasSuffix(n, ".invalid") || slices.Contains(r.sites, d) {
			continue
		}
		r.sites = append(r.sites, d)
	}
	// The longest first, for one may end in another.
	slices.SortFunc(r.sites, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	var quoted []string
	for _, s := range r.sites {
		quoted = append(quoted, regexp.QuoteMeta(s))
	}
	r.match = nil
	if len(quoted) > 0 {
		r.match = nameUnder(strings.Join(quoted, "|"))
	}
}

// nameUnder matches a whole name at or under one of the domains.
func nameUnder(domains string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)(^|[^a-z0-9_.-])((?:[a-z0-9_-]+\.)*(?:` + domains + `))($|[^a-z0-9-])`)
}

var (
	siteName = regexp.MustCompile(`^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$`)
	home     = regexp.MustCompile(`(/home/|/Users/)([^/\s"'<>:;,)]+)`)
	// notPeople are folders in /home that are no user's.
	notPeople = []string{"www", "web", "httpd", "nginx", "apache", "html", "ubuntu", "debian", "ec2-user", "admin", "centos", "lost+found"}
)

// Text replaces in one text.
func (r *Redactor) Text(s string) string {
	if len(s) < 3 {
		return s
	}
	s = r.secrets(s)
	s = r.addresses(s)
	s = home.ReplaceAllStringFunc(s, func(t string) string {
		m := home.FindStringSubmatch(t)
		if slices.Contains(notPeople, m[2]) || strings.HasPrefix(m[2], "user-") {
			return t
		}
		r.tally[User]++
		return m[1] + r.m.substitute(User, m[2], func(n int) string { return fmt.Sprintf("user-%d", n) })
	})
	s = r.names(s)
	return s
}

func (r *Redactor) names(s string) string {
	if r.match != nil {
		s = r.replaceName(r.match, s, Site, func(n int) string { return fmt.Sprintf("site-%d.invalid", n) })
	}
	if r.opts.Public && r.domain != "" {
		if r.asked == nil {
			r.asked = nameUnder(regexp.QuoteMeta(r.domain))
		}
		s = r.replaceName(r.asked, s, Own, func(n int) string { return fmt.Sprintf("asked-%d.invalid", n) })
	}
	return s
}

// replaceName replaces a name that stands alone, twice: of two that share the
// letter between them one pass sees only the first.
func (r *Redactor) replaceName(re *regexp.Regexp, s string, k Kind, make func(int) string) string {
	for range 2 {
		s = re.ReplaceAllStringFunc(s, func(t string) string {
			m := re.FindStringSubmatch(t)
			return m[1] + r.m.substitute(k, strings.ToLower(m[2]), func(n int) string { r.tally[k]++; return make(n) }) + m[3]
		})
	}
	return s
}

func (r *Redactor) count(k Kind, s string) string {
	r.tally[k]++
	return s
}

// Replaced is how many things of one kind were replaced, and what the kind is.
type Replaced struct {
	Kind  Kind   `json:"kind"`
	Means string `json:"means"`
	Count int    `json:"count"` // occurrences; for names, different ones
}

// Listing tells what was replaced so far, in a fixed order; a kind that did not
// occur is left out.
func (r *Redactor) Listing() []Replaced {
	var out []Replaced
	for _, k := range kinds {
		if n := r.tally[k.kind]; n > 0 {
			out = append(out, Replaced{k.kind, k.means, n})
		}
	}
	return out
}
