package edge

import (
	"net"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// quiet has the kernel drop the first packets of new QUIC connections (RFC 9000
// section 17.2.2: a long header of type Initial) that come to a socket, except for
// connections whose ids, which are ours, begin with the tag. Visitors send them again a
// second later, when the successor reads. false = that is not possible.
func quiet(conn net.PacketConn, tag connTag) bool {
	const udpHeader, destination = 8, 6 // behind flags, version and the id's length
	code, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: udpHeader, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0xc0, SkipTrue: 2},
		bpf.LoadAbsolute{Off: udpHeader + destination, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(tag[0])<<8 | uint32(tag[1]), SkipTrue: 1},
		bpf.RetConstant{Val: 0xffffffff},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return false
	}
	filter := make([]unix.SockFilter, len(code))
	for i, c := range code {
		filter[i] = unix.SockFilter{Code: c.Op, Jt: c.Jt, Jf: c.Jf, K: c.K}
	}
	return onSocket(conn, func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}) //nolint:gosec // a few
	})
}

// loud takes back what a predecessor did by quiet: the socket is the same.
func loud(conn net.PacketConn) {
	onSocket(conn, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) // there may be none
	})
}

func onSocket(conn net.PacketConn, f func(fd int) error) bool {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var ferr error
	err = raw.Control(func(fd uintptr) { ferr = f(int(fd)) })
	return err == nil && ferr == nil
}
