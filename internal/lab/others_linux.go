package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/originward/originward/internal/netns"
)

// More addresses of worlds that need them.
var (
	Tenant4  = netip.MustParseAddr("203.0.113.50") // another customer of the same provider
	Balancer = netip.MustParseAddr("203.0.113.20") // a load balancer before the origin
)

// nothing is the setup of worlds without an origin.
func nothing(context.Context, *Stage) error { return nil }

// tenant makes a step that puts a stranger's machine at Tenant4, serving https
// for a name of its own; an empty name serves nothing.
func tenant(name string) step {
	return func(_ context.Context, s *Stage) (err error) {
		n, err := newNode("tenant")
		if err != nil {
			return err
		}
		s.more = append(s.more, n)
		p := netip.MustParsePrefix
		near, far := p("10.255.9.1/30"), p("10.255.9.2/30")
		own := netip.PrefixFrom(Tenant4, 32)
		if err := netns.Connect(s.Router.NS, netns.End{Link: "up9", Addrs: []netip.Prefix{near}}, n.NS, netns.End{Link: "eth0", Addrs: []netip.Prefix{far, own}}); err != nil {
			return err
		}
		if err := errors.Join(
			n.NS.AddRoute(netns.Route{Dst: p("0.0.0.0/0"), Via: near.Addr()}),
			s.Router.NS.AddRoute(netns.Route{Dst: own, Via: far.Addr()}),
		); err != nil || name == "" {
			return err
		}
		return s.serveTLS(n, netip.AddrPortFrom(Tenant4, 443), name, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "a stranger's page") })
	}
}

// serveTLS serves one page over https at an address of a node, until the world
// is removed.
func (s *Stage) serveTLS(n *Node, at netip.AddrPort, name string, h http.HandlerFunc) error {
	certPEM, keyPEM, err := s.Sub.Issue(CertSpec{Names: []string{name}})
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(append(certPEM, s.Sub.PEM...), keyPEM)
	if err != nil {
		return err
	}
	l, err := n.NS.Listen("tcp", at.String())
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler:   h,
		ErrorLog:  log.New(io.Discard, "", 0), // what edges do to a stranger is not this program's to tell
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
	}
	s.closers = append(s.closers, srv)
	go srv.ServeTLS(l, "", "") //nolint:errcheck // ends with Close
	return nil
}

// hold makes a step that opens connections from the visitor to a port of the
// origin, says the same on each, and keeps them open until they are released
// or the world is removed. Connections that the origin does not take any more
// are no error: that is what the step is for.
func hold(n int, port uint16, say string) step { return open(n, port, say, 10*millisecond) }

// flood is hold without a pause.
func flood(n int, port uint16, say string) step { return open(n, port, say, millisecond) }

func open(n int, port uint16, say string, pause time.Duration) step {
	return func(ctx context.Context, s *Stage) error {
		for range n {
			var c net.Conn
			err := s.Client.NS.Do(func() (err error) {
				d := net.Dialer{Timeout: 300 * millisecond}
				c, err = d.DialContext(ctx, "tcp", netip.AddrPortFrom(Origin4, port).String())
				return err
			})
			if err != nil {
				continue
			}
			s.held = append(s.held, c)
			if _, err := io.WriteString(c, say); err != nil {
				continue // turned away, as is wanted
			}
			// One after the other: a server that is given all at once may close
			// those of which it has read nothing yet.
			_ = c.SetReadDeadline(time.Now().Add(pause))
			_, _ = c.Read(make([]byte, 1))
		}
		return nil
	}
}

// release ends the held connections.
func release(_ context.Context, s *Stage) error {
	for _, c := range s.held {
		_ = c.Close()
	}
	s.held = nil
	return nil
}

// untilRefused asks from one of the edge's addresses until it is turned away.
func untilRefused(ctx context.Context, s *Stage) error {
	return s.wait(ctx, "the limit to be reached", func() bool {
		_, err := s.Edge.Run(ctx, "curl", "-sko", "/dev/null", "-m", "3", "--interface", Egress[0].String(), "--resolve", Site+":443:"+Origin4.String(), "https://"+Site+"/")
		return err != nil
	})
}

// holdAsEdge makes a step that asks for a path from each of the edge's IPv4
// addresses, as other visitors' requests would, and leaves the requests open.
func holdAsEdge(path string) step {
	return func(ctx context.Context, s *Stage) error {
		for _, a := range edges4() {
			cmd := s.Edge.Command(context.Background(), "curl", "-sko", "/dev/null", "-m", "300", "--interface", a.String(),
				"--resolve", Site+":443:"+Origin4.String(), "https://"+Site+path)
			if err := s.Edge.Background(cmd); err != nil {
				return err
			}
		}
		want := len(edges4())
		return s.wait(ctx, "requests of other visitors", func() bool {
			out, err := s.Origin.Run(ctx, "ss", "-Htn", "state", "established", "sport = :443")
			return err == nil && countLines(out) >= want
		})
	}
}

// untilStatus asks the origin on itself until it answers with a status.
func untilStatus(status string) string {
	return "for i in $(seq 100); do [ \"$(curl -so /dev/null -m 2 -w '%{http_code}' -H 'Host: " + Site + "' http://127.0.0.1/)\" = " + status + " ] && exit 0; sleep 0.1; done; exit 1"
}
