package main

import (
	"github.com/spf13/cobra"

	"github.com/originward/originward/internal/remedy"
)

// newGuardCmd is what `originward fix` starts: the process that takes a fix
// back when the one that carries it out is gone.
func newGuardCmd(streams) *cobra.Command {
	var root, id string
	c := &cobra.Command{
		Use: "guard", Short: "Take a fix back when it is not finished", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			detached()
			return remedy.Guard(c.Context(), root, id)
		},
	}
	c.Flags().StringVar(&root, "journal", remedy.DefaultJournal, "where journals lie")
	c.Flags().StringVar(&id, "id", "", "the journal")
	_ = c.MarkFlagRequired("id")
	return c
}
