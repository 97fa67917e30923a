package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/originward/originward/internal/edge"
)

// The demo's site and addresses. Names under localhost mean this machine in
// every browser. The edge and the origin need the same port on two addresses,
// for the edge keeps the visitor's port.
const (
	demoSite   = "shop.localhost"
	demoEdge   = "127.0.0.1"
	demoOrigin = "127.0.0.2"
	demoPort   = 8080
)

func newDemoCmd(s streams) *cobra.Command {
	var port uint16
	var hold bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "See the main job on this machine: an edge, an nginx that stops, the 521, the diagnosis",
		Long: `Starts a real edge and a real nginx behind it on loopback, asks for the site,
stops nginx, asks again, and diagnoses the 521. Everything is temporary.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return demo(c.Context(), s, port, hold)
		},
	}
	c.Flags().Uint16Var(&port, "port", demoPort, "loopback port to use")
	c.Flags().BoolVar(&hold, "hold", s.progress, "keep the broken site up until interrupted, to look at in a browser")
	return c
}

func demo(ctx context.Context, s streams, port uint16, hold bool) (err error) {
	dir, err := os.MkdirTemp("", "originward-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	e, err := demoEdgeUp(dir, port)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Shutdown(context.WithoutCancel(ctx))) }()

	stop, err := demoNginx(ctx, dir, port)
	if err != nil {
		return err
	}
	site := fmt.Sprintf("http://%s:%d/", demoSite, port)
	fmt.Fprintf(s.out, "The edge serves %s, with nginx at %s:%d behind it.\n", site, demoOrigin, port)
	if err := demoVisit(ctx, s.out, site, port); err != nil {
		stop()
		return err
	}
	if err := stop(); err != nil {
		return fmt.Errorf("stop nginx: %w", err)
	}
	fmt.Fprint(s.out, "\nnginx is stopped now.\n")
	if err := demoVisit(ctx, s.out, site, port); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\noriginward diagnose %s --edge %s:%d --origin %s:%d --ssl-mode full --local-host\n\n", site, demoEdge, port, demoOrigin, port)
	err = demoDiagnose(ctx, s, port)
	if hold {
		fmt.Fprintf(s.out, "\nThe broken site stays at %s for your browser. Interrupt to end.\n", site)
		<-ctx.Done()
	}
	return err
}

// demoEdgeUp starts the edge; port 8521 stays reserved for its dashboard.
func demoEdgeUp(dir string, port uint16) (*edge.Edge, error) {
	file := filepath.Join(dir, "edge.yaml")
	text := fmt.Sprintf(`listen: {http: ["%s:%d"], dashboard: "127.0.0.1:8521"}
colo: DEM
data: %s
zones:
  - name: %s
    ssl: full
    records: [{type: A, name: %s, content: %s, proxied: true}]
`, demoEdge, port, filepath.Join(dir, "edge"), demoSite, demoSite, demoOrigin)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cfg, err := edge.LoadConfig(file)
	if err != nil {
		return nil, err
	}
	e, err := edge.New(cfg, edge.Options{})
	if err != nil {
		return nil, err
	}
	if err := e.Start(); err != nil {
		return nil, fmt.Errorf("the demo's edge: %w; choose another port with --port", err)
	}
	return e, nil
}

// demoNginx starts nginx as a child and waits until it answers.
func demoNginx(ctx context.Context, dir string, port uint16) (stop func() error, err error) {
	path, err := lookProgram("nginx")
	if err != nil {
		return nil, fmt.Errorf("the demo needs nginx: %w; `make run` installs it", err)
	}
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; pid %[1]s/nginx.pid; error_log %[1]s/error.log;
events {}
http { access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
server { listen %[2]s:%[3]d; server_name %[4]s; default_type text/plain; return 200 "hello from nginx\n"; } }
`, dir, demoOrigin, port, demoSite)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(path, "-c", conf, "-p", dir)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }() // ends with nginx
	stop = func() error {
		_ = cmd.Process.Signal(os.Interrupt) // nginx: fast shutdown
		return <-done
	}
	if err := awaitAccept(ctx, net.JoinHostPort(demoOrigin, fmt.Sprint(port)), done); err != nil {
		return nil, fmt.Errorf("nginx does not answer: %w %s", err, strings.TrimSpace(said.String()))
	}
	return stop, nil
}

// awaitAccept waits until addr accepts a connection. nginx tells nobody when
// it is ready, so it is asked; that it ended is told by done.
func awaitAccept(ctx context.Context, addr string, done <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case err := <-done:
			return fmt.Errorf("it ended: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// lookProgram finds a program also where Debian keeps daemons.
func lookProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

// demoVisit asks for the site as a visitor does and prints the answer's line.
func demoVisit(ctx context.Context, w io.Writer, site string, port uint16) error {
	visitor := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(demoEdge, fmt.Sprint(port)))
		},
	}}
	defer visitor.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, site, nil)
	if err != nil {
		return err
	}
	resp, err := visitor.Do(req)
	if err != nil {
		return fmt.Errorf("visit the edge: %w", err)
	}
	defer resp.Body.Close()
	fmt.Fprintf(w, "  GET %s\n  → %s   ray %s", site, resp.Status, resp.Header.Get("Cf-Ray"))
	if p := resp.Header.Get("Proxy-Status"); p != "" {
		fmt.Fprintf(w, "\n    Proxy-Status: %s", p)
	}
	fmt.Fprintln(w)
	return nil
}

// demoDiagnose runs the main job. That it finds a cause is the demo's success.
func demoDiagnose(ctx context.Context, s streams, port uint16) error {
	look := lookOptions{
		origins: []string{fmt.Sprintf("%s:%d", demoOrigin, port)}, edge: fmt.Sprintf("%s:%d", demoEdge, port),
		sslMode: "full", localHost: true, since: time.Hour,
	}
	ask, err := look.ask(fmt.Sprintf("http://%s:%d/", demoSite, port))
	if err != nil {
		return err
	}
	var found *statusError
	err = diagnoseRun(ctx, s, ask, outputOptions{format: "text"}, "")
	if errors.As(err, &found) && found.err == nil && found.code == 1 {
		return nil
	}
	if err == nil {
		return errors.New("the stopped nginx was called healthy")
	}
	return err
}
