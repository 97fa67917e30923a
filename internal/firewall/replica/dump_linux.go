package replica

import (
	"context"
	"fmt"
	"slices"

	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/nft"
)

// Dump is a ruleset as the kernel sent it, byte for byte, ready to be replayed.
type Dump struct {
	Generation                           uint32
	tables, chains, sets, objects, rules []nfnl.Message
	elements                             map[int][]nfnl.Message // by index into sets
	ipsetHeads, ipsetEntries             []nfnl.Message
	// Elements counts what elements holds.
	Elements int
}

// TakeDump reads the ruleset and the ipsets of the calling thread's namespace.
func TakeDump(ctx context.Context) (*Dump, error) {
	c, err := nfnl.Dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	d := &Dump{elements: map[int][]nfnl.Message{}}
	if d.Generation, err = nft.Generation(ctx, c); err != nil {
		return nil, err
	}
	for _, k := range []struct {
		get  uint16
		into *[]nfnl.Message
	}{{1, &d.tables}, {4, &d.chains}, {10, &d.sets}, {19, &d.objects}, {7, &d.rules}} {
		if err := collect(ctx, c, nfnl.Message{Type: nfnl.SubsysNFTables<<8 | k.get}, k.into); err != nil {
			return nil, fmt.Errorf("dump ruleset: %w", err)
		}
	}
	for i, s := range d.sets {
		var b nfnl.Builder
		b.Put(1, attr(s.Attrs, 1))
		b.Put(2, attr(s.Attrs, 2))
		var got []nfnl.Message
		if err := collect(ctx, c, nfnl.Message{Type: nfnl.SubsysNFTables<<8 | 13, Family: s.Family, Attrs: b.B}, &got); err != nil {
			return nil, fmt.Errorf("dump set %s: %w", attrStr(s.Attrs, 2), err)
		}
		d.elements[i] = got
	}
	after, err := nft.Generation(ctx, c)
	if err != nil {
		return nil, err
	}
	if after != d.Generation {
		return nil, fmt.Errorf("dump ruleset: it changed from generation %d to %d meanwhile", d.Generation, after)
	}
	return d, d.ipsets(ctx, c)
}

// collect copies every message of a dump.
func collect(ctx context.Context, c *nfnl.Conn, m nfnl.Message, into *[]nfnl.Message) error {
	_, err := c.Dump(ctx, m, func(m nfnl.Message) error {
		m.Attrs = slices.Clone(m.Attrs)
		*into = append(*into, m)
		return nil
	})
	return err
}

// ipsets copies the ipsets; a kernel without them is no error.
func (d *Dump) ipsets(ctx context.Context, c *nfnl.Conn) error {
	var b nfnl.Builder
	b.PutU8(1, 7)
	var all []nfnl.Message
	if err := collect(ctx, c, nfnl.Message{Type: nfnl.SubsysIPSet<<8 | 7, Family: 2, Attrs: b.B}, &all); err != nil {
		return nil //nolint:nilerr // no ipset subsystem: nothing to copy
	}
	seen := map[string]bool{}
	for _, m := range all {
		if name := attrStr(m.Attrs, 2); !seen[name] {
			seen[name] = true
			d.ipsetHeads = append(d.ipsetHeads, m)
		}
		d.ipsetEntries = append(d.ipsetEntries, m)
	}
	return nil
}
