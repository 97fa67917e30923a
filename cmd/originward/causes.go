package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/causes"
	"github.com/originward/originward/internal/edge/errorpage"
)

func newCausesCmd(s streams) *cobra.Command {
	var format textOrJSON
	var dir string
	c := &cobra.Command{
		Use:   "causes [ID]",
		Short: "The catalogue of causes: what each is, how it is proved, how it is fixed",
		Args:  cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var ids []string
			for _, k := range causes.Catalogue() {
				ids = append(ids, string(k.ID))
			}
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			list := causes.Catalogue()
			if len(args) > 0 {
				k, err := findCause(originward.CauseID(args[0]))
				if err != nil {
					return usageError(err)
				}
				list = []causes.Cause{k}
			}
			switch {
			case dir != "":
				return errors.Join(writePages(filepath.Join(dir, "causes"), list), writeCodes(filepath.Join(dir, "codes"), list))
			case format.json():
				return writeJSON(s.out, causesJSON(list))
			case len(args) > 0:
				_, err := io.WriteString(s.out, causes.Page(list[0]))
				return err
			}
			return listCauses(s.out, list)
		},
	}
	format.flag(c, "form of the list")
	c.Flags().StringVar(&dir, "dir", "", "write one Markdown page for each cause and each error code below this directory")
	return c
}

func findCause(id originward.CauseID) (causes.Cause, error) {
	for _, k := range causes.Catalogue() {
		if k.ID == id {
			return k, nil
		}
	}
	return causes.Cause{}, fmt.Errorf("there is no cause %q; `originward causes` lists them", id)
}

func listCauses(w io.Writer, list []causes.Cause) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, k := range list {
		var codes []string
		for _, c := range k.Codes {
			codes = append(codes, fmt.Sprint(c))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", k.ID, k.Where, strings.Join(codes, " "), k.Title)
	}
	return t.Flush()
}

type causeJSON struct {
	ID      originward.CauseID   `json:"id"`
	Family  string               `json:"family"`
	Title   string               `json:"title"`
	Codes   []int                `json:"codes"`
	Where   originward.Where     `json:"where"`
	Needs   []needJSON           `json:"needs"`
	After   []originward.CauseID `json:"after"`
	What    string               `json:"what"`
	Looks   string               `json:"looks"`
	Proof   string               `json:"proof"`
	Fix     string               `json:"fix"`
	Prevent string               `json:"prevent"`
	NoWorld string               `json:"no_world,omitempty"`
}

type needJSON struct {
	Any      []originward.Vantage `json:"any"`
	Question originward.Question  `json:"question"`
	How      string               `json:"how"`
}

func causesJSON(list []causes.Cause) []causeJSON {
	out := []causeJSON{}
	for _, k := range list {
		j := causeJSON{
			ID: k.ID, Family: k.Family, Title: k.Title, Codes: k.Codes, Where: k.Where, After: k.After, Needs: []needJSON{},
			What: k.Doc.What, Looks: k.Doc.Looks, Proof: k.Doc.Proof, Fix: k.Doc.Fix, Prevent: k.Doc.Prevent, NoWorld: k.Doc.World,
		}
		for _, n := range k.Needs {
			j.Needs = append(j.Needs, needJSON{n.Any, n.Question, n.How})
		}
		out = append(out, j)
	}
	return out
}

func writePages(dir string, list []causes.Cause) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var errs []error
	for _, k := range list {
		errs = append(errs, os.WriteFile(filepath.Join(dir, string(k.ID)+".md"), []byte(causes.Page(k)), 0o644))
	}
	return errors.Join(errs...)
}

// writeCodes writes the pages that the edge's error pages link to, with the
// causes that can be behind each.
func writeCodes(dir string, list []causes.Cause) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var errs []error
	for _, n := range errorpage.Numbers() {
		var behind [][2]string
		for _, k := range list {
			if slices.Contains(k.Codes, n) {
				behind = append(behind, [2]string{string(k.ID), k.Title})
			}
		}
		errs = append(errs, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.md", n)), []byte(errorpage.Doc(n, behind)), 0o644))
	}
	return errors.Join(errs...)
}
