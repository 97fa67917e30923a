package config

import (
	"net/netip"
	"net/url"

	"golang.org/x/net/http/httpguts"
)

// Tracing is where spans of requests go. The zero Tracing makes none.
type Tracing struct {
	Endpoint string            // URL of an OTLP/HTTP collector's traces; empty = no spans
	Headers  map[string]string // sent along
	Sample   float64           // share of requests
	Trust    []netip.Prefix    // visitors whose traceparent is taken
}

// tracesPath is where collectors take traces (OTLP/HTTP).
const tracesPath = "/v1/traces"

func (v value) tracing() Tracing {
	t := Tracing{Sample: 0.01}
	given := false
	v.object(
		key{"endpoint", func(v value) { t.Endpoint, given = v.collector(), true }},
		key{"headers", func(v value) { t.Headers = v.headers() }},
		key{"sample", func(v value) { t.Sample = v.share() }},
		key{"trust", func(v value) { v.list(func(v value) { t.Trust = append(t.Trust, v.prefix()...) }) }},
	)
	if !given {
		v.fail("no collector", "endpoint: http://127.0.0.1:4318")
	}
	return t
}

// collector reads a collector's URL; without a path it is that of traces.
func (v value) collector() string {
	s, ok := v.text()
	if !ok {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		v.fail("not the URL of a collector", "http://HOST:4318", "https://HOST/v1/traces")
		return ""
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = tracesPath
	}
	return u.String()
}

// headers reads a mapping of header fields.
func (v value) headers() map[string]string {
	out := map[string]string{}
	v.entries(func(name string, v value) {
		s, ok := v.text()
		switch {
		case !ok:
		case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(s):
			v.fail("not a header field")
		default:
			out[name] = s
		}
	})
	return out
}

// prefix reads an address or a network.
func (v value) prefix() []netip.Prefix {
	s, ok := v.text()
	if !ok {
		return nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return []netip.Prefix{netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())}
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p != p.Masked() {
		v.fail("neither an address nor a network", "192.0.2.1", "192.0.2.0/24", "2001:db8::/32")
		return nil
	}
	return []netip.Prefix{p}
}
