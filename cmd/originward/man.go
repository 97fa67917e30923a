package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newManCmd(s streams) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "man [COMMAND]",
		Short: "Print a man page, or write all of them",
		Example: `  originward man diagnose | man -l -
  originward man --dir /usr/local/share/man/man1`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			head := &doc.GenManHeader{Section: "1", Source: "Originward " + version, Manual: "Originward"}
			if dir != "" {
				if err := doc.GenManTree(c.Root(), head, dir); err != nil {
					return fmt.Errorf("write man pages to %s: %w", dir, err)
				}
				return nil
			}
			page := c.Root()
			if len(args) > 0 {
				found, _, err := c.Root().Find(args)
				if err != nil || found == c.Root() {
					return usageError(fmt.Errorf("man: there is no command %q", args[0]))
				}
				page = found
			}
			return doc.GenMan(page, head, s.out)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "write the pages of all commands to this directory")
	return c
}
