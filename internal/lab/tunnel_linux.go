package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/netns"
)

// The far end of tunnels: where connectors register, as the vendor names it,
// and where visitors come in.
var (
	tunnelEnd   = netip.MustParseAddr("198.41.192.7")
	tunnelFront = netip.MustParseAddr("198.51.100.31")
)

// The tunnel whose connector runs in the worlds.
const (
	tunnelID     = "6ff42ae2-765d-4adf-8112-31c55c1551ef"
	tunnelRegion = "region1.v2.argotunnel.com"
	tunnelLog    = "/var/log/cloudflared.log"
)

// connectorScript behaves as a tunnel connector does towards its host: it
// reads its configuration, registers outwards on 7844, answers /ready, asks
// the services of its ingress rules and logs what fails, in the words of the
// real one. What it speaks with the far end is the lab's own.
const connectorScript = `#!/usr/bin/python3
import http.client, http.server, json, re, socket, ssl, sys, threading, time
conf = open(sys.argv[sys.argv.index("--config") + 1]).read()
def key(name):
    m = re.search(r"^%s:\s*(\S+)" % name, conf, re.M)
    return m.group(1) if m else ""
logfile, conns, lock = open(key("logfile") or "/dev/stderr", "a"), set(), threading.Lock()
def log(level, text):
    print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), level, text, file=logfile, flush=True)
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"status": 200 if conns else 503, "readyConnections": len(conns), "connectorId": "a6d1"}).encode()
        self.send_response(200 if conns else 503)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a):
        pass
def fetch(service, path, host):
    scheme, rest = service.split("://", 1)
    name, _, port = rest.rpartition(":")
    addr = socket.getaddrinfo(name.strip("[]"), int(port), type=socket.SOCK_STREAM)[0][4]
    at = ("[%s]:%s" if ":" in addr[0] else "%s:%s") % addr[:2]
    s = socket.socket(socket.AF_INET6 if ":" in addr[0] else socket.AF_INET)
    s.settimeout(3)
    try:
        s.connect(addr)
        if scheme == "https":
            s = ssl.create_default_context().wrap_socket(s, server_hostname=name)
        s.sendall(("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (path, host)).encode())
        r = http.client.HTTPResponse(s)
        r.begin()
        return {"status": r.status, "body": r.read().decode("latin-1")}
    except ConnectionRefusedError:
        why = "dial tcp %s: connect: connection refused" % at
    except socket.timeout:
        why = "dial tcp %s: i/o timeout" % at
    except ssl.SSLCertVerificationError:
        why = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    except ssl.SSLError:
        why = "tls: first record does not look like a TLS handshake"
    except (http.client.BadStatusLine, ConnectionResetError):
        why = 'net/http: HTTP/1.x transport connection broken: malformed HTTP response "\\x15\\x03\\x01\\x00\\x02\\x02"'
    log("ERR", ' error="Unable to reach the origin service. The service may be down or it may not be responding to traffic from cloudflared: %s" connIndex=0 event=1 ingressRule=0 originService=%s' % (why, service))
    return {"status": 0}
def serve(i):
    ip = "region1.v2.argotunnel.com"
    while True:
        try:
            try:
                ip = socket.getaddrinfo("region1.v2.argotunnel.com", 7844, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
            except socket.gaierror:
                log("ERR", 'edge discovery: error looking up Cloudflare edge IPs: the DNS query failed error="lookup _v2-origintunneld._tcp.argotunnel.com on 198.51.100.53:53: no such host" event=0')
                raise
            s = socket.create_connection((ip, 7844), timeout=1)
        except OSError:
            log("ERR", 'Unable to establish connection with Cloudflare edge error="DialContext error: dial tcp %s:7844: i/o timeout" connIndex=%d event=0 ip=%s' % (ip, i, ip))
            log("INF", "Retrying connection in up to 1s connIndex=%d event=0 ip=%s" % (i, ip))
            time.sleep(0.5)
            continue
        s.settimeout(None)
        f = s.makefile("rw")
        print(key("tunnel"), file=f, flush=True)
        with lock:
            conns.add(i)
        log("INF", "Registered tunnel connection connIndex=%d connection=77c1 event=0 ip=%s location=lab01 protocol=http2" % (i, ip))
        for line in f:
            q = json.loads(line)
            if key("faulty"):
                log("FTL", "panic: runtime error: invalid memory address or nil pointer dereference goroutine 211 [running]")
                print('{"status": 0}', file=f, flush=True)
                continue
            service = re.search(r"service:\s*(\S+)", conf).group(1)
            print(json.dumps(fetch(service, q["path"], q["host"])), file=f, flush=True)
        with lock:
            conns.discard(i)
        log("ERR", 'Serve tunnel error error="connection with edge closed" connIndex=%d event=0 ip=%s' % (i, ip))
log("INF", "Starting tunnel tunnelID=" + key("tunnel"))
log("INF", "Version 2024.6.1")
host, _, port = key("metrics").rpartition(":")
threading.Thread(target=http.server.ThreadingHTTPServer((host, int(port)), Ready).serve_forever, daemon=True).start()
for i in range(2):
    threading.Thread(target=serve, args=(i,)).start()
`

// tunnelConf is a configuration of the connector.
func tunnelConf(id, service string) string {
	return fmt.Sprintf(`tunnel: %[1]s
credentials-file: /etc/cloudflared/%[1]s.json
metrics: 127.0.0.1:20241
logfile: %[2]s
ingress:
  - hostname: %[3]s
    service: %[4]s
  - service: http_status:404
`, id, tunnelLog, Site, service)
}

const connectorStop = "p=$(cat /run/cloudflared.pid); kill -9 $p; for i in $(seq 200); do [ -d /proc/$p ] || break; sleep 0.05; done"

// connector makes a step that starts the connector of a tunnel. more are
// lines of its configuration.
func connector(id, service string, more ...string) step {
	return steps(
		write("/etc/cloudflared/config.yml", strings.Join(append(more, tunnelConf(id, service)), "\n")),
		write("/usr/local/bin/cloudflared", connectorScript),
		sh("chmod +x /usr/local/bin/cloudflared; setsid /usr/local/bin/cloudflared tunnel --config /etc/cloudflared/config.yml run </dev/null >>/var/log/connector-start.log 2>&1 & echo $! >/run/cloudflared.pid"),
		logged(tunnelLog, "connIndex="),
	)
}

// pushed makes a step that starts the connector of a tunnel that is configured at
// the CDN: its file has no rules, and its log has those that were sent to it. The
// stand-in takes them from a comment.
func pushed(service string) step {
	rules := fmt.Sprintf(`{"ingress":[{"hostname":"%s","originRequest":{},"service":"%s"},{"service":"http_status:404"}],"warp-routing":{"enabled":false}}`, Site, service)
	line := "config=" + strconv.Quote(rules) + " version=3"
	conf := fmt.Sprintf("tunnel: %s\ncredentials-file: /etc/cloudflared/%[1]s.json\nmetrics: 127.0.0.1:20241\nlogfile: %s\n# service: %s\n", tunnelID, tunnelLog, service)
	return steps(write("/etc/cloudflared/config.yml", conf), write("/usr/local/bin/cloudflared", connectorScript), write("/tmp/pushed", line+"\n"),
		sh("chmod +x /usr/local/bin/cloudflared; echo \"$(date -u +%Y-%m-%dT%H:%M:%SZ) INF Updated to new configuration $(cat /tmp/pushed)\" >>"+tunnelLog+
			"; setsid /usr/local/bin/cloudflared tunnel --config /etc/cloudflared/config.yml run </dev/null >>/var/log/connector-start.log 2>&1 & echo $! >/run/cloudflared.pid"),
		logged(tunnelLog, "connIndex="))
}

// tunnels is the vendor's side: what it knows of registered connectors.
type tunnels struct {
	mu    sync.Mutex
	conns map[string]net.Conn // by tunnel id, the newest of each
	kept  []net.Conn          // all: what nothing holds on to, the runtime closes
	want  string              // the tunnel of the site's record
}

// tunnelNetwork makes a step that stands up the vendor's side of tunnels: where
// connectors register, and where visitors of the site come in.
func tunnelNetwork(want string) step {
	return func(_ context.Context, s *Stage) error {
		for _, a := range []netip.Addr{tunnelEnd, tunnelFront} {
			p := netip.PrefixFrom(a, 32)
			if err := s.Edge.NS.AddAddr("eth0", p); err != nil {
				return err
			}
			if err := s.Router.NS.AddRoute(netns.Route{Dst: p, Via: netip.MustParseAddr("10.255.1.2")}); err != nil {
				return err
			}
		}
		l, err := s.Edge.NS.Listen("tcp", netip.AddrPortFrom(tunnelEnd, 7844).String())
		if err != nil {
			return err
		}
		t := &tunnels{conns: map[string]net.Conn{}, want: want}
		s.closers = append(s.closers, l)
		go t.register(l) // ends with the listener
		return s.serveTLS(s.Edge, netip.AddrPortFrom(tunnelFront, 443), Site, t.visit)
	}
}

func (t *tunnels) register(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			id, err := bufio.NewReader(c).ReadString('\n')
			if err != nil {
				return
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			t.conns[strings.TrimSpace(id)] = c
			t.kept = append(t.kept, c)
		}()
	}
}

// visit hands a visitor's request to the connector of the record's tunnel: 530
// with 1033 when there is none, 502 when it cannot reach its service.
func (t *tunnels) visit(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "cloudflare")
	w.Header().Set("Cf-Ray", "8f0c1d2e3f405162-LAB")
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.conns[t.want]
	var got struct {
		Status int
		Body   string
	}
	ask, _ := json.Marshal(map[string]string{"path": r.URL.Path, "host": r.Host}) // strings alone
	if c == nil || t.ask(c, append(ask, '\n'), &got) != nil {
		delete(t.conns, t.want)
		w.WriteHeader(530)
		fmt.Fprint(w, "error code: 1033")
		return
	}
	if got.Status == 0 {
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "error code: 502")
		return
	}
	w.WriteHeader(got.Status)
	fmt.Fprint(w, got.Body)
}

// ask asks a connector; one that says nothing any more is gone.
func (t *tunnels) ask(c net.Conn, q []byte, got any) error {
	if err := c.SetDeadline(time.Now().Add(4 * time.Second)); err != nil { // above the connector's own patience
		return err
	}
	if _, err := c.Write(q); err != nil {
		return err
	}
	return json.NewDecoder(c).Decode(got)
}

// tunnelRecord is the site's record when it leads to a tunnel.
func tunnelRecord(id string) []originward.Record { return cname(id + ".cfargotunnel.com") }

// containedConnector makes a step that starts the connector as a container
// engine would: in a network of its own and in a container's cgroup.
func containedConnector(id, service string) step {
	return func(ctx context.Context, s *Stage) error {
		err := steps(write("/etc/cloudflared/config.yml", tunnelConf(id, service)), write("/usr/local/bin/cloudflared", connectorScript),
			sh("chmod +x /usr/local/bin/cloudflared; "+bridge+"\niptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"))(ctx, s)
		if err != nil {
			return err
		}
		if s.Origin.cgroup, err = makeCgroup(filepath.Base(s.Dir)); err != nil {
			return err
		}
		dir := filepath.Join(s.Origin.cgroup, "docker", strings.Repeat("c0ffee15", 8))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		in, err := os.Open(dir)
		if err != nil {
			return err
		}
		defer in.Close()
		cmd := s.Origin.Command(context.Background(), "ip", "netns", "exec", "shop", "/usr/local/bin/cloudflared", "tunnel", "--config", "/etc/cloudflared/config.yml", "run")
		if err := s.Origin.Background(cmd, func(a *syscall.SysProcAttr) { a.UseCgroupFD, a.CgroupFD = true, int(in.Fd()) }); err != nil {
			return err
		}
		return logged(tunnelLog, "Registered tunnel connection")(ctx, s)
	}
}
