// Package containers asks the container engines of this host, over their
// sockets and with reading requests only, which containers there are, how they
// ended, and which ports they publish.
package containers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
)

// Bounds of an engine's answers.
const (
	maxAnswer     = 8 << 20
	maxContainers = 500
	maxInspected  = 64
	maxPorts      = 256
)

// engine is a container engine with a socket that speaks Docker's API.
type engine struct {
	name    string
	sockets []string
	daemons []string // processes that serve the socket
}

var engines = []engine{
	{"docker", []string{"/run/docker.sock", "/var/run/docker.sock"}, []string{"dockerd"}},
	{"podman", []string{"/run/podman/podman.sock"}, []string{"podman"}},
}

// Collector answers which containers there are.
func Collector() collect.Collector {
	return collect.Collector{Name: "containers", Question: fact.QContainers, Budget: 3 * time.Second, Run: run}
}

func run(ctx context.Context, env *collect.Env) (seen []originward.Evidence, missing []originward.NotObserved) {
	for _, e := range engines {
		f, why, how := ask(ctx, env, e)
		subject := originward.Subject{Unit: e.name}
		if why != "" {
			missing = append(missing, collect.Missing(fact.QContainers, subject, why, how))
		}
		if f != nil {
			seen = append(seen, env.Item(originward.Subject{}, *f, summary(*f), e.name+" ps -a"))
		}
	}
	if len(seen) == 0 && len(missing) == 0 {
		f := fact.Containers{State: fact.No, Containers: []fact.Container{}}
		seen = append(seen, env.Item(originward.Subject{}, f, "No container engine runs here.", "ls /run/docker.sock /run/podman/podman.sock"))
	}
	return seen, missing
}

// ask asks one engine. A nil fact without a reason means that it is not here.
func ask(ctx context.Context, env *collect.Env, e engine) (f *fact.Containers, why, how string) {
	sock := ""
	for _, s := range e.sockets {
		if st, err := os.Stat(env.File(s)); err == nil && st.Mode()&os.ModeSocket != 0 {
			sock = env.File(s)
			break
		}
	}
	for _, p := range env.Processes(ctx).Processes {
		if slices.Contains(e.daemons, p.Comm) && p.Foreign() {
			return nil, e.name + " lives in another network namespace: its containers are not behind this host", ""
		}
	}
	if sock == "" {
		return nil, "", ""
	}
	c := client{e.name, &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", sock)
		},
		DisableKeepAlives: true,
	}}}
	var list []listed
	err := c.get(ctx, "/containers/json?all=1", &list)
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, e.name + "'s socket is not readable to this user", "run as root, or as a member of its group"
	case errors.Is(err, errRefused):
		return &fact.Containers{Engine: e.name, State: fact.No, Containers: []fact.Container{}}, "", ""
	case err != nil:
		return nil, e.name + " does not answer: " + escape.Line(err.Error(), 200), "systemctl status " + e.name
	}
	f = &fact.Containers{Engine: e.name, State: fact.Yes, Containers: []fact.Container{}}
	for i, l := range list[:min(len(list), maxContainers)] {
		ct := l.container()
		if i < maxInspected {
			c.inspect(ctx, l.ID, &ct)
		}
		f.Containers = append(f.Containers, ct)
	}
	slices.SortFunc(f.Containers, func(a, b fact.Container) int { return cmp.Compare(a.Name+a.ID, b.Name+b.ID) })
	return f, "", ""
}

// client speaks to one engine.
type client struct {
	name string
	http *http.Client
}

// errRefused is a socket that nobody serves: the engine is stopped.
var errRefused = errors.New("connection refused")

func (c client) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.name+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if isRefused(err) {
			return fmt.Errorf("%w: %w", errRefused, err)
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP status %d", resp.StatusCode)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(into)
}

// listed is a container of /containers/json.
type listed struct {
	ID    string `json:"Id"`
	Names []string
	Image string
	State string
	Ports []struct {
		IP          string
		PrivatePort uint16
		PublicPort  uint16
		Type        string
	}
	NetworkSettings struct {
		Networks map[string]struct{ IPAddress, GlobalIPv6Address string }
	}
}

func (l listed) container() fact.Container {
	c := fact.Container{
		ID: escape.Line(l.ID, 12), Image: escape.Line(l.Image, 128), State: escape.Line(l.State, 32),
		Addrs: []netip.Addr{}, Ports: []fact.Published{},
	}
	if len(l.ID) >= 12 {
		c.ID = escape.Line(l.ID[:12], 12)
	}
	if len(l.Names) > 0 {
		c.Name = escape.Line(strings.TrimPrefix(l.Names[0], "/"), 128)
	}
	for _, p := range l.Ports {
		addr, err := netip.ParseAddr(p.IP)
		if err != nil || p.PublicPort == 0 || p.Type != "tcp" || len(c.Ports) >= maxPorts {
			continue
		}
		c.Ports = append(c.Ports, fact.Published{Host: netip.AddrPortFrom(addr, p.PublicPort), Container: p.PrivatePort})
	}
	for _, n := range l.NetworkSettings.Networks {
		for _, s := range []string{n.IPAddress, n.GlobalIPv6Address} {
			if a, err := netip.ParseAddr(s); err == nil && len(c.Addrs) < 16 {
				c.Addrs = append(c.Addrs, a)
			}
		}
	}
	slices.SortFunc(c.Addrs, netip.Addr.Compare)
	slices.SortFunc(c.Ports, func(a, b fact.Published) int {
		return cmp.Or(a.Host.Compare(b.Host), cmp.Compare(a.Container, b.Container))
	})
	return c
}

// inspected is what /containers/ID/json adds.
type inspected struct {
	State struct {
		ExitCode  *int
		OOMKilled *bool
		Running   bool
	}
	RestartCount int
}

func (c client) inspect(ctx context.Context, id string, into *fact.Container) {
	var v inspected
	if c.get(ctx, "/containers/"+id+"/json", &v) != nil {
		return
	}
	into.Restart = v.RestartCount
	if v.State.OOMKilled != nil {
		into.OOM = fact.TriOf(*v.State.OOMKilled)
	}
	if !v.State.Running {
		into.Exit = v.State.ExitCode
	}
}

func summary(f fact.Containers) string {
	if f.State == fact.No {
		return f.Engine + " is installed and does not run."
	}
	var parts []string
	for _, c := range f.Containers[:min(len(f.Containers), 12)] {
		s := c.Name + " " + c.State
		for _, p := range c.Ports[:min(len(c.Ports), 4)] {
			s += fmt.Sprintf(", %s to its port %d", p.Host, p.Container)
		}
		parts = append(parts, s)
	}
	if len(parts) == 0 {
		return f.Engine + " runs and has no containers."
	}
	return escape.Line(fmt.Sprintf("%s has %d containers: %s.", f.Engine, len(f.Containers), strings.Join(parts, "; ")), 800)
}
