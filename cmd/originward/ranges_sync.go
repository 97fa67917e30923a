package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/cdn"
	observe "github.com/originward/originward/internal/observe/cdn"
	"github.com/originward/originward/internal/remedy"
)

type syncOptions struct {
	file, form, reload string
	sets               []string
	builtIn, force     bool
	dryRun, timer      bool
	install            bool
	api, tokenFile     string
}

func newRangesSyncCmd(s streams) *cobra.Command {
	var o syncOptions
	c := &cobra.Command{
		Use:   "sync",
		Short: "Keep a list of the CDN's ranges fresh: a file, a set, or both",
		Long: `Reads the ranges that Cloudflare publishes today and writes them into a file
(whole or not at all) and into sets of nftables or ipset. A list that is empty,
lacks a family, lost a quarter, or holds what cannot be a CDN's is refused, and
what is installed stays. Of a set, only ranges that the CDN has withdrawn are
taken out; what else it holds stays.

--print-timer shows a systemd service and timer that run the same command every
day; --install-timer installs them.`,
		Example: `  originward ranges sync --file /etc/nginx/cdn-allow.conf --form nginx-allow --reload nginx
  originward ranges sync --set 'inet filter cdn4' --set 'inet filter cdn6' --install-timer`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.file == "" && len(o.sets) == 0 {
				return usageError(errors.New("say what to keep fresh: --file FILE, --set 'FAMILY TABLE SET', or --set IPSET"))
			}
			if o.timer || o.install {
				return syncTimer(c.Context(), s, o)
			}
			return syncRun(c.Context(), s, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.file, "file", "", "file to write; one that this command did not write is left alone unless --force is given")
	f.StringVar(&o.form, "form", "plain", "form of the file: "+strings.Join(remedy.Forms(), ", "))
	f.StringArrayVar(&o.sets, "set", nil, "set to keep fresh: `'FAMILY TABLE SET'` of nftables, or the name of an ipset; repeatable")
	f.StringVar(&o.reload, "reload", "", "`SERVER` to test and reload after the file has changed: nginx, apache, haproxy")
	f.BoolVar(&o.builtIn, "built-in", false, "take the ranges this version knows instead of asking the CDN")
	f.StringVar(&o.tokenFile, "cdn-token-file", "", "file with the API token, for an edge of your own (default: $CLOUDFLARE_API_TOKEN); Cloudflare's list needs none")
	f.StringVar(&o.api, "cdn-api", os.Getenv("CLOUDFLARE_BASE_URL"), "the CDN's API `URL` (default: $CLOUDFLARE_BASE_URL, else Cloudflare's)")
	f.BoolVar(&o.force, "force", false, "take over a file that somebody else wrote")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would change")
	f.BoolVar(&o.timer, "print-timer", false, "print a systemd service and timer for this command")
	f.BoolVar(&o.install, "install-timer", false, "install and start them")
	return c
}

// known are the ranges this version was built with.
func knownRanges() []netip.Prefix {
	var out []netip.Prefix
	for _, f := range []originward.Family{originward.IP4, originward.IP6} {
		r, _ := cdn.Ranges(cdn.Cloudflare, f)
		out = append(out, r...)
	}
	return out
}

func syncRun(ctx context.Context, s streams, o syncOptions) error {
	list := knownRanges()
	if !o.builtIn {
		token, err := readToken(o.tokenFile)
		if err != nil {
			return usageError(err)
		}
		if list, err = observe.Today(ctx, cdn.Cloudflare, o.api, token); err != nil {
			return &statusError{originward.ExitNothingSeen, fmt.Errorf("%w; nothing was changed", err)}
		}
	}
	if err := remedy.CheckRanges(list, knownRanges()); err != nil {
		return &statusError{originward.ExitCauseFound, fmt.Errorf("%w; nothing was changed", err)}
	}
	steps, err := syncSteps(ctx, o, list)
	if err != nil {
		return err
	}
	return syncApply(ctx, s.out, steps, o)
}

// syncSteps are the steps that bring file and sets to the list.
func syncSteps(ctx context.Context, o syncOptions, list []netip.Prefix) ([]remedy.Step, error) {
	var steps []remedy.Step
	if o.file != "" {
		path, err := filepath.Abs(o.file)
		if err != nil {
			return nil, usageError(err)
		}
		ours, had, err := remedy.Ours(path)
		if err != nil {
			return nil, usageError(err)
		}
		if !ours && !o.force {
			return nil, usageError(fmt.Errorf("%s was not written by this command; give --force to take it over", path))
		}
		if ours {
			if err := remedy.CheckRanges(list, had); err != nil {
				return nil, &statusError{originward.ExitCauseFound, fmt.Errorf("%s: %w; nothing was changed", path, err)}
			}
		}
		st, err := remedy.RangesFile(path, o.form, list)
		if err != nil {
			return nil, usageError(err)
		}
		if st, err = remedy.ReloadAfter(st, o.reload); err != nil {
			return nil, usageError(err)
		}
		steps = append(steps, st)
	}
	var withdrawn []netip.Prefix
	for _, w := range cdn.WithdrawnEntries() {
		if w.CDN == cdn.Cloudflare {
			withdrawn = append(withdrawn, w.Prefix)
		}
	}
	for _, name := range o.sets {
		st, err := remedy.SyncSet(ctx, name, list, withdrawn)
		if err != nil {
			return nil, usageError(err)
		}
		steps = append(steps, st)
	}
	return steps, nil
}

func syncApply(ctx context.Context, w io.Writer, steps []remedy.Step, o syncOptions) error {
	for _, st := range steps {
		changed, lines, err := remedy.ApplyNow(ctx, st, o.dryRun)
		if err != nil {
			return fmt.Errorf("%s: %w", st.Title, err)
		}
		switch {
		case !changed:
			fmt.Fprintf(w, "fresh already, so nothing to do: %s\n", st.Title)
		case o.dryRun:
			fmt.Fprintf(w, "would %s\n  %s\n", st.Title, strings.Join(lines, "\n  "))
		default:
			fmt.Fprintln(w, st.Title)
		}
	}
	return nil
}

// syncTimer prints or installs the units.
func syncTimer(ctx context.Context, s streams, o syncOptions) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{exe, "ranges", "sync"}
	add := func(flag, v string) {
		if v != "" {
			args = append(args, flag, v)
		}
	}
	if o.file != "" {
		path, err := filepath.Abs(o.file)
		if err != nil {
			return usageError(err)
		}
		add("--file", path)
		add("--form", o.form)
		add("--reload", o.reload)
	}
	for _, set := range o.sets {
		add("--set", set)
	}
	add("--cdn-api", o.api)
	add("--cdn-token-file", absolute(o.tokenFile))
	units := remedy.TimerUnits(args)
	if o.timer {
		for _, u := range units {
			fmt.Fprintf(s.out, "# %s\n%s\n", u.Path, u.Content)
		}
		return nil
	}
	return remedy.InstallTimer(ctx, units)
}
