package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/preflight"
)

func newPreflightCmd(s streams) *cobra.Command {
	var o lookOptions
	var format, file string
	var ci bool
	c := &cobra.Command{
		Use:   "preflight HOST --origin ADDR",
		Short: "What the edge would answer in every SSL mode, before the cloud turns orange",
		Long: `Contacts the origin as the edge would, on every address, port and family, and
works out what the edge would answer in each SSL mode. Exit status 0 when the
mode given with --ssl-mode, or else some mode that validates or encrypts,
works everywhere.`,
		Example: "  originward preflight shop.example --origin 203.0.113.10 --origin 2001:db8::10",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(o.origins) == 0 {
				return usageError(errors.New("preflight needs --origin ADDR: the address the record will hold"))
			}
			if ci && !c.Flags().Changed("format") {
				format = "junit"
			}
			if format != "text" && format != "json" && format != "junit" {
				return usageError(fmt.Errorf("format %q: allowed are text, json, junit", format))
			}
			ask, err := o.ask(args[0])
			if err != nil {
				return err
			}
			if ci && ask.SSL == "" {
				ask.SSL = originward.SSLStrict
			}
			return preflightRun(c.Context(), s, ask, format, file)
		},
	}
	o.flagsOutside(c)
	c.Flags().StringVar(&format, "format", "text", "text, json or junit")
	c.Flags().BoolVar(&ci, "ci", false, "as a gate of a pipeline: JUnit XML of the mode given with --ssl-mode (else strict), and nothing but the exit status counts")
	c.Flags().StringVarP(&file, "output", "o", "", "write the result to this file instead of standard output")
	return c
}

func preflightRun(ctx context.Context, s streams, ask diagnose.Ask, format, file string) error {
	b := diagnose.ObserveOutside(ctx, ask)
	diagnose.Number(b)
	m := preflight.Of(b)
	if len(m.Cells) == 0 {
		return &statusError{originward.ExitNothingSeen, errors.New("no origin address could be contacted; " + firstWhy(b))}
	}
	err := writeTo(s, file, func(w io.Writer, _ bool, _ int) error {
		switch format {
		case "json":
			return writeJSON(w, m)
		case "junit":
			return preflightJUnit(w, m, ask.SSL)
		}
		return preflightText(w, m)
	})
	if err == nil && !preflightGood(m, ask.SSL) {
		return &statusError{code: originward.ExitCauseFound}
	}
	return err
}

// preflightGood is whether the wanted mode works everywhere; without one, any
// mode that encrypts to the origin.
func preflightGood(m preflight.Matrix, want originward.SSLMode) bool {
	for _, mode := range m.Modes() {
		if mode == want || want == "" && mode != originward.SSLOff && mode != originward.SSLFlexible {
			return true
		}
	}
	return false
}

func firstWhy(b *originward.Bundle) string {
	if len(b.NotObserved) == 0 {
		return "nothing answered"
	}
	return b.NotObserved[0].Why
}

// preflightText prints one row for each visitor's scheme, port and origin
// address, and one column for each mode.
func preflightText(w io.Writer, m preflight.Matrix) error {
	type row struct {
		scheme string
		port   uint16
		addr   netip.Addr
	}
	var rows []row
	cells := map[row]map[originward.SSLMode]preflight.Cell{}
	for _, c := range m.Cells {
		r := row{c.Scheme, c.Port, c.Addr}
		if cells[r] == nil {
			cells[r] = map[originward.SSLMode]preflight.Cell{}
			rows = append(rows, r)
		}
		cells[r][c.Mode] = c
	}
	fmt.Fprintf(w, "%-32s", "visitor → origin")
	for _, mode := range originward.SSLModes() {
		fmt.Fprintf(w, "%-12s", mode)
	}
	fmt.Fprintln(w)
	whys := map[string]bool{}
	var notes []string
	for _, r := range rows {
		fmt.Fprintf(w, "%-32s", fmt.Sprintf("%s:%d → %s", r.scheme, r.port, r.addr))
		for _, mode := range originward.SSLModes() {
			c := cells[r][mode]
			fmt.Fprintf(w, "%-12s", cellText(c))
			if note := fmt.Sprintf("%s: %s", cellText(c), c.Why); !c.Good() && c.Why != "" && !whys[note] {
				whys[note] = true
				notes = append(notes, note)
			}
		}
		fmt.Fprintln(w)
	}
	for i, n := range notes {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, n)
	}
	var good []string
	for _, mode := range m.Modes() {
		good = append(good, string(mode))
	}
	if len(good) == 0 {
		good = []string{"none yet"}
	}
	_, err := fmt.Fprintf(w, "\nModes that work everywhere, the strongest first: %s\n", strings.Join(good, ", "))
	return err
}

func cellText(c preflight.Cell) string {
	switch {
	case c.Outcome == "":
		return "-"
	case c.Error != 0:
		return fmt.Sprint(c.Error)
	case c.Outcome == preflight.Served && c.Status != 0:
		return fmt.Sprint(c.Status)
	}
	return string(c.Outcome)
}
