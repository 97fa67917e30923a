package firewall

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/originward/originward/internal/firewall/eval"
	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/ipset"
	"github.com/originward/originward/internal/firewall/legacy"
	"github.com/originward/originward/internal/firewall/nft"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// Collect reads the packet filters of the calling thread's network namespace. It returns a snapshot whenever
// anything at all could be read: what could not is in Snapshot.Unread. Only a cancelled context, or a platform
// without netfilter, is an error.
func Collect(ctx context.Context, opts Options) (*Snapshot, error) {
	opts = opts.filled()
	start := opts.Now()
	s := &Snapshot{At: start, options: opts}
	net, err := fib.Read(opts.Proc)
	if err != nil {
		s.unread(Limit{What: "interfaces and routes", Why: err.Error(), Hides: true})
		net = &fib.Net{}
	}
	s.net = net
	rs, err := nft.Read(ctx, nft.Options{MaxElements: opts.MaxElements, SetTime: opts.SetTime, Now: opts.Now})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		s.unread(Limit{What: "nf_tables", Why: err.Error(), How: "run as root, or give the program CAP_NET_ADMIN", Hides: true})
	case noSubsystem(err):
		// The kernel has no nf_tables: there are no rules to miss.
	case err != nil:
		s.unread(Limit{What: "nf_tables", Why: err.Error(), Hides: true})
	}
	if rs == nil {
		rs = &ruleset.Ruleset{}
	}
	s.Generation = rs.Generation
	s.readIPSets(ctx, rs)
	s.readLegacy(ctx, rs)
	s.host = &eval.Host{Rules: rs, Net: net, BridgeCalls: s.bridgeCalls()}
	s.outside()
	for _, l := range s.Unread {
		if l.Hides {
			s.host.Blind = append(s.host.Blind, eval.Tag{Kind: eval.TagUnknown, Name: l.What, Text: l.Why})
		}
	}
	s.Count = count(rs)
	s.Took = opts.Now().Sub(start)
	return s, nil
}

// maxIPSetEntries bounds what is kept of one ipset (its own default limit is 65,536 entries, and lists of half a million
// exist).
const maxIPSetEntries = 2_000_000

func (s *Snapshot) readIPSets(ctx context.Context, rs *ruleset.Ruleset) {
	d, err := ipset.Read(ctx, maxIPSetEntries)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		s.unread(Limit{What: "ipsets", Why: err.Error(), How: "run as root, or give the program CAP_NET_ADMIN"})
	case err != nil:
		s.unread(Limit{What: "ipsets", Why: err.Error()})
	default:
		rs.IPSets, rs.IPSetNames = d.Sets, d.ByIndex
	}
}

// readLegacy adds the old xtables, which nf_tables does not show.
func (s *Snapshot) readLegacy(ctx context.Context, rs *ruleset.Ruleset) {
	for _, f := range []struct {
		fam  ruleset.Family
		tool string
		what string
	}{{ruleset.IP, s.options.LegacySave4, "legacy iptables tables"}, {ruleset.IP6, s.options.LegacySave6, "legacy ip6tables tables"}} {
		tables, used, err := legacy.Read(ctx, s.options.Proc, f.fam, f.tool)
		switch {
		case errors.Is(err, legacy.ErrNoTool):
			s.unread(Limit{What: f.what, Why: err.Error(), How: "install iptables-legacy-save", Hides: true})
		case errors.Is(err, fs.ErrPermission):
			s.unread(Limit{What: f.what, Why: err.Error(), How: "run as root", Hides: true})
		case err != nil:
			s.unread(Limit{What: f.what, Why: err.Error(), Hides: true})
		}
		rs.Tables = append(rs.Tables, tables...)
		if used != "" && f.fam == ruleset.IP {
			s.legacyTool = strings.TrimSuffix(filepath.Base(used), "-save")
		}
	}
}

func (o Options) filled() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	if o.MaxElements == 0 {
		o.MaxElements = DefaultMaxElements
	}
	return o
}

func (s *Snapshot) unread(l Limit) { s.Unread = append(s.Unread, l) }

// noSubsystem reports that nfnetlink knows no nf_tables, or that there is no nfnetlink.
func noSubsystem(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT)
}

func (s *Snapshot) bridgeCalls() bool {
	b, err := os.ReadFile(filepath.Join(s.options.Proc, "sys/net/bridge/bridge-nf-call-iptables"))
	return err == nil && strings.TrimSpace(string(b)) == "1"
}

// outside notes what decides over packets without being a rule.
func (s *Snapshot) outside() {
	for _, l := range s.net.Links {
		if l.XDP {
			s.unread(Limit{What: "XDP program on " + l.Name, Why: "a program there may drop or redirect packets before any rule", How: "bpftool net show dev " + l.Name})
		}
		if l.TC {
			s.unread(Limit{What: "tc filter on " + l.Name, Why: "a filter there may drop or redirect packets before any rule", How: "tc filter show dev " + l.Name + " ingress"})
		}
	}
	if b, err := os.ReadFile(filepath.Join(s.options.Proc, "thread-self/net/ip_vs")); err == nil && strings.Count(string(b), "\n") > 3 {
		s.unread(Limit{What: "IPVS", Why: "virtual services take packets out of the modelled path", How: "ipvsadm -L -n", Hides: true})
	}
	s.bpfHooks()
	for _, t := range s.host.Rules.Tables {
		if t.Family == ruleset.BRIDGE && len(t.Chains) > 0 && s.hasBridge() {
			s.unread(Limit{What: fmt.Sprintf("bridge table %s", t.Name), Why: "filtering on bridge ports is not modelled", How: "nft list table bridge " + t.Name})
		}
	}
}

// bpfHooks finds BPF programs attached to netfilter hooks (Linux 6.4), which no rule list shows. In which network
// namespace one hangs cannot be read, so any may be here.
func (s *Snapshot) bpfHooks() {
	var it link.Iterator
	defer it.Close()
	for it.Next() {
		info, err := it.Link.Info()
		if err != nil || info.Netfilter() == nil {
			continue
		}
		nf := info.Netfilter()
		fam, hook := ruleset.Family(nf.ProtocolFamily).String(), ruleset.Hook(nf.Hook)+ruleset.Prerouting
		if hook > ruleset.Postrouting {
			hook = ruleset.HookUnknown
		}
		what := fmt.Sprintf("BPF program on the %s hook %s, priority %d", fam, hook, nf.Priority)
		s.unread(Limit{What: what, Why: "what it drops is not modelled, nor known whether it hangs in this network namespace", How: "bpftool net; bpftool link"})
		s.host.Outside = append(s.host.Outside, eval.Tag{Kind: eval.TagExternal, Name: "BPF", Text: what})
	}
	if err := it.Err(); errors.Is(err, unix.EPERM) {
		s.unread(Limit{What: "BPF programs on netfilter hooks", Why: err.Error(), How: "run as root (CAP_SYS_ADMIN)"})
	}
}

func (s *Snapshot) hasBridge() bool {
	for _, l := range s.net.Links {
		if l.Kind == "bridge" {
			return true
		}
	}
	return false
}
