package host

import (
	"context"

	"github.com/originward/originward/internal/observe/host/bans"
	"github.com/originward/originward/internal/observe/host/certs"
	"github.com/originward/originward/internal/observe/host/clock"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/containers"
	"github.com/originward/originward/internal/observe/host/counters"
	"github.com/originward/originward/internal/observe/host/drops"
	"github.com/originward/originward/internal/observe/host/ifaces"
	"github.com/originward/originward/internal/observe/host/jobs"
	"github.com/originward/originward/internal/observe/host/load"
	"github.com/originward/originward/internal/observe/host/logs"
	"github.com/originward/originward/internal/observe/host/loopback"
	"github.com/originward/originward/internal/observe/host/packetfilter"
	"github.com/originward/originward/internal/observe/host/procs"
	"github.com/originward/originward/internal/observe/host/resolution"
	"github.com/originward/originward/internal/observe/host/routes"
	"github.com/originward/originward/internal/observe/host/services"
	"github.com/originward/originward/internal/observe/host/sockets"
	"github.com/originward/originward/internal/observe/host/tunnel"
	"github.com/originward/originward/internal/observe/host/webconfig"
)

// collectors is the list of everything that is asked of a host: one line each.
func collectors(a Ask) []collect.Collector {
	configs := webconfig.New() // read once for all who need them
	return []collect.Collector{
		sockets.Collector(),
		counters.Collector(),
		drops.Collector(a.Window),
		ifaces.Collector(),
		routes.Collector(),
		packetfilter.Collector(),
		services.Collector(),
		webconfig.Collector(configs),
		certs.Collector(configs),
		resolution.Collector(configs),
		tunnel.Collector(configs),
		jobs.Collector(),
		bans.Collector(configs),
		containers.Collector(),
		loopback.Collector(),
		logs.Collector(configs),
		load.Collector(),
		clock.Collector(),
	}
}

// sources read what several collectors share.
func sources() collect.Sources {
	return collect.Sources{
		Processes: func(ctx context.Context, e *collect.Env) procs.Table { return procs.Read(ctx, e.Proc) },
		Listeners: sockets.Read,
		Addresses: ifaces.Read,
	}
}
