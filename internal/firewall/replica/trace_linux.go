package replica

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// traceGroup is NFNLGRP_NFTRACE, msgTrace NFT_MSG_TRACE.
const (
	traceGroup = 9
	msgTrace   = nfnl.SubsysNFTables<<8 | 17
)

// Event is one step the kernel reports about a traced packet.
type Event struct {
	ID     uint32
	Family ruleset.Family
	Table  string
	Chain  string
	Handle uint64
	// Type is policy, return or rule.
	Type    string
	Verdict ruleset.VerdictCode
	// Jump is the chain a jump or goto leads to.
	Jump string
	// Drop is the policy, for type policy.
	Drop bool
	Mark uint32
	// Flow is set on the first event of each base chain, which carries the headers.
	Flow    Flow
	HasFlow bool
	// Flags are the TCP flags, with HasFlow.
	Flags byte
}

// String renders an event the way nft monitor does, shortened.
func (e Event) String() string {
	at := fmt.Sprintf("%s %s %s", e.Family, e.Table, e.Chain)
	switch e.Type {
	case "policy":
		if e.Drop {
			return at + " policy drop"
		}
		return at + " policy accept"
	case "return":
		return at + " return"
	}
	s := fmt.Sprintf("%s handle %d %s", at, e.Handle, e.Verdict)
	if e.Jump != "" {
		s += " " + e.Jump
	}
	return s
}

// tracer receives trace events.
type tracer struct{ conn *nfnl.Conn }

func newTracer() (*tracer, error) {
	c, err := nfnl.Dial()
	if err != nil {
		return nil, err
	}
	c.SetBuffers(0, 64<<20)
	if err := c.Join(traceGroup); err != nil {
		c.Close()
		return nil, err
	}
	return &tracer{c}, nil
}

// read appends the events that arrive until wait passes in silence, or until enough reports true.
func (t *tracer) read(wait time.Duration, f func(Event)) error {
	err := t.conn.Events(wait, func(m nfnl.Message) {
		if m.Type != msgTrace {
			return
		}
		if e, ok := decodeEvent(m); ok {
			f(e)
		}
	})
	if errors.Is(err, unix.EAGAIN) {
		return unix.EAGAIN
	}
	return err
}

func decodeEvent(m nfnl.Message) (Event, bool) {
	e := Event{Family: ruleset.Family(m.Family)}
	var network, transport []byte
	it := nfnl.Attrs(m.Attrs)
	for it.Next() {
		switch it.Type {
		case 1:
			e.Table = it.Str()
		case 2:
			e.Chain = it.Str()
		case 3:
			e.Handle = it.BE64()
		case 4:
			e.Type = map[uint32]string{1: "policy", 2: "return", 3: "rule"}[it.BE32()]
		case 5:
			v := nfnl.Attrs(it.Val)
			for v.Next() {
				switch v.Type {
				case 1:
					e.Verdict = ruleset.VerdictCode(int32(v.BE32()))
				case 2:
					e.Jump = v.Str()
				}
			}
		case 6:
			e.ID = it.BE32()
		case 8:
			network = it.Val
		case 9:
			transport = it.Val
		case 14:
			e.Mark = it.BE32()
		case 16:
			e.Drop = it.BE32() == 0
		}
	}
	if it.Err != nil {
		return e, false
	}
	e.Flow, e.HasFlow = flowOf(network, transport)
	if len(transport) >= 14 {
		e.Flags = transport[13]
	}
	return e, true
}

// flowOf reads the flow out of the headers of an event.
func flowOf(network, transport []byte) (f Flow, ok bool) {
	if len(transport) < 4 {
		return f, false
	}
	switch {
	case len(network) >= 20 && network[0]>>4 == 4:
		f.Src, f.Dst = netip.AddrFrom4([4]byte(network[12:16])), netip.AddrFrom4([4]byte(network[16:20]))
	case len(network) >= 40 && network[0]>>4 == 6:
		f.Src, f.Dst = netip.AddrFrom16([16]byte(network[8:24])), netip.AddrFrom16([16]byte(network[24:40]))
	default:
		return f, false
	}
	return withPorts(f, transport), true
}
