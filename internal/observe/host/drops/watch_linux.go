package drops

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
)

// event is one packet that was dropped.
type event struct {
	src, dst         netip.Addr
	srcPort, dstPort uint16
	reply            bool // a SYN-ACK: the addresses are still the packet's
	reason           string
	location         uint64
	ifindex          int
}

// ringBytes holds some three thousand events, and a reader waits.
const ringBytes = 256 << 10

// watcher is an attached program.
type watcher struct {
	ring, lost *ebpf.Map
	prog       *ebpf.Program
	link       link.Link
	reader     *ringbuf.Reader
	reasons    map[uint32]string
}

// attach starts to watch the namespace of the given number.
func attach(netns uint32, ports []uint16) (*watcher, error) {
	o, err := readOffsets()
	if err != nil {
		return nil, err
	}
	w := &watcher{reasons: o.reasons}
	if err := w.start(o, netns, ports); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *watcher) start(o offsets, netns uint32, ports []uint16) (err error) {
	_ = rlimit.RemoveMemlock() // needed before Linux 5.11
	if w.ring, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: ringBytes}); err != nil {
		return fmt.Errorf("make a ring buffer: %w", err)
	}
	if w.lost, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}); err != nil {
		return fmt.Errorf("make a counter: %w", err)
	}
	w.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.RawTracepoint, License: "GPL", Instructions: program(o, netns, ports, w.ring.FD(), w.lost.FD()),
	})
	if err != nil {
		return fmt.Errorf("load the program: %w", err)
	}
	if w.reader, err = ringbuf.NewReader(w.ring); err != nil {
		return err
	}
	w.link, err = link.AttachRawTracepoint(link.RawTracepointOptions{Name: "kfree_skb", Program: w.prog})
	if err != nil {
		return fmt.Errorf("attach to the tracepoint kfree_skb: %w", err)
	}
	return nil
}

// read gives every event until the window is over, then how many were lost.
func (w *watcher) read(ctx context.Context, end time.Time, f func(event)) (lost uint64, err error) {
	stop := context.AfterFunc(ctx, func() { w.reader.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	w.reader.SetDeadline(end)
	if ctx.Err() != nil {
		w.reader.SetDeadline(time.Unix(1, 0))
	}
	var rec ringbuf.Record
	for {
		err := w.reader.ReadInto(&rec)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ringbuf.ErrClosed) {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("read events: %w", err)
		}
		if e, ok := decode(rec.RawSample, w.reasons); ok {
			f(e)
		}
	}
	if err := w.lost.Lookup(uint32(0), &lost); err != nil {
		return 0, fmt.Errorf("read the count of lost events: %w", err)
	}
	return lost, nil
}

func (w *watcher) close() {
	if w.link != nil {
		_ = w.link.Close()
	}
	if w.reader != nil {
		_ = w.reader.Close()
	}
	if w.prog != nil {
		_ = w.prog.Close()
	}
	for _, m := range []*ebpf.Map{w.ring, w.lost} {
		if m != nil {
			_ = m.Close()
		}
	}
}

// decode reads one event of the program; everything in it came off a wire.
func decode(b []byte, reasons map[uint32]string) (event, bool) {
	if len(b) < evSize {
		return event{}, false
	}
	e := event{location: binary.NativeEndian.Uint64(b[evLocation:]), ifindex: int(binary.NativeEndian.Uint32(b[evIfindex:]))}
	n := binary.NativeEndian.Uint32(b[evReason:])
	if e.reason = reasons[n]; e.reason == "" {
		e.reason = fmt.Sprintf("reason %d", n)
	}
	h := b[evIP:evTCP]
	switch h[0] >> 4 {
	case 4:
		e.src, e.dst = netip.AddrFrom4([4]byte(h[12:16])), netip.AddrFrom4([4]byte(h[16:20]))
	case 6:
		e.src, e.dst = netip.AddrFrom16([16]byte(h[8:24])), netip.AddrFrom16([16]byte(h[24:40]))
	default:
		return event{}, false
	}
	t := b[evTCP:]
	e.srcPort, e.dstPort = binary.BigEndian.Uint16(t), binary.BigEndian.Uint16(t[2:])
	e.reply = int32(t[13])&both == both
	return e, true
}
