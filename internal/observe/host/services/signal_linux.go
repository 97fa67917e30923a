package services

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// signalName is the name of a signal: SIGKILL.
func signalName(n int) string {
	if s := unix.SignalName(unix.Signal(n)); s != "" {
		return s
	}
	return "signal " + strconv.Itoa(n)
}
