package nginx

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/originward/originward/internal/observe/host/cidr"
)

// The variables that hold the address which opened the connection, and those
// that hold it until the real-IP module has put the visitor's in its place.
var (
	peerVars     = []string{"$realip_remote_addr"}
	restoredVars = []string{"$remote_addr", "$binary_remote_addr"}
	countryVars  = []string{"$geoip_country_code", "$geoip_country_code3", "$geoip_country_name", "$geoip2_data_country_code", "$geoip2_data_country_iso_code", "$geoip2_country_code"}
)

// table is a map or geo block: a variable made from another.
type table struct {
	n      *node
	geo    bool
	source string // variable or text it looks at
	def    string // default
	rows   []row

	known map[netip.Prefix][]piece // what pieces has worked out
}

type row struct {
	key    string
	value  string
	prefix netip.Prefix // geo, or an address as key
	n      *node
}

// vars are the variables that a configuration makes.
type vars struct {
	tables map[string]*table
	sets   map[string][]*node // set $x value, by name
}

func collectVars(root *scope) *vars {
	v := &vars{tables: map[string]*table{}, sets: map[string][]*node{}}
	root.walk(func(_ *scope, n *node) {
		switch n.name {
		case "map":
			if len(n.args) == 2 && n.block {
				v.tables[n.args[1]] = readTable(n, false, n.args[0])
			}
		case "geo":
			if n.block && len(n.args) > 0 {
				src := "$remote_addr"
				if len(n.args) == 2 {
					src = n.args[0]
				}
				v.tables[n.args[len(n.args)-1]] = readTable(n, true, src)
			}
		case "set":
			if len(n.args) == 2 {
				v.sets[n.args[0]] = append(v.sets[n.args[0]], n)
			}
		}
	})
	return v
}

func readTable(n *node, geo bool, source string) *table {
	t := &table{n: n, geo: geo, source: source}
	for _, k := range n.kids {
		switch {
		case k.name == "default":
			t.def = k.arg(0)
		case geo && (k.name == "ranges" || k.name == "proxy" || k.name == "proxy_recursive" || k.name == "delete"):
		case k.name == "hostnames" || k.name == "volatile":
		default:
			r := row{key: k.name, value: k.arg(0), n: k}
			r.prefix, _ = cidr.Parse(k.name)
			t.rows = append(t.rows, r)
		}
	}
	return t
}

// origin follows a variable back to what it is made of: itself, a request
// field, the peer's address.
func (v *vars) origin(name string) []string {
	return v.follow(name, nil, 0)
}

func (v *vars) follow(text string, seen []string, depth int) []string {
	var out []string
	for _, name := range variables(text) {
		if slices.Contains(seen, name) || depth > 8 {
			continue
		}
		seen = append(seen, name)
		t, isTable := v.tables[name]
		sets := v.sets[name]
		if !isTable && len(sets) == 0 {
			out = append(out, name)
			continue
		}
		if isTable {
			out = append(out, v.follow(t.def, seen, depth+1)...)
			for i, r := range t.rows {
				if i > 200 {
					break
				}
				out = append(out, v.follow(r.value, seen, depth+1)...)
			}
			if len(out) == 0 { // constants only: what decides is the source
				out = append(out, v.follow(t.source, seen, depth+1)...)
			}
		}
		for _, n := range sets {
			out = append(out, v.follow(n.arg(1), seen, depth+1)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

var variable = regexp.MustCompile(`\$\{?([A-Za-z0-9_]+)\}?`)

func variables(text string) []string {
	var out []string
	for _, m := range variable.FindAllStringSubmatch(text, 16) {
		out = append(out, "$"+m[1])
	}
	return out
}

// literal gives the values that a text with variables can take, as far as
// they are written down: `set $backend http://app:8080;`.
func (v *vars) literal(text string) []string {
	names := variables(text)
	if len(names) == 0 {
		return []string{text}
	}
	if len(names) > 1 {
		return nil
	}
	var out []string
	add := func(val string) {
		if len(variables(val)) == 0 && val != "" {
			out = append(out, strings.NewReplacer("${"+names[0][1:]+"}", val, names[0], val).Replace(text))
		}
	}
	for _, n := range v.sets[names[0]] {
		add(n.arg(1))
	}
	if t := v.tables[names[0]]; t != nil {
		add(t.def)
		for i, r := range t.rows {
			if i >= 32 {
				break
			}
			add(r.value)
		}
	}
	return out
}

// looksAtAddress reports whether a table is decided by the client's address,
// and whether that is the peer's even after restoration.
func (t *table) looksAtAddress() (yes, peer bool) {
	src := strings.NewReplacer("{", "", "}", "").Replace(t.source)
	if slices.Contains(peerVars, src) {
		return true, true
	}
	return slices.Contains(restoredVars, src), false
}

// piece is a part of a range with the value that the table gives it.
type piece struct {
	prefix netip.Prefix
	value  string
	n      *node // deciding row; nil = the default
}

// pieces splits a range by what the table says of its addresses.
func (t *table) pieces(r netip.Prefix) []piece {
	if p, ok := t.known[r]; ok {
		return p
	}
	if t.known == nil {
		t.known = map[netip.Prefix][]piece{}
	}
	p := t.split(r)
	t.known[r] = p
	return p
}

func (t *table) split(r netip.Prefix) []piece {
	var inside []netip.Prefix
	out := []piece{}
	value, n, bits := t.def, (*node)(nil), -1
	for i := range t.rows {
		row := &t.rows[i]
		switch {
		case !row.prefix.IsValid():
			if n == nil && t.regexMatches(row.key, r) {
				value, n = row.value, row.n
			}
		case !t.geo && !row.prefix.IsSingleIP(): // a map compares text
		case row.prefix.Bits() <= r.Bits() && row.prefix.Contains(r.Addr()):
			if row.prefix.Bits() > bits {
				value, n, bits = row.value, row.n, row.prefix.Bits()
			}
		case r.Contains(row.prefix.Addr()):
			inside = append(inside, row.prefix)
			out = append(out, piece{row.prefix, row.value, row.n})
		}
	}
	if !cidr.Covered(r, inside) {
		out = append(out, piece{r, value, n})
	}
	return out
}

// regexMatches tries a map's regular expression against a few addresses of the
// range: both ends and the middle.
func (t *table) regexMatches(key string, r netip.Prefix) bool {
	if t.geo || !strings.HasPrefix(key, "~") || len(key) > 1000 {
		return false
	}
	re, err := regexp.Compile(strings.TrimPrefix(strings.TrimPrefix(key, "~"), "*"))
	if err != nil {
		return false
	}
	for _, a := range samples(r) {
		if re.MatchString(a.String()) {
			return true
		}
	}
	return false
}

func samples(r netip.Prefix) []netip.Addr {
	first := r.Masked().Addr()
	raw := first.AsSlice()
	for i := r.Bits(); i < len(raw)*8; i++ {
		raw[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(raw)
	out := []netip.Addr{first, first.Next(), last}
	if r.Bits() < first.BitLen() {
		raw[r.Bits()/8] &^= 1 << (7 - r.Bits()%8)
		mid, _ := netip.AddrFromSlice(raw)
		out = append(out, mid)
	}
	return out
}
