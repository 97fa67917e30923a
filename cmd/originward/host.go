package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/report"
)

type hostOptions struct {
	file    string
	origins []string
	ports   []uint
	ray     string
	since   time.Duration
	prove   bool
	live    bool
	window  time.Duration
}

func newHostCmd(s streams) *cobra.Command {
	var o hostOptions
	c := &cobra.Command{
		Use:   "host [HOST]",
		Short: "Collect host evidence on this machine",
		Long: `Collects what this machine itself can prove about the hop from the edge:
listeners, the packet filter's answer for every CDN range, bans, routes,
services, configuration, certificates, logs, load. It only looks. Root sees
more; what could not be seen is said in the result.

HOST is the site's name; without it, every site that is configured here is
looked at.`,
		Example: "  originward host -o evidence.json\n  originward diagnose shop.example --host-evidence evidence.json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			host := ""
			if len(args) > 0 {
				host = args[0]
			}
			return hostRun(c.Context(), s, host, o)
		},
	}
	c.Flags().StringVarP(&o.file, "output", "o", "", "write the evidence to this file instead of standard output")
	c.Flags().StringArrayVar(&o.origins, "origin", nil, "origin address the edge contacts; repeatable")
	c.Flags().UintSliceVar(&o.ports, "port", nil, "port the edge contacts; default 80, 443 and the CDN's other ports that are open")
	c.Flags().StringVar(&o.ray, "ray", "", "ray of a failing request, to be found in the logs")
	c.Flags().DurationVar(&o.since, "since", time.Hour, "how far back logs are read")
	c.Flags().BoolVar(&o.prove, "prove", false, "confirm the packet filter's answer by the kernel, in a copy of the ruleset")
	c.Flags().BoolVar(&o.live, "live", false, "with --prove: also send probes into this machine's own interfaces, guarded so that nothing leaves it or stays")
	c.Flags().DurationVar(&o.window, "window", 0, "watch for this long, up to a minute, which connection attempts the kernel drops, and why")
	return c
}

func hostRun(ctx context.Context, s streams, host string, o hostOptions) error {
	ask := diagnose.HostAsk{Ray: o.ray, Since: o.since, Prove: o.prove, Live: o.live, Window: o.window}
	if o.live && !o.prove {
		return usageError(errors.New("--live goes with --prove: it sends probes into this machine's own interfaces, after those in a copy of the ruleset"))
	}
	if o.window < 0 || o.window > longestWindow {
		return usageError(fmt.Errorf("--window %v: allowed are 0 to %v", o.window, longestWindow))
	}
	if host != "" {
		name, err := diagnose.ParseHost(host)
		if err != nil {
			return usageError(err)
		}
		ask.Host = name
	}
	for _, a := range o.origins {
		addr, err := netip.ParseAddr(a)
		if err != nil {
			return usageError(fmt.Errorf("--origin %q: not an address; give an IPv4 or IPv6 address", a))
		}
		ask.Origins = append(ask.Origins, addr)
	}
	for _, p := range o.ports {
		if p == 0 || p > 65535 {
			return usageError(fmt.Errorf("--port %d: allowed are 1 to 65535", p))
		}
		ask.Ports = append(ask.Ports, uint16(p))
	}
	b := diagnose.CollectHost(ctx, ask)
	diagnose.Number(b)
	err := writeTo(s, o.file, func(w io.Writer, _ bool, _ int) error { return report.Bundle(w, b) })
	if err != nil {
		return err
	}
	if len(b.Evidence) == 0 {
		return &statusError{originward.ExitNothingSeen, fmt.Errorf("nothing could be observed on this machine; %d reasons are in the result", len(b.NotObserved))}
	}
	return nil
}
