package replica

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/originward/originward/internal/firewall/ipset"
	"github.com/originward/originward/internal/firewall/nfnl"
)

// Replay loads a dump into the world. What cannot be copied is added to Problems.
func (w *World) Replay(ctx context.Context, d *Dump) error {
	return w.Do(func() error {
		index, err := w.replayIPSets(ctx, d)
		if err != nil {
			return err
		}
		return w.replayTables(ctx, d, index)
	})
}

func (w *World) replayTables(ctx context.Context, d *Dump, index map[uint16]uint16) error {
	var msgs []nfnl.Message
	add := func(m nfnl.Message, typ uint16, b nfnl.Builder) {
		msgs = append(msgs, nfnl.Message{Type: typ, Family: m.Family, Flags: flagCreate, Attrs: b.B})
	}
	for _, m := range d.tables {
		b := keepAttrs(m.Attrs, tableKeep)
		b.PutBE32(2, attrU32(m.Attrs, 2)&1) // dormant; never owned
		add(m, msgNewTable, b)
	}
	for _, m := range d.chains {
		add(m, msgNewChain, keepAttrs(m.Attrs, chainKeep))
	}
	for _, m := range d.objects {
		add(m, nfnl.SubsysNFTables<<8|18, keepAttrs(m.Attrs, objectKeep))
	}
	for i, m := range d.sets {
		id := uint32(i + 1)
		b := keepAttrs(m.Attrs, setKeep)
		b.PutBE32(10, id)
		add(m, nfnl.SubsysNFTables<<8|9, b)
		for _, el := range d.elements[i] {
			var e nfnl.Builder
			e.Put(1, attr(m.Attrs, 1))
			e.Put(2, attr(m.Attrs, 2))
			e.PutBE32(4, id)
			if list := attr(el.Attrs, 3); list != nil {
				e.Put(3|0x8000, elements(list))
				add(m, nfnl.SubsysNFTables<<8|12, e)
			}
		}
	}
	for _, m := range d.rules {
		r, cut := replayRule(m, index)
		if cut != "" {
			w.problem("%s is not copied: rule of chain %s ends before it", cut, attrStr(m.Attrs, 2))
		}
		msgs = append(msgs, r)
	}
	if len(msgs) == 0 {
		return nil
	}
	c, err := nfnl.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Batch(ctx, nfnl.SubsysNFTables, msgs); err != nil {
		var be *nfnl.BatchError
		if errors.As(err, &be) && be.Index >= 0 && be.Index < len(msgs) {
			m := msgs[be.Index]
			return fmt.Errorf("replay ruleset: message type %d for %s %s: %w", m.Type&0xff, attrStr(m.Attrs, 1), attrStr(m.Attrs, 2), err)
		}
		return fmt.Errorf("replay ruleset: %w", err)
	}
	return nil
}

// replayIPSets creates the ipsets and returns how the host's indices map to the replica's.
func (w *World) replayIPSets(ctx context.Context, d *Dump) (map[uint16]uint16, error) {
	index := map[uint16]uint16{}
	if len(d.ipsetHeads) == 0 {
		return index, nil
	}
	c, err := nfnl.Dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	// Sets of sets name others, which have to be there first.
	for _, lists := range []bool{false, true} {
		for _, m := range d.ipsetHeads {
			if (attrStr(m.Attrs, 3) == "list:set") == lists {
				if err := createIPSet(ctx, c, m); err != nil {
					return nil, fmt.Errorf("replay ipset %s: %w", attrStr(m.Attrs, 2), err)
				}
			}
		}
	}
	for _, m := range d.ipsetEntries {
		if err := fillIPSet(ctx, c, m); err != nil {
			return nil, fmt.Errorf("replay entries of ipset %s: %w", attrStr(m.Attrs, 2), err)
		}
	}
	now, err := ipset.Read(ctx, 0)
	if err != nil {
		return nil, err
	}
	for _, m := range d.ipsetHeads {
		if v := attr(m.Attrs, 11); len(v) == 2 {
			if s := now.Sets[attrStr(m.Attrs, 2)]; s != nil {
				index[uint16(v[0])<<8|uint16(v[1])] = s.Index
			}
		}
	}
	return index, nil
}

// createKeep are the create attributes that may be given; the rest of a listing's are statistics.
var createKeep = []uint16{1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 17, 18, 19, 20, 21, 22, 23}

func createIPSet(ctx context.Context, c *nfnl.Conn, m nfnl.Message) error {
	b := keepAttrs(m.Attrs, []uint16{1, 2, 3, 4, 5})
	data := keepAttrs(attr(m.Attrs, 7), createKeep)
	b.Put(7|0x8000, nested(data.B))
	return ipsetDo(ctx, c, 2, b.B)
}

// nested marks address attributes as the containers they are, which a listing does and a copy loses.
func nested(b []byte) []byte {
	var out nfnl.Builder
	it := nfnl.Attrs(b)
	for it.Next() {
		typ := it.Type
		switch typ {
		case 1, 2, 20, 22:
			if len(it.Val) >= 8 { // an address container, not a number of the same type in another context
				typ |= 0x8000
				out.Put(typ, netOrder(it.Val))
				continue
			}
		case 4, 5, 6, 8, 10, 11, 17, 18, 19, 21, 23, 24, 25:
			if len(it.Val) == 2 || len(it.Val) == 4 || len(it.Val) == 8 {
				typ |= 0x4000 // network byte order
			}
		}
		out.Put(typ, it.Val)
	}
	return out.B
}

// netOrder marks the address inside its container as network byte order.
func netOrder(b []byte) []byte {
	var out nfnl.Builder
	it := nfnl.Attrs(b)
	for it.Next() {
		out.Put(it.Type|0x4000, it.Val)
	}
	return out.B
}

func fillIPSet(ctx context.Context, c *nfnl.Conn, m nfnl.Message) error {
	entries := attr(m.Attrs, 8)
	if len(entries) == 0 {
		return nil
	}
	b := keepAttrs(m.Attrs, []uint16{1, 2})
	b.PutBE32(9, 1)
	b.Nest(8, func() {
		it := nfnl.Attrs(entries)
		for it.Next() {
			b.Put(7|0x8000, nested(it.Val))
		}
	})
	return ipsetDo(ctx, c, 9, b.B)
}

func ipsetDo(ctx context.Context, c *nfnl.Conn, cmd uint16, attrs []byte) error {
	return c.Get(ctx, nfnl.Message{Type: nfnl.SubsysIPSet<<8 | cmd, Family: unix.AF_INET, Flags: flagCreate, Attrs: attrs}, func(nfnl.Message) error { return nil })
}
