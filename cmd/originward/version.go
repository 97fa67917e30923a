package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
)

func newVersionCmd(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and the schemas it reads and writes",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(s.out, "originward %s %s/%s %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
			if rev := revision(); rev != "" {
				fmt.Fprintln(s.out, "revision", rev)
			}
			fmt.Fprintln(s.out, "schemas", originward.EvidenceSchema, originward.DiagnosisSchema)
			return nil
		},
	}
}

func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, kv := range info.Settings {
		if kv.Key == "vcs.revision" {
			return kv.Value
		}
	}
	return ""
}
