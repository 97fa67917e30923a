package rules

import (
	"bytes"
	"net/netip"
	"strings"
)

// field is one field of the language.
type field struct {
	operand
	raw      *operand // under the name with "raw." before it; nil = none
	response bool     // is known once there is a response
	place    bool     // needs a database of addresses
}

func one(o operand) field { return field{operand: o} }

func textField(f func(*Request) []byte) field {
	return one(stringOf(func(r *Request) []byte { return present(f(r)) }))
}

func headerField(name string) field {
	return textField(func(r *Request) []byte { return r.header(name) })
}

func intField(f func(*Request) int64) field {
	return one(intOf(func(r *Request) (int64, bool) { return f(r), true }))
}

// uriField is a field of the URI, which rewrites change; raw is as it was sent.
func uriField(f func(*Request, *URI) []byte) field {
	x := textField(func(r *Request) []byte { return f(r, &r.URI) })
	raw := stringOf(func(r *Request) []byte { return present(f(r, &r.Raw)) })
	x.raw = &raw
	return x
}

func placeText(f func(*Place) string) field {
	x := textField(func(r *Request) []byte { return []byte(f(r.Where())) })
	x.place = true
	return x
}

func arrayField(f func(*Request) [][]byte) field {
	return one(operand{kind: kindString, form: formArray, list: f})
}

func mapField(f func(*Request, string) [][]byte) field {
	return one(operand{kind: kindString, form: formMap, look: f})
}

// argsField is a field of the query's arguments.
func argsField(o func(query func(*Request) []byte) operand) field {
	raw := o(func(r *Request) []byte { return r.Raw.Query })
	return field{operand: o(func(r *Request) []byte { return r.Query }), raw: &raw}
}

func ofResponse(f field) field {
	f.response = true
	raw := f.operand
	f.raw = &raw
	return f
}

var (
	country = placeText(func(p *Place) string {
		if p.Country == "" {
			return "XX" // unknown (fundamentals, CF-IPCountry)
		}
		return p.Country
	})
	continent    = placeText(func(p *Place) string { return p.Continent })
	asnum        = field{operand: intOf(func(r *Request) (int64, bool) { return int64(r.Where().ASN), true }), place: true}
	inEU         = field{operand: boolOf(func(r *Request) bool { return r.Where().EU }), place: true}
	subdivision1 = placeText(func(p *Place) string { return p.Subdivision })
)

// fields lists every field, under the names of Cloudflare's Rules language.
var fields = map[string]field{
	"ip.src":                        one(operand{kind: kindIP, ip: func(r *Request) netip.Addr { return r.IP }}),
	"ip.src.country":                country,
	"ip.geoip.country":              country,
	"ip.src.continent":              continent,
	"ip.geoip.continent":            continent,
	"ip.src.asnum":                  asnum,
	"ip.geoip.asnum":                asnum,
	"ip.src.is_in_european_union":   inEU,
	"ip.geoip.is_in_european_union": inEU,
	"ip.src.subdivision_1_iso_code": subdivision1,
	"ip.src.city":                   placeText(func(p *Place) string { return p.City }),
	"ip.src.region":                 placeText(func(p *Place) string { return p.Region }),
	"ip.src.region_code":            placeText(func(p *Place) string { return p.RegionCode }),
	"ip.src.postal_code":            placeText(func(p *Place) string { return p.PostalCode }),
	"ip.src.lat":                    placeText(func(p *Place) string { return p.Latitude }),
	"ip.src.lon":                    placeText(func(p *Place) string { return p.Longitude }),
	"ip.src.timezone.name":          placeText(func(p *Place) string { return p.TimeZone }),

	"http.host":                       textField(func(r *Request) []byte { return r.Host }),
	"http.request.method":             textField(func(r *Request) []byte { return r.Method }),
	"http.request.version":            textField(func(r *Request) []byte { return r.Version }),
	"http.request.uri":                uriField(func(_ *Request, u *URI) []byte { return u.Target }),
	"http.request.uri.path":           uriField(func(_ *Request, u *URI) []byte { return u.Path }),
	"http.request.uri.path.extension": uriField(func(_ *Request, u *URI) []byte { return extension(u.Path) }),
	"http.request.uri.query":          uriField(func(_ *Request, u *URI) []byte { return u.Query }),
	"http.request.full_uri":           uriField(fullURI),
	"http.request.uri.args":           argsField(argsMap),
	"http.request.uri.args.names":     argsField(func(q func(*Request) []byte) operand { return argsColumn(q, true) }),
	"http.request.uri.args.values":    argsField(func(q func(*Request) []byte) operand { return argsColumn(q, false) }),
	"http.request.headers":            mapField(func(r *Request, k string) [][]byte { return r.values(r.Headers, k) }),
	"http.request.headers.names":      arrayField(func(r *Request) [][]byte { return r.column(r.Headers, true) }),
	"http.request.headers.values":     arrayField(func(r *Request) [][]byte { return r.column(r.Headers, false) }),
	"http.request.cookies":            mapField(cookies),
	"http.request.accepted_languages": arrayField(languages),
	"http.request.timestamp.sec":      intField(func(r *Request) int64 { return r.At.Unix() }),
	"http.request.timestamp.msec":     intField(func(r *Request) int64 { return int64(r.At.Nanosecond() / 1e6) }),
	"http.user_agent":                 textField((*Request).agent),
	"http.referer":                    headerField("Referer"),
	"http.cookie":                     headerField("Cookie"),
	"http.x_forwarded_for":            headerField("X-Forwarded-For"),

	"ssl":                 one(boolOf(func(r *Request) bool { return r.HTTPS })),
	"cf.edge.server_port": intField(func(r *Request) int64 { return int64(r.Port) }),
	"cf.edge.server_ip":   one(operand{kind: kindIP, ip: func(r *Request) netip.Addr { return r.ServerIP }}),
	"cf.ray_id":           textField(func(r *Request) []byte { return r.Ray }),
	"cf.colo.name":        textField(func(r *Request) []byte { return r.Colo }),
	"cf.zone.name":        textField(func(r *Request) []byte { return []byte(r.Zone) }),
	"cf.tls_version":      textField(func(r *Request) []byte { return []byte(r.TLS) }),
	"cf.tls_cipher":       textField(func(r *Request) []byte { return []byte(r.Cipher) }),
	// Always so at Cloudflare, too (fields, read 2026-11-22), and for want of Workers.
	"cf.threat_score":         intField(func(*Request) int64 { return 0 }),
	"cf.worker.upstream_zone": textField(func(*Request) []byte { return nil }),
	"cf.random_seed":          textField(func(*Request) []byte { return randomBytes(32) }),

	"http.response.code":           ofResponse(one(intOf(responseCode))),
	"http.response.headers":        ofResponse(mapField(func(r *Request, k string) [][]byte { return r.values(r.answered(), k) })),
	"http.response.headers.names":  ofResponse(arrayField(func(r *Request) [][]byte { return r.column(r.answered(), true) })),
	"http.response.headers.values": ofResponse(arrayField(func(r *Request) [][]byte { return r.column(r.answered(), false) })),
	"http.response.content_type.media_type": ofResponse(textField(func(r *Request) []byte {
		if h := r.answered(); h != nil {
			return mediaType(h.Get("Content-Type"))
		}
		return nil
	})),
	"cf.response.1xxx_code":  ofResponse(intField(func(r *Request) int64 { return r.errorNumber(1000, 1<<31) })),
	"cf.response.error_type": ofResponse(textField((*Request).errorType)),
}

// missing lists fields of Cloudflare's that this edge does not have, by the
// beginning of their names, and why.
var missing = []struct{ prefix, why string }{
	{"cf.bot_management.", "it does not tell bots from people"},
	{"cf.client.bot", "it does not tell bots from people"},
	{"cf.verified_bot_category", "it does not tell bots from people"},
	{"cf.waf.", "it has no scores of attacks"},
	{"cf.llm.", "it does not look into bodies"},
	{"cf.api_gateway.", "it has no schemas of APIs"},
	{"cf.schema_validation.", "it has no schemas of APIs"},
	{"cf.tls_client_auth.", "it does not ask visitors for certificates"},
	{"cf.tls_client_hello", "it does not keep the visitor's hello"},
	{"cf.unique_visitor_id", "visitors are told apart by ip.src"},
	{"cf.worker.", "it has no Workers"},
	{"cf.timings.", "times are in its records, not in rules"},
	{"cf.hostname.metadata", "it has no custom hostnames"},
	{"http.request.body.", "bodies pass through unread"},
	{"http.request.jwt.", "it does not check JWTs"},
	{"ip.src.subdivision_2_iso_code", "the databases hold the first level only"},
	{"ip.src.metro_code", "the databases no longer hold it"},
	{"ip.", "it is a field of another product"},
	{"tcp.", "it is a field of another product"},
	{"udp.", "it is a field of another product"},
}

// elsewhere tells why a known field of Cloudflare's is not here; empty for a name
// that is no field.
func elsewhere(name string) string {
	name = strings.TrimPrefix(name, "raw.")
	for _, m := range missing {
		if strings.HasPrefix(name, m.prefix) {
			if m.prefix == "ip." && strings.Count(name, ".") == 1 {
				return "" // ip.srcc: a slip
			}
			return m.why
		}
	}
	return ""
}

// rawField is the field as the visitor sent it.
func rawField(f field) (field, bool) {
	if f.raw == nil {
		return field{}, false
	}
	f.operand = *f.raw
	return f, true
}

func fullURI(r *Request, u *URI) []byte {
	scheme := "http://"
	if r.HTTPS {
		scheme = "https://"
	}
	out := make([]byte, 0, len(scheme)+len(r.Host)+len(u.Target))
	out = append(out, scheme...)
	out = append(out, r.Host...)
	return append(out, u.Target...)
}

// extension is the part behind the last dot of the last segment, in lower case; a
// dot that begins the segment is none.
func extension(path []byte) []byte {
	seg := path[bytes.LastIndexByte(path, '/')+1:]
	i := bytes.LastIndexByte(seg, '.')
	if i <= 0 {
		return emptyText
	}
	return mapASCII(seg[i+1:], 'A', 'Z')
}

func mediaType(v []byte) []byte {
	v, _, _ = bytes.Cut(v, []byte(";"))
	return mapASCII(bytes.TrimSpace(v), 'A', 'Z')
}

func responseCode(r *Request) (int64, bool) {
	if r.Response == nil {
		return 0, false
	}
	return int64(r.Response.Status), true
}

func (r *Request) answered() Headers {
	if r.Response == nil {
		return nil
	}
	return r.Response.Headers
}

func (r *Request) errorNumber(from, to int) int64 {
	if r.Response == nil || r.Response.Error < from || r.Response.Error >= to {
		return 0
	}
	return int64(r.Response.Error)
}

// errorType tells which kind of error page the edge would show
// (fields cf.response.error_type).
func (r *Request) errorType() []byte {
	if r.Response == nil {
		return nil
	}
	if r.Response.Challenge {
		return []byte("managed_challenge")
	}
	switch n := r.Response.Error; {
	case n == 1015:
		return []byte("ratelimit")
	case n == 1020, n == 1010, n == 1011:
		return []byte("waf")
	case n == 1005, n == 1006, n == 1009:
		return []byte("ip_ban")
	case n >= 1000:
		return []byte("1xxx")
	case n >= 500:
		return []byte("5xx")
	}
	return nil
}
