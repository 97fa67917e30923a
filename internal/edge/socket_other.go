//go:build !linux

package edge

import (
	"math"
	"net"
	"time"
)

// listenConfig: the limit for visitors that take nothing is Linux's TCP_USER_TIMEOUT.
func listenConfig(time.Duration, bool) net.ListenConfig {
	return net.ListenConfig{KeepAliveConfig: visitorKeepAlive}
}

// openFiles is not known to be limited.
func openFiles() int { return math.MaxInt32 }
