package edge

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// How often the configuration file is looked at, and how long a shutdown waits for
// requests under way.
const (
	watchEvery = 2 * time.Second
	drainTime  = 30 * time.Second
)

// Run serves until ctx ends, then drains. SIGHUP, or a change of the configuration
// file, loads it again; a file that cannot be used is reported and changes nothing.
// The edge must have been made from a file (config.Config.File) to be reloaded.
func Run(ctx context.Context, e *Edge) error {
	if err := e.Start(); err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	path := e.Config().File
	last := stamp(path)
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
			defer cancel()
			return e.Shutdown(end)
		case <-hup:
		case <-tick.C:
			now := stamp(path)
			if now == last || now == (fileStamp{}) {
				continue
			}
			last = now
		}
		if path != "" {
			e.Reload(path)
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
		e.log.Error("configuration not changed: the running one stays", "file", path, "error", err)
	}
	return err
}

// fileStamp tells whether a file has changed.
type fileStamp struct {
	size int64
	time time.Time
}

func stamp(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{info.Size(), info.ModTime()}
}
