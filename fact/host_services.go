package fact

import (
	"net/netip"
	"time"

	"github.com/originward/originward"
)

// Questions about programs on the origin host.
const (
	QServices     originward.Question = "services"
	QContainers   originward.Question = "containers"
	QWebConfig    originward.Question = "web_config"
	QCertificates originward.Question = "certificates"
	QJobs         originward.Question = "jobs"
	QTunnel       originward.Question = "tunnel"
)

// Services are the web servers, proxies and application servers of the host.
type Services struct {
	Manager  string    `json:"manager"`  // systemd, openrc, sysv, none
	Complete Tri       `json:"complete"` // all processes of the namespace were visible
	Services []Service `json:"services"`
}

// Question names the question.
func (Services) Question() originward.Question { return QServices }

// Service is one program that can stand between edge and content.
type Service struct {
	Kind       string         `json:"kind"` // nginx, apache, caddy, lighttpd, haproxy, varnish, traefik, envoy, litespeed, php-fpm, app, cloudflared, docker
	Role       string         `json:"role"` // web (can answer on a public port), backend, tunnel, engine
	Name       string         `json:"name,omitempty"`
	Unit       string         `json:"unit,omitempty"`
	State      string         `json:"state"`             // running, stopped, failed, activating, not_installed; empty = not known
	Enabled    Tri            `json:"enabled,omitempty"` // starts at boot
	Since      time.Time      `json:"since,omitzero"`
	Restarts   int            `json:"restarts,omitempty"`
	ExitCode   *int           `json:"exit_code,omitempty"`
	Signal     string         `json:"signal,omitempty"`
	Result     string         `json:"result,omitempty"` // systemd's result: oom-kill, exit-code, signal, timeout …
	PIDs       []int          `json:"pids,omitempty"`
	Exe        string         `json:"exe,omitempty"`
	Config     string         `json:"config,omitempty"`      // main configuration file
	Ports      []uint16       `json:"ports,omitempty"`       // that its command line names; empty = none, or not known
	Test       *Test          `json:"test,omitempty"`        // its configuration's own test
	StartError *Place         `json:"start_error,omitempty"` // line of its log that says why it did not start
	Children   int            `json:"children,omitempty"`
	FDs        int            `json:"fds,omitempty"`
	FDLimit    uint64         `json:"fd_limit,omitempty"`
	IPDeny     []netip.Prefix `json:"ip_deny,omitempty"`  // systemd IPAddressDeny= of the unit
	IPAllow    []netip.Prefix `json:"ip_allow,omitempty"` // systemd IPAddressAllow= of the unit
	Stopped    Tri            `json:"stopped,omitempty"`  // processes are frozen (state T or a frozen cgroup)
}

// Test is the outcome of a configuration's own test.
type Test struct {
	Command string  `json:"command"`
	OK      Tri     `json:"ok"`
	Errors  []Place `json:"errors,omitempty"` // the lines it named, with its words
	Output  string  `json:"output,omitempty"` // escaped, bounded
}

// Containers are containers with their published ports.
type Containers struct {
	Engine     string      `json:"engine"` // docker, podman
	State      Tri         `json:"state"`
	Containers []Container `json:"containers"`
}

// Question names the question.
func (Containers) Question() originward.Question { return QContainers }

// Container is one container.
type Container struct {
	ID      string       `json:"id"`
	Name    string       `json:"name"`
	Image   string       `json:"image,omitempty"`
	State   string       `json:"state"`
	Addrs   []netip.Addr `json:"addrs"`
	Ports   []Published  `json:"ports"`
	Exit    *int         `json:"exit_code,omitempty"`
	OOM     Tri          `json:"oom,omitempty"`
	Restart int          `json:"restarts,omitempty"`
}

// Published is one published port of a container.
type Published struct {
	Host      netip.AddrPort `json:"host"`
	Container uint16         `json:"container"`
}

// WebConfig is the configuration of one web server or proxy, as far as it
// bears on the hop from the edge.
type WebConfig struct {
	Server     string     `json:"server"` // nginx, apache, haproxy, caddy, lighttpd
	File       string     `json:"file"`   // main file
	Parsed     Tri        `json:"parsed"`
	Errors     []Place    `json:"errors,omitempty"`
	Listens    []Listen   `json:"listens"`
	Sites      []Site     `json:"sites"`
	Limits     []Limit    `json:"limits,omitempty"` // per-client limits, with what they key on
	Access     []Access   `json:"access,omitempty"` // allow and deny
	RealIP     RealIP     `json:"real_ip,omitzero"`
	Upstreams  []Upstream `json:"upstreams,omitempty"`
	Timeouts   []Setting  `json:"timeouts,omitempty"` // keepalive_timeout, proxy_read_timeout …, in seconds where they are times
	Settings   []Setting  `json:"settings,omitempty"` // worker_connections, large_client_header_buffers, MaxRequestWorkers …
	Closes     []Place    `json:"closes,omitempty"`   // return 444 and equals, with site and condition in Text
	Logs       []LogPlace `json:"logs,omitempty"`
	ProxyProto []Place    `json:"proxy_protocol,omitempty"` // listeners that expect PROXY protocol
	Newer      Tri        `json:"newer,omitempty"`          // files changed after the process loaded them
	Running    Tri        `json:"running,omitempty"`        // a process of this network namespace runs with this main file
	PIDs       []int      `json:"pids,omitempty"`           // those processes
	Unread     []Place    `json:"unread,omitempty"`         // included files that could not be read, so what they say is not known
}

// Question names the question.
func (WebConfig) Question() originward.Question { return QWebConfig }

// Listen is one listen address of a configuration.
type Listen struct {
	Addr    string `json:"addr"` // as written, e.g. "*:80", "[::]:443", "127.0.0.1:8080"
	Port    uint16 `json:"port"`
	TLS     bool   `json:"tls,omitempty"`
	HTTP2   bool   `json:"http2,omitempty"`
	Proxy   bool   `json:"proxy_protocol,omitempty"`
	Default bool   `json:"default,omitempty"`
	Backlog int    `json:"backlog,omitempty"`
	Place   Place  `json:"place"`
}

// Site is one virtual host.
type Site struct {
	Names      []string `json:"names"`
	Listens    []Listen `json:"listens"`
	Cert       string   `json:"cert,omitempty"`
	Key        string   `json:"key,omitempty"`
	Protocols  []string `json:"protocols,omitempty"`
	Ciphers    string   `json:"ciphers,omitempty"`
	ClientCert string   `json:"client_cert,omitempty"` // on, optional; empty = not asked for
	ClientCA   string   `json:"client_ca,omitempty"`
	Close      *Place   `json:"close,omitempty"`      // closes without an answer
	RejectTLS  *Place   `json:"reject_tls,omitempty"` // ssl_reject_handshake and equals
	Redirect   string   `json:"redirect,omitempty"`   // target of an unconditional redirect
	Root       string   `json:"root,omitempty"`
	Upstream   string   `json:"upstream,omitempty"`
	Place      Place    `json:"place"`

	RedirectIf    string        `json:"redirect_if,omitempty"`   // condition of the redirect as written; empty with a Redirect = unconditional
	RedirectPlace Place         `json:"redirect_place,omitzero"` // line of the redirect
	Stream        bool          `json:"stream,omitempty"`        // forwards TCP without speaking HTTP
	RealIP        *RealIP       `json:"real_ip,omitempty"`       // how this site restores the visitor's address; nil = as WebConfig.RealIP
	Refuses       []SiteRefusal `json:"refuses,omitempty"`       // edge ranges (or restored visitors) that its address rules refuse
	UserAuth      Tri           `json:"user_auth,omitempty"`     // asks for a password
	MoreCerts     []CertPair    `json:"more_certs,omitempty"`    // further certificates of the same site (RSA beside ECDSA, a directory)
}

// CertPair is a certificate file with the file of its key.
type CertPair struct {
	Cert string `json:"cert"`
	Key  string `json:"key,omitempty"`
}

// SiteRefusal says which sources the address rules of a site refuse, with the
// rules evaluated in their own order.
type SiteRefusal struct {
	Path      string         `json:"path,omitempty"`       // location the rules stand in; empty = the whole site
	Ranges    []netip.Prefix `json:"ranges,omitempty"`     // edge ranges that are refused, wholly or in part, when the peer's address is judged
	Everyone  bool           `json:"everyone,omitempty"`   // sources that are no edge are refused too
	Restored  Tri            `json:"restored,omitempty"`   // yes = the rules judge the restored visitor's address, not the edge's
	AllowsCDN Tri            `json:"allows_cdn,omitempty"` // the rules allow edge ranges by name
	Status    int            `json:"status,omitempty"`     // answer to who is refused; 0 = the connection is closed
	By        Place          `json:"by"`                   // the deciding line
}

// Limit is a limit on requests or connections per client.
type Limit struct {
	Kind    string `json:"kind"` // requests, connections, workers
	Key     string `json:"key"`  // variable or field it counts by
	Rate    string `json:"rate,omitempty"`
	Status  int    `json:"status,omitempty"`  // answer when exceeded
	PeerKey Tri    `json:"peer_key"`          // yes = the key is the connecting address, so an edge counts as one client
	Name    string `json:"name,omitempty"`    // zone or table
	Burst   int    `json:"burst,omitempty"`   // requests let through beyond the rate
	Exempts Tri    `json:"exempts,omitempty"` // every edge range is on the limit's own list of exceptions
	Site    string `json:"site,omitempty"`    // virtual host it stands in; empty = all
	Path    string `json:"path,omitempty"`    // location it stands in; empty = the whole site
	Place   Place  `json:"place"`
}

// Access is one allow or deny line.
type Access struct {
	Action   string         `json:"action"` // allow, deny
	What     string         `json:"what"`   // as written
	Prefix   netip.Prefix   `json:"prefix,omitzero"`
	All      bool           `json:"all,omitempty"`
	CDN      []netip.Prefix `json:"cdn,omitempty"`      // CDN ranges that the line touches
	Restored Tri            `json:"restored,omitempty"` // judged after the visitor's address was restored
	By       string         `json:"by,omitempty"`       // what is judged: address, country, other
	Site     string         `json:"site,omitempty"`     // virtual host it stands in; empty = all
	Path     string         `json:"path,omitempty"`     // location it stands in; empty = the whole site
	Place    Place          `json:"place"`
}

// RealIP is how a server restores the visitor's address.
type RealIP struct {
	Header  string         `json:"header,omitempty"`
	Trusted []netip.Prefix `json:"trusted,omitempty"`
	Missing []netip.Prefix `json:"missing,omitempty"` // CDN ranges of today that are not trusted
	Stale   []netip.Prefix `json:"stale,omitempty"`   // trusted ranges that are the CDN's no more
	Place   Place          `json:"place,omitzero"`
}

// Upstream is a backend behind the host's own proxy.
type Upstream struct {
	Name     string         `json:"name"`             // as written: host:port, unix:/path, URL
	Scheme   string         `json:"scheme,omitempty"` // http, https, fastcgi, uwsgi …
	Addr     netip.AddrPort `json:"addr,omitzero"`
	Socket   string         `json:"socket,omitempty"` // unix socket path
	Answers  Tri            `json:"answers"`          // connected when tried now, over loopback or a local network only
	Errno    string         `json:"errno,omitempty"`
	Speaks   string         `json:"speaks,omitempty"` // http, tls, other: what came back when asked
	MS       float64        `json:"ms,omitempty"`
	Listener Tri            `json:"listener,omitempty"`       // a socket listens there on this host
	Loop     Tri            `json:"loop,omitempty"`           // it leads to a CDN's edge
	Resolved []netip.Addr   `json:"resolved,omitempty"`       // what the name means now
	SNI      Tri            `json:"sni,omitempty"`            // https: a server name is sent
	WithSNI  Tri            `json:"with_sni,omitempty"`       // https without a server name, refused by an alert: a handshake with the site's name completes
	Runtime  Tri            `json:"runtime,omitempty"`        // the name is resolved at request time
	Site     string         `json:"site,omitempty"`           // virtual host that forwards to it
	Group    string         `json:"group,omitempty"`          // upstream block or backend it belongs to
	Local    Tri            `json:"local,omitempty"`          // it is this host or on a connected private network; only such are tried
	Proxy    bool           `json:"proxy_protocol,omitempty"` // PROXY protocol is sent to it
	Status   int            `json:"status,omitempty"`         // HTTP status it answered when tried
	Place    Place          `json:"place"`
}

// Setting is one directive that matters, as written, with its place.
type Setting struct {
	Name  string  `json:"name"`
	Value string  `json:"value"`
	Num   float64 `json:"num,omitempty"`  // seconds, bytes or count, when it is one
	Site  string  `json:"site,omitempty"` // virtual host or backend it stands in; empty = all
	Place Place   `json:"place"`

	Default bool `json:"default,omitempty"` // not written anywhere: the program's own default
}

// LogPlace is a log file of a server.
type LogPlace struct {
	Kind   string `json:"kind"` // access, error
	File   string `json:"file"`
	Format string `json:"format,omitempty"`
}

// Certificates are certificates on disk beside what the host serves.
type Certificates struct {
	Files  []CertFile   `json:"files"`
	Served []CertServed `json:"served"`
}

// Question names the question.
func (Certificates) Question() originward.Question { return QCertificates }

// CertFile is a certificate file that a configuration names.
type CertFile struct {
	File     string    `json:"file"`
	Key      string    `json:"key,omitempty"`
	Readable Tri       `json:"readable"`
	Chain    []Cert    `json:"chain"`
	KeyMatch Tri       `json:"key_match,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
	Names    []string  `json:"names,omitempty"` // virtual hosts that use it
	Program  string    `json:"program,omitempty"`
	Loaded   time.Time `json:"loaded,omitzero"` // when the process that serves it was started or reloaded
	Error    string    `json:"error,omitempty"`
	Place    Place     `json:"place,omitzero"`

	Issuer     *Cert  `json:"issuer,omitempty"`      // signer of the file's last certificate, found beside it; nil = not found, or the last signs itself
	IssuerFile string `json:"issuer_file,omitempty"` // file that holds the signer
}

// CertServed is what a listener of this host serves for a server name.
type CertServed struct {
	Addr  netip.AddrPort `json:"addr"`
	SNI   string         `json:"sni"`
	TLS   *TLS           `json:"tls,omitempty"`
	Fault *Fault         `json:"fault,omitempty"`
	File  string         `json:"file,omitempty"` // file with the same certificate
	Same  Tri            `json:"same_as_file"`   // served leaf equals the configured file's
}

// Jobs are scheduled jobs that keep something in step: dynamic DNS, allow
// lists, certificate renewal.
type Jobs struct {
	Jobs []Job `json:"jobs"`
}

// Question names the question.
func (Jobs) Question() originward.Question { return QJobs }

// Job is one such job and how its last run went.
type Job struct {
	Kind   string    `json:"kind"` // dyndns, allowlist, acme
	Name   string    `json:"name"`
	Last   time.Time `json:"last,omitzero"`
	OK     Tri       `json:"ok"`
	Errors []Place   `json:"errors,omitempty"`
	Target string    `json:"target,omitempty"` // record, set or certificate it keeps
	Place  Place     `json:"place,omitzero"`
}

// Tunnel is a tunnel connector (cloudflared) on the host.
type Tunnel struct {
	Running   Tri          `json:"running"`
	ID        string       `json:"id,omitempty"` // tunnel id
	Config    string       `json:"config,omitempty"`
	Ready     Tri          `json:"ready,omitempty"` // metrics endpoint: connections registered
	Conns     int          `json:"conns,omitempty"`
	Container Tri          `json:"container,omitempty"` // runs in its own network namespace
	Version   string       `json:"version,omitempty"`
	Ingress   []TunnelRule `json:"ingress,omitempty"`
	Errors    []Place      `json:"errors,omitempty"` // lines of its log
}

// Question names the question.
func (Tunnel) Question() originward.Question { return QTunnel }

// TunnelRule is one ingress rule.
type TunnelRule struct {
	Hostname string   `json:"hostname,omitempty"`
	Service  string   `json:"service"`
	Upstream Upstream `json:"upstream"`
}
