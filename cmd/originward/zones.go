package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/originward/originward/internal/observe/cdn"
	"github.com/originward/originward/internal/zonesync"
)

type zonesOptions struct {
	api       string
	tokenFile string
	out       string
	dryRun    bool
	prune     bool
	format    textOrJSON
}

func newZonesCmd(s streams) *cobra.Command {
	var o zonesOptions
	c := &cobra.Command{
		Use:   "zones",
		Short: "Write an edge's zones to a file, or bring an edge to what a file says",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVar(&o.api, "api", "http://127.0.0.1:8520", "control API of the edge, `URL`")
	c.PersistentFlags().StringVar(&o.tokenFile, "token-file", "", "`FILE` with the API token")
	_ = c.MarkPersistentFlagFilename("token-file")
	c.AddCommand(newZonesExportCmd(s, &o), newZonesApplyCmd(s, &o))
	return c
}

func newZonesExportCmd(s streams, o *zonesOptions) *cobra.Command {
	c := &cobra.Command{
		Use:   "export [ZONE...]",
		Short: "Write zones with settings, records and rules as YAML",
		Long: `Writes the zones that an edge keeps in its store: settings, records, rules and
load balancers, and the pools of these. Private keys and certificates are not
written. Zones of the configuration file are not written either: they are in
that file.`,
		Example: "  originward zones export > zones.yaml\n  originward zones export shop.example -o shop.yaml",
		RunE: func(c *cobra.Command, names []string) error {
			client, err := o.client()
			if err != nil {
				return err
			}
			d, err := client.Read(c.Context(), names...)
			if err != nil {
				return err
			}
			if len(names) > len(d.Zones) {
				return usageError(fmt.Errorf("of %s the edge keeps only %d", strings.Join(names, ", "), len(d.Zones)))
			}
			b, err := d.Dump()
			if err != nil {
				return err
			}
			return writeTo(s, o.out, func(w io.Writer, _ bool, _ int) error {
				_, err := w.Write(b)
				return err
			})
		},
	}
	c.Flags().StringVarP(&o.out, "output", "o", "", "`FILE` to write; empty is standard output")
	return c
}

func newZonesApplyCmd(s streams, o *zonesOptions) *cobra.Command {
	c := &cobra.Command{
		Use:   "apply FILE",
		Short: "Bring an edge to what a file says",
		Long: `Compares the zones of a file with those of an edge and carries out what differs.
Of a zone that is in the file, records and rules that are not are taken out;
other zones are left alone unless --prune is given. The records of a zone change
all at once or not at all.

With --dry-run nothing is changed, and the exit status is 1 when something would be.`,
		Example: "  originward zones apply zones.yaml --dry-run\n  originward zones apply - < zones.yaml",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return zonesApply(c.Context(), s, *o, args[0]) },
	}
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "show what would be changed, and change nothing")
	o.format.flag(c, "form of what is changed")
	c.Flags().BoolVar(&o.prune, "prune", false, "delete zones and pools that are not in the file")
	return c
}

func (o zonesOptions) client() (*zonesync.Client, error) {
	base, err := cdn.BaseURL(o.api)
	if err != nil {
		return nil, usageError(err)
	}
	client := &zonesync.Client{Base: base}
	if o.tokenFile != "" {
		b, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return nil, usageError(err)
		}
		if client.Token = string(bytes.TrimSpace(b)); client.Token == "" {
			return nil, usageError(errors.New(o.tokenFile + " holds no token"))
		}
	}
	return client, nil
}

func zonesApply(ctx context.Context, s streams, o zonesOptions, name string) error {
	client, err := o.client()
	if err != nil {
		return err
	}
	in := s.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return usageError(err)
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	want, err := zonesync.Parse(raw)
	if err != nil {
		return usageError(fmt.Errorf("%s: %w", name, err))
	}
	have, err := client.Read(ctx)
	if err != nil {
		return err
	}
	steps := zonesync.Compare(have, want, o.prune)
	if err := showSteps(s, o, steps); err != nil {
		return err
	}
	switch {
	case len(steps) == 0:
		fmt.Fprintln(s.err, "nothing to change")
		return nil
	case o.dryRun:
		fmt.Fprintf(s.err, "%d changes, none made\n", len(steps))
		return &statusError{code: 1}
	}
	return client.Apply(ctx, have, steps, func(zone string, n int) {
		fmt.Fprintf(s.err, "%s: %d changes made\n", cmp.Or(zone, "lists and pools"), n)
	})
}

type stepJSON struct {
	Zone   string `json:"zone"`
	Change string `json:"change"` // "+ …" is added, "- …" taken out, "~ …" changed
}

func showSteps(s streams, o zonesOptions, steps []zonesync.Step) error {
	if o.format.json() {
		out := []stepJSON{}
		for _, x := range steps {
			out = append(out, stepJSON{x.Zone, x.Text})
		}
		return writeJSON(s.out, out)
	}
	zone := "none yet"
	for _, x := range steps {
		if x.Zone != zone {
			zone = x.Zone
			fmt.Fprintln(s.out, cmp.Or(zone, "lists and pools"))
		}
		fmt.Fprintln(s.out, "  "+x.Text)
	}
	return nil
}
