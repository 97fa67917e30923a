package remedy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/diagnose"
)

// planner works out the steps that cure the findings of one cause on this
// machine. It takes the evidence's facts, never its commands, and looks at the
// machine as it is now. An error says why nothing can be done here.
type planner func(ctx context.Context, s *site, found []originward.Finding) ([]Step, error)

// remedies lists every cause that can be cured on a machine; remediesCDN has
// those that are cured at the CDN. One line adds one.
var remedies = map[originward.CauseID]planner{
	"listener.none":               planStart,
	"backend.down":                planBackend,
	"firewall.host.range-blocked": planUnblock,
	"firewall.host.port-closed":   planAdmit,
	"firewall.geo":                planUnblock,
	"allowlist.stale":             planAllowWeb,
	"allowlist.updater-emptied":   planFill,
	"ban.blocklist-contains-cdn":  planUnblock,
	"ban.edge-ip":                 planUnban,
	"ban.proxy-hop":               planUnbanHop,
	"path.return-route-captured":  planRoute,
	"path.asymmetric-return":      planLoose,

	"listener.config-rejected": planRejected,
	"listener.loopback-only":   planPublic,
	"listener.bind-failed":     planBind,
	"listener.family-missing":  planFamily,
	"listener.wrong-port":      planPort,

	"firewall.tcp-wrappers": planWrappers,
	"ban.app-plugin":        planPlugin,
	"ban.server-throttle":   planTrust,
	"ratelimit.shared-edge": planTrust,

	"tls.cert-not-reloaded":  planReloadCert,
	"tls.chain-incomplete":   planChain,
	"tls.plain-http-on-port": planTLSOn,

	"tls.cert-expired":                planIssue,
	"tls.cert-name-mismatch":          planIssue,
	"tls.cert-default-or-self-signed": planIssue,
	"tls.cert-revoked":                planIssue,
	"tls.clock-skew":                  planIssue,
	"tls.acme-blocked-by-proxy":       planIssue,
	"listener.tls-port-missing":       planIssue,
	"tls.version-or-cipher":           planCiphers,

	"tls.upstream-sni-missing": planUpstreamSNI,

	"capacity.ephemeral-ports":   planPorts,
	"capacity.workers-exhausted": planWorkers,
	"capacity.fd-limit":          planFiles,

	"http.proxy-protocol": planProxyProtocol,
	"http.h2-origin":      planH2,

	"backend.stale-upstream-dns": planFreshUpstream,
	"backend.proxy-wedged":       planWedged,
	"backend.wrong-port":         planUpstream,
}

// remediesCDN lists every cause that is cured through the CDN's API.
var remediesCDN = map[originward.CauseID]planner{
	"dns.duplicate-records": planDropRecord,
	"dns.aaaa-unserved":     planDropRecord,
	"cdn.record-grey":       planOrange,
	"cdn.ssl-mode-too-low":  planMode,
	"cdn.rule-blocks":       planRule,
	"dns.stale-address":     planAddress,
}

// lowered are the causes that a lower SSL mode at the CDN covers up.
var lowered = []originward.CauseID{
	"tls.cert-expired", "tls.cert-name-mismatch", "tls.cert-default-or-self-signed", "tls.cert-revoked", "tls.clock-skew", "tls.acme-blocked-by-proxy", "tls.chain-incomplete",
}

// Wish is what a person asks for beside the safest cure.
type Wish struct {
	// LowerMode covers certificates that are not accepted by a lower SSL mode.
	LowerMode bool `json:"lower_mode,omitempty"`
}

// Scope says which part of a cure is wanted.
type Scope int

// Everything, or the parts that different machines may have to carry out: the
// token of the CDN's API is on one, the origin is another.
const (
	ScopeAll Scope = iota
	ScopeHost
	ScopeCDN
)

// planner finds who plans the cure of a cause; mine is false where that is
// another part's work.
func (s Scope) planner(id originward.CauseID, w Wish) (p planner, cdn, mine bool) {
	p, cdn = remediesCDN[id]
	switch {
	case w.LowerMode && slices.Contains(lowered, id):
		p, cdn = planLower, true
	case !cdn:
		p = remedies[id]
	}
	return p, cdn, s == ScopeAll || (s == ScopeCDN) == cdn
}

// site is what planners work from.
type site struct {
	b       *originward.Bundle
	d       *originward.Diagnosis
	m       *Machine
	cdn     API // empty Base = not at hand
	manager string
}

// ErrNoCause says that a diagnosis names nothing to be cured.
var ErrNoCause = errors.New("no cause stands proved or likely, so there is nothing to fix")

// MakePlan works out what to do about every root cause of a bundle, on this
// machine as it is now, and at the CDN where its API is at hand. Causes outside
// the scope are passed over in silence.
func MakePlan(ctx context.Context, b *originward.Bundle, api API, scope Scope, wish Wish) (Plan, error) {
	d := diagnose.Explain(b, diagnose.Options{})
	p := Plan{Host: d.Host, Causes: []originward.CauseID{}, Steps: []Step{}}
	if len(d.RootCauses) == 0 {
		return p, ErrNoCause
	}
	s := &site{b: b, d: &d, m: &Machine{}, cdn: api}
	for _, it := range fact.All[fact.Services](b, originward.Host) {
		if s.manager == "" {
			s.manager = it.Fact.Manager
		}
	}
	elsewhere := Here(b)
	for _, id := range d.RootCauses {
		var err error
		found := s.findings(id)
		plan, atCDN, mine := scope.planner(id, wish)
		switch {
		case !mine:
			continue
		case plan == nil:
			p.Left = append(p.Left, s.left(id, found, errors.New(whyNot(found))))
			continue
		}
		var steps []Step
		if !atCDN {
			err = elsewhere
		}
		if slices.Contains(lowered, id) && !wish.LowerMode && s.strict() && !slices.Contains(p.TradeOffs, lowerText) {
			p.TradeOffs = append(p.TradeOffs, lowerText)
		}
		if err == nil {
			steps, err = plan(ctx, s, found)
		}
		if err == nil {
			steps, err = s.fresh(ctx, steps)
		}
		if err == nil && len(steps) == 0 {
			err = errors.New("nothing is left to change on this machine; diagnose again")
		}
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		if err != nil {
			p.Left = append(p.Left, s.left(id, found, err))
			continue
		}
		p.Causes = append(p.Causes, id)
		p.Steps = append(p.Steps, steps...)
	}
	// What only persists comes last: it matters when the cure holds.
	slices.SortStableFunc(p.Steps, func(a, b Step) int { return order(a) - order(b) })
	return p, nil
}

func order(s Step) int {
	if s.Persist {
		return 1
	}
	return 0
}

// fresh drops steps whose change is made already.
func (s *site) fresh(ctx context.Context, steps []Step) ([]Step, error) {
	var out []Step
	for _, st := range steps {
		c, err := st.Do.Plan(ctx, s.m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", st.Title, err)
		}
		if !c.None {
			out = append(out, st)
		}
	}
	return out, nil
}

func (s *site) findings(id originward.CauseID) []originward.Finding {
	var out []originward.Finding
	for _, f := range s.d.Findings {
		if f.Cause == id && f.Standing.Named() && f.BecauseOf == nil {
			out = append(out, f)
		}
	}
	return out
}

// left says what a person has to do about a cause, from its own fix.
func (s *site) left(id originward.CauseID, found []originward.Finding, why error) Left {
	l := Left{Cause: id, Why: why.Error()}
	for _, f := range found {
		if f.Fix == nil {
			continue
		}
		l.How = append(l.How, f.Fix.Summary)
		for _, st := range f.Fix.Steps {
			l.How = append(l.How, "  "+st.Run)
		}
		break
	}
	return l
}

// Cures reports whether a cause can be cured on a machine or at the CDN at all.
func Cures(id originward.CauseID) bool { return remedies[id] != nil || remediesCDN[id] != nil }

// CuresAtCDN reports whether a cause is cured through the CDN's API.
func CuresAtCDN(id originward.CauseID) bool { return remediesCDN[id] != nil }

// whyNot says why a cause without a planner is not cured here.
func whyNot(found []originward.Finding) string {
	where := originward.WhereHost
	if len(found) > 0 {
		where = found[0].Where
	}
	switch where {
	case originward.WhereCDN:
		return "it is cured in the CDN's configuration"
	case originward.WhereNetwork, originward.WhereProvider:
		return "it lies outside this machine, with the network or the provider"
	case originward.WhereVisitor:
		return "it lies with the visitor; nothing at the origin cures it"
	}
	return "no safe change of this machine is known that cures it; a person has to decide"
}

// ports are the ports that findings are about, each once.
func ports(found []originward.Finding) []uint16 {
	var out []uint16
	for _, f := range found {
		if f.Subject.Port != 0 && !slices.Contains(out, f.Subject.Port) {
			out = append(out, f.Subject.Port)
		}
	}
	return out
}
