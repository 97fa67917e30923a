package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/remedy"
)

type fixOptions struct {
	look    lookOptions
	last    bool
	dryRun  bool
	yes     bool
	format  string
	journal string
	within  time.Duration
}

func newFixCmd(s streams) *cobra.Command {
	var o fixOptions
	c := &cobra.Command{
		Use:   "fix BUNDLE.json|--last",
		Short: "Carry out the fix of a diagnosis, prove it, and take it back if it did not help",
		Long: `Takes saved evidence (diagnose --save), works out what cures its causes on this
machine, and carries it out: simulate, show, back up, arm a guard that takes
everything back if this process dies or does not finish in time, change, look
again from the same vantages, keep or undo. A change that would cut your own
SSH connection is refused.

The flags that say from where to look are those of diagnose; addresses that the
evidence holds need not be given again. originward undo takes a fix back later.

Exit status: 0 cured (with --dry-run: there is a plan for every cause), 1 a
cause stands still, 2 undecided, 3 nothing could be observed, 4 internal error,
64 usage.`,
		Example: `  originward diagnose shop.example --local-host --save evidence.json
  originward fix evidence.json --dry-run
  originward fix evidence.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if o.last == (len(args) > 0) {
				return usageError(errors.New("name a bundle, or give --last for the evidence of the last diagnosis"))
			}
			if o.format != "text" && o.format != "json" {
				return usageError(fmt.Errorf("format %q: allowed are text, json", o.format))
			}
			if o.look.ssh != "" || o.look.hostEvidence != "" {
				return usageError(errors.New("fix works on the machine it runs on: run it on the origin, with the bundle"))
			}
			return fixRun(c.Context(), s, args, o)
		},
	}
	o.look.flags(c)
	f := c.Flags()
	f.BoolVar(&o.last, "last", false, "the evidence and the flags of the last diagnosis of this user")
	f.BoolVar(&o.dryRun, "dry-run", false, "show the plan and change nothing")
	f.BoolVar(&o.yes, "yes", false, "do not ask; needed without a terminal")
	f.StringVar(&o.format, "format", "text", "text or json")
	f.StringVar(&o.journal, "journal", journalDir(), "where the `DIR`ectory of the journal is (default: $ORIGINWARD_JOURNAL)")
	f.DurationVar(&o.within, "within", remedy.DefaultWithin, "the guard takes everything back when the fix is not proved by then")
	return c
}

// journalDir is where journals lie: root's, or what the environment says.
func journalDir() string {
	if d := os.Getenv("ORIGINWARD_JOURNAL"); d != "" {
		return d
	}
	return remedy.DefaultJournal
}

func fixRun(ctx context.Context, s streams, args []string, o fixOptions) error {
	b, target, err := o.evidence(s, args)
	if err != nil {
		return usageError(err)
	}
	ask, err := o.look.ask(target)
	if err != nil {
		return err
	}
	_, err = fixBundle(ctx, s, b, ask, o)
	return err
}

// evidence reads the bundle, and completes the flags by what it holds.
func (o *fixOptions) evidence(s streams, args []string) (b *originward.Bundle, target string, err error) {
	if o.last {
		return o.look.loadLast()
	}
	if b, err = readBundle(args[0], s.in); err != nil {
		return nil, "", err
	}
	if b.Host == "" {
		return nil, "", fmt.Errorf("%s holds no host name: it is evidence of a host alone; diagnose with --host-evidence and --save first", args[0])
	}
	o.look.complete(b)
	return b, remedy.SiteOf(b).URL(), nil
}

// complete takes from the evidence where it was looked at.
func (o *lookOptions) complete(b *originward.Bundle) {
	if len(o.origins) == 0 {
		o.origins = remedy.OriginsOf(b)
	}
	if e := remedy.EdgeOf(b); o.edge == "" && e.IsValid() {
		o.edge = e.Addr().String()
	}
}

// fixBundle plans, shows, asks, carries out and tells.
func fixBundle(ctx context.Context, s streams, b *originward.Bundle, ask diagnose.Ask, o fixOptions) (remedy.Result, error) {
	var none remedy.Result
	ask.LocalHost, ask.HostEvidence = true, nil
	p := newProgress(s)
	p.say("working out the plan")
	plan, err := remedy.MakePlan(ctx, b, remedy.API{Base: ask.CDNAPI, TokenFile: absolute(o.look.cdnTokenFile)})
	if errors.Is(err, remedy.ErrNoCause) {
		return none, fixNothing(s, b, o)
	}
	if err == nil {
		p.say("simulating")
		err = remedy.Simulate(ctx, &plan, b)
	}
	p.end()
	if err != nil {
		return none, err
	}
	shown, err := remedy.Show(ctx, plan)
	if err != nil {
		return none, err
	}
	if o.format == "text" {
		fixPlanText(s.out, shown)
	}
	if o.dryRun || len(plan.Steps) == 0 {
		return none, fixEnd(s, shown, none, o)
	}
	if err := fixAgreed(s, o); err != nil {
		return none, err
	}
	exe, err := os.Executable()
	if err != nil {
		return none, err
	}
	job := remedy.Job{
		Plan: plan, Root: o.journal, Within: o.within, Guard: []string{exe, "guard"},
		Verify: remedy.Looker(ask, plan), Say: func(text string) { fmt.Fprintln(s.err, text+" …") },
	}
	res, err := job.Run(ctx)
	if err != nil {
		return res, fmt.Errorf("%w\nWhat was changed is in %s; `originward undo %s` takes it back", err, o.journal, res.ID)
	}
	return res, fixEnd(s, shown, res, o)
}

// fixAgreed asks, or wants --yes where nobody can be asked.
func fixAgreed(s streams, o fixOptions) error {
	if o.yes {
		return nil
	}
	f, ok := s.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return usageError(errors.New("there is no terminal to ask on; look with --dry-run, then give --yes"))
	}
	fmt.Fprint(s.err, "\nCarry this out? [y/N] ")
	line, err := bufio.NewReader(s.in).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); err == nil && (answer == "y" || answer == "yes") {
		return nil
	}
	return &statusError{originward.ExitCauseFound, errors.New("nothing was changed")}
}

// fixNothing ends a fix for evidence that names no cause.
func fixNothing(s streams, b *originward.Bundle, o fixOptions) error {
	d := diagnose.Explain(b, diagnose.Options{})
	code := d.ExitCode()
	text := fmt.Sprintf("%s: %s; no cause stands proved or likely, so there is nothing to fix", d.Host, d.Status)
	if o.format == "json" {
		if err := writeJSON(s.out, fixReport{Schema: fixSchema, Plan: remedy.Shown{Plan: remedy.Plan{Host: d.Host, Causes: []originward.CauseID{}, Steps: []remedy.Step{}}}, Note: text}); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(s.out, text)
	}
	if code == originward.ExitHealthy {
		return nil
	}
	return &statusError{code: code}
}

// fixSchema names the format of a plan and its outcome.
const fixSchema = "originward.fix/1"

type fixReport struct {
	Schema string         `json:"schema"`
	Plan   remedy.Shown   `json:"plan"`
	Result *remedy.Result `json:"result,omitempty"`
	Note   string         `json:"note,omitempty"`
}

// fixEnd tells how it ended, and gives the exit status.
func fixEnd(s streams, shown remedy.Shown, res remedy.Result, o fixOptions) error {
	rep := fixReport{Schema: fixSchema, Plan: shown}
	if res.ID != "" {
		rep.Result = &res
	}
	if o.format == "json" {
		if err := writeJSON(s.out, rep); err != nil {
			return err
		}
	} else if rep.Result != nil {
		fixResultText(s.out, res)
	}
	cured := res.Outcome == remedy.OutcomeKept || o.dryRun && len(shown.Steps) > 0
	if cured && len(shown.Left) == 0 && (o.dryRun || res.Verdict.Status == string(originward.StatusHealthy)) {
		return nil
	}
	return &statusError{code: originward.ExitCauseFound}
}

func fixPlanText(w io.Writer, p remedy.Shown) {
	if len(p.Steps) > 0 {
		var ids []string
		for _, id := range p.Causes {
			ids = append(ids, string(id))
		}
		if len(ids) == 0 {
			ids = []string{"what is wanted"}
		}
		fmt.Fprintf(w, "%s: the plan for %s\n", p.Host, strings.Join(ids, ", "))
	}
	for i, st := range p.Steps {
		stays := ""
		if st.Persist {
			stays = " (so that it stays after a reboot)"
		}
		fmt.Fprintf(w, "\n%d. %s%s\n", i+1, st.Title, stays)
		for _, l := range p.Changes[i] {
			fmt.Fprintf(w, "     %s\n", l)
		}
		if st.Risk != "" {
			fmt.Fprintf(w, "   Risk: %s\n", st.Risk)
		}
	}
	for i, c := range p.Checks {
		if i == 0 {
			fmt.Fprintln(w, "\nSimulated:")
		}
		fmt.Fprintf(w, "   %s\n", c)
	}
	for _, b := range p.Better {
		fmt.Fprintf(w, "\nBetter: %s\n", b)
	}
	for _, l := range p.Left {
		fmt.Fprintf(w, "\nNot done here: %s: %s\n", l.Cause, l.Why)
		for _, h := range l.How {
			fmt.Fprintf(w, "   %s\n", h)
		}
	}
}

func fixResultText(w io.Writer, r remedy.Result) {
	switch r.Outcome {
	case remedy.OutcomeKept:
		fmt.Fprintf(w, "\nDone: %s.\n`originward undo %s` takes it back.\n", r.Verdict.Text, r.ID)
	case remedy.OutcomeUndone:
		fmt.Fprintf(w, "\nTaken back, everything is as it was: %s.\n", r.Why)
	default:
		fmt.Fprintf(w, "\n%s: %s\n", r.Outcome, r.Why)
	}
}
