package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/causes"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/redact"
	"github.com/originward/originward/internal/report"
)

type reportOptions struct {
	audience string
	format   string
	file     string
	bundle   string
	mapFile  string
	public   bool
}

// sheetFormats lists the forms of an escalation; one line adds one.
var sheetFormats = []struct {
	name  string
	write func(context.Context, io.Writer, report.Sheet) error
}{
	{"markdown", func(_ context.Context, w io.Writer, s report.Sheet) error { return s.Markdown(w) }},
	{"html", func(_ context.Context, w io.Writer, s report.Sheet) error { return s.HTML(w) }},
	{"pdf", writePDF},
}

func newReportCmd(s streams) *cobra.Command {
	var o reportOptions
	c := &cobra.Command{
		Use:   "report BUNDLE.json --for cdn|host|team",
		Short: "Write the escalation: one page for whoever can act, with nothing private in it",
		Long: `Explains saved evidence and writes one page for the CDN's support, for the
hosting provider or for your own team: what is broken since when, what is asked
of the reader, the cause with its evidence, what it is not, and how to see it.

Passwords, tokens, cookies, mail addresses, visitors' addresses and the names of
other sites are replaced by substitutes, equal ones for equal things. --map keeps
what they stand for; that file is yours alone. The page ends with a list of what
was replaced. Read it before you send it.`,
		Example: `  originward report evidence.json --for host -o ticket.html
  originward report evidence.json --for cdn --bundle ticket.tar.zst`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			b, err := readBundle(args[0], s.in)
			if err != nil {
				return usageError(err)
			}
			return escalate(c.Context(), s, b, o)
		},
	}
	var names []string
	for _, f := range sheetFormats {
		names = append(names, f.name)
	}
	f := c.Flags()
	f.StringVar(&o.audience, "for", "", "whom it is for: cdn, host or team")
	f.StringVar(&o.format, "format", "", strings.Join(names, ", ")+"; default by the ending of -o, else markdown")
	f.StringVarP(&o.file, "output", "o", "", "write the page to this file instead of standard output")
	f.StringVar(&o.bundle, "bundle", "", "also write `FILE.tar.zst` with the page and the evidence behind it, everything private replaced")
	f.StringVar(&o.mapFile, "map", "", "keep in this `FILE` what the substitutes stand for, and use them again next time")
	f.BoolVar(&o.public, "public", false, "hide the site's name and its origin's addresses too, for a forum")
	_ = c.RegisterFlagCompletionFunc("for", cobra.FixedCompletions([]string{"cdn", "host", "team"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// form finds the form asked for.
func (o reportOptions) form() (func(context.Context, io.Writer, report.Sheet) error, error) {
	name := o.format
	if name == "" {
		name = map[string]string{".html": "html", ".htm": "html", ".pdf": "pdf"}[filepath.Ext(o.file)]
	}
	if name == "" {
		name = "markdown"
	}
	for _, f := range sheetFormats {
		if f.name == name {
			return f.write, nil
		}
	}
	return nil, fmt.Errorf("format %q: allowed are markdown, html, pdf", name)
}

func escalate(ctx context.Context, s streams, b *originward.Bundle, o reportOptions) error {
	if o.audience == "" {
		return usageError(errors.New("say whom it is for: --for cdn, --for host or --for team"))
	}
	to, err := report.ParseAudience(o.audience)
	if err != nil {
		return usageError(err)
	}
	write, err := o.form()
	if err != nil {
		return usageError(err)
	}
	m, err := openMap(o.mapFile)
	if err != nil {
		return usageError(err)
	}
	clean, err := redacted(b, m, o.public)
	if err != nil {
		return err
	}
	sheet := report.NewSheet(clean.diagnosis, report.SheetOptions{Audience: to, Redacted: clean.listing, Title: causeTitle})
	if o.mapFile != "" {
		if err := writeTo(s, o.mapFile, func(w io.Writer, _ bool, _ int) error { return m.Write(w) }); err != nil {
			return err
		}
	}
	if o.bundle != "" {
		files, err := clean.files(sheet)
		if err != nil {
			return err
		}
		if err := writeTo(s, o.bundle, func(w io.Writer, _ bool, _ int) error { return report.Archive(w, files, b.AskedAt) }); err != nil {
			return err
		}
	}
	return writeTo(s, o.file, func(w io.Writer, _ bool, _ int) error { return write(ctx, w, sheet) })
}

// openMap reads the map of earlier reports, or begins one.
func openMap(name string) (*redact.Map, error) {
	f, err := os.Open(name)
	if name == "" || errors.Is(err, os.ErrNotExist) {
		return redact.NewMap(nil)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := redact.ReadMap(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// handout is what may be handed on.
type handout struct {
	bundle    *originward.Bundle
	diagnosis *originward.Diagnosis
	listing   []report.Row
}

// redacted explains the evidence as it is, then replaces in both: what is
// replaced cannot change the verdict.
func redacted(b *originward.Bundle, m *redact.Map, public bool) (*handout, error) {
	d := diagnose.Explain(b, diagnose.Options{})
	r := redact.ForBundle(m, b, public)
	h := &handout{}
	var err error
	if h.bundle, err = r.Bundle(b); err != nil {
		return nil, err
	}
	if h.diagnosis, err = r.Diagnosis(&d); err != nil {
		return nil, err
	}
	for _, x := range r.Listing() {
		h.listing = append(h.listing, report.Row{Label: fmt.Sprintf("%d × %s", x.Count, x.Kind), Value: x.Means})
	}
	return h, nil
}

// files are those of the archive.
func (h *handout) files(s report.Sheet) ([]report.File, error) {
	var out []report.File
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"report.html", s.HTML},
		{"report.md", s.Markdown},
		{"diagnosis.json", func(w io.Writer) error { return report.JSON(w, h.diagnosis) }},
		{"evidence.json", func(w io.Writer) error {
			enc := json.NewEncoder(w)
			enc.SetIndent("", " ")
			return enc.Encode(h.bundle)
		}},
		{"replaced.txt", func(w io.Writer) error {
			for _, r := range h.listing {
				fmt.Fprintf(w, "%s: %s\n", r.Label, r.Value)
			}
			return nil
		}},
	} {
		var data bytes.Buffer
		if err := f.write(&data); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		out = append(out, report.File{Name: f.name, Data: data.Bytes()})
	}
	return slices.Clip(out), nil
}

func causeTitle(id originward.CauseID) string {
	if c, ok := causes.Find(id); ok {
		return c.Title
	}
	return string(id)
}
