package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/lab"
)

func newLabCmd(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "lab",
		Short: "Reproduce a cause on this machine, in namespaces of its own",
		Long: `A world is a visitor, an edge with CDN addresses, a router and an origin host
of real software, with one thing broken. Nothing of it reaches this machine.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newLabListCmd(s), newLabRunCmd(s), newLabUpCmd(s), newLabKeepCmd(s), newLabDownCmd(s), newLabGoldenCmd(s))
	return c
}

func newLabListCmd(s streams) *cobra.Command {
	var format textOrJSON
	c := &cobra.Command{
		Use: "list", Short: "List the worlds", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return labList(s, format) },
	}
	format.flag(c, "form of the list")
	return c
}

type labWorld struct {
	Name   string               `json:"name"`
	Title  string               `json:"title"`
	Code   int                  `json:"code,omitempty"`
	Causes []originward.CauseID `json:"causes"`
	Lacks  string               `json:"lacks,omitempty"`
}

func labList(s streams, format textOrJSON) error {
	if format.json() {
		out := []labWorld{}
		for _, w := range lab.Worlds() {
			out = append(out, labWorld{w.Name, w.Title, w.Code, append([]originward.CauseID{}, w.Causes...), lab.Lacks(w)})
		}
		return writeJSON(s.out, out)
	}
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, w := range lab.Worlds() {
		fmt.Fprintf(t, "%s\t%s\t%s\n", w.Name, joinCauses(w.Causes), w.Title)
	}
	return t.Flush()
}

// pickWorlds takes whole names, and names ending in "*" as beginnings.
func pickWorlds(names []string, all bool) ([]*lab.World, error) {
	if all == (len(names) > 0) {
		return nil, errors.New("name worlds, or give --all; `originward lab list` shows them")
	}
	if all {
		return lab.Worlds(), nil
	}
	var out []*lab.World
	for _, n := range names {
		lead, isLead := strings.CutSuffix(n, "*")
		if !isLead {
			w, err := lab.Find(n)
			if err != nil {
				return nil, err
			}
			out = append(out, w)
			continue
		}
		before := len(out)
		for _, w := range lab.Worlds() {
			if strings.HasPrefix(w.Name, lead) {
				out = append(out, w)
			}
		}
		if len(out) == before {
			return nil, fmt.Errorf("no world's name begins with %q", lead)
		}
	}
	return out, nil
}

func joinCauses(ids []originward.CauseID) string {
	if len(ids) == 0 {
		return "healthy"
	}
	var w []string
	for _, id := range ids {
		w = append(w, string(id))
	}
	return strings.Join(w, " + ")
}
