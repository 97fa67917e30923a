package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// textOrJSON is the value of --format of commands that know these two forms. The
// zero value is text.
type textOrJSON bool

func (f textOrJSON) json() bool { return bool(f) }

func (f *textOrJSON) String() string {
	if *f {
		return "json"
	}
	return "text"
}

// Set reads what was given on the command line.
func (f *textOrJSON) Set(s string) error {
	if s != "text" && s != "json" {
		return errors.New("allowed are text, json")
	}
	*f = s == "json"
	return nil
}

// Type names the value in the help.
func (*textOrJSON) Type() string { return "text|json" }

// flag adds --format to a command.
func (f *textOrJSON) flag(c *cobra.Command, usage string) {
	c.Flags().Var(f, "format", usage)
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}
