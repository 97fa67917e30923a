package remedy

import (
	"context"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/firewall"
)

// planUnblock takes out the rules and set elements that turn the CDN away.
func planUnblock(ctx context.Context, s *site, found []originward.Finding) ([]Step, error) {
	raw, err := s.through(ctx, found, remove)
	if err != nil {
		return nil, err
	}
	if steps := s.byFirewalld(ctx, found, s.unblockZone, raw); len(steps) > 0 {
		return steps, nil
	}
	return purpose("let the CDN through", raw), nil
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
