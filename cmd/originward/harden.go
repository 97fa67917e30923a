package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/remedy"
	"github.com/originward/originward/internal/remedy/remote"
)

type hardenOptions struct {
	fixOptions
	ports []uint
	keep  []string
}

func newHardenCmd(s streams) *cobra.Command {
	var o hardenOptions
	c := &cobra.Command{
		Use:   "harden HOST",
		Short: "Let the web ports of this origin be reached through the CDN alone",
		Long: `Plans the lock-down of the origin it runs on, or with --ssh of that one: ports 80 and 443 take connections
from the CDN's ranges alone, the web server restores the visitor's address. The
plan is simulated, shown, carried out and proved like a fix, and taken back when
the site does not answer through the edge; a plan that would cut your own SSH
connection is refused. originward undo takes it back later, and originward
ranges sync --set 'inet originward cdn4' --set 'inet originward cdn6' keeps the
ranges fresh.

The site has to be healthy before.`,
		Example: "  originward harden shop.example --dry-run\n  originward harden shop.example --keep 198.51.100.0/24",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if o.look.hostEvidence != "" {
				return usageError(errors.New("harden looks at the origin itself: run it there, or give --ssh USER@HOST"))
			}
			return hardenRun(c.Context(), s, args[0], o)
		},
	}
	o.look.flags(c)
	f := c.Flags()
	f.UintSliceVar(&o.ports, "port", []uint{80, 443}, "web port; repeatable")
	f.StringArrayVar(&o.keep, "keep", nil, "`NETWORK` that keeps its access; repeatable")
	f.BoolVar(&o.dryRun, "dry-run", false, "show the plan and change nothing")
	f.BoolVar(&o.yes, "yes", false, "do not ask; needed without a terminal")
	o.format.flag(c, "form of the output")
	f.BoolVar(&o.detail, "detail", false, "every line of what would change, not one screen")
	o.flagJournal(f)
	f.DurationVar(&o.within, "within", remedy.DefaultWithin, "the guard takes everything back when the site is not proved healthy by then")
	return c
}

func (o *hardenOptions) read() (ports []uint16, keep []netip.Prefix, err error) {
	for _, p := range o.ports {
		if p == 0 || p > 65535 {
			return nil, nil, fmt.Errorf("--port %d: allowed are 1 to 65535", p)
		}
		ports = append(ports, uint16(p))
	}
	for _, k := range o.keep {
		p, err := netip.ParsePrefix(k)
		if a, aerr := netip.ParseAddr(k); aerr == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("--keep %q: give an address or a network, such as 198.51.100.0/24", k)
		}
		keep = append(keep, p.Masked())
	}
	return ports, keep, nil
}

func hardenRun(ctx context.Context, s streams, target string, o hardenOptions) error {
	ports, keep, err := o.read()
	if err != nil {
		return usageError(err)
	}
	o.look.localHost = o.look.ssh == ""
	ask, err := o.look.ask(target)
	if err != nil {
		return err
	}
	b, _, err := observeRun(ctx, s, ask, "")
	if err != nil {
		return err
	}
	if d := diagnose.Explain(b, diagnose.Options{}); d.ExitCode() != originward.ExitHealthy {
		return &statusError{d.ExitCode(), fmt.Errorf("%s is %s; diagnose and fix it first, then harden", d.Host, d.Status)}
	}
	var part fixPart
	if ask.SSH != "" {
		raw, err := json.Marshal(b)
		if err != nil {
			return err
		}
		part, err = thereRun(ctx, s, remote.FixTask{Bundle: raw, Harden: &remote.Harden{Ports: ports, Keep: keep}}, ask, o.fixOptions)
		if err != nil {
			return refused(err)
		}
	} else {
		plan := remedy.Harden(b, ports, keep)
		if err := remedy.Simulate(ctx, &plan, b); err != nil {
			return refused(err)
		}
		if part, err = carryOut(ctx, s, plan, ask, o.fixOptions); err != nil {
			return err
		}
	}
	return fixEnd(s, []fixPart{part}, o.fixOptions)
}
