package replica

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// Live injects probes into the host's own interfaces, as if they had received them, and reads the kernel's trace. Guards
// around it take every probe out behind the last rule and every refusal before the first: nothing leaves the host, no
// connection is remembered, no listener hears of it. All of it hangs on one netlink socket and ends with it, however the
// process ends.
type Live struct {
	owner  *nfnl.Conn
	tracer *tracer
	prog   *ebpf.Program
	links  map[int]fib.Link
	magic  uint32
}

// LiveObservation is what became of a live probe.
type LiveObservation struct {
	// Passed is true when the probe came through every rule to the guard behind them; Forward when that was on its way
	// to another interface.
	Passed, Forward bool
	// Request is its trace.
	Request []Event
}

// Dropped returns the event that dropped the probe, if the trace has one.
func (o *LiveObservation) Dropped() (Event, bool) {
	full := Observation{Request: o.Request}
	e, _, ok := full.Dropped()
	return e, ok
}

// xdpMD is struct xdp_md, as BPF_PROG_RUN takes it.
type xdpMD struct {
	Data, DataEnd, DataMeta, IngressIfindex, RxQueueIndex, EgressIfindex uint32
}

// NewLive sets the guards up in the calling thread's network namespace. It needs CAP_NET_ADMIN and CAP_BPF, and Linux
// 5.18 (live frames of BPF_PROG_RUN; tables with an owner came with 5.12).
func NewLive(ctx context.Context, links []fib.Link) (*Live, error) {
	l := &Live{links: map[int]fib.Link{}}
	for _, link := range links {
		l.links[link.Index] = link
	}
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	l.magic = binary.BigEndian.Uint32(b[:])
	if err := l.start(ctx); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Live) start(ctx context.Context) (err error) {
	_ = rlimit.RemoveMemlock() // needed before Linux 5.11
	l.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}, // XDP_PASS
	})
	if err != nil {
		return fmt.Errorf("load the program that passes frames in: %w", err)
	}
	if l.tracer, err = newTracer(); err != nil {
		return err
	}
	if l.owner, err = nfnl.Dial(); err != nil {
		return err
	}
	if err := l.owner.Batch(ctx, nfnl.SubsysNFTables, guards(l.magic)); err != nil {
		return fmt.Errorf("set up the guards: %w", err)
	}
	return nil
}

// Close takes everything away again.
func (l *Live) Close() {
	if l.owner != nil {
		l.owner.Close() // and with it the table
	}
	if l.tracer != nil {
		l.tracer.conn.Close()
	}
	if l.prog != nil {
		_ = l.prog.Close()
	}
	l.owner, l.tracer, l.prog = nil, nil, nil
}

// Send injects probes and reads what became of each. Sources must differ.
func (l *Live) Send(probes []Probe) ([]LiveObservation, error) {
	out := make([]LiveObservation, 0, len(probes))
	for len(probes) > 0 {
		n := min(batch, len(probes))
		got, err := l.sendBatch(probes[:n])
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
		probes = probes[n:]
	}
	return out, nil
}

func (l *Live) sendBatch(probes []Probe) ([]LiveObservation, error) {
	f := &flight{obs: make([]Observation, len(probes)), byHost: map[flowEnd]int{}, current: map[uint32]slot{}}
	out := make([]LiveObservation, len(probes))
	for i, p := range probes {
		f.byHost[flowEnd{p.Flow.Src.String(), p.Flow.SrcPort}] = i
		if err := l.inject(p); err != nil {
			return nil, err
		}
	}
	const tick = 2 * time.Millisecond
	for quiet := time.Duration(0); quiet < silence; {
		err := l.tracer.read(tick, func(e Event) {
			f.identify(e)
			s, ok := f.current[e.ID]
			if !ok || s.reply {
				return
			}
			if e.Table != guardTable {
				out[s.probe].Request = append(out[s.probe].Request, e)
			} else if e.Type == "rule" && e.Verdict == ruleset.VDrop {
				out[s.probe].Passed, out[s.probe].Forward = true, e.Chain == guardForward
			}
		})
		switch {
		case errors.Is(err, unix.EAGAIN):
			quiet += tick
		case err != nil:
			return nil, fmt.Errorf("read trace: %w", err)
		default:
			quiet = 0
		}
	}
	return out, nil
}

// inject puts a SYN into an interface.
func (l *Live) inject(p Probe) error {
	link, ok := l.links[p.In]
	if !ok {
		return fmt.Errorf("interface %d is not known", p.In)
	}
	mac := link.MAC
	if len(mac) != 6 {
		mac = make([]byte, 6) // the loopback interface's
	}
	frame := ethernet(mac, p.Flow.Src.Is4(), segment(p.Flow, flagSYN, l.magic, 0))
	_, err := l.prog.Run(&ebpf.RunOptions{
		Data: frame, Repeat: 1, Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES,
		Context: xdpMD{DataEnd: uint32(len(frame)), IngressIfindex: uint32(p.In)},
	})
	if err != nil {
		return fmt.Errorf("inject on %s: %w", link.Name, err)
	}
	return nil
}
