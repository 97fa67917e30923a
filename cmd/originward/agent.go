package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/remedy/remote"
)

// newAgentCmd is what `originward fix --ssh` runs on the host: it takes its task
// over standard input.
func newAgentCmd(s streams) *cobra.Command {
	return &cobra.Command{
		Use: "agent", Short: "Carry out what another originward asks for", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			detached()
			exe, err := os.Executable()
			if err != nil {
				return err
			}
			a := remote.Agent{
				Guard: []string{exe, "guard"},
				Collect: func(ctx context.Context, ask diagnose.HostAsk) *originward.Bundle {
					b := diagnose.CollectHost(ctx, ask)
					diagnose.Number(b)
					return b
				},
			}
			return a.Serve(c.Context(), s.in, s.out)
		},
	}
}
