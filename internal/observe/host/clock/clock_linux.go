// Package clock answers whether a time service keeps this host's clock.
package clock

import (
	"context"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/collect"
)

// staUnsync says that nothing disciplines the clock (adjtimex(2), STA_UNSYNC).
const staUnsync = 0x0040

// Collector answers how the clock is kept. Whether it is right is told by
// comparing it with another's Date, which is the asker's to do.
func Collector() collect.Collector {
	return collect.Collector{Name: "clock", Question: fact.QClock, Budget: time.Second, Run: run}
}

func run(_ context.Context, env *collect.Env) ([]originward.Evidence, []originward.NotObserved) {
	var missing []originward.NotObserved
	f := fact.Clock{Zone: zone(env)}
	var tx unix.Timex
	if _, err := unix.Adjtimex(&tx); err != nil {
		missing = append(missing, collect.Missing(fact.QClock, originward.Subject{}, "whether the clock is kept by a time service: "+escape.Line(err.Error(), 200), "timedatectl"))
	} else {
		f.Synced = fact.TriOf(tx.Status&staUnsync == 0)
	}
	text := "Whether a time service keeps the clock is not known"
	switch f.Synced {
	case fact.Yes:
		text = "A time service keeps the clock"
	case fact.No:
		text = "No time service keeps the clock"
	}
	text += "; it shows " + env.Now().UTC().Format(time.RFC3339)
	if f.Zone != "" {
		text += ", local time zone " + f.Zone
	}
	return []originward.Evidence{env.Item(originward.Subject{}, f, text+".", "timedatectl; date -u")}, missing
}

// zone is the name of the local time zone; empty when it cannot be told.
func zone(env *collect.Env) string {
	if link, err := os.Readlink(env.File("/etc/localtime")); err == nil {
		if _, name, ok := strings.Cut(link, "zoneinfo/"); ok {
			return escape.Line(name, 64)
		}
	}
	b, err := os.ReadFile(env.File("/etc/timezone"))
	if err != nil || len(b) > 128 {
		return ""
	}
	return escape.Line(strings.TrimSpace(string(b)), 64)
}
