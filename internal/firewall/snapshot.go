package firewall

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/originward/originward/internal/firewall/eval"
	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/render"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// Options steer Collect. The zero value is ready to use.
type Options struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Proc is where procfs is mounted; empty means /proc.
	Proc string
	// MaxElements is the largest nf_tables set that is read; look-ups in a larger one are unknown. 0 means
	// DefaultMaxElements.
	MaxElements int
	// SetTime is how long one set may take to read before look-ups in it are unknown; 0 means as long as it takes.
	SetTime time.Duration
	// LegacySave4 and LegacySave6 are the legacy save tools; empty means iptables-legacy-save, then iptables-save
	// when that is the legacy one, on PATH and in the usual sbin directories.
	LegacySave4, LegacySave6 string
}

// DefaultMaxElements bounds the time a dump may take: the kernel needs 15 to 25 s for 983,000 elements of an interval
// set, and the cost grows with the square (measured on Linux 6.18).
const DefaultMaxElements = 1_500_000

// Snapshot is one consistent reading of a network namespace's packet filters. Its JSON is a summary; the rules
// themselves are not stored.
type Snapshot struct {
	// At is when it was read.
	At time.Time `json:"at"`
	// Took is how long reading took.
	Took time.Duration `json:"took_ns"`
	// Generation is nf_tables' generation id; 0 when not readable.
	Generation uint32 `json:"generation"`
	// Unread lists what could not be read. Empty means complete.
	Unread []Limit `json:"unread,omitempty"`
	// Count says how much was read.
	Count Count `json:"count"`

	host       *eval.Host
	net        *fib.Net
	legacyTool string
	options    Options

	raised atomic.Uint32 // generations that live probes of this snapshot took

	mu    sync.Mutex // guards texts
	texts map[*ruleset.Rule]render.Rule
}

// still checks that a generation is the snapshot's.
func (s *Snapshot) still(gen uint32) error {
	if own := s.raised.Load(); gen != s.Generation+own {
		return fmt.Errorf("the ruleset is at generation %d, the snapshot at %d: take a new one", gen, s.Generation+own)
	}
	return nil
}

// Count sizes a snapshot.
type Count struct {
	Tables       int `json:"tables"`
	Chains       int `json:"chains"`
	BaseChains   int `json:"base_chains"`
	Rules        int `json:"rules"`
	Sets         int `json:"sets"`
	Elements     int `json:"elements"`
	IPSets       int `json:"ipsets"`
	LegacyTables int `json:"legacy_tables"`
	LegacyRules  int `json:"legacy_rules"`
}

// count sums the ruleset up.
func count(rs *ruleset.Ruleset) Count {
	c := Count{IPSets: len(rs.IPSets)}
	for _, t := range rs.Tables {
		if t.Legacy {
			c.LegacyTables++
		} else {
			c.Tables++
		}
		c.Sets += len(t.Sets)
		for _, s := range t.Sets {
			c.Elements += len(s.Keys) + len(s.Wide)
		}
		for _, ch := range t.Chains {
			c.Chains++
			if ch.Base != nil {
				c.BaseChains++
			}
			if t.Legacy {
				c.LegacyRules += len(ch.Rules)
			} else {
				c.Rules += len(ch.Rules)
			}
		}
	}
	return c
}

// ErrUnsupported is returned by Collect and Prove where there is no Linux netfilter.
var ErrUnsupported = errors.New("firewall: reading packet filters needs Linux")
