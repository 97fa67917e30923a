package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/report"
)

// lookOptions say from where and at what to look.
type lookOptions struct {
	origins      []string
	edge         string
	resolvers    []string
	sslMode      string
	cdn          string
	cdnAPI       string
	cdnTokenFile string
	ssh          string
	sshSudo      bool
	hostEvidence string
	localHost    bool
	caFile       string
	from         []string
	patient      bool
	watch        time.Duration
	window       time.Duration
	ray          string
	since        time.Duration
}

// flagsOutside are the flags of looking straight at the origin.
func (o *lookOptions) flagsOutside(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&o.origins, "origin", nil, "origin `ADDR[:PORT]` or name; repeatable")
	f.StringArrayVar(&o.resolvers, "resolver", nil, "DNS server `ADDR[:PORT]` to ask; repeatable")
	f.StringVar(&o.sslMode, "ssl-mode", "", "the CDN's SSL `MODE` (off, flexible, full, strict, origin_pull), when its API is not at hand")
	f.StringVar(&o.caFile, "ca-file", "", "extra roots the CDN trusts: its origin CA, or a custom trust store")
	f.BoolVar(&o.patient, "patient", false, "the edge's real timers (19 s to connect, …) instead of the fast ones")
}

func (o *lookOptions) flags(c *cobra.Command) {
	o.flagsOutside(c)
	f := c.Flags()
	f.StringVar(&o.edge, "edge", "", "reach the edge at this `ADDR[:PORT]` instead of resolving HOST")
	f.StringVar(&o.cdn, "cdn", "", "whose API is read: "+strings.Join(diagnose.CDNs(), ", ")+" (default: the API's host tells)")
	f.StringVar(&o.cdnAPI, "cdn-api", os.Getenv("CLOUDFLARE_BASE_URL"), "the CDN's API `URL` (default: $CLOUDFLARE_BASE_URL)")
	f.StringVar(&o.cdnTokenFile, "cdn-token-file", "", "file with the API token (default: $CLOUDFLARE_API_TOKEN, or $FASTLY_API_TOKEN)")
	f.StringVar(&o.ssh, "ssh", "", "collect host evidence over the system's ssh from `USER@HOST`; nothing is installed there")
	f.BoolVar(&o.sshSudo, "sudo", false, "with --ssh: collect as root through sudo")
	f.StringVar(&o.hostEvidence, "host-evidence", "", "host evidence `FILE` collected by `originward host`")
	f.BoolVar(&o.localHost, "local-host", false, "this machine is the origin: collect here")
	f.StringSliceVar(&o.from, "from", nil, "also look from these `PROBE`s of the fleet")
	f.DurationVar(&o.watch, "watch", 0, "look again and again for this long, for failures that come and go")
	f.DurationVar(&o.window, "window", 0, "with --ssh or --local-host: watch for this long, up to a minute, which connection attempts its kernel drops")
	f.StringVar(&o.ray, "ray", "", "ray of a failing request")
	f.DurationVar(&o.since, "since", time.Hour, "how far back the host's logs are read")
	c.MarkFlagsMutuallyExclusive("ssh", "host-evidence", "local-host")
}

// ask reads the options into what is to be observed. Every error is a usage
// error.
func (o *lookOptions) ask(target string) (diagnose.Ask, error) {
	a := diagnose.Ask{
		Patient: o.patient, LocalHost: o.localHost, SSH: o.ssh, SSHSudo: o.sshSudo,
		Ray: o.ray, Since: o.since, Watch: o.watch, Window: o.window, Probes: o.from, Origins: o.origins,
	}
	for _, read := range []func(*diagnose.Ask) error{
		func(a *diagnose.Ask) (err error) { a.Site, err = diagnose.ParseSite(target); return err },
		o.readAddresses, o.readWindow, o.readMode, o.readAPI, o.readRoots, o.readHostEvidence,
	} {
		if err := read(&a); err != nil {
			return a, usageError(err)
		}
	}
	return a, nil
}

func (o *lookOptions) readAddresses(a *diagnose.Ask) (err error) {
	for _, r := range o.resolvers {
		ap, err := parseAddrPort("--resolver", r, 53)
		if err != nil {
			return err
		}
		a.Resolvers = append(a.Resolvers, ap)
	}
	for _, s := range o.origins {
		if _, err := diagnose.ParseOrigin(s); err != nil {
			return fmt.Errorf("--origin %q: %w", s, err)
		}
	}
	if o.edge != "" {
		a.Edge, err = parseAddrPort("--edge", o.edge, 0)
	}
	return err
}

// parseAddrPort reads ADDR[:PORT]; an IPv6 address with a port stands in
// brackets.
func parseAddrPort(flag, s string, port uint16) (netip.AddrPort, error) {
	if addr, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(addr.Unmap(), port), nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil || ap.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf("%s %q: give an address, or address:port ([address]:port for IPv6)", flag, s)
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

// longestWindow is how long drops are watched at most.
const longestWindow = time.Minute

func (o *lookOptions) readWindow(*diagnose.Ask) error {
	switch {
	case o.window < 0 || o.window > longestWindow:
		return fmt.Errorf("--window %v: allowed are 0 to %v", o.window, longestWindow)
	case o.window > 0 && o.ssh == "" && !o.localHost:
		return errors.New("--window goes with --ssh or --local-host: it watches the kernel of the origin host")
	}
	return nil
}

func (o *lookOptions) readMode(a *diagnose.Ask) (err error) {
	if o.sslMode != "" {
		a.SSL, err = originward.ParseSSLMode(o.sslMode)
	}
	return err
}

func (o *lookOptions) readAPI(a *diagnose.Ask) error {
	token, fastly := os.Getenv("CLOUDFLARE_API_TOKEN"), os.Getenv("FASTLY_API_TOKEN")
	a.CDN, a.CDNAPI = o.cdn, o.cdnAPI
	if a.CDN == "" && a.CDNAPI == "" && token == "" && fastly != "" && o.cdnTokenFile == "" {
		a.CDN = "fastly" // its token is the only one at hand
	}
	if a.CDN == "fastly" {
		token = fastly
		if o.cdnAPI == os.Getenv("CLOUDFLARE_BASE_URL") {
			a.CDNAPI = "" // the other CDN's default
		}
	}
	if o.cdnTokenFile != "" {
		var err error
		if token, err = readToken(o.cdnTokenFile); err != nil {
			return err
		}
	}
	a.CDNToken = token
	if a.CDN == "" && a.CDNAPI == "" && token != "" {
		a.CDN = "cloudflare"
	}
	return a.ResolveAPI()
}

// readToken reads the API's token from its file, or from the environment.
func readToken(file string) (string, error) {
	if file == "" {
		return os.Getenv("CLOUDFLARE_API_TOKEN"), nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("--cdn-token-file: %w", err)
	}
	token := strings.TrimSpace(string(raw))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("--cdn-token-file %s: does not hold one token", file)
	}
	return token, nil
}

func (o *lookOptions) readRoots(a *diagnose.Ask) error {
	if o.caFile == "" {
		return nil
	}
	raw, err := os.ReadFile(o.caFile)
	if err != nil {
		return fmt.Errorf("--ca-file: %w", err)
	}
	a.Roots, err = diagnose.ParseRoots(raw)
	if err != nil {
		return fmt.Errorf("--ca-file %s: %w", o.caFile, err)
	}
	return nil
}

func (o *lookOptions) readHostEvidence(a *diagnose.Ask) (err error) {
	if o.hostEvidence != "" {
		a.HostEvidence, err = readBundle(o.hostEvidence, nil)
	}
	return err
}

func newDiagnoseCmd(s streams) *cobra.Command {
	var look lookOptions
	var out outputOptions
	var save string
	var loop fixLoop
	c := &cobra.Command{
		Use:   "diagnose HOST|URL",
		Short: "Find out why the edge cannot reach the origin",
		Long: `Looks from outside, through the edge, on the origin host and into the CDN's
configuration, as far as each is at hand, and names the root cause with its
evidence and its fix. What was not looked at is said, with how to add it.

Exit status: 0 healthy, 1 a cause was found, 2 broken but undecided, 3 nothing
could be observed, 4 internal error, 64 usage.`,
		Example: `  originward diagnose shop.example --origin 203.0.113.10
  originward diagnose shop.example --ssh root@203.0.113.10
  originward diagnose https://shop.example/cart --host-evidence evidence.json --format json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := report.ParseFormat(out.format); err != nil {
				return usageError(err)
			}
			if err := loop.check(&look); err != nil {
				return usageError(err)
			}
			ask, err := look.ask(args[0])
			if err != nil {
				return err
			}
			b, began, err := observeRun(c.Context(), s, ask, save)
			if err != nil {
				return err
			}
			look.keepLast(args[0], b)
			if loop.on {
				return loop.run(c.Context(), s, b, ask, look, out, began)
			}
			return explain(s, b, out, began)
		},
	}
	look.flags(c)
	out.flags(c)
	loop.flags(c)
	c.Flags().StringVar(&save, "save", "", "save the evidence to this file, for `originward explain`")
	return c
}

func diagnoseRun(ctx context.Context, s streams, ask diagnose.Ask, out outputOptions, save string) error {
	b, began, err := observeRun(ctx, s, ask, save)
	if err != nil {
		return err
	}
	return explain(s, b, out, began)
}

// observeRun looks from every vantage at hand, and saves what was seen.
func observeRun(ctx context.Context, s streams, ask diagnose.Ask, save string) (b *originward.Bundle, began time.Time, err error) {
	began = time.Now()
	p := newProgress(s)
	ask.Progress = p.say
	b = diagnose.Observe(ctx, ask)
	p.end()
	if err := ctx.Err(); err != nil {
		return b, began, fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	diagnose.Number(b)
	if save != "" {
		err = writeTo(s, save, func(w io.Writer, _ bool, _ int) error { return report.Bundle(w, b) })
	}
	return b, began, err
}
