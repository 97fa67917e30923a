package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/originward/originward/internal/cdn"
)

type rangesOptions struct {
	check  string
	diff   bool
	from   string
	api    string
	cdn    string
	format textOrJSON
}

func newRangesCmd(s streams) *cobra.Command {
	var o rangesOptions
	c := &cobra.Command{
		Use:   "ranges",
		Short: "List the CDN ranges known, or check what an allow list misses",
		Long: `Lists the address ranges from which CDNs connect, with source and date.

With --check, reads an allow list (nginx, Apache, ipset, nftables, iptables,
JSON, or one range a line) and says which ranges of today it misses, which it
holds only in part, and which entries the CDN has withdrawn. Exit status 1
when a range is missing.

With --diff, reads what the CDNs publish today and shows what was added and
withdrawn since this version's lists were read. A list that is empty, or much
shorter than the known one, is refused. Exit status 1 when something differs,
3 when nothing could be read.`,
		Example: "  originward ranges --diff\n  originward ranges --cdn cloudflare\n  originward ranges --check /etc/nginx/cloudflare.conf",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			id, err := parseCDN(o.cdn)
			if err != nil {
				return usageError(err)
			}
			if o.check != "" {
				return rangesCheck(s, o, id)
			}
			if o.diff {
				return rangesDiff(c.Context(), s, o, id)
			}
			return rangesList(s, o, id)
		},
	}
	c.AddCommand(newRangesSyncCmd(s))
	c.Flags().StringVar(&o.check, "check", "", "allow list to check; - reads standard input")
	c.Flags().BoolVar(&o.diff, "diff", false, "compare with what the CDNs publish today")
	c.Flags().StringVar(&o.from, "from", "", "with --diff and --cdn: a published `FILE` that was downloaded")
	c.Flags().StringVar(&o.api, "cdn-api", os.Getenv("CLOUDFLARE_BASE_URL"), "with --diff: `URL` of Cloudflare's API, or of an edge's")
	c.MarkFlagsMutuallyExclusive("check", "diff")
	c.Flags().StringVar(&o.cdn, "cdn", "", "only this CDN; with --check: the CDN it should let in")
	o.format.flag(c, "form of the output")
	return c
}

func parseCDN(name string) (cdn.ID, error) {
	if name == "" {
		return "", nil
	}
	var known []string
	for _, id := range cdn.WithRanges() {
		if string(id) == name {
			return id, nil
		}
		known = append(known, string(id))
	}
	return "", fmt.Errorf("CDN %q: known are %s", name, strings.Join(known, ", "))
}

func rangesList(s streams, o rangesOptions, id cdn.ID) error {
	lists := []cdn.List{}
	for _, l := range cdn.Lists() {
		if id == "" || l.CDN == id {
			lists = append(lists, l)
		}
	}
	if o.format.json() {
		return writeJSON(s.out, lists)
	}
	for _, l := range lists {
		fmt.Fprintf(s.out, "# %s %s, %d ranges", l.CDN, l.Role, len(l.Prefixes))
		if !l.AsOf.IsZero() {
			fmt.Fprintf(s.out, ", as of %s", l.AsOf.Format("2006-01-02"))
		}
		if !l.Complete {
			fmt.Fprint(s.out, ", not the whole list")
		}
		fmt.Fprintf(s.out, "\n# %s\n", l.Source)
		if l.Note != "" {
			fmt.Fprintf(s.out, "# %s\n", l.Note)
		}
		for _, p := range l.Prefixes {
			fmt.Fprintln(s.out, p)
		}
	}
	return nil
}

func rangesCheck(s streams, o rangesOptions, id cdn.ID) error {
	in := s.in
	if o.check != "-" {
		f, err := os.Open(o.check)
		if err != nil {
			return usageError(err)
		}
		defer f.Close()
		in = f
	}
	c, err := cdn.CheckList(in, o.check, id)
	if err != nil {
		return usageError(err)
	}
	if o.format.json() {
		err = writeJSON(s.out, c)
	} else {
		rangesCheckText(s.out, c)
	}
	if err == nil && !c.OK {
		return &statusError{code: 1}
	}
	return err
}

func rangesCheckText(w io.Writer, c *cdn.Check) {
	switch {
	case c.Entries == 0:
		fmt.Fprintf(w, "%s holds no ranges: nothing is let in.\n", c.File)
	case c.OK:
		fmt.Fprintf(w, "%s lets in all %d ranges of %s (as of %s).\n", c.File, c.Published, c.CDN, c.AsOf.Format("2006-01-02"))
	default:
		fmt.Fprintf(w, "%s lets in %d of the %d ranges of %s (as of %s).\n", c.File, c.Covered, c.Published, c.CDN, c.AsOf.Format("2006-01-02"))
	}
	printPrefixes(w, "missing", c.Missing)
	for _, p := range c.Partly {
		fmt.Fprintf(w, "  in part   %s, missing %s\n", p.Range, joinPrefixes(p.Missing))
	}
	printEntries(w, "denied", c.Denied)
	printEntries(w, "withdrawn", c.Stale)
	printEntries(w, "too wide", c.Wide)
	for _, f := range c.Absent {
		fmt.Fprintf(w, "  absent    no %s entry at all\n", f)
	}
	for _, u := range c.Unread {
		fmt.Fprintf(w, "  unread    line %d: %s (%s)\n", u.Line, u.Text, u.Why)
	}
	if c.Note != "" {
		fmt.Fprintln(w, c.Note)
	}
}

func printPrefixes(w io.Writer, what string, ps []netip.Prefix) {
	for _, p := range ps {
		fmt.Fprintf(w, "  %-9s %s\n", what, p)
	}
}

func printEntries(w io.Writer, what string, es []cdn.ListEntry) {
	for _, e := range es {
		fmt.Fprintf(w, "  %-9s line %d: %s", what, e.Line, e.Entry)
		if e.Note != "" {
			fmt.Fprintf(w, " (%s)", e.Note)
		}
		fmt.Fprintln(w)
	}
}

func joinPrefixes(ps []netip.Prefix) string {
	var w []string
	for _, p := range ps {
		w = append(w, p.String())
	}
	return strings.Join(w, " ")
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
