package lab

import (
	"context"
	"fmt"
	"strings"
)

// Paths of the certificate that the origin's servers use.
const (
	certFile  = "/etc/ssl/shop.pem"
	keyFile   = "/etc/ssl/shop.key"
	chainFile = "/etc/ssl/shop-chain.pem" // as authorities deliver it beside
	pairFile  = "/etc/ssl/shop-pair.pem"  // both in one, as haproxy reads them
)

// Cert issues a certificate from the intermediate and puts it, with or without
// the intermediate, where the origin's servers read it.
func (s *Stage) Cert(spec CertSpec, withChain bool) error {
	if len(spec.Names) == 0 {
		spec.Names = []string{Site, "www." + Site}
	}
	cert, key, err := s.Sub.Issue(spec)
	if err != nil {
		return err
	}
	if withChain && !spec.SelfSigned {
		cert = append(cert, s.Sub.PEM...)
	}
	if err := s.Origin.Write(certFile, string(cert)); err != nil {
		return err
	}
	if err := s.Origin.Write(pairFile, string(cert)+string(key)); err != nil {
		return err
	}
	if err := s.Origin.Write(chainFile, string(s.Sub.PEM)); err != nil {
		return err
	}
	return s.Origin.Write(keyFile, string(key))
}

// ensureCert issues a good certificate where there is none.
func (s *Stage) ensureCert() error {
	if _, err := s.Origin.Read(certFile); err == nil {
		return nil
	}
	return s.Cert(CertSpec{}, true)
}

// certified issues a good certificate where there is none.
func certified(_ context.Context, s *Stage) error { return s.ensureCert() }

// step is one action on a standing world.
type step = func(context.Context, *Stage) error

// sh makes a step that runs a script on the origin.
func sh(script string) step {
	return func(ctx context.Context, s *Stage) error { return s.Origin.Sh(ctx, script) }
}

// routerSh makes a step that runs a script on the router: the provider's side.
func routerSh(script string) step {
	return func(ctx context.Context, s *Stage) error { return s.Router.Sh(ctx, script) }
}

// write makes a step that writes a file on the origin.
func write(path, content string) step {
	return func(_ context.Context, s *Stage) error { return s.Origin.Write(path, content) }
}

// listens makes a step that waits for ports of the origin.
func listens(ports ...uint16) step {
	return func(ctx context.Context, s *Stage) error {
		for _, p := range ports {
			if err := s.WaitListen(ctx, p); err != nil {
				return err
			}
		}
		return nil
	}
}

// steps makes one step of several.
func steps(all ...step) step {
	return func(ctx context.Context, s *Stage) error {
		for _, f := range all {
			if err := f(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}
}

// ended is a script that waits until no process of that name is left.
func ended(program string) string {
	return fmt.Sprintf("for i in $(seq 200); do pgrep -x %s >/dev/null || break; sleep 0.05; done", program)
}

// appScript is a small application server. Its arguments are the port and what
// it does: ok, slow (never answers in time), bighead (a response head beyond
// any limit), drop (closes without a word), tls (speaks TLS), hang (one request
// at a time, and a short queue), segfault (dies at every request), wrapped (asks hosts.allow and hosts.deny), race
// (closes a connection at the second request).
const appScript = `import ctypes, http.server, os, socketserver, ssl, sys, time
port, mode = int(sys.argv[1]), sys.argv[2]
addr = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1"
if mode == "wrapped":
    wrappers = ctypes.CDLL("libwrap.so.0")
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if "slow" in mode or mode == "hang" or self.path.startswith("/slow"):
            time.sleep(600)
        self.asked = getattr(self, "asked", 0) + 1
        if "drop" in mode or "race" in mode and self.asked > 1:
            self.close_connection = True
            return
        if mode == "die":
            os._exit(139)
        if mode == "segfault":
            os.kill(os.getpid(), 11)
            time.sleep(1)
        if self.path.startswith("/eat"):
            self.eaten = b"x" * (512 << 20)
        body = b"hello from the application\n"
        self.send_response(200)
        if "bighead" in mode:
            for i in range(40):
                self.send_header("X-Session-%d" % i, "x" * 4000)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_HEAD = do_GET
    def log_message(self, *a):
        pass
class Threaded(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    def verify_request(self, request, client):
        return mode != "wrapped" or wrappers.hosts_ctl(b"shop", b"unknown", client[0].encode(), b"unknown") != 0
    allow_reuse_address = True
    request_queue_size = 128
class Single(http.server.HTTPServer):
    allow_reuse_address = True
    request_queue_size = 2
server = (Single if mode == "hang" else Threaded)((addr, port), Handler)
if mode.startswith("tls"):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain("/etc/ssl/shop.pem", "/etc/ssl/shop.key")
    server.socket = c.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
`

// app makes a step that starts the application.
func app(port uint16, mode string, addr ...string) step {
	return func(ctx context.Context, s *Stage) error {
		if err := s.Origin.Write("/opt/app/app.py", appScript); err != nil {
			return err
		}
		start := fmt.Sprintf("setsid python3 /opt/app/app.py %[1]d %[2]s %[3]s </dev/null >/var/log/app.log 2>&1 & echo $! >/run/app-%[1]d.pid", port, mode, strings.Join(addr, " "))
		if err := s.Origin.Sh(ctx, start); err != nil {
			return err
		}
		return s.WaitListen(ctx, port)
	}
}

// appStop is a script that ends the application on a port.
func appStop(port uint16) string {
	return fmt.Sprintf("p=$(cat /run/app-%d.pid); kill -9 $p; for i in $(seq 200); do [ -d /proc/$p ] || break; sleep 0.05; done", port)
}
