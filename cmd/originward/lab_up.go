package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/originward/originward/internal/lab"
)

func newLabUpCmd(s streams) *cobra.Command {
	var healthy bool
	c := &cobra.Command{
		Use: "up WORLD", Short: "Leave a broken world standing until interrupted, to look around",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			w, err := lab.Find(args[0])
			if err != nil {
				return usageError(err)
			}
			return labUp(c.Context(), s, w, healthy)
		},
	}
	c.Flags().BoolVar(&healthy, "healthy", false, "do not break it")
	return c
}

func labUp(ctx context.Context, s streams, w *lab.World, healthy bool) (err error) {
	if lacks := lab.Lacks(w); lacks != "" {
		return fmt.Errorf("%s: %s", w.Name, lacks)
	}
	st, err := lab.Up(ctx, w, "")
	if err != nil {
		return err
	}
	defer func() {
		if derr := st.Down(); err == nil {
			err = derr
		}
	}()
	if !healthy && w.Break != nil {
		if err := w.Break(ctx, st); err != nil {
			return fmt.Errorf("break: %w", err)
		}
	}
	fmt.Fprintf(s.out, "%s stands: %s\n\n%s\nInterrupt to remove it.\n", w.Name, w.Title, st.Guide())
	<-ctx.Done()
	return nil
}
