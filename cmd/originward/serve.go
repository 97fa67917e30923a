package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/originward/originward/internal/burst"
	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge"
	"github.com/originward/originward/internal/edgeapi"
	"github.com/originward/originward/internal/edgedns"
	"github.com/originward/originward/internal/store"
)

type serveOptions struct {
	config  string
	check   bool
	quiet   bool
	profile string
}

func newServeCmd(s streams) *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run an edge",
		Long: `Runs an edge with Cloudflare's semantics in front of the origins of the
configuration. SIGHUP reads the configuration again; a mistake in it keeps the
running one. Access log lines go to standard output, messages to standard
error.`,
		Example: "  originward serve --config edge.yaml\n  originward serve --config edge.yaml --check",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.config == "" {
				return usageError(errors.New("serve needs --config FILE"))
			}
			cfg, err := edge.LoadConfig(o.config)
			if err != nil {
				return usageError(err)
			}
			if o.check {
				for _, w := range cfg.Warnings {
					fmt.Fprintln(s.err, "warning:", w)
				}
				fmt.Fprintf(s.out, "%s: good, %d zones\n", o.config, len(cfg.Zones))
				return nil
			}
			return profiled(o.profile, func() error { return serve(c.Context(), s, cfg, o) })
		},
	}
	c.Flags().StringVar(&o.config, "config", "", "configuration `FILE` (YAML or JSON)")
	c.Flags().BoolVar(&o.check, "check", false, "read the configuration, say what is wrong with it, and end")
	c.Flags().BoolVar(&o.quiet, "no-access-log", false, "write no line for each request")
	c.Flags().StringVar(&o.profile, "cpuprofile", "", "write to `FILE`, at the end, what the processor's time went into (go tool pprof)")
	_ = c.MarkFlagFilename("config", "yaml", "yml", "json")
	return c
}

func serve(ctx context.Context, s streams, cfg *config.Config, o serveOptions) error {
	log := slog.New(slog.NewTextHandler(s.err, nil))
	var access io.Writer = s.out
	if o.quiet {
		access = nil
	}
	e, err := edge.New(cfg, edge.Options{Logger: log, AccessLog: access, Version: version})
	if err != nil {
		return usageError(err)
	}
	live, closeStore, err := openStore(ctx, e, log)
	if err != nil {
		return err
	}
	end := context.WithoutCancel(ctx)
	looks, err := burst.Start(e, burst.Options{Log: log})
	if err != nil {
		return errors.Join(err, closeStore())
	}
	closeBelow := func() error { return errors.Join(looks.Shutdown(end), closeStore()) }
	api, err := edgeapi.Start(e, edgeapi.Options{Live: live, Log: log, Version: version, Diagnoses: looks})
	if err != nil {
		return errors.Join(fmt.Errorf("start the control API: %w", err), closeBelow())
	}
	metrics, err := edgeapi.StartMetrics(e, version, log)
	if err != nil {
		return errors.Join(err, api.Shutdown(end), closeBelow())
	}
	dns, err := edgedns.Start(e.Config(), edgedns.Options{Log: log, Follow: e.OnConfig})
	if err != nil {
		return errors.Join(err, api.Shutdown(end), metrics.Shutdown(end), closeBelow())
	}
	return errors.Join(edge.Run(ctx, e), api.Shutdown(end), metrics.Shutdown(end), dns.Shutdown(end), closeBelow())
}

// openStore opens the store of the configuration and puts its zones in force. It
// is nil when the configuration has no place for one.
func openStore(ctx context.Context, e *edge.Edge, log *slog.Logger) (*edgeapi.Live, func() error, error) {
	cfg := e.Config()
	place := cfg.Store
	switch {
	case place == "" && cfg.Data == "":
		return nil, func() error { return nil }, nil
	case place == "":
		place = filepath.Join(cfg.Data, "store.db")
	}
	s, err := store.Open(ctx, place, store.Options{})
	if err != nil {
		return nil, nil, usageError(err)
	}
	live, err := edgeapi.NewLive(ctx, s, e, log)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("store: %w", err), s.Close())
	}
	run, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		live.Run(run)
	}()
	return live, func() error {
		cancel()
		<-done
		return s.Close()
	}, nil
}
