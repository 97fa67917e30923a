//go:build unix

package edge

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyRenew has the signal that asks for a successor sent to c.
func notifyRenew(c chan<- os.Signal) { signal.Notify(c, syscall.SIGUSR2) }
