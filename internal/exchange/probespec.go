package exchange

import (
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/http1"
)

// ProbeSpec describes one probing exchange. Only Target.Addr is needed; the
// variant ([fact] Variant constants) is applied to the rest.
type ProbeSpec struct {
	// Target is what is dialled. Its TLS policy, when not nil, is the base to which
	// Variant is applied; the certificate is judged and never enforced.
	Target Target
	// Variant is what is changed to part look-alikes; empty = as the edge would do it.
	Variant string
	// Name is the origin name that the address came from, for the record.
	Name string
	// Method is GET when empty; Path is "/" when empty. Host is the Host field; empty =
	// Target.Host, or the address, with the port unless it is the scheme's own.
	Method, Path, Host string
	// Header are extra request fields, in order: name, value. They replace the probe's own
	// User-Agent and Accept.
	Header [][2]string
	// ClientCert is presented by the client-cert variant, and by no other.
	ClientCert *tls.Certificate
	// NoRequest ends the exchange after connect (and TLS).
	NoRequest bool
	// Profile holds the timers; zero = Fast.
	Profile Profile
	// Budget bounds the whole exchange beside ctx; 0 = FastWhole for the fast profile, else
	// none but the timers.
	Budget time.Duration
	// MaxBody bounds how much of the body is read; 0 = 64 KiB.
	MaxBody int64
	// IdleBefore is how long the connection idles before the second request of the
	// reuse variant.
	IdleBefore time.Duration
}

// neutralName is a name that no server knows (RFC 6761 keeps "invalid" free).
const neutralName = "neutral.invalid"

// defaultBody is how much of a body a probe reads: enough for an error page's title
// and to see a response that stalls behind its first packets.
const defaultBody = 64 << 10

// userAgent is what probes call themselves.
const userAgent = "Mozilla/5.0 (compatible; Originward)"

// prepare applies the variant and fills the defaults in.
func (s ProbeSpec) prepare() ProbeSpec {
	if s.Profile == (Profile{}) {
		s.Profile = Fast()
	}
	s.Profile = s.Profile.withDefaults()
	if s.Budget == 0 && s.Profile.Name == Fast().Name {
		s.Budget = FastWhole
	}
	if s.MaxBody == 0 {
		s.MaxBody = defaultBody
	}
	if s.Method == "" {
		s.Method = "GET"
	}
	if s.Path == "" {
		s.Path = "/"
	}
	if s.Variant == fact.VariantPlainHTTP {
		s.Target.TLS, s.Target.SNI = nil, ""
	}
	if s.Host == "" {
		s.Host = s.defaultHost()
	}
	var p TLSPolicy
	if s.Target.TLS != nil {
		p = *s.Target.TLS
		p.Validate, p.ClientCert = false, nil
	}
	switch s.Variant {
	case fact.VariantOtherSNI:
		s.Target.SNI = neutralName
	case fact.VariantNoSNI:
		s.Target.SNI = ""
	case fact.VariantSmallHello:
		p.Hello = HelloSmall
	case fact.VariantLargeHello:
		p.Hello = HelloLarge
	case fact.VariantHTTP1:
		p.ALPN = ALPNHTTP1
	case fact.VariantHTTP2:
		p.ALPN = ALPNHTTP2
	case fact.VariantTLS12:
		p.MinVersion, p.MaxVersion = 0, tls.VersionTLS12
	case fact.VariantTLS13:
		p.MinVersion, p.MaxVersion = tls.VersionTLS13, 0
	case fact.VariantClientCert:
		p.ClientCert = s.ClientCert
	case fact.VariantNoCookie:
		s.Header = without(s.Header, "cookie")
	case fact.VariantOtherHost:
		s.Host = neutralName
	case fact.VariantTCP:
		s.NoRequest = true
	}
	if s.Target.TLS != nil {
		s.Target.TLS = &p
	}
	return s
}

// defaultHost is the Host field for the target.
func (s ProbeSpec) defaultHost() string {
	host := s.Target.Host
	if host == "" {
		host = s.Target.Addr.Addr().WithZone("").String()
	}
	port := s.Target.Addr.Port()
	if own := map[string]uint16{"http": 80, "https": 443}; port == own[s.Target.Scheme()] {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

func without(fields [][2]string, name string) [][2]string {
	var out [][2]string
	for _, f := range fields {
		if !strings.EqualFold(f[0], name) {
			out = append(out, f)
		}
	}
	return out
}

// head is the request's head. Its error says what cannot be sent.
func (s *ProbeSpec) head() ([]byte, error) {
	switch {
	case !http1.ValidMethod(s.Method):
		return nil, fmt.Errorf("method %q cannot be sent", s.Method)
	case !http1.ValidTarget(s.Path) || !strings.HasPrefix(s.Path, "/"):
		return nil, fmt.Errorf("path %q cannot be sent: it begins with / and holds visible ASCII without #", s.Path)
	case !http1.ValidHost(s.Host):
		return nil, fmt.Errorf("host %q cannot be sent", s.Host)
	}
	b := http1.AppendRequestLine(nil, []byte(s.Method), []byte(s.Path))
	b = http1.AppendHeader(b, "Host", s.Host)
	for _, f := range [][2]string{{"User-Agent", userAgent}, {"Accept", "*/*"}} {
		if len(without(s.Header, f[0])) == len(s.Header) {
			b = http1.AppendHeader(b, f[0], f[1])
		}
	}
	for _, f := range s.Header {
		switch {
		case !http1.ValidFieldName(f[0]), !http1.ValidFieldValue(f[1]):
			return nil, fmt.Errorf("header field %q cannot be sent", f[0])
		case strings.EqualFold(f[0], "Host"), strings.EqualFold(f[0], "Content-Length"), strings.EqualFold(f[0], "Transfer-Encoding"):
			return nil, fmt.Errorf("header field %q is the probe's own", f[0])
		}
		b = http1.AppendHeader(b, f[0], f[1])
	}
	b = http1.AppendHeader(b, "Connection", "Keep-Alive") // as the edge sends it (cloudflare http-headers)
	return http1.AppendEnd(b), nil
}
