package remedy

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/firewall"
)

// planUnblock takes out the rules and set elements that turn the CDN away.
func planUnblock(ctx context.Context, s *site, found []originward.Finding) ([]Step, error) {
	if steps := s.allowByUnit(found); len(steps) > 0 {
		return steps, nil
	}
	raw, err := s.through(ctx, found, remove)
	if err != nil {
		return nil, err
	}
	if steps := s.byFirewalld(ctx, found, s.unblockZone, raw); len(steps) > 0 {
		return steps, nil
	}
	return purpose("let the CDN through", raw), nil
}

// allowByUnit lets the CDN through where systemd itself turns it away from a
// unit (IPAddressDeny=): what is allowed there goes before what is denied.
func (s *site) allowByUnit(found []originward.Finding) (out []Step) {
	for _, svc := range s.services(func(v fact.Service) bool { return v.Unit != "" && slices.ContainsFunc(v.IPDeny, touchesCDN) }) {
		named := func(f originward.Finding) bool { return f.Subject.Unit == svc.Unit }
		if s.manager != "systemd" || !slices.ContainsFunc(found, named) {
			continue
		}
		unit := strings.TrimSuffix(svc.Unit, ".service") + ".service"
		text := "# Written by originward fix: what is allowed goes before IPAddressDeny=.\n[Service]\nIPAddressAllow=" + strings.Join(prefixTexts(cdnRanges()), " ") + "\n"
		d := daemonOf(svc, s.manager)
		c := &Config{Edits: []Edit{{Path: "/etc/systemd/system/" + unit + ".d/zz-originward.conf", Content: []byte(text)}}, Serve: &d, Then: opRestart, Test: testOf(d)}
		st := step("config", "let the CDN through: allow its ranges to "+unit+", before what the unit denies", c)
		st.Risk = "the unit is restarted: requests in flight are cut"
		out = append(out, st)
	}
	return out
}

func prefixTexts(ps []netip.Prefix) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.String())
	}
	return out
}

// purpose says what steps are for, before what they do.
func purpose(text string, steps []Step) []Step {
	for i := range steps {
		if !steps[i].Persist {
			steps[i].Title = text + ": " + steps[i].Title
		}
	}
	return steps
}

// planAdmit lets the CDN's ranges in where a port is closed to everyone: the
// port stays closed to everyone else.
func planAdmit(ctx context.Context, s *site, found []originward.Finding) ([]Step, error) {
	if steps, err := s.admitTool(ctx, found); len(steps) > 0 || err != nil {
		return steps, err
	}
	raw, err := s.through(ctx, found, admit)
	if err != nil {
		return nil, err
	}
	if steps := s.byFirewalld(ctx, found, s.admitZone, raw); len(steps) > 0 {
		return steps, nil
	}
	return purpose("open the port to the CDN alone", raw), nil
}

// planFill puts the missing ranges into allow lists.
func planFill(ctx context.Context, s *site, found []originward.Finding) ([]Step, error) {
	steps, err := s.through(ctx, found, fill)
	return purpose("complete the allow list", steps), err
}

// through tries a cure in a copy until the CDN gets through, and gives what
// has to be changed for it.
func (s *site) through(ctx context.Context, found []originward.Finding, cure func(context.Context, *gate, *firewall.Snapshot, blockedAt) error) ([]Step, error) {
	g, err := s.openGate(ctx, found)
	if err != nil {
		return nil, err
	}
	defer g.close()
	if err := g.open(ctx, cure); err != nil {
		return nil, err
	}
	steps, err := g.steps(ctx, s.m)
	if err != nil {
		return nil, err
	}
	stay, lost := persist(steps)
	if len(lost) > 0 {
		steps[len(steps)-1].Risk = lostText
	}
	return append(steps, stay...), nil
}
