package replica

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/originward/originward/internal/firewall/fib"
)

// wire is the outer end of an interface: what goes in there arrives at the interface, and what leaves by the interface
// comes out.
type wire struct {
	link  fib.Link
	index int
	fd    int
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// newWire opens a packet socket on the outer end.
func newWire(link fib.Link, outer int) (*wire, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ALL)))
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: outer}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind packet socket: %w", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
	return &wire{link: link, index: outer, fd: fd}, nil
}

func (w *wire) close() { unix.Close(w.fd) }

// send puts a packet on the wire towards the interface.
func (w *wire) send(ip []byte, v4 bool) error {
	mac := w.link.MAC
	if len(mac) != 6 {
		mac = make([]byte, 6)
	}
	return unix.Sendto(w.fd, ethernet(mac, v4, ip), 0, &unix.SockaddrLinklayer{Ifindex: w.index, Protocol: htons(unix.ETH_P_ALL), Halen: 6})
}

// drain reads what came out of the interface.
func (w *wire) drain(f func(seen)) error {
	buf := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(w.fd, buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("read packets: %w", err)
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
			continue // our own
		}
		if s, ok := parseFrame(buf[:n]); ok {
			f(s)
		}
	}
}

// listenAny opens a TCP listener on all addresses of a family. It answers SYNs and accepts nothing.
func listenAny(host string, port uint16) (int, error) {
	family, sa := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(port)})
	if host == "::" {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(port)}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if family == unix.AF_INET6 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err := errors.Join(unix.Bind(fd, sa), unix.Listen(fd, 65535)); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("listen on %s port %d: %w", host, port, err)
	}
	return fd, nil
}
