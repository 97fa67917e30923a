package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/remedy"
	"github.com/originward/originward/internal/remedy/remote"
)

// flagJournal asks for the journal's directory, on whichever machine is changed.
func (o *fixOptions) flagJournal(f *pflag.FlagSet) {
	f.StringVar(&o.journal, "journal", "", "`DIR`ectory of the journal, with --ssh on the host (default: $ORIGINWARD_JOURNAL, else "+remedy.DefaultJournal+")")
}

// flagWish asks for cures that are trade-offs.
func flagWish(f *pflag.FlagSet, w *remedy.Wish, when string) {
	f.BoolVar(&w.LowerMode, "lower-ssl-mode", false, when+"where the CDN refuses the origin's certificate, lower its SSL mode to full instead of issuing one: a trade-off")
}

// journalHere is where journals lie on this machine: where the flag or the
// environment says, root's place, or the user's own.
func journalHere(flag string) string {
	if flag != "" {
		return flag
	}
	if d := os.Getenv("ORIGINWARD_JOURNAL"); d != "" {
		return d
	}
	if dir, err := stateDir(); err == nil && os.Geteuid() != 0 {
		return filepath.Join(dir, "journal")
	}
	return remedy.DefaultJournal
}

// fixPart is a plan that one machine carries out.
type fixPart struct {
	On     string         `json:"on,omitempty"` // the host over ssh; empty = from here
	Shown  remedy.Shown   `json:"plan"`
	Result *remedy.Result `json:"result,omitempty"` // nil = nothing was carried out
}

// fixBundle plans, shows, asks, carries out and tells: on the host first, then
// what is changed at the CDN from here.
func fixBundle(ctx context.Context, s streams, b *originward.Bundle, ask diagnose.Ask, o fixOptions) (kept bool, err error) {
	if len(diagnose.Explain(b, diagnose.Options{}).RootCauses) == 0 {
		return false, fixNothing(s, b, o)
	}
	var parts []fixPart
	for _, run := range fixWays(ask) {
		p, err := run(ctx, s, b, ask, o)
		if err != nil {
			return false, refused(err)
		}
		parts = append(parts, p)
		if p.Result != nil {
			kept = kept || p.Result.Outcome == remedy.OutcomeKept
			if p.Result.Outcome != remedy.OutcomeKept {
				break
			}
		}
	}
	return kept, fixEnd(s, parts, o)
}

// fixWays are the machines that carry out a plan.
func fixWays(ask diagnose.Ask) []func(context.Context, streams, *originward.Bundle, diagnose.Ask, fixOptions) (fixPart, error) {
	if ask.SSH == "" {
		return []func(context.Context, streams, *originward.Bundle, diagnose.Ask, fixOptions) (fixPart, error){fixHere}
	}
	return []func(context.Context, streams, *originward.Bundle, diagnose.Ask, fixOptions) (fixPart, error){fixThere, fixHere}
}

// refused gives a plan that is refused its exit status: the cause stands still.
func refused(err error) error {
	if errors.Is(err, remedy.ErrLockOut) || errors.Is(err, remedy.ErrElsewhere) {
		return &statusError{originward.ExitCauseFound, err}
	}
	return err
}

// fixHere carries out on this machine, or from it at the CDN.
func fixHere(ctx context.Context, s streams, b *originward.Bundle, ask diagnose.Ask, o fixOptions) (fixPart, error) {
	scope := remedy.ScopeAll
	if ask.SSH != "" {
		scope = remedy.ScopeCDN
	}
	if ask.SSH == "" {
		ask.LocalHost, ask.HostEvidence = remedy.Here(b) == nil, nil
	}
	p := newProgress(s)
	p.say("working out the plan")
	plan, err := remedy.MakePlan(ctx, b, remedy.API{Base: ask.CDNAPI, TokenFile: absolute(o.look.cdnTokenFile)}, scope, o.wish)
	if err == nil {
		p.say("simulating")
		err = remedy.Simulate(ctx, &plan, b)
	}
	p.end()
	if err != nil {
		return fixPart{}, err
	}
	return carryOut(ctx, s, plan, ask, o)
}

// carryOut shows a plan of this machine, asks, and carries it out.
func carryOut(ctx context.Context, s streams, plan remedy.Plan, ask diagnose.Ask, o fixOptions) (fixPart, error) {
	shown, err := remedy.Show(ctx, plan)
	part := fixPart{Shown: shown}
	if err != nil {
		return part, err
	}
	if yes, err := fixShow(s, shown, o); err != nil || !yes {
		return part, err
	}
	exe, err := os.Executable()
	if err != nil {
		return part, err
	}
	job := remedy.Job{
		Plan: plan, Root: journalHere(o.journalOf(ask)), Within: o.within, Guard: []string{exe, "guard"},
		Verify: remedy.Looker(ask, plan), Say: saying(s),
	}
	res, err := job.Run(ctx)
	if err != nil && res.ID != "" {
		err = fmt.Errorf("%w\nWhat was changed is in %s; `originward undo %s` takes it back", err, job.Root, res.ID)
	}
	part.Result = &res
	return part, err
}

// journalOf is the directory that was asked for on this machine.
func (o fixOptions) journalOf(ask diagnose.Ask) string {
	if ask.SSH != "" {
		return "" // it is the host's
	}
	return o.journal
}

// fixThere has the host at the other end of ssh carry out its part.
func fixThere(ctx context.Context, s streams, b *originward.Bundle, ask diagnose.Ask, o fixOptions) (fixPart, error) {
	raw, err := json.Marshal(b)
	if err != nil {
		return fixPart{}, err
	}
	return thereRun(ctx, s, remote.FixTask{Bundle: raw, Wish: o.wish}, ask, o)
}

func thereRun(ctx context.Context, s streams, t remote.FixTask, ask diagnose.Ask, o fixOptions) (part fixPart, err error) {
	part.On = ask.SSH
	p := newProgress(s)
	p.say("working out the plan on " + ask.SSH)
	defer p.end()
	h := remote.Host{Dest: ask.SSH, Sudo: ask.SSHSudo}
	shown, res, err := h.Fix(ctx, remote.Task{Fix: &t, Root: o.journal, Within: o.within}, remote.Hooks{
		Agree: func(shown remedy.Shown) (bool, error) {
			p.end()
			return fixShow(s, shown, o)
		},
		Say: saying(s),
		Look: func(ctx context.Context, plan remedy.Plan, collect remote.Collector) (remedy.Verdict, error) {
			a := ask
			a.SSH, a.LocalHost, a.HostEvidence, a.HostAfar = "", false, nil, collect
			return remedy.Looker(a, plan)(ctx)
		},
	})
	part.Shown = shown
	if res.ID != "" {
		part.Result = &res
	}
	return part, err
}

// fixShow shows a plan and says whether it is to be carried out.
func fixShow(s streams, shown remedy.Shown, o fixOptions) (bool, error) {
	if !o.format.json() {
		fixPlanText(s, shown, o.detail)
	}
	if o.dryRun || len(shown.Steps) == 0 {
		if o.dryRun && !o.format.json() && len(shown.Steps) > 0 {
			fmt.Fprintln(s.out, "\nNothing was changed.")
		}
		return false, nil
	}
	err := fixAgreed(s, o)
	return err == nil, err
}

func saying(s streams) func(string) {
	limit := 300
	if s.width > 20 {
		limit = s.width - 2
	}
	return func(text string) { fmt.Fprintln(s.err, strings.TrimSuffix(escape.Line(text, limit), "…")+" …") }
}
