package config

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"time"
)

// topLevelKeys lists the keys of the file, for messages about an empty one.
var topLevelKeys = []string{"listen", "colo", "egress", "resolver", "data", "store", "dns", "timers", "limits", "trust", "origin_pull_certificate", "tls", "acme", "cache", "api_tokens", "api_tls", "lists", "geo", "access_log", "security_events", "tracing", "diagnosis", "error_pages", "custom_errors", "monitors", "pools", "zones"}

func (r *reader) config(v value) *Config {
	c := &Config{File: r.file, Colo: "LAB", Timers: DefaultTimers(), DNS: DNS{RateLimit: defaultRateLimit}}
	var acme, listen, lists, geo, zones, errors, monitors, pools, diagnosis value
	if !v.object(
		key{"listen", func(v value) { listen = v; c.Listen = v.listen() }},
		key{"colo", func(v value) { c.Colo = v.colo() }},
		key{"egress", func(v value) { c.Egress = v.egress() }},
		key{"resolver", func(v value) { c.Resolver = v.resolvers() }},
		key{"data", func(v value) { c.Data, _ = v.filePath() }},
		key{"dns", func(v value) { c.DNS = v.dns() }},
		key{"store", func(v value) { c.Store = v.storeDSN() }},
		key{"timers", func(v value) { v.timers(&c.Timers) }},
		key{"limits", func(v value) { c.Limits = v.limits() }},
		key{"trust", func(v value) { c.Trust = v.trust() }},
		key{"origin_pull_certificate", func(v value) { c.PullCert = v.keyPair() }},
		key{"tls", func(v value) { c.TLS = v.tls() }},
		key{"acme", func(v value) { acme = v; c.ACME = v.acme() }},
		key{"cache", func(v value) { c.Cache = v.cache() }},
		key{"api_tokens", func(v value) { c.Tokens = v.tokens() }},
		key{"api_tls", func(v value) { c.APITLS = v.keyPair() }},
		key{"lists", func(v value) { lists = v }},
		key{"geo", func(v value) { geo = v }},
		key{"access_log", func(v value) { c.Access = v.log() }},
		key{"security_events", func(v value) { c.Events = v.log() }},
		key{"tracing", func(v value) { c.Tracing = v.tracing() }},
		key{"diagnosis", func(v value) { diagnosis = v }},
		key{"error_pages", func(v value) { c.ErrorPages = v.errorPages() }},
		key{"custom_errors", func(v value) { errors = v }},
		key{"monitors", func(v value) { monitors = v }},
		key{"pools", func(v value) { pools = v }},
		key{"zones", func(v value) { zones = v }},
	) {
		return c
	}
	// Rules look at lists and places, wherever in the file those stand.
	if lists.n != nil {
		c.Lists = lists.lists()
		r.use.Lists = c.Lists
	}
	if geo.n != nil {
		c.Geo = geo.geo()
		r.use.Places = r.use.Places || c.Geo.Country != "" || c.Geo.ASN != ""
	}
	if errors.n != nil {
		c.CustomErrors = errors.errorRules()
	}
	if monitors.n != nil {
		c.Monitors = monitors.monitors()
		r.use.Monitors = append(c.Monitors, r.use.Monitors...)
	}
	if pools.n != nil {
		c.Pools = pools.pools()
		r.use.Pools = append(c.Pools, r.use.Pools...)
	}
	if diagnosis.n != nil { // zones begin with it
		diagnosis.diagnoses(c)
	}
	r.diagnosis = c.Diagnosis
	if zones.n != nil {
		c.Zones = zones.zones()
		if acme.n == nil {
			zones.acmeNeedsServer(c.Zones)
		}
		if c.PullCert == nil {
			zones.pullsNeedCertificate(c.Zones)
		}
	}
	if listen.n == nil {
		v.fail("nothing to listen on: listen is missing", "listen: {http: [\"0.0.0.0:80\"], https: [\"0.0.0.0:443\"]}")
	} else {
		listen.apiNeedsToken(c)
		listen.dnsNeedsMore(c)
	}
	if c.ACME != nil {
		acme.acmeNeedsMore(c)
	}
	return c
}

var coloForm = regexp.MustCompile(`^[A-Z]{3}$`)

func (v value) colo() string {
	s, ok := v.text()
	if ok && !coloForm.MatchString(s) {
		v.fail("not a place", "three capital letters, for example LAB")
	}
	return s
}

func (v value) egress() []netip.Addr {
	var out []netip.Addr
	v.list(func(v value) {
		s, ok := v.text()
		if !ok {
			return
		}
		a, err := netip.ParseAddr(s)
		switch {
		case err != nil:
			v.fail("not an address", "an IPv4 or IPv6 address of this machine")
		case a.IsUnspecified() || a.IsMulticast():
			v.fail("cannot be a source address", "an IPv4 or IPv6 address of this machine")
		case slices.Contains(out, a.Unmap()):
			v.fail("listed twice")
		default:
			out = append(out, a.Unmap())
		}
	})
	return out
}

// resolvers reads one DNS server or a list of them; the port is 53 unless given.
func (v value) resolvers() []netip.AddrPort {
	var out []netip.AddrPort
	one := func(v value) {
		s, ok := v.text()
		if !ok {
			return
		}
		if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.AddrPortFrom(a, 53))
			return
		}
		ap, err := netip.ParseAddrPort(s)
		if err != nil || ap.Port() == 0 {
			v.fail("not the address of a DNS server", "ADDRESS", "ADDRESS:PORT", "[IPV6]:PORT")
			return
		}
		out = append(out, ap)
	}
	if r, ok := v.resolve(); ok && len(r.n.Content) > 0 {
		v.list(one)
	} else {
		one(v)
	}
	return out
}

func (v value) timers(t *Timers) {
	// The upper bound of read is Cloudflare's for proxy_read_timeout (connection-limits).
	const lo, hi, read = time.Millisecond, time.Hour, 6000 * time.Second
	set := func(d *time.Duration, hi time.Duration) func(value) {
		return func(v value) {
			if x, ok := v.duration(lo, hi); ok {
				*d = x
			}
		}
	}
	v.object(
		key{"resolve", set(&t.Resolve, hi)},
		key{"connect", set(&t.Connect, hi)},
		key{"tls", set(&t.TLS, hi)},
		key{"ack", set(&t.Ack, hi)},
		key{"read", set(&t.Read, read)},
		key{"write", set(&t.Write, hi)},
		key{"idle", set(&t.Idle, hi)},
		key{"client", set(&t.Client, hi)},
		key{"header", set(&t.Header, hi)},
	)
}

func (v value) keyPair() *tls.Certificate { return v.keyPairWith() }

// stapledPair reads a certificate that may have an OCSP answer beside it.
func (v value) stapledPair() (c *tls.Certificate, s Staple) {
	var at value
	c = v.keyPairWith(key{"ocsp", func(v value) { at = v }})
	if at.n != nil {
		s = at.staple(c, time.Now())
	}
	return c, s
}

func (v value) keyPairWith(more ...key) *tls.Certificate {
	var certFile, keyFile string
	var certAt, keyAt value
	if !v.object(append([]key{
		{"cert", func(v value) { certAt = v; certFile, _ = v.filePath() }},
		{"key", func(v value) { keyAt = v; keyFile, _ = v.filePath() }},
	}, more...)...) {
		return nil
	}
	if certAt.n == nil || keyAt.n == nil {
		v.fail("needs both files", "{cert: FILE, key: FILE}")
		return nil
	}
	if certFile == "" || keyFile == "" {
		return nil
	}
	return loadKeyPair(certAt, keyAt, certFile, keyFile)
}

// apiNeedsToken refuses an API that is open to the network without a token.
func (v value) apiNeedsToken(c *Config) {
	if c.Listen.API == "" || len(c.Tokens) > 0 {
		return
	}
	if ap, err := netip.ParseAddrPort(c.Listen.API); err == nil && ap.Addr().IsLoopback() {
		return
	}
	v.fail(fmt.Sprintf("the API on %s is not on a loopback address and needs a token", c.Listen.API), "api_tokens: [{name: ops, file: FILE}]", "api: 127.0.0.1:8520")
}
