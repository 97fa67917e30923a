package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/netns"
)

// The addresses of every world. Documentation ranges stand for the origin, the
// visitor and the edge's own front; the edge leaves from real CDN ranges, which
// exist only inside the world's namespaces. 192.0.2.0/24 is not used: it marks
// placeholders.
var (
	Origin4   = netip.MustParseAddr("203.0.113.10")
	Origin6   = netip.MustParseAddr("2001:db8:a::10")
	Origin4b  = netip.MustParseAddr("203.0.113.11") // a second address of the origin
	Nobody4   = netip.MustParseAddr("203.0.113.99") // routed to the origin's network, on no host
	EdgeFront = netip.MustParseAddr("198.51.100.10")
	Resolver  = netip.MustParseAddr("198.51.100.53")
	Visitor4  = netip.MustParseAddr("198.51.100.77")
	Egress    = []netip.Addr{
		netip.MustParseAddr("173.245.48.10"), netip.MustParseAddr("162.158.1.10"),
		netip.MustParseAddr("172.64.9.10"), netip.MustParseAddr("104.16.5.10"),
		netip.MustParseAddr("2400:cb00::10"), netip.MustParseAddr("2606:4700::10"),
	}
)

// front is where visitors meet the edge.
func (w *World) front() netip.Addr {
	if w.Front.IsValid() {
		return w.Front
	}
	return EdgeFront
}

// Site is the host name of every world.
const Site = "shop.example"

// Stage is a standing world.
type Stage struct {
	World  *World
	Dir    string // on this machine, removed with the stage
	Exe    string // the originward binary that plays edge, prober and collector
	Router *Node
	Edge   *Node
	Client *Node
	Origin *Node
	CA     *Authority // publicly trusted in this world
	Sub    *Authority // intermediate under CA

	ownZone    bool          // the zone is made through the edge's API, which then may change it
	documented bool          // the edge's timers are the documented ones
	patience   time.Duration // of visitors

	dns     *dnsServer
	edge    *exec.Cmd
	more    []*Node     // machines beside the four
	closers []io.Closer // servers of this process inside the world
	held    []net.Conn  // connections that a step keeps open
}

// Up builds a world with an impatient edge. exe is the binary to run; empty =
// this program.
func Up(ctx context.Context, w *World, exe string) (*Stage, error) {
	return UpWith(ctx, w, Options{Exe: exe})
}

// UpWith builds the world's topology, its origin in health, its DNS and its
// edge.
func UpWith(ctx context.Context, w *World, o Options) (s *Stage, err error) {
	if w.Local != nil {
		return nil, fmt.Errorf("world %s: it is over as soon as it is looked at; `originward lab run %s`", w.Name, w.Name)
	}
	dir, err := os.MkdirTemp("", "originward-lab-")
	if err != nil {
		return nil, err
	}
	s = &Stage{World: w, Dir: dir, Exe: o.Exe, documented: o.Documented, patience: o.Patience, ownZone: o.ownZone}
	if s.patience == 0 {
		s.patience = 2500 * time.Millisecond
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Down())
			s = nil
		}
	}()
	if s.Exe == "" {
		if s.Exe, err = os.Executable(); err != nil {
			return s, err
		}
	}
	for _, step := range []func(context.Context) error{s.trust, s.nodes, s.wires, s.startDNS, s.setup, s.startEdge} {
		if err := step(ctx); err != nil {
			return s, fmt.Errorf("world %s: %w", w.Name, err)
		}
	}
	return s, nil
}

// Down removes the world, whatever state it is in.
func (s *Stage) Down() error {
	var errs []error
	if s.dns != nil {
		errs = append(errs, s.dns.close())
	}
	for _, c := range s.held {
		_ = c.Close()
	}
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	for _, n := range append([]*Node{s.Client, s.Edge, s.Origin, s.Router}, s.more...) {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(s.Dir))...)
}

func (s *Stage) trust(context.Context) (err error) {
	if s.CA, err = NewAuthority("Lab public root", nil); err != nil {
		return err
	}
	if s.Sub, err = NewAuthority("Lab public issuer", s.CA); err != nil {
		return err
	}
	return os.WriteFile(s.caFile(), s.CA.PEM, 0o644)
}

func (s *Stage) caFile() string { return filepath.Join(s.Dir, "roots.pem") }

func (s *Stage) nodes(ctx context.Context) (err error) {
	for _, n := range []struct {
		to   **Node
		hint string
	}{{&s.Router, "router"}, {&s.Edge, "edge"}, {&s.Client, "client"}} {
		if *n.to, err = newNode(n.hint); err != nil {
			return err
		}
	}
	if s.World.Shared {
		s.Origin, err = newShared("origin", filepath.Join(s.Dir, "origin"))
		return err
	}
	if s.World.Systemd {
		s.Origin, err = newMachine(ctx, "origin", filepath.Join(s.Dir, "origin"), s.Exe)
		return err
	}
	s.Origin, err = newHost(ctx, "origin", filepath.Join(s.Dir, "origin"), s.Exe)
	return err
}

// wires joins edge, client and origin to the router. The origin's interface is
// named eth0, as on most hosts.
func (s *Stage) wires(context.Context) error {
	p := netip.MustParsePrefix
	var edgeAddrs []netip.Prefix
	for _, a := range append([]netip.Addr{EdgeFront, Resolver}, Egress...) {
		edgeAddrs = append(edgeAddrs, netip.PrefixFrom(a, a.BitLen()))
	}
	joins := []struct {
		node      *Node
		near, far []netip.Prefix // the router's side, the node's side
		link      string
	}{
		{s.Edge, []netip.Prefix{p("10.255.1.1/30"), p("fd00:1::1/64")}, append(edgeAddrs, p("10.255.1.2/30"), p("fd00:1::2/64")), "up0"},
		{s.Client, []netip.Prefix{p("198.51.100.65/27"), p("2001:db8:c::1/64")}, []netip.Prefix{p("198.51.100.77/27"), p("2001:db8:c::77/64")}, "up1"},
		{s.Origin, []netip.Prefix{p("203.0.113.1/24"), p("2001:db8:a::1/64")}, []netip.Prefix{p("203.0.113.10/24"), p("2001:db8:a::10/64")}, "up2"},
	}
	for _, j := range joins {
		if err := netns.Connect(s.Router.NS, netns.End{Link: j.link, Addrs: j.near}, j.node.NS, netns.End{Link: "eth0", Addrs: j.far}); err != nil {
			return err
		}
		for i, dst := range []string{"0.0.0.0/0", "::/0"} {
			if err := j.node.NS.AddRoute(netns.Route{Dst: p(dst), Via: j.near[i].Addr()}); err != nil {
				return err
			}
		}
	}
	for _, key := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"} {
		if err := s.Router.NS.Sysctl(key, "1"); err != nil {
			return err
		}
	}
	for _, a := range append([]netip.Addr{EdgeFront, Resolver}, Egress...) {
		via := joins[0].far[len(joins[0].far)-2].Addr()
		if a.Is6() {
			via = joins[0].far[len(joins[0].far)-1].Addr()
		}
		if err := s.Router.NS.AddRoute(netns.Route{Dst: netip.PrefixFrom(a, a.BitLen()), Via: via}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stage) setup(ctx context.Context) error {
	if s.World.Setup == nil {
		return nil
	}
	if err := s.World.Setup(ctx, s); err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	return nil
}

// WaitListen waits until the origin listens on a port.
func (s *Stage) WaitListen(ctx context.Context, port uint16) error {
	want := fmt.Sprintf("sport = :%d", port)
	return s.wait(ctx, fmt.Sprintf("port %d of the origin", port), func() bool {
		out, err := s.Origin.Run(ctx, "ss", "-Hltn", want)
		return err == nil && out != ""
	})
}

func (s *Stage) wait(ctx context.Context, what string, ok func() bool) error {
	return poll(ctx, what, ok)
}

// poll polls a condition of another process, of which no event can be had.
func poll(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, ctx.Err())
		}
	}
	return nil
}

func (s *Stage) records() []originward.Record {
	if s.World.Records != nil {
		return s.World.Records
	}
	return []originward.Record{{Type: originward.RecordA, Name: Site, Content: Origin4.String(), Proxied: true}}
}
