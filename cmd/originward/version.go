package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/originward/originward"
)

func newVersionCmd(s streams) *cobra.Command {
	var format textOrJSON
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version and the schemas it reads and writes",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if format.json() {
				return writeJSON(s.out, versionJSON{
					version, runtime.GOOS + "/" + runtime.GOARCH, runtime.Version(), revision(), []string{originward.EvidenceSchema, originward.DiagnosisSchema},
				})
			}
			fmt.Fprintf(s.out, "originward %s %s/%s %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
			if rev := revision(); rev != "" {
				fmt.Fprintln(s.out, "revision", rev)
			}
			fmt.Fprintln(s.out, "schemas", originward.EvidenceSchema, originward.DiagnosisSchema)
			return nil
		},
	}
	format.flag(c, "form of the output")
	return c
}

type versionJSON struct {
	Version  string   `json:"version"`
	Platform string   `json:"platform"`
	Go       string   `json:"go"`
	Revision string   `json:"revision,omitempty"`
	Schemas  []string `json:"schemas"`
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
