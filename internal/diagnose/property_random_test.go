package diagnose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	bt "github.com/originward/originward/internal/causes/bundletest"
)

// dice makes facts of every type out of few values, so that what they say
// meets: the same addresses, ports, names and words again and again.
type dice struct{ *rand.Rand }

func one[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

var (
	addrType   = reflect.TypeFor[netip.Addr]()
	portType   = reflect.TypeFor[netip.AddrPort]()
	prefixType = reflect.TypeFor[netip.Prefix]()
	timeType   = reflect.TypeFor[time.Time]()
	triType    = reflect.TypeFor[fact.Tri]()
)

func (d dice) addr() netip.Addr {
	return one(d, bt.Origin4, bt.Origin4, bt.Origin6, bt.Other4, bt.Front, bt.Prober, bt.Egress[0], bt.Egress[1], bt.Egress6,
		netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("::"), netip.MustParseAddr("10.0.0.5"),
		netip.MustParseAddr("192.0.2.1"), netip.Addr{})
}

func (d dice) port() uint16 { return one[uint16](d, 80, 443, 443, 8080, 3000, 22, 0) }

// words are values of strings by the name of their field.
var words = map[string][]string{
	"Kind":      {"nginx", "apache", "haproxy", "app", "requests", "connections", "dyndns", "allowlist", "acme", "blocked_syn", "upstream_refused", "upstream_timeout", "limited", "denied", "oom", "disk_full", "workers_full", "status", "closed_444", "bind_failed", "config_error", "tls_handshake", "child_crash", "audit", "security"},
	"State":     {"running", "stopped", "failed", "read", "missing", "unreadable", "exited"},
	"Verdict":   {"accept", "drop", "reject", "unknown", "may_drop"},
	"With":      {"tcp-reset", "icmp-port-unreachable", "icmp-host-prohibited", ""},
	"Hook":      {"input", "forward", "output", "prerouting"},
	"Role":      {"web", "backend", "site", "origin", "tunnel"},
	"Server":    {"nginx", "apache", "haproxy"},
	"Scheme":    {"https", "http"},
	"Host":      {bt.Host, bt.Host, "other.example"},
	"SNI":       {bt.Host, "other.example", ""},
	"Variant":   {"", "", "", fact.VariantOtherSNI, fact.VariantNoSNI, fact.VariantSmallHello, fact.VariantLargeHello, fact.VariantHTTP1, fact.VariantHTTP2, fact.VariantPlainHTTP, fact.VariantNoCookie, fact.VariantReuse, fact.VariantBypass},
	"CDN":       {"", "cloudflare", "originward", "fastly"},
	"Errno":     {"", "ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH", "ECONNRESET"},
	"Ended":     {"", "timeout", "closed", "reset"},
	"SSL":       {"", "off", "flexible", "full", "strict", "origin_pull"},
	"Phase":     {"", "connect", "tls", "write", "first_byte", "headers", "body", "resolve"},
	"Type":      {"connection_refused", "connection_timeout", "connection_terminated", "tls_alert_received", "tls_certificate_error", "http_response_timeout", "A", "AAAA", "CNAME", "blackhole", "unicast", "unreachable"},
	"Fault":     {"", "connection_refused", "connection_timeout", "connection_terminated", "tls_certificate_error"},
	"Family":    {"ip4", "ip6", ""},
	"Tool":      {"fail2ban", "crowdsec", "csf", "ipset", "hosts.deny", "wordfence"},
	"Owner":     {"", "fail2ban", "ufw", "docker", "csf"},
	"Action":    {"allow", "deny", "block", "purge_everything", "drop"},
	"RCode":     {"NOERROR", "NXDOMAIN", "SERVFAIL", ""},
	"Cache":     {"", "HIT", "MISS"},
	"Via":       {"direct", "edge"},
	"Proof":     {"kernel", "model", "disagreement"},
	"Provider":  {"cloudflare", "originward"},
	"Content":   {"203.0.113.10", "192.0.2.1", "old.example.net", "11111111-2222-3333-4444-555555555555.cfargotunnel.com", "x.pages.dev"},
	"Program":   {"nginx", "apache2", "haproxy", "node", "docker-proxy"},
	"Text":      {"connect() failed (111: Connection refused)", "bind() to 0.0.0.0:443 failed (98: Address already in use)", "syntax error", "tcp dport 443 drop", ""},
	"Name":      {bt.Host, "api", "keepalive_timeout", "proxy_read_timeout", "nginx", ""},
	"Speaks":    {"", "http", "tls", "other"},
	"Looks":     {"", "tls", "http_response", "ssh"},
	"Result":    {"", "oom-kill", "exit-code"},
	"Reference": {"", "the edge"},
}

// value is a random value of a type; field is the name it stands under.
func (d dice) value(t reflect.Type, field string, depth int) reflect.Value {
	v := reflect.New(t).Elem()
	if d.IntN(5) == 0 && depth > 0 {
		return v // not known
	}
	switch t {
	case addrType:
		return reflect.ValueOf(d.addr())
	case portType:
		return reflect.ValueOf(netip.AddrPortFrom(d.addr(), d.port()))
	case prefixType:
		all := append(bt.Ranges(originward.IP4)[:4:4], netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("10.0.0.5/32"), netip.MustParsePrefix("2400:cb00::/32"), netip.Prefix{})
		return reflect.ValueOf(one(d, all...))
	case timeType:
		return reflect.ValueOf(bt.At.Add(time.Duration(d.IntN(600)-500) * time.Second))
	case triType:
		return reflect.ValueOf(one(d, fact.Yes, fact.No, fact.Unknown))
	}
	switch t.Kind() {
	case reflect.String:
		s := one(d, "", "a", "/etc/x.conf")
		if w := words[field]; w != nil {
			s = one(d, w...)
		}
		v.SetString(s)
	case reflect.Bool:
		v.SetBool(d.IntN(2) == 0)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(one[int64](d, 0, 1, 5, 200, 301, 403, 429, 500, 502, 504, 520, 521, 522, 524, 525, 526, 530, 1000, 1016))
	case reflect.Uint16:
		v.SetUint(uint64(d.port()))
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		v.SetUint(one[uint64](d, 0, 1, 100, 1000))
	case reflect.Float64:
		v.SetFloat(one(d, 0, 0.5, 60, 3000))
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(d.value(t.Elem(), field, depth+1))
	case reflect.Slice:
		for range d.IntN(4) {
			v = reflect.Append(v, d.value(t.Elem(), field, depth+1))
		}
	case reflect.Array:
		for i := range t.Len() {
			v.Index(i).Set(d.value(t.Elem(), field, depth+1))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(t))
		for range d.IntN(3) {
			k := reflect.ValueOf(one(d, "ListenOverflows", "PAWSPassive", "net.ipv4.tcp_tw_recycle", "location", "cpu.some")).Convert(t.Key())
			v.SetMapIndex(k, d.value(t.Elem(), field, depth+1))
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() {
				v.Field(i).Set(d.value(f.Type, f.Name, depth+1))
			}
		}
	}
	return v
}

// kinds are all questions with the type of their answer, and from where they
// are asked.
func kinds(t testing.TB) map[originward.Question]reflect.Type {
	t.Helper()
	out := map[originward.Question]reflect.Type{}
	for _, q := range fact.Questions() {
		e := originward.Evidence{Question: q, Fact: originward.RawFact{Q: q, JSON: []byte("{}")}}
		if err := fact.Type(&e); err != nil {
			t.Fatal(err)
		}
		out[q] = reflect.TypeOf(e.Fact)
	}
	return out
}

func vantagesOf(q originward.Question) []originward.Vantage {
	switch {
	case strings.HasPrefix(string(q), "cdn_"):
		return []originward.Vantage{originward.CDN}
	case strings.HasPrefix(string(q), "edge_"):
		return []originward.Vantage{originward.Edge}
	case q == fact.QExchange:
		return []originward.Vantage{originward.Outside, originward.Outside, originward.Host}
	case q == fact.QRepeat:
		return []originward.Vantage{originward.Outside, originward.Edge}
	case q == fact.QOwnNetwork || q == fact.QDNS || q == fact.QPath:
		return []originward.Vantage{originward.Outside}
	}
	return []originward.Vantage{originward.Host}
}

// bundle is a random one: some items of random questions, or a world with
// random items beside its own.
func (d dice) bundle(of map[originward.Question]reflect.Type, qs []originward.Question) *originward.Bundle {
	b := &originward.Bundle{Schema: originward.EvidenceSchema, Host: bt.Host, AskedAt: bt.At}
	if d.IntN(2) == 0 {
		ws := all()
		b = ws[d.IntN(len(ws))].world().Bundle()
		b.Evidence = slices.DeleteFunc(b.Evidence, func(originward.Evidence) bool { return d.IntN(8) == 0 })
	}
	for range 2 + d.IntN(24) {
		q := one(d, qs...)
		f, _ := d.value(of[q], "", 0).Interface().(originward.Fact)
		b.Evidence = append(b.Evidence, originward.Evidence{Vantage: one(d, vantagesOf(q)...), Question: q, At: bt.At, Fact: f})
	}
	Number(b)
	return b
}

// holds checks what must hold of every bundle. That nothing rises when evidence
// is taken away is asked of bundles of one world: a random one contradicts
// itself, and without one half of a contradiction the other may well be proof.
func holds(t *testing.T, d dice, what string, b *originward.Bundle) {
	t.Helper()
	e := explain(b)
	if len(e.broken) > 0 {
		t.Fatalf("%s: %v", what, e.broken)
	}
	sane(t, what, Explain(b, Options{}))
	checkCosts(t, what, e)
	checkOnce(t, what, e)
	want, err := json.Marshal(Explain(b, Options{}))
	if err != nil {
		t.Fatal(err)
	}
	mixed := *b
	mixed.Evidence = slices.Clone(b.Evidence)
	d.Shuffle(len(mixed.Evidence), func(i, j int) { mixed.Evidence[i], mixed.Evidence[j] = mixed.Evidence[j], mixed.Evidence[i] })
	if got, _ := json.Marshal(Explain(&mixed, Options{})); !bytes.Equal(got, want) {
		t.Errorf("%s: another order, another diagnosis", what)
	}
}

// TestRandomBundles explains bundles of random facts of all types.
func TestRandomBundles(t *testing.T) {
	of := kinds(t)
	qs := fact.Questions()
	slices.Sort(qs)
	for i := range 200 {
		d := dice{rand.New(rand.NewPCG(21, uint64(i)))}
		holds(t, d, fmt.Sprintf("random %d", i), d.bundle(of, qs))
	}
}

// TestMutations changes real bundles: values, items that stand twice, items of
// another bundle.
func TestMutations(t *testing.T) {
	rs := real(t)
	list := names(rs)
	of := kinds(t)
	for i := range 100 {
		d := dice{rand.New(rand.NewPCG(22, uint64(i)))}
		name := one(d, list...)
		b := *rs[name]
		b.Evidence = slices.Clone(b.Evidence)
		for range 1 + d.IntN(5) {
			at := d.IntN(len(b.Evidence))
			switch d.IntN(4) {
			case 0: // another answer to the same question
				if f, ok := d.value(of[b.Evidence[at].Question], "", 0).Interface().(originward.Fact); ok {
					b.Evidence[at].Fact = f
				}
			case 1: // part of an answer changed
				b.Evidence[at].Fact = d.changed(b.Evidence[at].Fact)
			case 2:
				twice := b.Evidence[at]
				b.Evidence = append(b.Evidence, twice)
			case 3:
				other := rs[one(d, list...)].Evidence
				b.Evidence = append(b.Evidence, other[d.IntN(len(other))])
			}
		}
		Number(&b)
		holds(t, d, fmt.Sprintf("mutation %d of %s", i, name), &b)
	}
}

// changed is a copy of a fact in which one value, at any depth, is another.
func (d dice) changed(f originward.Fact) originward.Fact {
	v := reflect.New(reflect.TypeOf(f)).Elem()
	v.Set(reflect.ValueOf(f))
	at := v
	for depth := 0; ; depth++ {
		switch at.Kind() {
		case reflect.Struct:
			if at.Type() == addrType || at.Type() == portType || at.Type() == prefixType || at.Type() == timeType || at.NumField() == 0 {
				at.Set(d.value(at.Type(), "", 1))
				return v.Interface().(originward.Fact)
			}
			i := d.IntN(at.NumField())
			f := at.Type().Field(i)
			if k := f.Type.Kind(); k != reflect.Struct && k != reflect.Slice || d.IntN(4) == 0 {
				at.Field(i).Set(d.value(f.Type, f.Name, 1))
				return v.Interface().(originward.Fact)
			}
			at = at.Field(i)
		case reflect.Slice:
			if at.Len() == 0 {
				return v.Interface().(originward.Fact)
			}
			c := reflect.MakeSlice(at.Type(), at.Len(), at.Len())
			reflect.Copy(c, at)
			at.Set(c)
			at = at.Index(d.IntN(at.Len()))
		default:
			at.Set(d.value(at.Type(), "", 1))
			return v.Interface().(originward.Fact)
		}
	}
}
