package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/cdn"
	observe "github.com/originward/originward/internal/observe/cdn"
	"github.com/originward/originward/internal/remedy"
)

// rangesChange is how a CDN's list of today differs from the one that is known here.
type rangesChange struct {
	CDN       cdn.ID         `json:"cdn"`
	AsOf      time.Time      `json:"as_of,omitzero"` // of the known list
	Known     int            `json:"known"`
	Published int            `json:"published"`
	Added     []netip.Prefix `json:"added"`
	Withdrawn []netip.Prefix `json:"withdrawn"`
	Problem   string         `json:"problem,omitempty"` // why nothing is said of it
}

// rangesDiff compares the lists of this version with those that are published today.
// Exit status 1: something differs; 3: nothing could be read.
func rangesDiff(ctx context.Context, s streams, o rangesOptions, id cdn.ID) error {
	ids := observe.Publishes()
	if id != "" {
		ids = []cdn.ID{id}
	}
	if o.from != "" && id == "" {
		return usageError(errors.New("--from goes with --cdn: say whose list the file is"))
	}
	var all []rangesChange
	read, differs := 0, false
	for _, id := range ids {
		c := rangesCompare(ctx, o, id)
		if c.Problem == "" {
			read++
		}
		differs = differs || len(c.Added)+len(c.Withdrawn) > 0
		all = append(all, c)
	}
	if o.format.json() {
		if err := writeJSON(s.out, all); err != nil {
			return err
		}
	} else {
		for _, c := range all {
			rangesChangeText(s.out, c)
		}
	}
	switch {
	case read == 0:
		return &statusError{code: originward.ExitNothingSeen}
	case differs:
		return &statusError{code: originward.ExitCauseFound}
	}
	return nil
}

func rangesCompare(ctx context.Context, o rangesOptions, id cdn.ID) rangesChange {
	c := rangesChange{CDN: id, Added: []netip.Prefix{}, Withdrawn: []netip.Prefix{}}
	known, _ := cdn.Ranges(id, "")
	for _, l := range cdn.Lists() {
		if l.CDN == id && l.Role != cdn.RoleVisitor {
			c.AsOf = l.AsOf
		}
	}
	c.Known = len(known)
	today, err := rangesToday(ctx, o, id)
	if err == nil {
		// A list that is empty or much shorter is cut, or somebody else's.
		err = remedy.CheckRanges(today, known)
	}
	if err != nil {
		c.Problem = err.Error()
		return c
	}
	c.Published = len(today)
	for _, p := range today {
		if !slices.Contains(known, p) {
			c.Added = append(c.Added, p)
		}
	}
	for _, p := range known {
		if !slices.Contains(today, p) {
			c.Withdrawn = append(c.Withdrawn, p)
		}
	}
	return c
}

func rangesToday(ctx context.Context, o rangesOptions, id cdn.ID) ([]netip.Prefix, error) {
	if o.from == "" {
		return observe.Today(ctx, id, o.api, "")
	}
	raw, err := os.ReadFile(o.from)
	if err != nil {
		return nil, err
	}
	return observe.ReadPublished(id, raw)
}

func rangesChangeText(w io.Writer, c rangesChange) {
	asOf := "of no known day"
	if !c.AsOf.IsZero() {
		asOf = "of " + c.AsOf.Format(time.DateOnly)
	}
	switch {
	case c.Problem != "":
		fmt.Fprintf(w, "%s: not compared: %s\n", c.CDN, c.Problem)
	case len(c.Added)+len(c.Withdrawn) == 0:
		fmt.Fprintf(w, "%s: the %d ranges published today are those %s\n", c.CDN, c.Published, asOf)
	default:
		fmt.Fprintf(w, "%s: %d ranges are published today, %d are known (%s)\n", c.CDN, c.Published, c.Known, asOf)
	}
	printPrefixes(w, "added", c.Added)
	printPrefixes(w, "withdrawn", c.Withdrawn)
}
