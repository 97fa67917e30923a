package firewall

import (
	"context"
	"net/netip"
	"time"

	"github.com/originward/originward/internal/firewall/fib"
	"github.com/originward/originward/internal/firewall/interval"
	"github.com/originward/originward/internal/firewall/legacy"
	"github.com/originward/originward/internal/firewall/nft"
	"github.com/originward/originward/internal/firewall/replica"
	"github.com/originward/originward/internal/firewall/ruleset"
)

// Prove replays the snapshot into a throw-away network namespace, injects boundary addresses of every segment of the
// answer, and compares verdict and deciding rule with the kernel's trace. It needs root (CAP_NET_ADMIN and
// CAP_SYS_ADMIN), must run on a thread in the namespace the snapshot was taken in, and touches nothing outside the copy.
// What keeps the proof from being made is in Proof.Limits; only a cancelled context is an error.
func (s *Snapshot) Prove(ctx context.Context, a Answer) (Proof, error) {
	start := s.options.Now()
	p := Proof{}
	defer func() { p.Took = s.options.Now().Sub(start) }()
	if s.host == nil {
		p.limit("replica", "the snapshot is empty", "")
		return p, nil
	}
	w, err := s.buildReplica(ctx, &p)
	if ctx.Err() != nil {
		return p, ctx.Err()
	}
	if err != nil {
		p.limit("replica", err.Error(), "run as root (CAP_NET_ADMIN, CAP_SYS_ADMIN)")
		return p, nil
	}
	defer w.Close()
	if err := s.probe(ctx, w, a, &p); err != nil {
		p.limit("probes", err.Error(), "")
		p.Done = false
	}
	p.Took = s.options.Now().Sub(start)
	return p, ctx.Err()
}

func (p *Proof) limit(what, why, how string) {
	p.Limits = append(p.Limits, Limit{What: what, Why: why, How: how})
}

// buildReplica copies the namespace. Nothing is built when the rules are not those of the snapshot any more.
func (s *Snapshot) buildReplica(ctx context.Context, p *Proof) (*replica.World, error) {
	d, err := replica.TakeDump(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.still(d.Generation); err != nil {
		return nil, err
	}
	var saved []*legacy.Saved
	for _, f := range []struct {
		fam  ruleset.Family
		tool string
	}{{ruleset.IP, s.options.LegacySave4}, {ruleset.IP6, s.options.LegacySave6}} {
		t, err := legacy.Save(ctx, s.options.Proc, f.fam, f.tool)
		if err != nil {
			return nil, err
		}
		if t != nil {
			saved = append(saved, t)
		}
	}
	w, err := replica.NewWorld(s.net)
	if err != nil {
		return nil, err
	}
	if err := w.Replay(ctx, d); err != nil {
		w.Close()
		return nil, err
	}
	for _, t := range saved {
		if err := w.Do(func() error { return t.Restore(ctx) }); err != nil {
			w.Close()
			return nil, err
		}
	}
	for _, text := range w.Problems {
		p.limit("replica", text, "")
	}
	p.limit("replica", "counters, rate limits and connections start fresh there", "")
	return w, nil
}

// probesPerSegment is how many addresses of a segment are tried; maxProbes bounds the whole (10,000 a second are
// possible on small rulesets, some hundred on very large ones).
const (
	probesPerSegment = 3
	maxProbes        = 600
)

// shot is one probe with the segment it was taken from.
type shot struct {
	seg  *Segment
	src  netip.Addr
	port uint16
}

// probe injects and compares.
func (s *Snapshot) probe(ctx context.Context, w *replica.World, a Answer, p *Proof) error {
	places, err := s.handles(ctx, w)
	if err != nil {
		return err
	}
	if err := w.EnableTrace(ctx, s.hasIngress()); err != nil {
		return err
	}
	done, err := w.Listen(s.ports(a))
	if err != nil {
		return err
	}
	defer done()
	shots, obs, err := s.shoot(w, &a)
	if err != nil {
		return err
	}
	if p.Done = len(shots) > 0; !p.Done {
		p.limit("probes", "no address of the answer can be tried: what decides is not known, or none has a route", "")
	}
	for i := range shots {
		p.Probes++
		if bad := shots[i].mismatch(&obs[i], places); bad != "" {
			p.Disagree = append(p.Disagree, disagreement(&shots[i], &obs[i], bad))
		} else {
			p.Agreed++
			p.Sources = append(p.Sources, shots[i].src)
		}
	}
	return nil
}

// shoot sends the probes: from outside, or by the host itself where the answer is about connections it makes to itself.
func (s *Snapshot) shoot(w *replica.World, a *Answer) ([]shot, []replica.Observation, error) {
	shots, self := a.shots(s), false
	if l := s.net.Link(a.In[0].Index); l != nil && l.Loopback {
		shots, self = a.ownShots(s), true
	}
	var probes []replica.Probe
	var flows []replica.Flow
	for i, sh := range shots {
		in := s.net.ByName(sh.seg.Interfaces[0])
		shots[i].port = uint16(firstProbePort + i)
		f := replica.Flow{Src: sh.src, Dst: a.Dst, SrcPort: shots[i].port, DstPort: a.Port}
		flows = append(flows, f)
		probes = append(probes, replica.Probe{In: in.Index, Flow: f})
	}
	if self {
		obs, err := w.Call(flows)
		return shots, obs, err
	}
	obs, err := w.Send(probes)
	return shots, obs, err
}

// firstProbePort is the source port of the first probe: none that a rule is likely to name, nor a listener's.
const firstProbePort = 20000

// ownShots are the addresses the host may call itself from.
func (a *Answer) ownShots(s *Snapshot) []shot {
	own := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	for _, have := range s.net.Addrs {
		if l := s.net.Link(have.Index); l != nil && l.Up && !have.Prefix.Addr().IsLoopback() && !have.Prefix.Addr().IsLinkLocalUnicast() {
			own = append(own, have.Prefix.Addr())
		}
	}
	var out []shot
	for _, side := range []*Side{&a.CDN, &a.Others} {
		for i := range side.Segments {
			seg := &side.Segments[i]
			for _, src := range own {
				if seg.Verdict != Unknown && len(seg.Interfaces) > 0 && src.BitLen() == a.Dst.BitLen() && seg.holds(src.String()) && len(out) < maxProbes {
					out = append(out, shot{seg: seg, src: src})
				}
			}
		}
	}
	return out
}

// shots picks addresses from every segment that certainly or possibly has an end.
func (a *Answer) shots(s *Snapshot) []shot {
	var out []shot
	local, err := s.net.Partition(fib.Query{Width: 32, OnlyLocal: true})
	if err != nil {
		local = nil
	}
	used := map[netip.Addr]bool{}
	for _, side := range []*Side{&a.CDN, &a.Others} {
		for i := range side.Segments {
			seg := &side.Segments[i]
			if seg.Verdict == Unknown || len(seg.Interfaces) == 0 || len(out) >= maxProbes {
				continue
			}
			n := 0
			for _, src := range edges(seg.Prefixes) {
				if n < probesPerSegment && !used[src] && s.routable(src, local) {
					used[src] = true
					out = append(out, shot{seg: seg, src: src})
					n++
				}
			}
		}
	}
	return out
}

// edges are the first and last addresses of prefixes, the outer ones first.
func edges(ps []netip.Prefix) []netip.Addr {
	if len(ps) == 0 {
		return nil
	}
	out := []netip.Addr{ps[0].Addr(), lastAddr(ps[len(ps)-1])}
	for _, p := range ps {
		out = append(out, lastAddr(p), p.Addr())
	}
	return out
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// routable leaves out sources the routing code itself refuses, whatever the rules say.
func (s *Snapshot) routable(a netip.Addr, local []fib.Part) bool {
	switch {
	case a.IsUnspecified(), a.IsLoopback(), a.IsMulticast(), a.IsLinkLocalUnicast(), s.net.IsLocal(a):
		return false
	case a.Is4():
		return local != nil && a.As4()[0] != 127 && a.As4()[0] < 224 && fib.AddrType4(local, interval.FromAddr(a)) == fib.Unicast
	}
	b := a.As16()
	if b[0] == 0 {
		return false // IPv4-mapped and other embedded forms
	}
	for _, have := range s.net.Addrs {
		if have.Prefix.Masked().Contains(a) {
			return false // subnet-router anycast and neighbours
		}
	}
	return true
}

// ports are those something has to answer on in the copy.
func (s *Snapshot) ports(a Answer) []uint16 {
	seen := map[uint16]bool{a.Port: true}
	out := []uint16{a.Port}
	for _, side := range []*Side{&a.CDN, &a.Others} {
		for i := range side.Segments {
			seg := &side.Segments[i]
			for _, o := range append([]Outcome{seg.Outcome}, seg.Alternatives...) {
				if o.Redirect != nil && o.Redirect.ToPort != 0 && !seen[o.Redirect.ToPort] {
					seen[o.Redirect.ToPort] = true
					out = append(out, o.Redirect.ToPort)
				}
			}
		}
	}
	return out
}

func (s *Snapshot) hasIngress() bool {
	for _, t := range s.host.Rules.Tables {
		for _, c := range t.Chains {
			if c.Base != nil && c.Base.Hook == ruleset.Ingress {
				return true
			}
		}
	}
	return false
}

// rulePlace is a rule's place in a ruleset, which a copy shares; handles differ.
type rulePlace struct {
	family, table, chain string
	position             int
}

// handles maps the copy's rule handles to places.
func (s *Snapshot) handles(ctx context.Context, w *replica.World) (map[rulePlace]uint64, error) {
	var rs *ruleset.Ruleset
	err := w.Do(func() error {
		var err error
		rs, err = nft.Read(ctx, nft.Options{MaxElements: 0, Now: time.Now})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := map[rulePlace]uint64{}
	for _, t := range rs.Tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				out[rulePlace{t.Family.String(), t.Name, c.Name, r.Position}] = r.Handle
			}
		}
	}
	return out, nil
}
