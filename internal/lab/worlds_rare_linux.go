package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/netns"
)

// confinedScript runs a program that the kernel's Landlock module lets open no
// TCP connection: EACCES, as any security module answers. Numbers: Linux,
// include/uapi/linux/landlock.h and the x86-64 and generic system call tables.
const confinedScript = `import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
CREATE, RESTRICT, NO_NEW_PRIVS, CONNECT_TCP = 444, 446, 38, 1 << 1
attr = struct.pack("=QQ", 0, CONNECT_TCP)
fd = libc.syscall(CREATE, attr, len(attr), 0)
if fd < 0 or libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(RESTRICT, fd, 0):
    raise OSError(ctypes.get_errno(), "landlock")
os.execvp(sys.argv[1], sys.argv[1:])
`

// confined is a script that runs a program under it.
const confined = "python3 /usr/local/sbin/confined "

// fillScript fills the connection-tracking table of its network namespace with
// connections that stand, through the kernel's own interface, until it takes no
// more. The count is the namespace's own; the maximum is the machine's and stays
// as it is. Numbers: Linux, include/uapi/linux/netfilter/nfnetlink_conntrack.h.
const fillScript = `import socket, struct, errno
REQUEST, ACK, EXCL, CREATE, NEW = 1, 4, 0x200, 0x400, 1 << 8
def attr(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)
def nest(kind, *parts):
    return attr(kind | 0x8000, b"".join(parts))
def side(kind, src, dst, sport, dport):
    return nest(kind, nest(1, attr(1, src), attr(2, dst)), nest(2, attr(1, b"\x06"), attr(2, struct.pack(">H", sport)), attr(3, struct.pack(">H", dport))))
tail = attr(7, struct.pack(">I", 3600)) + attr(3, struct.pack(">I", 2 | 4 | 8)) + nest(4, nest(1, attr(1, b"\x03")))
here = socket.inet_aton("203.0.113.10")
def entry(n, flags):
    there, port = struct.pack(">I", (100 << 24) + (64 << 16) + n // 60000), 1024 + n % 60000
    body = struct.pack("=BBH", 2, 0, 0) + side(1, there, here, port, 443) + side(2, here, there, 443, port) + tail
    return struct.pack("=IHHII", 16 + len(body), NEW, REQUEST | CREATE | EXCL | flags, n, 0) + body
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.bind((0, 0))
most = int(open("/proc/sys/net/netfilter/nf_conntrack_max").read())
n, full = 0, False
while not full and n < most + 4096:
    batch = b"".join(entry(i, 0) for i in range(n, n + 63)) + entry(n + 63, ACK)
    s.send(batch)
    n += 64
    while True:
        kind, number, code = struct.unpack("=4xH2xI4xi", s.recv(65536)[:20])
        if code in (-errno.ENOMEM, -errno.ENOBUFS, -errno.ENFILE, -errno.EAGAIN):
            full = True
        if number == n - 1:
            break
print(n, full)
`

// edgeOfItsOwn is where visitors meet a stand-in for the vendor's edge.
var edgeOfItsOwn = netip.MustParseAddr("198.51.100.32")

// vendorEdge makes a step that stands up an edge which writes its answers
// itself, as the vendor's documented error pages look.
func vendorEdge(status int, page string) step {
	return func(_ context.Context, s *Stage) error {
		own := netip.PrefixFrom(edgeOfItsOwn, 32)
		if err := s.Edge.NS.AddAddr("eth0", own); err != nil {
			return err
		}
		if err := s.Router.NS.AddRoute(netns.Route{Dst: own, Via: netip.MustParseAddr("10.255.1.2")}); err != nil {
			return err
		}
		return s.serveTLS(s.Edge, netip.AddrPortFrom(edgeOfItsOwn, 443), Site, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Server", "cloudflare")
			w.Header().Set("Cf-Ray", "8f0c1d2e3f405163-LAB")
			w.Header().Set("Content-Type", "text/html; charset=UTF-8")
			w.WriteHeader(status)
			fmt.Fprint(w, page)
		})
	}
}

// workerAPI is where the API of a zone with a worker's route listens.
func workerAPI() string {
	return fmt.Sprintf("http://%s/client/v4", netip.AddrPortFrom(EdgeFront, 8521))
}

// workerRoute makes a step that stands up the API of a zone in which a worker
// takes the site's name: the edge's own API, and the route beside it.
func workerRoute(_ context.Context, s *Stage) error {
	l, err := s.Edge.NS.Listen("tcp", netip.AddrPortFrom(EdgeFront, 8521).String())
	if err != nil {
		return err
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: netip.AddrPortFrom(EdgeFront, 8520).String()})
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (c net.Conn, err error) {
		err = s.Edge.NS.Do(func() (err error) {
			c, err = new(net.Dialer).DialContext(ctx, network, addr)
			return err
		})
		return c, err
	}}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/workers/routes") {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"success":true,"errors":[],"messages":[],"result":[{"id":"9a7806061c88ada191ed06f989cc3dac","pattern":"%s/*","script":"shop"}]}`, Site)
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	s.closers = append(s.closers, srv)
	go srv.Serve(l) //nolint:errcheck // ends with Close
	return nil
}

func rareWorlds() []*World {
	const page522 = "<!DOCTYPE html><html><head><title>shop.example | 522: Connection timed out</title></head><body><h1>Connection timed out <span>Error code 522</span></h1></body></html>"
	denied := World{
		Causes: ids("backend.selinux-denied"), Stands: originward.Likely, Decides: hostDecides, Needs: []string{"nginx", "python3"},
	}
	worker := World{
		Code: 522, Stands: originward.Likely, Decides: cdnDecides, Front: edgeOfItsOwn, Args: []string{"--cdn-api", workerAPI()},
		Unhealthy: "the worker does so from the start",
	}
	return []*World{
		denied.with(func(w *World) {
			w.Name, w.Title, w.Code = "landlock-nginx", "a security module (Landlock) lets nginx open no connection to its application", 502
			w.Setup = steps(write("/usr/local/sbin/confined", confinedScript), app(3000, "ok"), nginx(site(toApp), 443))
			w.Break, w.Cure = steps(sh(nginxQuit+"; "+confined+"nginx"), listens(443)), steps(sh(nginxQuit+"; nginx"), listens(443))
		}),
		denied.with(func(w *World) {
			w.Name, w.Title, w.Code = "landlock-apache", "a security module (Landlock) lets Apache open no connection to its application", 503
			w.Needs = []string{"apache2", "python3"}
			w.Setup = steps(write("/usr/local/sbin/confined", confinedScript), app(3000, "ok"), apache(apacheSite("ProxyPass / http://127.0.0.1:3000/")), listens(443))
			w.Break, w.Cure = steps(sh(apacheStop+"; "+confined+"apache2ctl start"), listens(443)), steps(sh(apacheStop+"; apache2ctl start"), listens(443))
		}),
		{
			Name: "conntrack-full", Title: "the host's connection-tracking table is full, and the kernel drops new connections", Code: 522,
			Causes: ids("capacity.conntrack-full"), Decides: hostDecides, Needs: []string{"nginx", "nft", "conntrack", "python3"}, Slow: true,
			Setup: steps(write("/opt/fill.py", fillScript), healthyNginx,
				sh("nft 'add table inet f; add chain inet f in { type filter hook input priority 0; }; add rule inet f in ct state established,related accept'")),
			Break: sh("python3 /opt/fill.py >/dev/null"), Cure: sh("conntrack -F 2>/dev/null"),
		},
		{
			Name: "edge-incident", Title: "the CDN's own machines fail: every visit gets an error of the edge that never asked the origin", Code: 500, Undecided: true,
			Latent: ids("cdn.edge-incident"), Needs: []string{"nginx"}, Front: edgeOfItsOwn, Unhealthy: "the edge fails from the start",
			Setup: steps(healthyNginx, vendorEdge(500, "<html>\r\n<head><title>500 Internal Server Error</title></head>\r\n<body>\r\n<center><h1>500 Internal Server Error</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n")),
		},
		worker.with(func(w *World) {
			w.Name, w.Title = "worker-self-fetch", "a worker takes the name and fetches it again, where no origin is"
			w.Causes, w.Records = ids("cdn.worker-self-fetch"), record("100::")
			w.Setup = steps(workerRoute, vendorEdge(522, page522))
		}),
		worker.with(func(w *World) {
			w.Name, w.Title, w.Needs = "worker-port", "a worker's request to port 8443 of the origin is not carried to that port", []string{"nginx"}
			w.Causes, w.Args = ids("cdn.worker-port"), append(w.Args, "--origin", netip.AddrPortFrom(Origin4, 8443).String())
			w.Setup = steps(nginx(nginxSite+"\n"+replace(nginxSite, "443 ssl", "8443 ssl", "\tlisten 80;\n", "", "\tlisten [::]:80;\n", ""), 443, 8443), workerRoute, vendorEdge(522, page522))
		}),
		{
			Name: "provider-outage", Title: "the provider's router has lost its way to the host's network, and says so", Code: 523,
			Causes: ids("path.provider-outage"), Stands: originward.Likely, Decides: outsideDecides, Needs: []string{"nginx"}, Setup: healthyNginx,
			Break: routerSh("sysctl -qw net.ipv4.icmp_ratelimit=0; ip route add unreachable 203.0.113.10/32"), Cure: routerSh("ip route del unreachable 203.0.113.10/32"),
		},
		{
			Name: "origin-stampede", Title: "the cache was purged, and the origin cannot bear what it had carried", Stands: originward.Likely,
			Causes: ids("capacity.origin-stampede"), Also: ids("capacity.workers-exhausted"), Decides: hostDecides, Needs: []string{"nginx", "php-fpm8.2", "curl"}, Warm: true,
			Zone:  map[string]any{"cache": map[string]any{"level": "everything"}},
			Setup: steps(fpm(2, "<?php header('Cache-Control: public, max-age=3600'); usleep(400000); echo \"hello\\n\";"), nginx(phpSite, 443)),
			Break: stampede,
		},
	}
}

// stampede fills the edge's cache with a hundred pages, lets visitors ask for
// all of them again and again, and purges.
func stampede(ctx context.Context, s *Stage) error {
	ask := "curl -sko /dev/null -m 8 --connect-to ::" + EdgeFront.String() + " https://" + Site + "/page/"
	if _, err := s.Client.Run(ctx, "/bin/sh", "-c", "seq 100 | xargs -P 2 -I{} "+ask+"{}"); err != nil {
		return err
	}
	cmd := s.Client.Command(context.Background(), "/bin/sh", "-c", "while :; do seq 100 | xargs -P 30 -I{} "+ask+"{}; done")
	if err := s.Client.Background(cmd); err != nil {
		return err
	}
	token := "Authorization: Bearer " + apiToken
	out, err := s.Client.Run(ctx, "/bin/sh", "-c", "id=$(curl -sf -H '"+token+"' "+s.apiURL()+"/zones | grep -o '\"id\":\"[0-9a-f]*\"' | head -1 | cut -d'\"' -f4); curl -s -H '"+token+"' -d '{\"purge_everything\":true}' "+s.apiURL()+"/zones/$id/purge_cache")
	if err != nil || !strings.Contains(out, "true") {
		return fmt.Errorf("purge: %w: %s", err, out)
	}
	return logged("/var/log/php8.2-fpm.log", "max_children")(ctx, s)
}
