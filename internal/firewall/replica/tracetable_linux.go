package replica

import (
	"context"
	"fmt"

	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// traceTable is the table that switches tracing on. Its chains run before all others and change nothing else.
const traceTable = "originward_trace"

// Message numbers for building rulesets (NFT_MSG_*), and flags of netlink requests.
const (
	msgNewTable = nfnl.SubsysNFTables << 8 // | 0
	msgNewChain = nfnl.SubsysNFTables<<8 | 3
	msgNewRule  = nfnl.SubsysNFTables<<8 | 6

	flagCreate = 0x400
	flagAppend = 0x800
)

// first is the lowest priority there is.
const first = uint32(1 << 31)

// EnableTrace makes the kernel report every packet's way through the ruleset. ingress asks for the device hooks too.
func (w *World) EnableTrace(ctx context.Context, ingress bool) error {
	return w.Do(func() error {
		c, err := nfnl.Dial()
		if err != nil {
			return err
		}
		defer c.Close()
		msgs := traceChains(ruleset.INET, "pre", 0, "")
		msgs = append(msgs, traceChains(ruleset.INET, "out", 3, "")[1:]...)
		if ingress {
			for _, x := range w.wires {
				more := traceChains(ruleset.NETDEV, "in"+fmt.Sprint(x.link.Index), 0, x.link.Name)
				if msgs[len(msgs)-1].Family == uint8(ruleset.NETDEV) {
					more = more[1:]
				}
				msgs = append(msgs, more...)
			}
		}
		if err := c.Batch(ctx, nfnl.SubsysNFTables, msgs); err != nil {
			return fmt.Errorf("switch tracing on: %w", err)
		}
		return nil
	})
}

// traceChains are the messages for the table, one base chain and its one rule.
func traceChains(fam ruleset.Family, chain string, hook uint32, dev string) []nfnl.Message {
	var t, c, r nfnl.Builder
	t.PutStr(1, traceTable)
	c.PutStr(1, traceTable)
	c.PutStr(3, chain)
	c.Nest(4, func() {
		c.PutBE32(1, hook)
		c.PutBE32(2, first)
		if dev != "" {
			c.PutStr(3, dev)
		}
	})
	c.PutBE32(5, 1) // accept
	c.PutStr(7, "filter")
	r.PutStr(1, traceTable)
	r.PutStr(2, chain)
	r.Nest(4, func() {
		r.Nest(1, func() {
			r.PutStr(1, "immediate")
			r.Nest(2, func() {
				r.PutBE32(1, 1)
				r.Nest(2, func() { r.Put(1, []byte{1}) })
			})
		})
		r.Nest(1, func() {
			r.PutStr(1, "meta")
			r.Nest(2, func() {
				r.PutBE32(2, 12) // NFT_META_NFTRACE
				r.PutBE32(3, 1)
			})
		})
	})
	f := uint8(fam)
	return []nfnl.Message{
		{Type: msgNewTable, Family: f, Flags: flagCreate, Attrs: t.B},
		{Type: msgNewChain, Family: f, Flags: flagCreate, Attrs: c.B},
		{Type: msgNewRule, Family: f, Flags: flagCreate | flagAppend, Attrs: r.B},
	}
}
