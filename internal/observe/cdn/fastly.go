package cdn

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// Fastly's API (fastly.com/documentation/reference/api): a service has versions, one
// of them active; a version has domains, and backends, which are the origins.

// fastly is its id.
const fastly = "fastly"

// fastlyScope lets a token read all of it.
const fastlyScope = "global:read"

// maxServices bounds how many services are searched for the host.
const maxServices = 100

// fastlySays why a call gave nothing.
func (o *observer) fastlySays(q originward.Question, what string, status int, err error) {
	o.failed(q, what, status, err, "(scope) "+fastlyScope)
}

// fastlyToken checks what the token may do before it is used.
func (o *observer) fastlyToken(ctx context.Context) (services []string, ok bool) {
	var t struct {
		Scope     string     `json:"scope"`
		Services  []string   `json:"services"`
		ExpiresAt *time.Time `json:"expires_at"`
	}
	status, err := o.raw(ctx, http.MethodGet, "tokens/self", nil, &t)
	scopes := strings.Fields(t.Scope)
	switch {
	case err != nil || status != http.StatusOK:
		o.fastlySays("", "its own scope", status, err)
	case t.ExpiresAt != nil && !o.Now().Before(*t.ExpiresAt):
		o.miss("", "the token ended on "+t.ExpiresAt.UTC().Format(time.RFC3339), "give a valid token with --cdn-token-file")
	case !slices.Contains(scopes, "global") && !slices.Contains(scopes, fastlyScope):
		o.miss("", fmt.Sprintf("the token's scope is %q: it may not read services", escape.Line(t.Scope, 60)), "give a token of the scope "+fastlyScope)
	default:
		return t.Services, true
	}
	return nil, false
}

// fastlyService finds the service whose active version has the host among its
// domains. The result is its id and version, as paths have them.
func (o *observer) fastlyService(ctx context.Context) (id string, ok bool) {
	only, ok := o.fastlyToken(ctx)
	if !ok {
		return "", false
	}
	var services []struct {
		ID, Name string
		Versions []struct {
			Number int
			Active bool
		}
	}
	status, err := o.raw(ctx, http.MethodGet, "service?per_page="+strconv.Itoa(maxServices), nil, &services)
	if err != nil || status != http.StatusOK {
		o.fastlySays("", "the services", status, err)
		return "", false
	}
	if len(services) > maxServices {
		services = services[:maxServices]
	}
	type found struct {
		path, domain string
		status       int
		err          error
	}
	holds := make([]found, len(services))
	var wg sync.WaitGroup
	turn := make(chan struct{}, 8) // at once
	for i, s := range services {
		v := slices.IndexFunc(s.Versions, func(v struct {
			Number int
			Active bool
		}) bool {
			return v.Active
		})
		if v < 0 || !plainID(s.ID) || len(only) > 0 && !slices.Contains(only, s.ID) {
			continue
		}
		path := fmt.Sprintf("service/%s/version/%d", s.ID, s.Versions[v].Number)
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			var domains []struct{ Name string }
			status, err := o.raw(ctx, http.MethodGet, path+"/domain", nil, &domains)
			holds[i] = found{status: status, err: err}
			for _, d := range domains {
				if covers(d.Name, o.Host) && len(d.Name) > len(holds[i].domain) {
					holds[i].path, holds[i].domain = path, d.Name
				}
			}
		})
	}
	wg.Wait()
	best := found{}
	for i, h := range holds {
		if h.path != "" && (best.path == "" || strings.HasPrefix(best.domain, "*.") && !strings.HasPrefix(h.domain, "*.")) {
			best = h
			o.zoneName = escape.Line(services[i].Name, 100)
			o.account = services[i].ID
		}
		if h.status != 0 && h.status != http.StatusOK {
			o.fastlySays("", "the domains of a service", h.status, h.err)
		}
	}
	if best.path == "" {
		o.miss("", fmt.Sprintf("no active version of a service that the token may read has the domain %s", o.Host), "give a token of the account that holds the service, with the scope "+fastlyScope)
		return "", false
	}
	f := fact.CDNZone{Provider: o.provider, ID: escape.Line(o.account, 64), Name: escape.Line(best.domain, 253), Status: "active", Paused: fact.No}
	o.zoneSeen(f, fmt.Sprintf("the CDN has the domain %s in its service %s, %s", best.domain, o.zoneName, best.path), best.path+"/domain")
	return best.path, true
}

// covers tells whether a domain, which may be a wildcard of one label, is the host's.
func covers(domain, host string) bool {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if tail, any := strings.CutPrefix(domain, "*"); any {
		return suffixOf(host, tail)
	}
	return domain == host
}

// fastlyBackend is an origin of a service (reference/api/services/backend).
type fastlyBackend struct {
	Name        string    `json:"name"`
	Address     string    `json:"address"`
	Port        int       `json:"port"`
	TLS         bool      `json:"use_ssl"`
	Checks      *bool     `json:"ssl_check_cert"`
	CertName    string    `json:"ssl_cert_hostname"`
	SNI         string    `json:"ssl_sni_hostname"`
	Host        string    `json:"override_host"`
	Condition   string    `json:"request_condition"`
	Balanced    bool      `json:"auto_loadbalance"`
	Healthcheck string    `json:"healthcheck"`
	FirstByte   int       `json:"first_byte_timeout"` // milliseconds
	Updated     time.Time `json:"updated_at"`
}

// mode is what Cloudflare would call the way to the backend.
func (b fastlyBackend) mode() originward.SSLMode {
	switch {
	case !b.TLS:
		return originward.SSLFlexible
	case b.Checks != nil && !*b.Checks:
		return originward.SSLFull
	}
	return originward.SSLStrict // checked unless it is switched off
}

// fastlyBackends reads the origins and how they are spoken to.
func (o *observer) fastlyBackends(ctx context.Context, path string) {
	var list []fastlyBackend
	status, err := o.raw(ctx, http.MethodGet, path+"/backend", nil, &list)
	if err != nil || status != http.StatusOK {
		o.fastlySays(fact.QCDNRecords, "the backends", status, err)
		o.fastlySays(fact.QCDNSettings, "the backends", status, err)
		return
	}
	// Which of several serves a request, conditions, health checks and VCL decide.
	certain := fact.TriOf(len(list) == 1 && list[0].Condition == "" && list[0].Healthcheck == "")
	if certain == fact.No {
		certain = fact.Unknown
	}
	f := fact.CDNRecords{Name: o.Host, Records: []fact.CDNRecord{}}
	var words []string
	for _, b := range list[:min(len(list), maxRecords)] {
		f.Records = append(f.Records, fact.CDNRecord{
			ID: escape.Line(b.Name, 64), Type: addressType(b.Address), Name: o.Host, Content: escape.Line(b.Address, 253),
			Proxied: certain, Modified: b.Updated, Comment: "backend " + escape.Line(b.Name, 100),
		})
		words = append(words, fmt.Sprintf("%s at %s port %d (%s)", b.Name, b.Address, b.Port, b.mode()))
	}
	text := "the CDN's service has no backend"
	if len(words) > 0 {
		text = "the CDN's backends for " + o.Host + ": " + strings.Join(words, ", ")
	}
	o.add(f, originward.Subject{Host: o.Host}, escape.Line(text, 1000), o.reproduce(path+"/backend"))
	o.fastlySettings(ctx, path, list)
}

func addressType(s string) string {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return "CNAME"
	case a.Is4():
		return "A"
	}
	return "AAAA"
}

// fastlySettings says how the backends are spoken to, where they agree.
func (o *observer) fastlySettings(ctx context.Context, path string, list []fastlyBackend) {
	if len(list) == 0 {
		return
	}
	b := list[0]
	f := fact.CDNSettings{
		Source: "api", SSL: b.mode(), OriginPort: b.Port, OriginHost: escape.Line(b.Host, 253), OriginSNI: escape.Line(b.SNI, 253), ReadTimeout: b.FirstByte / 1000,
	}
	differ := func(name string, same func(a fastlyBackend) bool, clear func()) {
		if slices.ContainsFunc(list, func(a fastlyBackend) bool { return !same(a) }) {
			clear()
			f.Unread = append(f.Unread, name)
		}
	}
	differ("ssl", func(a fastlyBackend) bool { return a.mode() == b.mode() }, func() { f.SSL = "" })
	differ("port", func(a fastlyBackend) bool { return a.Port == b.Port }, func() { f.OriginPort = 0 })
	differ("override_host", func(a fastlyBackend) bool { return a.Host == b.Host }, func() { f.OriginHost = "" })
	differ("ssl_sni_hostname", func(a fastlyBackend) bool { return a.SNI == b.SNI }, func() { f.OriginSNI = "" })
	differ("first_byte_timeout", func(a fastlyBackend) bool { return a.FirstByte == b.FirstByte }, func() { f.ReadTimeout = 0 })
	var published struct {
		Addresses []string `json:"addresses"`
		V6        []string `json:"ipv6_addresses"`
	}
	if status, err := o.raw(ctx, http.MethodGet, "public-ip-list", nil, &published); err == nil && status == http.StatusOK {
		f.Ranges, _ = prefixes(append(published.Addresses, published.V6...))
	}
	way := "the CDN speaks plain http to the backend"
	if f.SSL != "" && f.SSL != originward.SSLFlexible {
		way = "the CDN speaks TLS to the backend"
		if f.SSL == originward.SSLStrict {
			way += " and checks its certificate"
		}
	}
	if f.SSL == "" {
		way = "the CDN's backends are spoken to in different ways"
	}
	if f.OriginPort != 0 {
		way += fmt.Sprintf(", port %d", f.OriginPort)
	}
	o.add(f, originward.Subject{Host: o.Host}, escape.Line(way, 500), o.reproduce(path+"/backend"))
}

// fastlyChanges reads what was changed in the service of late
// (reference/api/account/events).
func (o *observer) fastlyChanges(ctx context.Context, _ string) {
	q := url.Values{"filter[service_id]": {o.account}, "page[size]": {"50"}, "sort": {"-created_at"}}
	var answer struct {
		Data []struct {
			Attributes struct {
				Type        string    `json:"event_type"`
				Description string    `json:"description"`
				Created     time.Time `json:"created_at"`
			}
		}
	}
	status, err := o.raw(ctx, http.MethodGet, "events?"+q.Encode(), nil, &answer)
	if err != nil || status != http.StatusOK {
		o.fastlySays(fact.QCDNEvents, "the event log", status, err)
		return
	}
	since := o.Now().Add(-changesBack)
	var list []fact.CDNEvent
	for _, e := range answer.Data {
		a := e.Attributes
		if a.Created.Before(since) || len(list) == maxEvents {
			continue
		}
		list = append(list, fact.CDNEvent{At: a.Created.UTC(), Kind: "audit", Action: escape.Line(a.Type, 40), Text: escape.Line(a.Description, 200)})
	}
	o.changesSeen(list, "events?"+q.Encode())
}
