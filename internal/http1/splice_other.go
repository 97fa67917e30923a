//go:build !linux

package http1

import "net"

// splice is Linux's; elsewhere bodies are copied.
func (*rawSource) splice(*net.TCPConn, int64) (moved int64, handled bool, readErr, writeErr error) {
	return 0, false, nil, nil
}
