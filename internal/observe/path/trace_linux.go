package path

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/originward/originward/fact"
)

// ask tries to connect with packets that live for ttl hops.
func ask(ctx context.Context, target netip.AddrPort, ttl int) answer {
	a := answer{hop: fact.Hop{TTL: ttl}}
	fd, err := attempt(target, ttl)
	if err != nil {
		if local(err) {
			return answer{hop: a.hop, err: fmt.Errorf("connect to %s: %w", target, err)}
		}
	}
	if fd < 0 {
		return answer{hop: a.hop, err: err}
	}
	defer unix.Close(fd)
	start := time.Now()
	wait := hopWait
	if d, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(d))
	}
	if !ready(fd, wait) {
		return a // silence
	}
	a.hop.RTT = time.Since(start)
	if from, icmp, ok := errorQueue(fd); ok {
		a.hop.Addr = from
		if icmp != "time-exceeded" {
			a.hop.ICMP, a.end = icmp, true
			a.reached = from == target.Addr()
		}
		return a
	}
	switch so, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); {
	case err != nil:
		return a
	case so == 0, unix.Errno(so) == unix.ECONNREFUSED:
		// An accepted connection, or the target's own reset.
		a.hop.Addr, a.end, a.reached = target.Addr(), true, true
	default:
		a.hop.RTT = 0 // an error without an author: nothing is known of the hop
	}
	return a
}

// attempt begins a connection; fd is -1 when there is no socket.
func attempt(target netip.AddrPort, ttl int) (fd int, err error) {
	family, level, hops, recverr := unix.AF_INET, unix.IPPROTO_IP, unix.IP_TTL, unix.IP_RECVERR
	var to unix.Sockaddr = &unix.SockaddrInet4{Port: int(target.Port()), Addr: as4(target.Addr())}
	if target.Addr().Is6() {
		family, level, hops, recverr = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, unix.IPV6_RECVERR
		to = &unix.SockaddrInet6{Port: int(target.Port()), Addr: target.Addr().As16()}
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = errors.Join(unix.SetsockoptInt(fd, level, hops, ttl), unix.SetsockoptInt(fd, level, recverr, 1))
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	if err = unix.Connect(fd, to); errors.Is(err, unix.EINPROGRESS) {
		err = nil
	}
	return fd, err
}

// local reports errors of our own network, before a packet left.
func local(err error) bool {
	return errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)
}

// ready waits until the connection stands or failed.
func ready(fd int, wait time.Duration) bool {
	end := time.Now().Add(wait)
	for {
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT | unix.POLLERR}}
		n, err := unix.Poll(p, int(left.Milliseconds())+1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && n > 0
	}
}

// errorQueue reads the ICMP error that ended an attempt, and who sent it.
func errorQueue(fd int) (from netip.Addr, icmp string, ok bool) {
	buf, oob := make([]byte, 256), make([]byte, 512)
	_, n, _, _, err := unix.Recvmsg(fd, buf, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return netip.Addr{}, "", false
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return netip.Addr{}, "", false
	}
	for _, m := range msgs {
		v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
		v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if e, ok := parseError(m.Data); ok && (v4 || v6) {
			return e.from, e.name(), e.from.IsValid()
		}
	}
	return netip.Addr{}, "", false
}

// extError is struct sock_extended_err (linux/errqueue.h) with the address of
// the sender that follows it.
type extError struct {
	origin, kind, code byte
	info               uint32
	from               netip.Addr
}

// Origins of an error, linux/errqueue.h.
const (
	originICMP  = 2
	originICMP6 = 3
)

func parseError(b []byte) (extError, bool) {
	if len(b) < 16 {
		return extError{}, false
	}
	e := extError{origin: b[4], kind: b[5], code: b[6], info: binary.NativeEndian.Uint32(b[8:12])}
	if e.origin != originICMP && e.origin != originICMP6 {
		return extError{}, false
	}
	switch sa := b[16:]; {
	case len(sa) >= 8 && binary.NativeEndian.Uint16(sa) == unix.AF_INET:
		e.from = netip.AddrFrom4([4]byte(sa[4:8]))
	case len(sa) >= 24 && binary.NativeEndian.Uint16(sa) == unix.AF_INET6:
		e.from = netip.AddrFrom16([16]byte(sa[8:24])).Unmap()
	}
	return e, true
}

// name is the ICMP message's name, as iptables and nft write it.
func (e extError) name() string {
	if e.origin == originICMP6 {
		return icmp6Names[[2]byte{e.kind, e.code}].or(e)
	}
	return icmpNames[[2]byte{e.kind, e.code}].or(e)
}

type icmpName string

func (n icmpName) or(e extError) string {
	if n != "" {
		return string(n)
	}
	return fmt.Sprintf("icmp type %d code %d", e.kind, e.code)
}

// icmpNames are RFC 792 and RFC 1812 section 5.2.7.1.
var icmpNames = map[[2]byte]icmpName{
	{11, 0}: "time-exceeded",
	{3, 0}:  "net-unreachable", {3, 1}: "host-unreachable", {3, 2}: "prot-unreachable", {3, 3}: "port-unreachable", {3, 4}: "fragmentation-needed",
	{3, 9}: "net-prohibited", {3, 10}: "host-prohibited", {3, 13}: "admin-prohibited",
}

// icmp6Names are RFC 4443.
var icmp6Names = map[[2]byte]icmpName{
	{3, 0}: "time-exceeded",
	{1, 0}: "no-route", {1, 1}: "admin-prohibited", {1, 3}: "addr-unreachable", {1, 4}: "port-unreachable", {1, 5}: "policy-fail", {1, 6}: "reject-route",
	{2, 0}: "packet-too-big",
}

// as4 is the IPv4 address, zero for one that is none.
func as4(a netip.Addr) [4]byte {
	if a = a.Unmap(); a.Is4() {
		return a.As4()
	}
	return [4]byte{}
}
