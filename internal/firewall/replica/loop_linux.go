package replica

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/originward/originward/internal/firewall/fib"
)

// loIndex is the loopback interface's index in every namespace.
const loIndex = 1

// call is a connection the namespace's host makes to itself.
type call struct {
	fd       int
	rst      bool
	icmp     bool
	typ, cod uint8
}

// Call has the host connect to itself, from addresses and ports of its own, and observes what becomes of it. The
// destination's port must have a listener (Listen), and every source port be fresh.
func (w *World) Call(flows []Flow) ([]Observation, error) {
	out := make([]Observation, 0, len(flows))
	for len(flows) > 0 {
		n := min(batch, len(flows))
		var got []Observation
		err := w.Do(func() (err error) {
			got, err = w.callBatch(flows[:n])
			return err
		})
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
		flows = flows[n:]
	}
	return out, nil
}

func (w *World) callBatch(flows []Flow) (obs []Observation, err error) {
	tap, err := newWire(fib.Link{Index: loIndex, Name: "lo"}, loIndex)
	if err != nil {
		return nil, err
	}
	defer tap.close()
	f := &flight{w: w, obs: make([]Observation, len(flows)), byHost: map[flowEnd]int{}, current: map[uint32]slot{}}
	calls := make([]call, len(flows))
	defer func() {
		for _, c := range calls {
			if c.fd > 0 {
				unix.Close(c.fd)
			}
		}
	}()
	for i, fl := range flows {
		f.byHost[flowEnd{fl.Src.String(), fl.SrcPort}] = i
		if calls[i].fd, err = connect(fl); err != nil {
			return nil, fmt.Errorf("connect from %s to %s: %w", fl.Src, fl.Dst, err)
		}
	}
	if err := f.listenIn(tap, calls); err != nil {
		return nil, err
	}
	for i := range calls {
		if err := calls[i].end(&f.obs[i]); err != nil {
			return nil, err
		}
	}
	return f.obs, nil
}

// listenIn reads refusals and trace events until nothing happens any more.
func (f *flight) listenIn(tap *wire, calls []call) error {
	const tick = 2 * time.Millisecond
	for quiet := time.Duration(0); quiet < silence; {
		err := tap.drain(func(s seen) {
			client := flowEnd{s.flow.Dst.String(), s.flow.DstPort}
			if s.kind == "icmp" {
				client = flowEnd{s.flow.Src.String(), s.flow.SrcPort}
			}
			if i, ok := f.byHost[client]; ok && s.kind == "rst" {
				calls[i].rst = true
			} else if ok && s.kind == "icmp" {
				calls[i].icmp, calls[i].typ, calls[i].cod = true, s.icmpType, s.icmpCode
			}
		})
		if err != nil {
			return err
		}
		switch err := f.w.tracer.read(tick, f.event); {
		case errors.Is(err, unix.EAGAIN):
			quiet += tick
		case err != nil:
			return fmt.Errorf("read trace: %w", err)
		default:
			quiet = 0
		}
	}
	return nil
}

// connect starts a connection and does not wait for it.
func connect(f Flow) (int, error) {
	family, from, to := unix.AF_INET, unix.Sockaddr(nil), unix.Sockaddr(nil)
	if f.Src.Is4() {
		from, to = &unix.SockaddrInet4{Port: int(f.SrcPort), Addr: f.Src.As4()}, &unix.SockaddrInet4{Port: int(f.DstPort), Addr: f.Dst.As4()}
	} else {
		family = unix.AF_INET6
		from, to = &unix.SockaddrInet6{Port: int(f.SrcPort), Addr: f.Src.As16()}, &unix.SockaddrInet6{Port: int(f.DstPort), Addr: f.Dst.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	if err := unix.Bind(fd, from); err != nil {
		unix.Close(fd)
		return 0, err
	}
	// A rule may have refused it already; how is read from the socket later.
	_ = unix.Connect(fd, to)
	return fd, nil
}

// States of a socket (tcp_states.h).
const tcpEstablished = 1

// end reads how a connection stands. A refusal counts when the socket learned of it: one that was dropped on its way
// back did not come back.
func (c *call) end(o *Observation) error {
	info, err := unix.GetsockoptTCPInfo(c.fd, unix.SOL_TCP, unix.TCP_INFO)
	if err != nil {
		return fmt.Errorf("read the connection's state: %w", err)
	}
	told, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return fmt.Errorf("read the connection's error: %w", err)
	}
	switch {
	case info.State == tcpEstablished:
		o.Answered = true
	case told != 0 && c.icmp:
		o.ICMP, o.ICMPType, o.ICMPCode = true, c.typ, c.cod
	case told != 0 && c.rst:
		o.Reset = true
	}
	return nil
}
