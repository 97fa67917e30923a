package nft

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// Options steer Read.
type Options struct {
	// MaxElements is the largest set that is dumped.
	MaxElements int
	// SetTime bounds the reading of one set; 0 means no bound. The kernel's time for a set of intervals grows with the
	// square of its size.
	SetTime time.Duration
	// Now is the clock.
	Now func() time.Time
}

// attempts is how often a reading that a change interrupted is started over.
const attempts = 8

// errChanged says that the ruleset changed while it was read.
var errChanged = errors.New("the ruleset changed while it was read")

// Read takes one consistent snapshot of nf_tables in the thread's network namespace. An error means that nothing is
// known; sets too large or unreadable carry their reason in Set.Unread.
func Read(ctx context.Context, opts Options) (*ruleset.Ruleset, error) {
	var err error
	for range attempts {
		var rs *ruleset.Ruleset
		if rs, err = readOnce(ctx, opts); err == nil {
			return rs, nil
		}
		if !errors.Is(err, errChanged) || ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("read nf_tables: %w", err)
}

func readOnce(ctx context.Context, opts Options) (*ruleset.Ruleset, error) {
	conn, err := nfnl.Dial()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	before, err := Generation(ctx, conn)
	if err != nil {
		return nil, err
	}
	d := NewDecoder()
	for _, step := range []struct {
		msg uint16
		f   func(nfnl.Message) error
	}{
		{msgGetTable, d.Table}, {msgGetChain, d.Chain}, {msgGetSet, d.Set}, {msgGetObj, d.Object}, {msgGetRule, d.Rule},
	} {
		intr, err := conn.Dump(ctx, nfnl.Message{Type: nfnl.SubsysNFTables<<8 | step.msg}, step.f)
		if err != nil {
			return nil, err
		}
		if intr {
			return nil, errChanged
		}
	}
	d.rs.Generation = before
	if err := d.readElements(ctx, opts, conn); err != nil {
		return nil, err
	}
	after, err := Generation(ctx, conn)
	if err != nil {
		return nil, err
	}
	if after != before {
		return nil, errChanged
	}
	return d.Ruleset(), nil
}

// Generation reads the ruleset's generation id, which every change raises.
func Generation(ctx context.Context, conn *nfnl.Conn) (uint32, error) {
	var gen uint32
	err := conn.Get(ctx, nfnl.Message{Type: nfnl.SubsysNFTables<<8 | msgGetGen}, func(m nfnl.Message) error {
		it := nfnl.Attrs(m.Attrs)
		for it.Next() {
			if it.Type == 1 {
				gen = it.BE32()
			}
		}
		return it.Err
	})
	if err != nil {
		return 0, fmt.Errorf("generation: %w", err)
	}
	return gen, nil
}

// readElements dumps every set that a rule uses, and small ones that none does.
func (d *Decoder) readElements(ctx context.Context, opts Options, conn *nfnl.Conn) error {
	used := d.usedSets()
	for _, t := range d.rs.Tables {
		for _, s := range t.Sets {
			if s.Unread != "" {
				continue
			}
			if !used[s] && s.Count > smallSet {
				s.Unread = "no rule uses it"
				continue
			}
			if s.Count > opts.MaxElements {
				s.Unread = fmt.Sprintf("it holds %d elements, more than the limit of %d", s.Count, opts.MaxElements)
				continue
			}
			if err := readSet(ctx, s, opts, conn); err != nil {
				return err
			}
		}
	}
	return nil
}

// smallSet is how many elements are read of a set that no rule uses: it costs nothing and shows what is banned nowhere.
const smallSet = 10_000

func (d *Decoder) usedSets() map[*ruleset.Set]bool {
	used := map[*ruleset.Set]bool{}
	for _, t := range d.rs.Tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				for i := range r.Exprs {
					if x := r.Exprs[i].X; x != nil && x.Name != "" {
						switch r.Exprs[i].Kind {
						case ruleset.KindLookup, ruleset.KindObjrefMap:
							used[t.Sets[x.Name]] = true
						}
					}
				}
			}
		}
	}
	return used
}

// ownConn is how many elements make a set worth a connection of its own, so that giving up half way leaves nothing of it
// behind. Hundreds of small anonymous sets share one.
const ownConn = 10_000

// readSet dumps one set.
func readSet(ctx context.Context, s *ruleset.Set, opts Options, conn *nfnl.Conn) error {
	limit := ctx
	if s.Count < 0 || s.Count > ownConn {
		own, err := nfnl.Dial()
		if err != nil {
			return err
		}
		defer own.Close()
		conn = own
		if opts.SetTime > 0 {
			var over context.CancelFunc
			limit, over = context.WithTimeout(ctx, opts.SetTime)
			defer over()
		}
	}
	var b nfnl.Builder
	b.PutStr(1, s.Table.Name)
	b.PutStr(2, s.Name)
	r := newElemReader(s, opts.MaxElements)
	giveUp, cancel := context.WithCancel(limit)
	defer cancel()
	intr, err := conn.Dump(giveUp, nfnl.Message{
		Type: nfnl.SubsysNFTables<<8 | msgGetSetElem, Family: uint8(s.Table.Family), Attrs: b.B,
	}, func(m nfnl.Message) error {
		err := r.message(m)
		switch {
		case errors.Is(err, errTooLarge):
			s.Unread = fmt.Sprintf("it holds more than %d elements", opts.MaxElements)
			cancel()
		case err != nil && s.Unread == "":
			s.Unread = err.Error() // the rest is read off and forgotten
		}
		return nil
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case limit.Err() != nil && s.Unread == "":
		s.Unread = "reading its elements takes longer than " + opts.SetTime.String()
		s.Wide, s.Infos = nil, nil
		return nil
	case s.Unread != "":
		s.Wide, s.Infos = nil, nil
		return nil
	case err != nil:
		return fmt.Errorf("elements of set %q: %w", s.Name, err)
	case intr:
		return errChanged
	}
	r.finish()
	return nil
}
