//go:build !linux

package edge

import "net"

// quiet is not possible here: new connections are refused while a successor waits
// for the socket.
func quiet(net.PacketConn, connTag) bool { return false }

func loud(net.PacketConn) {}
