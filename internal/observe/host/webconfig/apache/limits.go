package apache

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/cidr"
	"github.com/originward/originward/internal/observe/host/webconfig/conf"
)

// perClient are directives of limiting modules that count by client address:
// mod_evasive, mod_qos, mod_limitipconn.
var perClient = map[string]string{
	"dospagecount": "requests", "dossitecount": "requests", "qs_srvmaxconnperip": "connections", "maxconnperip": "connections",
	"qs_clienteventblockcount": "requests", "qs_clientprefer": "connections",
}

// evasive are the directives of mod_evasive that belong to its counts.
var evasive = []string{"dospageinterval", "dossiteinterval", "dosblockingperiod"}

// limits are the limits per client. What mod_security refuses by address goes
// to out's access lines, closes and sites.
func (r *reader) limits(out *fact.WebConfig) []fact.Limit {
	var limits []fact.Limit
	rest := map[string]string{}
	var exempt []string
	r.each(func(_ []*node, n *node) {
		if slices.Contains(evasive, n.name) {
			rest[n.name] = n.arg(0)
		}
		if n.name == "doswhitelist" || n.name == "qs_srvmaxconnexcludeip" {
			exempt = append(exempt, n.args...)
		}
	})
	r.each(func(in []*node, n *node) {
		kind, ok := perClient[n.name]
		if !ok || len(limits) >= maxEntries {
			return
		}
		site, path := scope(in)
		l := fact.Limit{Kind: kind, Key: "client address", Name: n.name, Rate: conf.Show(n.arg(0)), Site: site, Path: path, Status: 403, Place: placed(in, n)}
		if strings.HasPrefix(n.name, "dos") {
			name := strings.TrimSuffix(n.name, "count") + "interval"
			l.Rate = conf.Show(n.arg(0) + " in " + orDefault(rest[name], "1") + "s, blocked for " + orDefault(rest["dosblockingperiod"], "10") + "s")
			l.PeerKey = peerKey(r.restored(r.main))
		} else if strings.HasPrefix(n.name, "qs_") {
			l.Status = 0 // mod_qos closes the connection
			l.PeerKey = fact.Yes
		}
		l.Exempts = r.exempts(exempt)
		limits = append(limits, l)
	})
	r.modsecurity(out)
	return limits
}

// peerKey: mod_evasive counts by the restored address in builds for 2.4 and by
// the peer's in the original, so only the unrestored case is certain.
func peerKey(restored fact.Tri) fact.Tri {
	if restored == fact.No {
		return fact.Yes
	}
	return fact.Unknown
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// exempts evaluates white lists with wildcards such as 173.245.*.*.
func (r *reader) exempts(list []string) fact.Tri {
	if len(r.src.Ranges) == 0 {
		return fact.Unknown
	}
	nets := networks(list)
	for _, s := range list {
		if p, ok := network(strings.TrimRight(strings.ReplaceAll(s, "*", ""), ".")); ok && strings.Contains(s, "*") {
			nets = append(nets, p)
		}
	}
	return fact.TriOf(len(cidr.Uncovered(r.src.Ranges, nets)) == 0)
}

var ipMatch = regexp.MustCompile(`^"?(!?)@ipMatch(FromFile|F)?\s+(\S.*?)"?$`)

// modsecurity lists rules that refuse by address, and rules that close the
// connection.
func (r *reader) modsecurity(out *fact.WebConfig) {
	engine := ""
	r.each(func(_ []*node, n *node) {
		if n.name == "secruleengine" {
			engine = strings.ToLower(n.arg(0))
		}
	})
	if engine != "on" {
		return
	}
	status := 403
	r.each(func(_ []*node, n *node) {
		if n.name == "secdefaultaction" {
			status = statusOf(n.raw, status)
		}
	})
	r.each(func(in []*node, n *node) {
		if n.name != "secrule" || len(n.args) < 3 {
			return
		}
		actions := strings.ToLower(n.args[2])
		drop := hasAction(actions, "drop")
		if drop && len(out.Closes) < maxEntries {
			out.Closes = append(out.Closes, placed(in, n))
		}
		m := ipMatch.FindStringSubmatch(n.args[1])
		if m == nil || !strings.EqualFold(n.args[0], "REMOTE_ADDR") || !drop && !hasAction(actions, "deny") && !hasAction(actions, "block") {
			return
		}
		r.securityRule(out, in, n, m, drop, statusOf(actions, status))
	})
}

// securityRule adds one rule over the client's address to the answer.
func (r *reader) securityRule(out *fact.WebConfig, in []*node, n *node, m []string, drop bool, status int) {
	list := strings.FieldsFunc(m[3], func(c rune) bool { return c == ',' || c == ' ' })
	if m[2] != "" {
		b, ok := r.Read(conf.Abs(m[3], r.root), n.place())
		if !ok {
			return
		}
		list = nil
		for _, l := range lines(b) {
			list = append(list, strings.Fields(l.text)...)
		}
	}
	nets := networks(list)
	site, _ := scope(in)
	f := fact.SiteRefusal{Status: status, Restored: r.restored(r.main), AllowsCDN: fact.No, By: placed(in, n)}
	if drop {
		f.Status = 0
	}
	not := m[1] == "!"
	f.Everyone = not
	for _, rng := range r.src.Ranges {
		touched := len(cidr.Touching(nets, rng)) > 0
		if !not && touched || not && !cidr.Covered(rng, nets) {
			f.Ranges = append(f.Ranges, rng)
		}
		if not && touched {
			f.AllowsCDN = fact.Yes
		}
	}
	if len(out.Access) < maxEntries {
		out.Access = append(out.Access, fact.Access{
			Action: "deny", What: conf.Show(n.args[1]), By: "address", Site: site, Restored: f.Restored, CDN: f.Ranges, Place: f.By,
		})
	}
	if len(f.Ranges) == 0 || f.Restored == fact.Yes {
		return
	}
	for i := range out.Sites {
		if site == "" || out.Sites[i].Place.Line == in[1].line && out.Sites[i].Place.File == in[1].file {
			out.Sites[i].Refuses = append(out.Sites[i].Refuses, f)
		}
	}
}

func hasAction(actions, name string) bool {
	return slices.Contains(strings.FieldsFunc(actions, func(c rune) bool { return c == ',' || c == ' ' || c == '"' }), name)
}

var statusAction = regexp.MustCompile(`status:'?(\d{3})`)

func statusOf(actions string, def int) int {
	if m := statusAction.FindStringSubmatch(actions); m != nil {
		def, _ = strconv.Atoi(m[1])
	}
	return def
}
