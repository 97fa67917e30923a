package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/report"
)

// outputOptions are shared by the commands that end in a diagnosis.
type outputOptions struct {
	format string
	file   string
	detail bool
	why    string
	whyNot string
}

func (o *outputOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.format, "format", "text", "text, json, markdown, html, junit or sarif")
	c.Flags().StringVarP(&o.file, "output", "o", "", "write the result to this file instead of standard output")
	c.Flags().BoolVar(&o.detail, "evidence", false, "with text: the command that shows each piece of evidence again")
	c.Flags().StringVar(&o.why, "why", "", "trace why this cause stands as it does, item by item")
	c.Flags().StringVar(&o.whyNot, "why-not", "", "trace why this cause does not stand higher")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(report.Formats(), cobra.ShellCompDirectiveNoFileComp))
}

func newExplainCmd(s streams) *cobra.Command {
	var out outputOptions
	c := &cobra.Command{
		Use:   "explain BUNDLE.json",
		Short: "Explain saved evidence again, offline",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			b, err := readBundle(args[0], s.in)
			if err != nil {
				return usageError(err)
			}
			return explain(s, b, out, time.Now())
		},
	}
	out.flags(c)
	return c
}

// explain judges a bundle and writes the diagnosis; began is when the run that
// made the bundle began.
func explain(s streams, b *originward.Bundle, out outputOptions, began time.Time) error {
	d := diagnose.Explain(b, diagnose.Options{Took: time.Since(began)})
	if id := out.why + out.whyNot; id != "" {
		return trace(s, b, originward.CauseID(id), d.ExitCode())
	}
	if err := writeReport(s, &d, out); err != nil {
		return err
	}
	if code := d.ExitCode(); code != originward.ExitHealthy {
		return &statusError{code: code}
	}
	return nil
}

// writeReport writes a diagnosis in the form and to the place asked for.
func writeReport(s streams, d *originward.Diagnosis, out outputOptions) error {
	format, err := report.ParseFormat(out.format)
	if err != nil {
		return usageError(err)
	}
	return writeTo(s, out.file, func(w io.Writer, colour bool, width int) error {
		return report.Write(w, d, format, report.Options{
			Text:    report.TextOptions{Colour: colour, Width: width, Detail: out.detail},
			Version: version,
		})
	})
}

// trace prints item by item how a cause came to its standing.
func trace(s streams, b *originward.Bundle, id originward.CauseID, code int) error {
	if _, err := findCause(id); err != nil {
		return usageError(err)
	}
	lines := diagnose.Why(b, id)
	if len(lines) == 0 {
		fmt.Fprintf(s.out, "%s: nothing in the evidence speaks of it\n", id)
	}
	for _, t := range lines {
		writeTrace(s.out, t)
	}
	return &statusError{code: code}
}

// readBundle reads a bundle from a file, or from standard input for "-".
func readBundle(name string, in io.Reader) (*originward.Bundle, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := fact.ReadBundle(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}
