//go:build !linux

package exchange

import (
	"net"
	"syscall"
	"time"
)

// control has nothing to set: the SYN schedule is the system's own here.
func control(Profile, Target) func(network, address string, c syscall.RawConn) error { return nil }

// tcpState is what the kernel knows about a connection: nothing here.
type tcpState struct {
	known    bool
	unacked  int
	unsent   int
	lastData time.Duration
	lastAck  time.Duration
	pending  int
	resent   bool
}

type sockQuery struct{}

func (*sockQuery) init(*net.TCPConn) error { return nil }
func (*sockQuery) tcp() tcpState           { return tcpState{} }
func (*sockQuery) idle() bool              { return true }
func (*sockQuery) readable() bool          { return false }
