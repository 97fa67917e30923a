package logs

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/originward/originward/fact"
)

// rule recognises one kind of line of one program. The groups client, target,
// errno and status are taken out where the expression names them.
type rule struct {
	program string // empty = any
	kind    string
	has     []string              // texts of which every match holds one; empty = not known
	re      func() *regexp.Regexp // compiled when a line first gets this far
}

func row(program, kind, re string) rule {
	return rule{program, kind, literals(re), sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(re) })}
}

// Common parts: an error number as nginx and Apache write it.
const upstream = `.*upstream: "(?P<target>[^"]+)"`

// anAddress is an address anywhere in what an application says, and refuses what
// it says when it turns somebody away, or counts too many of their requests.
const (
	anAddress = `(?P<client>\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[0-9a-f]{1,4}:[0-9a-f:]*:[0-9a-f:]*)`
	refuses   = `(?:denied|denying|blocked|blocking|forbidden|banned|blacklisted|not allowed|rejected)`
	counts    = `(?:rate.?limit|throttl|too many requests)`
)

// rules is the closed table, first match wins; one row adds one. Sources: the
// programs' own message catalogues (nginx src/event and src/http, Apache
// httpd AH numbers, php-fpm fpm_*.c, Linux net and mm).
var rules = []rule{
	row("nginx", fact.LogBindFailed, `bind\(\) to (?P<target>\S+) failed \((?P<errno>\d+):`),
	row("nginx", fact.LogBindFailed, `socket\(\) (?P<target>\S+) failed \((?P<errno>\d+):`),
	row("nginx", fact.LogUpstreamResolve, `host not found in upstream "(?P<target>[^"]+)"`),
	row("nginx", fact.LogUpstreamResolve, `(?P<target>\S+) could not be resolved`),
	row("nginx", fact.LogTooManyFiles, `\((?P<errno>24): Too many open files`),
	row("nginx", fact.LogDiskFull, `\((?P<errno>28): No space left on device`),
	row("nginx", fact.LogWorkersFull, `worker_connections are not enough`),
	row("nginx", fact.LogUpstreamNoPort, `\((?P<errno>99): Cannot assign requested address\) while connecting to upstream`+upstream),
	row("nginx", fact.LogUpstreamDenied, `\((?P<errno>13): Permission denied\) while connecting to upstream`+upstream),
	row("nginx", fact.LogUpstreamTimeout, `upstream timed out \((?P<errno>110):`+upstream),
	row("nginx", fact.LogUpstreamTimeout, `connect\(\) (?:to \S+ )?failed \((?P<errno>110|113|101):`+upstream),
	row("nginx", fact.LogUpstreamRefused, `connect\(\) (?:to \S+ )?failed \((?P<errno>\d+):`+upstream),
	row("nginx", fact.LogUpstreamTLS, `while SSL handshaking to upstream`+upstream),
	row("nginx", fact.LogUpstreamTLS, `upstream SSL certificate.*`+upstream),
	row("nginx", fact.LogUpstreamInvalid, `upstream sent (?:no valid HTTP|invalid|unexpected|unsupported)`+upstream),
	row("nginx", fact.LogUpstreamHeader, `upstream sent too big header`+upstream),
	row("nginx", fact.LogUpstreamClosed, `upstream prematurely closed connection`+upstream),
	row("nginx", fact.LogUpstreamClosed, `recv\(\) failed \((?P<errno>104):.*while reading response header from upstream`+upstream),
	row("nginx", fact.LogHeaderTooBig, `client sent too (?:long|large|big) (?:header|request header|URI)`),
	row("nginx", fact.LogProxyProtocol, `while reading PROXY protocol`),
	row("nginx", fact.LogLimited, `limiting (?:requests|connections|connections by zone)`),
	row("nginx", fact.LogDenied, `access forbidden by rule`),
	row("nginx", fact.LogLimited, `FastCGI sent in stderr: "(?i).*`+counts+`.*?`+anAddress),
	row("nginx", fact.LogDenied, `FastCGI sent in stderr: "(?i).*`+refuses+`.*?`+anAddress),
	row("nginx", fact.LogPlainToTLS, `client sent plain HTTP request to HTTPS port`),
	row("nginx", fact.LogTLSHandshake, `SSL_do_handshake\(\) failed.*while SSL handshaking, client`),
	row("nginx", fact.LogHTTP2, `(?:http2|HTTP/2|client sent .*(?:stream|frame))`),
	row("nginx", fact.LogChildCrash, `worker process \d+ exited on signal (?P<errno>\d+)`),
	row("nginx", fact.LogDiskFull, `No space left on device`), // what an application says through FastCGI
	row("nginx", fact.LogConfigError, `\[emerg\] .* in (?P<target>/\S+:\d+)`),

	row("apache", fact.LogBindFailed, `\((?P<errno>\d+)\).*AH00072: make_sock: could not bind to address (?P<target>\S+)`),
	row("apache", fact.LogWorkersFull, `AH00484|AH00161|AH10159|AH03490|AH00288: scoreboard is full|server reached MaxRequestWorkers`),
	row("apache", fact.LogTooManyFiles, `\((?P<errno>24)\)Too many open files`),
	row("apache", fact.LogDiskFull, `\((?P<errno>28)\)No space left on device`),
	row("apache", fact.LogUpstreamDenied, `\((?P<errno>13)\)Permission denied: AH00957: .*connect to (?P<target>\S+)`),
	row("apache", fact.LogUpstreamNoPort, `\((?P<errno>99)\).*AH00957: .*connect to (?P<target>\S+)`),
	row("apache", fact.LogUpstreamTimeout, `\((?P<errno>110|113)\).*AH00957: .*connect to (?P<target>\S+)`),
	row("apache", fact.LogUpstreamRefused, `\((?P<errno>\d+)\).*AH0(?:0957|2454): .*connect to (?P<target>.+?) (?:\(|failed)`),
	row("apache", fact.LogUpstreamTimeout, `\(70007\)The timeout specified has expired.*AH0(?:1102|1075)`),
	row("apache", fact.LogUpstreamClosed, `AH01102: error reading status line from remote server (?P<target>\S+)`),
	row("apache", fact.LogUpstreamClosed, `AH00898: Error reading from remote server`),
	row("apache", fact.LogUpstreamResolve, `AH0(?:0898|1084): DNS lookup failure for: (?P<target>\S+)`),
	row("apache", fact.LogUpstreamTLS, `AH0(?:0961|1097|2004).*|SSL Proxy requested`),
	row("apache", fact.LogHeaderTooBig, `AH00(?:561|565|566)|request header exceeds|size of a request header field exceeds`),
	row("apache", fact.LogLimited, `mod_evasive|(?i)blacklisting address (?P<client>[0-9a-f.:]+)`),
	row("apache", fact.LogDenied, `AH01630|AH01797|client denied by server configuration|ModSecurity: Access denied with code (?P<status>\d+)`),
	row("apache", fact.LogPlainToTLS, `AH01996`),
	row("apache", fact.LogTLSHandshake, `AH02008|AH02003|AH02039`),
	row("apache", fact.LogProxyProtocol, `AH0349[0-9]|RemoteIPProxyProtocol`),
	row("apache", fact.LogHTTP2, `AH0(?:29|30)\d\d: h2_`),
	row("apache", fact.LogChildCrash, `AH0005[12]: child pid \d+ exit signal (?P<target>[A-Za-z ]+) \((?P<errno>\d+)\)`),
	row("apache", fact.LogDiskFull, `No space left on device`),
	row("apache", fact.LogConfigError, `AH00526|Syntax error on line \d+ of (?P<target>\S+)`),

	row("php-fpm", fact.LogWorkersFull, `server reached (?:pm\.)?max_children`),
	row("php-fpm", fact.LogChildCrash, `child \d+ exited on signal (?P<errno>\d+)`),
	row("php-fpm", fact.LogDiskFull, `No space left on device`),
	row("php-fpm", fact.LogTooManyFiles, `\((?P<errno>24)\)|Too many open files`),

	row("haproxy", fact.LogBindFailed, `[Cc]annot bind (?:UNIX )?socket.*\[(?P<target>[^\]]+)\]`),
	row("haproxy", fact.LogTooManyFiles, `reached (?:process|system) FD limit`),
	row("haproxy", fact.LogUpstreamRefused, `Server (?P<target>\S+) is DOWN, reason: Layer4 connection problem.*refused`),
	row("haproxy", fact.LogUpstreamTimeout, `Server (?P<target>\S+) is DOWN, reason: Layer4 timeout`),
	row("haproxy", fact.LogUpstreamTLS, `Server (?P<target>\S+) is DOWN, reason: Layer6`),
	row("haproxy", fact.LogUpstreamRefused, `(?:backend|proxy) (?P<target>\S+) has no server available`),
	row("haproxy", fact.LogProxyProtocol, `(?i)proxy protocol`),
	row("haproxy", fact.LogTLSHandshake, `SSL handshake failure`),

	row("lighttpd", fact.LogBindFailed, `can't bind to (?:socket|port):? ?(?P<target>\S+)`),
	row("lighttpd", fact.LogBindFailed, `bind\(\) (?P<target>\S+): (?:Address already in use|Cannot assign requested address)`),
	row("lighttpd", fact.LogUpstreamRefused, `(?:establishing connection failed|connect failed): (?:socket: )?(?P<target>\S+)?.*(?:Connection refused|No such file)`),
	row("lighttpd", fact.LogWorkersFull, `sockets disabled, connection limit reached`),
	row("lighttpd", fact.LogDiskFull, `No space left on device`),
	row("lighttpd", fact.LogTooManyFiles, `sockets disabled, out-of-fds`),

	row("caddy", fact.LogUpstreamRefused, `dial (?:tcp|unix) (?P<target>[^:\s]+:?\d*|/\S+): connect: connection refused`),
	row("caddy", fact.LogUpstreamTimeout, `dial tcp (?P<target>\S+): i/o timeout`),
	row("caddy", fact.LogBindFailed, `listen tcp (?P<target>\S+): bind: (?:address already in use|cannot assign requested address|permission denied)`),
	row("caddy", fact.LogACME, `"logger":"(?:tls\.obtain|http\.acme_client|tls\.issuance[^"]*)".*"error"`),

	row("stunnel", fact.LogBindFailed, `(?i)binding service \[[^\]]*\] to (?P<target>\S+?):? .*\((?P<errno>\d+)\)`),

	row("app", fact.LogLimited, `(?i)`+counts+`.*?`+anAddress),
	row("app", fact.LogDenied, `(?i)`+refuses+`.*?`+anAddress),
	row("app", fact.LogTooManyFiles, `(?:EMFILE|Too many open files|too many open files|Errno 24\])`),
	row("app", fact.LogDiskFull, `(?:ENOSPC|No space left on device|Errno 28\])`),

	row("fail2ban", fact.LogBan, `NOTICE\s+\[(?P<target>[^\]]+)\] (?:Restore )?Ban (?P<client>\S+)`),
	row("crowdsec", fact.LogBan, `(?:ban on (?:Ip|Range)|\) : [^ ]+ ban on Ip) (?P<client>[0-9a-f.:/]+)`),

	row("kernel", fact.LogConntrackFull, `nf_conntrack: .*table full(?: in netns (?P<target>\d+))?`),
	row("kernel", fact.LogSYNFlood, `[Pp]ossible SYN flooding on port (?:\S*[.:\]])?(?P<target>\d+)`),
	row("kernel", fact.LogOOM, `(?:Out of memory|Memory cgroup out of memory): Killed process \d+ \((?P<target>[^)]+)\)`),
	row("kernel", fact.LogSegfault, `(?P<target>[^\s\[]+)\[\d+\](?: general protection|: segfault at| trap )`),
	row("kernel", fact.LogDiskError, `(?:I/O error|EXT4-fs error|XFS .*(?:Corruption|metadata I/O error)|Remounting filesystem read-only)`),
	row("kernel", fact.LogAVC, `avc:\s+denied\s+\{ (?P<target>[^}]*)\}|apparmor="DENIED"`),
	row("audit", fact.LogAVC, `avc:\s+denied\s+\{ (?P<target>[^}]*)\}|apparmor="DENIED"`),

	row("systemd", fact.LogChildCrash, `(?P<target>\S+\.service): Main process exited, code=(?:dumped|killed), status=(?P<errno>4|6|7|8|11)/`),

	row("cloudflared", fact.LogTunnel, `\b(?:ERR|FTL)\b|"level":"(?:error|fatal)"`),
	row("certbot", fact.LogACME, `(?i)(?:challenge failed|some challenges have failed|failed to renew|failed authorization)`),
	row("acme.sh", fact.LogACME, `(?i)(?:verify error|error renew|invalid response)`),
	row("lego", fact.LogACME, `(?i)error: one or more domains had a problem`),
}

// match is what a rule took out of a line.
type match struct {
	kind, target  string
	client        netip.Addr
	errno, status int
}

// classify finds the kind of a line; ok is false for one that does not matter.
func classify(program string, line string) (m match, ok bool) {
	for _, r := range rules {
		if r.program != program || !holdsOne(line, r.has) {
			continue
		}
		g := r.re().FindStringSubmatch(line)
		if g == nil {
			continue
		}
		m.kind = r.kind
		for i, name := range r.re().SubexpNames() {
			m.take(name, g[i])
		}
		if !m.client.IsValid() {
			m.client = clientOf(line)
		}
		return m, true
	}
	return m, false
}

func (m *match) take(name, v string) {
	switch name {
	case "target":
		m.target = v
	case "client":
		addr, _, _ := strings.Cut(v, "/")
		m.client, _ = netip.ParseAddr(addr) // not an address: none
	case "errno":
		m.errno, _ = strconv.Atoi(v) // digits only, by the expression
	case "status":
		m.status, _ = strconv.Atoi(v)
	}
}

var clientRE = regexp.MustCompile(`(?:client:|\[client) ?([0-9a-fA-F.:\[\]]+?)[,\s]`)

// clientOf is the client that nginx and Apache name in an error line; Apache
// adds its port, and writes IPv6 addresses bare before it.
func clientOf(line string) netip.Addr {
	g := clientRE.FindStringSubmatch(line)
	if g == nil {
		return netip.Addr{}
	}
	word := strings.TrimSuffix(g[1], "]")
	host, _, hasPort := strings.Cut(word, "]:")
	if i := strings.LastIndexByte(word, ':'); !hasPort && strings.Contains(line, "[client ") && i > 0 {
		host = word[:i]
	}
	for _, s := range []string{strings.Trim(host, "[]"), strings.Trim(word, "[]")} {
		if a, err := netip.ParseAddr(s); err == nil {
			return a.Unmap()
		}
	}
	return netip.Addr{}
}
