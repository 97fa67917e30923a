package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/originward/originward/internal/lab"
)

type labUpOptions struct {
	healthy, foreground, documented bool
}

func (o *labUpOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&o.healthy, "healthy", false, "do not break it")
	f.BoolVar(&o.documented, "documented-timers", false, "let the edge wait as long as documented (19 s to connect, …), not just seconds")
}

func (o *labUpOptions) options() lab.Options { return lab.Options{Documented: o.documented} }

func newLabUpCmd(s streams) *cobra.Command {
	var o labUpOptions
	c := &cobra.Command{
		Use: "up WORLD", Short: "Leave a broken world standing, to look around",
		Long: `Builds a world, breaks it, says how to look around in it, and returns. A
process of its own keeps it until ` + "`originward lab down`" + ` removes it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			w, err := lab.Find(args[0])
			if err != nil {
				return usageError(err)
			}
			if lacks := lab.Lacks(w); lacks != "" {
				return fmt.Errorf("%s: %s", w.Name, lacks)
			}
			if o.foreground {
				return labKeep(c.Context(), s, w, o)
			}
			return labUp(s, w, o)
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&o.foreground, "foreground", false, "keep it here until interrupted")
	return c
}

// newLabKeepCmd is what `lab up` starts: the process that owns a world.
func newLabKeepCmd(s streams) *cobra.Command {
	var o labUpOptions
	c := &cobra.Command{
		Use: "keep WORLD", Short: "Keep a world standing until ended", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			w, err := lab.Find(args[0])
			if err != nil {
				return usageError(err)
			}
			detached()
			return labKeep(c.Context(), s, w, o)
		},
	}
	o.flags(c)
	return c
}

// labKeep keeps a world until the context ends.
func labKeep(ctx context.Context, s streams, w *lab.World, o labUpOptions) error {
	return lab.Keep(ctx, w, o.options(), o.healthy, func(st lab.Standing) {
		fmt.Fprintf(s.out, "%s stands: %s\n\n%s\n`originward lab down %s` removes it.\n%s\n", st.World, st.Title, st.Guide, st.World, keptMark)
	})
}

// keptMark ends what a keeper says once its world stands. It is not shown.
const keptMark = "-- kept --"

// labUp starts a keeper, shows what it says until its world stands, and leaves
// it alone.
func labUp(s streams, w *lab.World, o labUpOptions) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"lab", "keep", w.Name}
	if o.healthy {
		args = append(args, "--healthy")
	}
	if o.documented {
		args = append(args, "--documented-timers")
	}
	r, wr, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command(exe, args...)
	cmd.Stdout, cmd.Stderr = wr, wr
	detach(cmd)
	err = cmd.Start()
	_ = wr.Close() // the keeper has its own
	if err != nil {
		return fmt.Errorf("start the keeper of %s: %w", w.Name, err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if lines.Text() == keptMark {
			fmt.Fprint(s.out, said.String())
			return cmd.Process.Release()
		}
		said.WriteString(lines.Text() + "\n")
	}
	_ = cmd.Wait() // what it said tells more than its status
	return errors.New(strings.TrimPrefix(strings.TrimSpace(said.String()), "originward: "))
}

func newLabDownCmd(s streams) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "down WORLD|--all", Short: "Remove standing worlds", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usageError(errors.New("name a world, or give --all"))
			}
			name := ""
			if !all {
				name = args[0]
			}
			return labDown(c.Context(), s, name)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "remove every standing world")
	return c
}

// labDown removes one standing world, or all when name is empty.
func labDown(ctx context.Context, s streams, name string) error {
	standing, err := lab.StandingWorlds()
	if err != nil {
		return err
	}
	var errs []error
	gone := 0
	for _, st := range standing {
		if name != "" && st.World != name {
			continue
		}
		gone++
		if err := st.Remove(ctx); err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintf(s.out, "%s is removed\n", st.World)
	}
	if name != "" && gone == 0 {
		return usageError(fmt.Errorf("no world %q stands", name))
	}
	return errors.Join(errs...)
}
