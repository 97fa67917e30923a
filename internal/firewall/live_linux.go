package firewall

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/originward/originward/internal/firewall/eval"
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/nfnl"
	"github.com/originward/originward/internal/firewall/nft"
	"github.com/originward/originward/internal/firewall/replica"
)

// ProveLive injects boundary addresses into the host's own interfaces and compares the kernel's trace with the model, as
// Prove does in a copy. Guards keep every probe and every answer to one inside the host (replica.Live). What would
// remember a probe (a log, a list that rules add to, a queue to a program) is never reached: sources whose packets may
// come there are left out, and said so. It needs CAP_NET_ADMIN and CAP_BPF, and a thread in the snapshot's namespace.
func (s *Snapshot) ProveLive(ctx context.Context, a Answer) (Proof, error) {
	start := s.options.Now()
	p := Proof{}
	defer func() { p.Took = s.options.Now().Sub(start) }()
	if s.host == nil || len(a.In) == 0 {
		p.limit("live probes", "the snapshot is empty", "")
		return p, nil
	}
	for _, l := range s.Unread {
		if l.Hides {
			p.limit("live probes", "not all rules could be read ("+l.What+"), so what they remember is not known", l.How)
			return p, nil
		}
	}
	if why := s.noLive(a); why != "" {
		p.limit("live probes", why, "use --prove alone: it asks a copy of the ruleset")
		return p, nil
	}
	shots := s.harmless(a, a.shots(s), &p)
	if len(shots) == 0 {
		p.limit("live probes", "no address is left that may be tried", "use --prove alone: it asks a copy of the ruleset")
		return p, nil
	}
	if err := s.guarded(ctx, func(l *replica.Live) { s.compareLive(l, a, shots, &p) }); err != nil {
		p.limit("live probes", err.Error(), liveRemedy(err))
	}
	p.Took = s.options.Now().Sub(start)
	return p, ctx.Err()
}

// guarded runs f while the guards stand, if the rules beside them are those of the snapshot. The guards themselves raise
// the generation, which is then not taken for another's change.
func (s *Snapshot) guarded(ctx context.Context, f func(*replica.Live)) error {
	c, err := nfnl.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	gen, err := nft.Generation(ctx, c)
	if err == nil {
		err = s.still(gen)
	}
	if err != nil {
		return err
	}
	l, err := replica.NewLive(ctx, s.net.Links)
	if err != nil {
		return err
	}
	defer l.Close()
	if now, err := nft.Generation(ctx, c); err != nil || now != gen+1 {
		return fmt.Errorf("the ruleset changed meanwhile: take a new one (%w)", errors.Join(err, unix.ESTALE))
	}
	f(l)
	l.Close()
	if now, err := nft.Generation(ctx, c); err == nil && now == gen+1 {
		s.raised.Add(1)
	}
	return nil
}

func liveRemedy(err error) string {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return "run as root (CAP_NET_ADMIN, CAP_BPF)"
	}
	return "live probes need Linux 5.18 or later; use --prove alone"
}

// noLive says why nothing may be injected at all.
func (s *Snapshot) noLive(a Answer) string {
	if s.hasIngress() {
		return "rules on an interface's own hook answer past the guards"
	}
	if len(s.host.Outside) > 0 {
		return "a program beside the rules may take packets (" + s.host.Outside[0].Text + ")"
	}
	for _, in := range a.In {
		l := s.net.Link(in.Index)
		switch {
		case l == nil:
			return "interface " + in.Name + " is gone"
		case l.Loopback:
			return "connections of the host to itself are tried in the copy"
		case l.Type != unix.ARPHRD_ETHER:
			return "interface " + l.Name + " is no Ethernet interface"
		case l.XDP || l.TC:
			return "a program on interface " + l.Name + " may take or remember packets"
		}
	}
	return ""
}

// harmless leaves out what would be remembered, and those whose end the trace cannot show.
func (s *Snapshot) harmless(a Answer, shots []shot, p *Proof) []shot {
	width := a.Dst.BitLen()
	var feeds []eval.Feed
	for _, in := range a.In {
		r := s.host.Run(eval.Query{Width: width, Dst: interval.FromAddr(a.Dst), Port: a.Port, In: s.net.Link(in.Index)})
		feeds = append(feeds, r.Feeds...)
	}
	var out []shot
	left := map[string]int{}
	for _, sh := range shots {
		src := interval.FromAddr(sh.src)
		i := slices.IndexFunc(feeds, func(f eval.Feed) bool { return f.Set.Contains(src) })
		switch {
		case i >= 0:
			left[feeds[i].What]++
		case sh.seg.End != EndStolen:
			out = append(out, sh)
		}
	}
	for what, n := range left {
		p.limit("live probes", fmt.Sprintf("%d addresses were not tried: on their way rules remember packets (%s)", n, what), "use --prove alone: it asks a copy of the ruleset")
	}
	slices.SortFunc(p.Limits, func(x, y Limit) int { return strings.Compare(x.Why, y.Why) })
	return out
}

// compareLive injects and compares.
func (s *Snapshot) compareLive(l *replica.Live, a Answer, shots []shot, p *Proof) {
	var probes []replica.Probe
	for i, sh := range shots {
		in := s.net.ByName(sh.seg.Interfaces[0])
		probes = append(probes, replica.Probe{In: in.Index, Flow: replica.Flow{Src: sh.src, Dst: a.Dst, SrcPort: uint16(firstProbePort + i), DstPort: a.Port}})
	}
	obs, err := l.Send(probes)
	if err != nil {
		p.limit("live probes", err.Error(), liveRemedy(err))
		return
	}
	p.Done = true
	for i := range shots {
		p.Probes++
		if bad := shots[i].mismatchLive(&obs[i]); bad != "" {
			p.Disagree = append(p.Disagree, disagreementLive(&shots[i], &obs[i], bad))
		} else {
			p.Agreed++
			p.Sources = append(p.Sources, shots[i].src)
		}
	}
}

// mismatchLive says how an observation contradicts every possible outcome of the segment; empty when one fits.
func (sh *shot) mismatchLive(o *replica.LiveObservation) string {
	var why []string
	for _, want := range append([]Outcome{sh.seg.Outcome}, sh.seg.Alternatives...) {
		bad := want.contradictsLive(o)
		if bad == "" {
			return ""
		}
		why = append(why, bad)
	}
	return strings.Join(why, "; ")
}

// contradictsLive compares one outcome with a live probe, of which only the way in is seen.
func (want *Outcome) contradictsLive(o *replica.LiveObservation) string {
	e, dropped := o.Dropped()
	if want.End == EndStolen {
		return ""
	}
	if want.End == EndAccept || want.Reply {
		if o.Passed {
			return ""
		}
		return "the SYN passes"
	}
	if o.Passed {
		return "dropped on the way in"
	}
	if want.Rule == nil || want.Rule.Engine == IptablesLegacy {
		if dropped {
			return "another engine's rule, but nf_tables dropped it"
		}
		return ""
	}
	r := want.Rule
	same := dropped && e.Family.String() == r.Family && e.Table == r.Table && e.Chain == r.Chain
	if r.Policy {
		same = same && e.Type == "policy"
	} else {
		same = same && e.Type == "rule" && e.Handle == r.Handle
	}
	if !same {
		return "drop by " + r.where()
	}
	return ""
}

// disagreementLive describes a probe the kernel treated otherwise.
func disagreementLive(sh *shot, o *replica.LiveObservation, model string) Disagreement {
	d := Disagreement{Src: sh.src.String(), Model: model, Kernel: "passed every rule"}
	if e, ok := o.Dropped(); ok {
		d.Kernel = "dropped by " + e.String()
	} else if !o.Passed {
		d.Kernel = "gone without a rule of nf_tables: legacy rules, routing or reverse-path filtering"
	}
	for _, e := range o.Request {
		d.KernelPath = append(d.KernelPath, e.String())
	}
	return d
}
