//go:build !linux

package host

import (
	"context"
	"runtime"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/observe/host/collect"
)

// collectors says that host evidence needs Linux.
func collectors(Ask) []collect.Collector {
	return []collect.Collector{{
		Name: "host",
		Run: func(context.Context, *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
			return nil, []originward.NotObserved{collect.Missing("", originward.Subject{},
				"host evidence is collected on Linux; this is "+runtime.GOOS,
				"run `originward host` on the origin, or use --ssh USER@HOST")}
		},
	}}
}

func sources() collect.Sources { return collect.Sources{} }
