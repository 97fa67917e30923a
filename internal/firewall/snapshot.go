package firewall

import (
	"context"
	"errors"
	"time"
)

// Options steer Collect. The zero value is ready to use.
type Options struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Proc is where procfs is mounted; empty means /proc.
	Proc string
	// MaxElements is the largest nf_tables set that is dumped whole: beyond it, sets are asked point by point for the
	// addresses of interest. 0 means DefaultMaxElements.
	MaxElements int
	// LegacySave4 and LegacySave6 are the legacy save tools; empty means iptables-legacy-save, then iptables-save
	// when that is the legacy one, on PATH and in the usual sbin directories.
	LegacySave4, LegacySave6 string
}

// DefaultMaxElements keeps a dump of an interval set within a second (measured: 983,000 elements take 15 to 25 s and
// cost grows with the square).
const DefaultMaxElements = 1_500_000

// Snapshot is one consistent reading of a network namespace's packet filters.
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

// Proof is the kernel's own word on an answer, got from a replica of the ruleset.
type Proof struct {
	// Done is false when no replica could be built; Limits then say why.
	Done bool `json:"done"`
	// Probes is how many packets were injected, Agreed how many met the model's verdict and rule.
	Probes   int            `json:"probes"`
	Agreed   int            `json:"agreed"`
	Disagree []Disagreement `json:"disagree,omitempty"`
	Limits   []Limit        `json:"limits,omitempty"`
	Took     time.Duration  `json:"took_ns"`
}

// Disagreement is a probe whose end in the kernel differs from the model's. The segment it belongs to is unknown.
type Disagreement struct {
	Src    string `json:"src"`
	Model  string `json:"model"`
	Kernel string `json:"kernel"`
	// KernelPath is the kernel's trace, one line per event.
	KernelPath []string `json:"kernel_path,omitempty"`
}

// ErrUnsupported is returned by Collect where there is no Linux netfilter to read.
var ErrUnsupported = errors.New("firewall: reading packet filters needs Linux")

// Collect reads the packet filters of the calling thread's network namespace. It returns a snapshot whenever
// anything at all could be read: what could not is in Snapshot.Unread. Only a cancelled context, or a platform
// without netfilter, is an error.
func Collect(ctx context.Context, opts Options) (*Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, ErrUnsupported
}

// Ask answers one question. It does no I/O and may be called from several goroutines.
func (s *Snapshot) Ask(q Question) Answer {
	return Answer{Question: q, Generation: s.Generation, Limits: s.Unread}
}

// Prove replays the snapshot into a throw-away network namespace, injects boundary addresses of every segment of the
// answer, and compares. It needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN) and touches nothing outside that namespace.
func (s *Snapshot) Prove(ctx context.Context, a Answer) (Proof, error) {
	if err := ctx.Err(); err != nil {
		return Proof{}, err
	}
	return Proof{}, ErrUnsupported
}
