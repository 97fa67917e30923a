package replica

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/originward/originward/internal/firewall/ruleset"
)

// Probe is one SYN to inject at an interface.
type Probe struct {
	In   int // interface index
	Flow Flow
}

// Observation is what became of a probe.
type Observation struct {
	// Answered is true when a SYN-ACK left the host: the connection would open.
	Answered bool
	// Reset is true when a RST came back instead.
	Reset bool
	// ICMP is true when an ICMP error came back, of the given type and code.
	ICMP               bool
	ICMPType, ICMPCode uint8
	// Forwarded is true when the SYN left by another interface, as Onward.
	Forwarded bool
	Onward    Flow
	// Request and Reply are the trace of the SYN and of its answer.
	Request, Reply []Event
}

// Dropped returns the event that dropped the SYN or its answer, if the trace has one.
func (o *Observation) Dropped() (e Event, reply, ok bool) {
	for i, events := range [][]Event{o.Request, o.Reply} {
		for _, e := range events {
			if e.Type == "rule" && e.Verdict == ruleset.VDrop || e.Type == "policy" && e.Drop {
				return e, i == 1, true
			}
		}
	}
	return Event{}, false, false
}

// seqStep keeps the sequence numbers of two probes apart: a RST to one carries its number plus one.
const seqStep = 16

// batch is how many probes are in flight at once: enough to amortise the waiting, few enough for every queue.
const batch = 64

// silence is how long nothing may happen before the probes still open are taken for dropped without a trace. Packets
// are handled while they are sent, so that this is idle time, not latency.
const silence = 20 * time.Millisecond

// Listen opens listeners on all addresses for the given ports; the returned function closes them.
func (w *World) Listen(ports []uint16) (func(), error) {
	var fds []int
	closeAll := func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
	err := w.Do(func() error {
		for _, p := range ports {
			for _, any := range []string{"0.0.0.0", "::"} {
				fd, err := listenAny(any, p)
				if err != nil {
					return err
				}
				fds = append(fds, fd)
			}
		}
		return nil
	})
	if err != nil {
		closeAll()
		return nil, err
	}
	return closeAll, nil
}

// Send injects probes and observes what becomes of them. Each probe needs a source and source port not used before in
// this world, or connection tracking takes it for a retransmission.
func (w *World) Send(probes []Probe) ([]Observation, error) {
	out := make([]Observation, 0, len(probes))
	for len(probes) > 0 {
		n := min(batch, len(probes))
		got, err := w.sendBatch(probes[:n])
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
		probes = probes[n:]
	}
	return out, nil
}

// flight is one batch under way.
type flight struct {
	w       *World
	probes  []Probe
	obs     []Observation
	done    []bool
	base    uint32
	byHost  map[flowEnd]int
	current map[uint32]slot // trace id → probe
}

// flowEnd is the client's side of a flow, which names its probe in the trace.
type flowEnd struct {
	addr string
	port uint16
}

type slot struct {
	probe int
	reply bool
}

func (w *World) sendBatch(probes []Probe) ([]Observation, error) {
	f := &flight{
		w: w, probes: probes, obs: make([]Observation, len(probes)), done: make([]bool, len(probes)),
		base: w.seq + 1000, byHost: map[flowEnd]int{}, current: map[uint32]slot{},
	}
	w.seq = f.base + seqStep*uint32(len(probes))
	for i, p := range probes {
		f.byHost[flowEnd{p.Flow.Src.String(), p.Flow.SrcPort}] = i
		x := w.wires[p.In]
		if x == nil {
			return nil, fmt.Errorf("interface %d is not in the replica", p.In)
		}
		if err := x.send(segment(p.Flow, flagSYN, f.base+seqStep*uint32(i), 0), p.Flow.Src.Is4()); err != nil {
			return nil, fmt.Errorf("inject on %s: %w", x.link.Name, err)
		}
	}
	if err := f.watch(); err != nil {
		return nil, err
	}
	return f.obs, nil
}

// watch collects frames and trace events until every probe has ended or nothing happens any more.
func (f *flight) watch() error {
	quiet := time.Duration(0)
	for quiet < silence {
		moved, err := f.frames()
		if err != nil {
			return err
		}
		const tick = 2 * time.Millisecond
		err = f.w.tracer.read(tick, func(e Event) { f.event(e) })
		switch {
		case errors.Is(err, unix.EAGAIN):
			if moved {
				quiet = 0
				continue
			}
			if f.all() && quiet > 0 {
				return nil
			}
			quiet += tick
		case err != nil:
			return fmt.Errorf("read trace: %w", err)
		default:
			quiet = 0
		}
	}
	return nil
}

func (f *flight) all() bool {
	for i, d := range f.done {
		if _, _, dropped := f.obs[i].Dropped(); !d && !dropped {
			return false
		}
	}
	return true
}

// frames reads what came out of every interface.
func (f *flight) frames() (moved bool, err error) {
	for _, x := range f.w.wires {
		err = errors.Join(err, x.drain(func(s seen) {
			i := int(s.seq-f.base) / seqStep
			if s.seq < f.base || i >= len(f.probes) || (s.seq-f.base)%seqStep != 0 {
				return
			}
			moved = true
			o := &f.obs[i]
			switch {
			case s.kind == "syn":
				o.Forwarded, o.Onward = true, s.flow
				// Where the source was rewritten too, the answer's trace starts with the new one.
				f.byHost[flowEnd{s.flow.Src.String(), s.flow.SrcPort}] = i
				// Whoever is behind that interface answers.
				back := segment(s.flow.Reverse(), flagSYN|flagACK, 1, s.seq+1)
				err = errors.Join(err, x.send(back, s.flow.Src.Is4()))
				return
			case s.kind == "synack":
				o.Answered = true // by whichever interface the route back leads
			case s.kind == "rst":
				o.Reset = true
			case s.kind == "icmp":
				o.ICMP, o.ICMPType, o.ICMPCode = true, s.icmpType, s.icmpCode
			}
			f.done[i] = true
		}))
	}
	return moved, err
}

// event files a trace event under the probe it belongs to.
func (f *flight) event(e Event) {
	if e.Table == traceTable {
		// Only its headers are of interest.
		f.identify(e)
		return
	}
	f.identify(e)
	s, ok := f.current[e.ID]
	if !ok {
		return
	}
	if s.reply {
		f.obs[s.probe].Reply = append(f.obs[s.probe].Reply, e)
	} else {
		f.obs[s.probe].Request = append(f.obs[s.probe].Request, e)
	}
}

func (f *flight) identify(e Event) {
	if !e.HasFlow {
		return
	}
	switch e.Flags & (flagSYN | flagACK | flagRST) {
	case flagSYN:
		// An address that is nobody's is a probe's after source NAT: the same packet goes on.
		if i, ok := f.byHost[flowEnd{e.Flow.Src.String(), e.Flow.SrcPort}]; ok {
			f.current[e.ID] = slot{i, false}
		}
	case flagSYN | flagACK:
		if i, ok := f.byHost[flowEnd{e.Flow.Dst.String(), e.Flow.DstPort}]; ok {
			f.current[e.ID] = slot{i, true}
		}
	default:
		// What a reject sends runs through the same chains and is none of the two.
		delete(f.current, e.ID)
	}
}
