package sockets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// TCP states as the kernel numbers them (include/net/tcp_states.h), as bits of
// a dump's filter.
const (
	Established = 1 << 1
	SynRecv     = 1 << 3
	TimeWait    = 1 << 6
	Listen      = 1 << 10
	NewSynRecv  = 1 << 12
)

// Diag is one TCP socket as sock_diag reports it.
type Diag struct {
	Family  uint8
	State   uint8 // bit number of the states above
	Local   netip.AddrPort
	Remote  netip.AddrPort
	IfIndex uint32
	RQueue  uint32 // listening: connections waiting to be accepted
	WQueue  uint32 // listening: largest queue allowed
	UID     uint32
	Inode   uint32
	V6Only  bool
	HasV6   bool // V6Only was reported
	Drops   uint32
	Cgroup  uint64 // cgroup v2 id; 0 = not reported
}

// Sizes and attribute numbers of include/uapi/linux/inet_diag.h.
const (
	diagByFamily  = 20 // SOCK_DIAG_BY_FAMILY
	reqLen        = 56 // struct inet_diag_req_v2
	msgLen        = 72 // struct inet_diag_msg
	attrSkMemInfo = 7  // INET_DIAG_SKMEMINFO
	attrV6Only    = 11 // INET_DIAG_SKV6ONLY
	attrCgroupID  = 21 // INET_DIAG_CGROUP_ID, kernel 5.8 and later
	skMemDrops    = 8  // SK_MEMINFO_DROPS
	recvBuffer    = 64 << 10
	recvTimeout   = 500 * time.Millisecond
)

// errTruncated is a dump that the kernel says is inconsistent.
var errTruncated = errors.New("the socket list changed while it was read")

// Dump calls f for every TCP socket of a family (AF_INET, AF_INET6) in one of
// the states. It needs no privilege. f returns false to stop early.
func Dump(ctx context.Context, family uint8, states uint32, f func(*Diag) bool) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("socket list: %w", os.NewSyscallError("socket", err))
	}
	defer unix.Close(fd)
	tv := unix.NsecToTimeval(recvTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return fmt.Errorf("socket list: %w", os.NewSyscallError("setsockopt", err))
	}
	if err := unix.Sendto(fd, dumpRequest(family, states), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("socket list: %w", os.NewSyscallError("sendto", err))
	}
	buf := make([]byte, recvBuffer)
	for ctx.Err() == nil {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("socket list: %w", os.NewSyscallError("recvfrom", err))
		}
		done, err := messages(buf[:n], f)
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("socket list: %w", ctx.Err())
}

func dumpRequest(family uint8, states uint32) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN+reqLen)
	ne := binary.NativeEndian
	ne.PutUint32(b, uint32(len(b)))
	ne.PutUint16(b[4:], diagByFamily)
	ne.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	r := b[unix.NLMSG_HDRLEN:]
	r[0], r[1], r[2] = family, unix.IPPROTO_TCP, 1<<(attrSkMemInfo-1)
	ne.PutUint32(r[4:], states)
	return b
}

// messages walks one datagram of a dump; done is true at its end.
func messages(b []byte, f func(*Diag) bool) (done bool, err error) {
	ne := binary.NativeEndian
	for len(b) >= unix.NLMSG_HDRLEN {
		n, typ, flags := int(ne.Uint32(b)), ne.Uint16(b[4:]), ne.Uint16(b[6:])
		if n < unix.NLMSG_HDRLEN || n > len(b) {
			return true, fmt.Errorf("socket list: netlink message of %d bytes in %d", n, len(b))
		}
		body := b[unix.NLMSG_HDRLEN:n]
		switch {
		case flags&unix.NLM_F_DUMP_INTR != 0:
			return true, errTruncated
		case typ == unix.NLMSG_DONE:
			return true, nil
		case typ == unix.NLMSG_ERROR:
			return true, netlinkError(body)
		case typ == diagByFamily:
			if d, ok := parse(body); ok && !f(&d) {
				return true, nil
			}
		}
		next := (n + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1)
		if next > len(b) {
			return false, nil
		}
		b = b[next:]
	}
	return false, nil
}

func netlinkError(body []byte) error {
	if len(body) < 4 {
		return fmt.Errorf("socket list: short netlink error")
	}
	errno := syscall.Errno(-int32(binary.NativeEndian.Uint32(body)))
	if errno == 0 {
		return nil
	}
	return fmt.Errorf("socket list: %w", os.NewSyscallError("sock_diag", errno))
}

// parse reads one struct inet_diag_msg with its attributes.
func parse(b []byte) (Diag, bool) {
	if len(b) < msgLen {
		return Diag{}, false
	}
	ne, be := binary.NativeEndian, binary.BigEndian
	d := Diag{
		Family: b[0], State: b[1], IfIndex: ne.Uint32(b[40:]),
		RQueue: ne.Uint32(b[56:]), WQueue: ne.Uint32(b[60:]), UID: ne.Uint32(b[64:]), Inode: ne.Uint32(b[68:]),
	}
	d.Local = netip.AddrPortFrom(address(d.Family, b[8:24]), be.Uint16(b[4:]))
	d.Remote = netip.AddrPortFrom(address(d.Family, b[24:40]), be.Uint16(b[6:]))
	for a := b[msgLen:]; len(a) >= unix.SizeofRtAttr; {
		n, typ := int(ne.Uint16(a)), ne.Uint16(a[2:])
		if n < unix.SizeofRtAttr || n > len(a) {
			break
		}
		d.attribute(typ, a[unix.SizeofRtAttr:n])
		next := (n + unix.RTA_ALIGNTO - 1) &^ (unix.RTA_ALIGNTO - 1)
		if next > len(a) {
			break
		}
		a = a[next:]
	}
	return d, true
}

func (d *Diag) attribute(typ uint16, v []byte) {
	switch {
	case typ == attrSkMemInfo && len(v) >= 4*(skMemDrops+1):
		d.Drops = binary.NativeEndian.Uint32(v[4*skMemDrops:])
	case typ == attrV6Only && len(v) >= 1:
		d.V6Only, d.HasV6 = v[0] != 0, true
	case typ == attrCgroupID && len(v) >= 8:
		d.Cgroup = binary.NativeEndian.Uint64(v)
	}
}

func address(family uint8, b []byte) netip.Addr {
	if family == unix.AF_INET {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16([16]byte(b))
}
