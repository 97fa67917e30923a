package config

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"time"

	"github.com/originward/originward"
)

// Config is a whole configuration, checked.
type Config struct {
	File     string // where it was read from
	Listen   Listen
	Colo     string           // three capital letters after the ray
	Egress   []netip.Addr     // source addresses towards origins; empty = the system's choice
	Resolver []netip.AddrPort // DNS servers for origins' names; empty = the system's
	Data     string           // folder for what the edge keeps; empty = nothing is kept
	DNS      DNS
	Store    string // PostgreSQL DSN of the store; empty = SQLite in Data
	Timers   Timers
	Limits   Limits
	Trust    Trust
	TLS      TLS
	PullCert *tls.Certificate // the edge's own for authenticated origin pulls; nil = none
	ACME     *ACME            // nil = no certificates are asked for
	Tokens   []Token
	APITLS   *tls.Certificate // nil = the API speaks plain HTTP
	Zones    []Zone
	Monitors []Monitor
	Pools    []Pool
	Lists    []List
	Geo      Geo
	Events   Log // security events
	Access   Log // one line per request
	// ErrorPages and CustomErrors hold for every zone; a zone's own go before them.
	ErrorPages   map[string]string
	CustomErrors []ErrorRule
	Cache        Cache
	Tracing      Tracing
	Diagnosis    Diagnosis // of zones that have none of their own; off unless given
	// DiagnosesKept is how many of the diagnoses that began by themselves are kept.
	DiagnosesKept int
	// Files are all files that were read: this one, certificates, keys, tokens.
	Files []string
	// Warnings are oddities that do not keep the edge from serving.
	Warnings []Problem
}

// Listen is where the edge listens, each as "host:port" for net.Listen. Empty
// means that the role is off.
type Listen struct {
	HTTP, HTTPS    []string
	HTTP3          []string // UDP
	ReusePort      int      // sockets on each address of HTTP and HTTPS; 0 = one
	DNS            []string // UDP and TCP
	DNSTLS         []string // DNS over TLS
	API, Dashboard string
	Metrics        string
}

// Timers are the edge's timers (cloudflare connection-limits, 2026-07-23).
type Timers struct {
	Resolve time.Duration // look-up of an origin's name
	Connect time.Duration // TCP handshake with the origin
	TLS     time.Duration // TLS handshake with the origin
	Ack     time.Duration // request bytes unacknowledged
	Read    time.Duration // between two reads from the origin
	Write   time.Duration // origin takes no request bytes
	Idle    time.Duration // unused pooled connection
	Client  time.Duration // visitor's idle connection
	Header  time.Duration // visitor's request head, from its first byte
}

// Trust is whom the strict modes trust.
type Trust struct {
	Roots    []*x509.Certificate // publicly trusted; empty = the system's
	OriginCA []*x509.Certificate // the edge's own origin CA
	Custom   []*x509.Certificate // custom origin trust store: replaces Roots entirely
	Revoked  []Revoked           // taken back by the origin CA
}

// Revoked names a certificate that is not to be trusted any more.
type Revoked struct {
	Issuer string // its name as encoded (DER)
	Serial string // in bytes
	At     time.Time
}

// Token gives access to the API.
type Token struct {
	Name   string
	SHA256 [32]byte // of the token
}

// Zone is one site.
type Zone struct {
	originward.Zone
	ID             string           // in the store; empty = the zone is the file's
	Line           int              // where it stands in the file
	Certificate    *tls.Certificate // nil = the edge's local CA issues
	Staple         Staple           // for Certificate
	ACME           bool             // certificates for visitors come from the ACME server
	NoHTTP2        bool             // visitors are not offered HTTP/2
	NoHTTP3        bool             // visitors are not offered HTTP/3
	OriginHTTP1    bool             // origins are asked over HTTP/1.1 only
	AlwaysUseHTTPS bool
	MinTLS         uint16                      // lowest version for visitors; 0 = TLS 1.2
	ReadTimeout    time.Duration               // proxy_read_timeout; 0 = Timers.Read
	Cache          *ZoneCache                  // nil = nothing is kept
	ClientCert     *tls.Certificate            // authenticated origin pulls with a certificate of the zone; nil = none
	TLSClientAuth  bool                        // with the edge's own certificate, where the zone has none
	HostCerts      map[string]*tls.Certificate // with certificates of single host names
	Trust          []*x509.Certificate         // custom origin trust store of the zone; empty = the edge's trust
	Serial         uint32                      // of the SOA record; 0 = the DNS server's choice
	DNSSEC         *DNSKey                     // nil = answers are not signed
	Rules          Rules
	LoadBalancers  []LoadBalancer
	Diagnosis      *Diagnosis        // nil = as for all zones
	ErrorPages     map[string]string // own pages by their ids ("500_errors"), whole
}

// DefaultTimers are the documented ones.
func DefaultTimers() Timers {
	return Timers{
		Resolve: 10 * time.Second, // not documented: two tries of the usual 5 s
		Connect: 19 * time.Second,
		TLS:     19 * time.Second, // not documented: the connect limit once more
		Ack:     90 * time.Second,
		Read:    125 * time.Second,
		Write:   30 * time.Second,
		Idle:    900 * time.Second,
		Client:  400 * time.Second,
		Header:  60 * time.Second, // not documented: nginx's client_header_timeout
	}
}
