package path

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/originward/originward/fact"
)

// trySizes of IP packets that are tried, ascending: the least that everything
// carries, and what tunnels, PPPoE and Ethernet leave (RFC 791: 576; RFC 8200:
// 1280; WireGuard 1420; GRE 1476; PPPoE 1492; Ethernet 1500).
var trySizes = map[bool][]int{
	false: {576, 1000, 1280, 1360, 1400, 1420, 1440, 1452, 1460, 1476, 1492, 1500}, // IPv4
	true:  {1280, 1360, 1400, 1420, 1440, 1452, 1460, 1476, 1492, 1500},            // IPv6
}

// rounds is how often a size is tried: one lost packet is no black hole.
const rounds = 3

// roundWait is how long the answers of a round are awaited.
const roundWait = 700 * time.Millisecond

// MTU sends echoes of every size that must not be fragmented, for about two
// seconds at most. It is zero when even the smallest are not answered, when what
// comes back makes no sense, or when this machine may not send echoes.
func MTU(ctx context.Context, to netip.Addr) fact.MTU {
	p, err := newPinger(to)
	if err != nil {
		return fact.MTU{}
	}
	defer p.close()
	for range rounds {
		p.send()
		p.collect(ctx, roundWait)
		if ctx.Err() != nil || len(p.lost()) == 0 {
			break
		}
	}
	return p.result()
}

// pinger sends echoes over an unprivileged ICMP socket, or over a raw one where
// the system grants only that.
type pinger struct {
	fd       int
	to       unix.Sockaddr
	six, raw bool
	id       uint16
	header   int // bytes of IP and ICMP headers
	sizes    []int
	sent     []bool
	answered []bool
	needed   int // MTU that a router named
}

func newPinger(to netip.Addr) (*pinger, error) {
	p := &pinger{six: to.Is6(), header: 20 + 8, sizes: trySizes[to.Is6()]}
	p.sent, p.answered = make([]bool, len(p.sizes)), make([]bool, len(p.sizes))
	family, proto := unix.AF_INET, unix.IPPROTO_ICMP
	p.to = &unix.SockaddrInet4{Addr: as4(to)}
	if p.six {
		p.header = 40 + 8
		family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
		p.to = &unix.SockaddrInet6{Addr: to.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
	if err != nil { // net.ipv4.ping_group_range does not let us
		p.raw = true
		if fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto); err != nil {
			return nil, err
		}
	}
	p.id = uint16(time.Now().UnixNano()) // the kernel chooses its own for unprivileged sockets
	p.fd = fd
	if p.six {
		err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE), unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1))
	} else {
		err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE), unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1))
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *pinger) close() { unix.Close(p.fd) }

// send sends an echo of each size that has had no answer; the sequence number is
// the size's index. A size that our own interface does not carry is not sent.
func (p *pinger) send() {
	for i, size := range p.sizes {
		if p.answered[i] {
			continue
		}
		b := make([]byte, size-p.header+8)
		b[0] = 8 // echo request
		if p.six {
			b[0] = 128
		}
		binary.BigEndian.PutUint16(b[4:], p.id)
		binary.BigEndian.PutUint16(b[6:], uint16(i))
		if p.raw && !p.six { // in all other cases the kernel fills it in
			binary.BigEndian.PutUint16(b[2:], checksum(b))
		}
		if unix.Sendto(p.fd, b, 0, p.to) == nil {
			p.sent[i] = true
		}
	}
}

// collect reads answers until all are there or the time is over.
func (p *pinger) collect(ctx context.Context, wait time.Duration) {
	end := time.Now().Add(wait)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	for len(p.lost()) > 0 {
		left := time.Until(end)
		if left <= 0 || ctx.Err() != nil {
			return
		}
		pf := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(pf, int(left.Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		p.read()
	}
}

func (p *pinger) read() {
	buf := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(p.fd, buf, unix.MSG_DONTWAIT)
		if err != nil {
			break
		}
		p.reply(buf[:n])
	}
	p.readErrors()
}

// reply notes an answer. A raw IPv4 socket hands over the IP header too, and
// the answers to others' echoes.
func (p *pinger) reply(b []byte) {
	if p.raw && !p.six {
		if len(b) < 20 || len(b) < int(b[0]&15)*4 {
			return
		}
		b = b[int(b[0]&15)*4:]
	}
	kind := byte(0)
	if p.six {
		kind = 129
	}
	if len(b) < 8 || b[0] != kind || p.raw && binary.BigEndian.Uint16(b[4:]) != p.id {
		return
	}
	if i := int(binary.BigEndian.Uint16(b[6:])); i < len(p.sizes) && len(b) == p.sizes[i]-p.header+8 {
		p.answered[i] = true
	}
}

// checksum is the internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func (p *pinger) readErrors() {
	buf, oob := make([]byte, 2048), make([]byte, 512)
	for {
		_, n, _, _, err := unix.Recvmsg(p.fd, buf, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			return
		}
		msgs, err := unix.ParseSocketControlMessage(oob[:n])
		if err != nil {
			return
		}
		for _, m := range msgs {
			e, ok := parseError(m.Data)
			if name := e.name(); ok && (name == "fragmentation-needed" || name == "packet-too-big") && e.info > 0 && e.info < 65536 {
				p.needed = int(e.info)
			}
		}
	}
}

// lost are the sizes that were sent and not answered.
func (p *pinger) lost() (out []int) {
	for i, size := range p.sizes {
		if p.sent[i] && !p.answered[i] {
			out = append(out, size)
		}
	}
	return out
}

// result is meaningful when there is one size below which all is answered and
// above which nothing is.
func (p *pinger) result() fact.MTU {
	m := fact.MTU{FragNeededMTU: p.needed}
	for i, size := range p.sizes {
		switch {
		case !p.sent[i]:
		case p.answered[i] && m.SmallestLost > 0:
			return fact.MTU{FragNeededMTU: p.needed} // losses that have nothing to do with size
		case p.answered[i]:
			m.LargestOK = size
		case m.SmallestLost == 0:
			m.SmallestLost = size
		}
	}
	if m.LargestOK == 0 {
		m.SmallestLost = 0 // no echo is answered: nothing is known
	}
	return m
}
