package firewall

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Proof is the kernel's own word on an answer, got from a copy of the ruleset in a throw-away namespace.
type Proof struct {
	// Done is false when no copy could be built or probed; Limits then say why.
	Done bool `json:"done"`
	// Probes is how many packets were injected, Agreed how many met the model's verdict and rule, Sources from where.
	Probes   int            `json:"probes"`
	Agreed   int            `json:"agreed"`
	Sources  []netip.Addr   `json:"sources,omitempty"`
	Disagree []Disagreement `json:"disagree,omitempty"`
	Limits   []Limit        `json:"limits,omitempty"`
	Took     time.Duration  `json:"took_ns"`
}

// Disagreement is a probe whose end in the kernel differs from the model's.
type Disagreement struct {
	Src    string `json:"src"`
	Model  string `json:"model"`
	Kernel string `json:"kernel"`
	// KernelPath is the kernel's trace, one line per event.
	KernelPath []string `json:"kernel_path,omitempty"`
}

// way is the kernel's way in one line.
func (d Disagreement) way() string {
	if len(d.KernelPath) == 0 {
		return ""
	}
	return ", by way of " + strings.Join(d.KernelPath, " → ")
}

// Apply marks the answer's segments by what the proof showed: confirmed where the kernel agreed, unknown where it did
// not. Shares are adjusted.
func (p Proof) Apply(a *Answer) {
	for _, side := range []*Side{&a.CDN, &a.Others} {
		for i := range side.Segments {
			s := &side.Segments[i]
			if j := slices.IndexFunc(p.Disagree, func(d Disagreement) bool { return s.holds(d.Src) }); j >= 0 {
				d := p.Disagree[j]
				side.doubt(s.Verdict)
				s.Verdict, s.Confirmed = Unknown, false
				s.DependsOn = append(s.DependsOn, Tag{TagUnknown, "kernel", "model: " + d.Model + "; kernel: " + d.Kernel + d.way()})
				continue
			}
			s.Confirmed = s.Confirmed || slices.ContainsFunc(p.Sources, func(x netip.Addr) bool { return s.holds(x.String()) })
		}
	}
}

// holds reports whether an address is in the segment's listed prefixes.
func (s *Segment) holds(src string) bool {
	a, err := netip.ParseAddr(src)
	return err == nil && slices.ContainsFunc(s.Prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// doubt takes a verdict's whole share over to unknown: one segment of it is in doubt, and which share it had is not kept.
func (s *Side) doubt(v Verdict) {
	for _, sh := range []*Shares{&s.Shares, &s.Public} {
		switch v {
		case Accept:
			sh.Unknown, sh.Accept = sh.Unknown+sh.Accept, 0
		case Drop:
			sh.Unknown, sh.Drop = sh.Unknown+sh.Drop, 0
		case Reject:
			sh.Unknown, sh.Reject = sh.Unknown+sh.Reject, 0
		case Depends:
			sh.Unknown, sh.Depends = sh.Unknown+sh.Depends, 0
		}
	}
}
