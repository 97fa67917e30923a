package edge

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/originward/originward/internal/handover"
)

// How often the configuration file is looked at, and how long a shutdown waits for
// requests under way.
const (
	watchEvery = 2 * time.Second
	drainTime  = 30 * time.Second
	// leaveTime is how long an edge with a successor waits for idle connections to ask
	// once more, so that they can be told to close: closing one could cross with a request.
	leaveTime = 60 * time.Second
)

// Run serves until ctx ends, then drains. SIGHUP, or a change of the configuration
// file or of a certificate it names, loads it again; a file that cannot be used is reported and changes nothing.
// SIGUSR2 starts the program that now lies where this one came from, hands the
// listening sockets over, and ends once that serves and the last visitor has gone.
// The edge must have been made from a file (config.Config.File) to be reloaded.
func Run(ctx context.Context, e *Edge) error {
	// Before anything is served: a signal that nobody waits for would end the program.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	renew := make(chan os.Signal, 1)
	notifyRenew(renew)
	defer signal.Stop(renew)
	e.handTickets(handover.Process())
	if err := e.Start(); err != nil {
		return err
	}
	heap := pace()
	defer heap.end()
	handover.Process().Ready()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	path := e.Config().File
	last := stamp(e.Config().Files)
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
			defer cancel()
			return e.Shutdown(end)
		case <-renew:
			if err := handover.Process().Start(ctx); err != nil {
				e.log.Error("no successor: this program goes on", "error", err)
				continue
			}
			e.log.Info("the successor serves")
			return e.Leave(ctx, leaveTime)
		case <-hup:
			// Whatever becomes of the configuration, another program may have moved the logs.
			if err := e.guard.reopen(); err != nil {
				e.log.Error("log files", "error", err)
			}
		case <-tick.C:
			heap.look()
			now := stamp(e.Config().Files)
			if now == last {
				continue
			}
			last = now
		}
		// A failure is logged, and tried again when a file changes again.
		if path != "" && e.Reload(path) == nil {
			last = stamp(e.Config().Files)
		}
	}
}

// Reload loads the configuration file and puts it in force. A failure is logged and
// returned, and the running configuration stays.
func (e *Edge) Reload(path string) error {
	cfg, err := LoadConfig(path)
	if err == nil {
		err = e.Apply(cfg)
	}
	if err != nil {
		e.measures.unloaded.Add(1)
		e.log.Error("configuration not changed: the running one stays", "file", path, "error", err)
		return err
	}
	e.measures.reloads.Add(1)
	return nil
}

// stamp tells whether one of some files has changed.
func stamp(files []string) string {
	var b strings.Builder
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			fmt.Fprintf(&b, "%s %d %d\n", f, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}
