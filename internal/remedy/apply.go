package remedy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/originward/originward"
)

// Job is a fix about to be carried out.
type Job struct {
	Plan    Plan
	Root    string        // where journals lie; empty = DefaultJournal
	Within  time.Duration // the guard takes everything back when the fix has not been kept by then; 0 = DefaultWithin
	Guard   []string      // the guard's command line; the journal's ID and the time are added
	Machine *Machine      // nil = this machine
	// Verify looks again from the same vantages; an error takes the fix back.
	Verify func(ctx context.Context) (Verdict, error)
	Say    func(string)
	Now    func() time.Time

	hook func(point string) // tests end the process here
}

// DefaultWithin leaves time for a slow server, an edge with its documented
// timers and a look at everything.
const DefaultWithin = 3 * time.Minute

// Verdict is what looking again showed.
type Verdict struct {
	Helped bool   `json:"helped"`
	Status string `json:"status"` // of the site now
	Code   int    `json:"code,omitempty"`
	Text   string `json:"text"`
}

// Outcomes of a fix.
const (
	OutcomeKept   = "kept"   // it helped and stays
	OutcomeUndone = "undone" // it did not help, or failed, and everything is as before
	OutcomePartly = "partly undone"
)

// Result is how carrying out a plan ended.
type Result struct {
	ID      string  `json:"id"`
	Outcome string  `json:"outcome"`
	Why     string  `json:"why,omitempty"`
	Verdict Verdict `json:"verdict,omitzero"`
}

func (j *Job) fill() {
	if j.Root == "" {
		j.Root = DefaultJournal
	}
	if j.Within == 0 {
		j.Within = DefaultWithin
	}
	if j.Machine == nil {
		j.Machine = &Machine{}
	}
	if j.Say == nil {
		j.Say = func(string) {}
	}
	if j.Now == nil {
		j.Now = time.Now
	}
	if j.hook == nil {
		j.hook = func(string) {}
	}
}

// Run carries out the plan: journal, guard, steps, a second look, and keeps it
// or takes it back. A fix that was taken back is a result, not an error; an
// error means that it never began, or that its end is not certain.
func (j *Job) Run(ctx context.Context) (Result, error) {
	j.fill()
	if slices.ContainsFunc(j.Plan.Steps, func(s Step) bool { return s.On != originward.WhereCDN }) {
		if err := supported(); err != nil {
			return Result{}, err
		}
	}
	only, err := onlyOne(j.Root)
	if err != nil {
		return Result{}, err
	}
	defer only.Close()
	if err := j.alone(ctx); err != nil {
		return Result{}, err
	}
	jr, err := createJournal(j.Root, j.Plan, j.Now)
	if err != nil {
		return Result{}, err
	}
	defer jr.close()
	m := *j.Machine
	m.began, j.Machine = jr.noteProgram, &m
	j.hook("opened")
	res := Result{ID: jr.plan.ID}
	if err := j.arm(ctx, jr); err != nil {
		return res, errors.Join(fmt.Errorf("no guard, so nothing was changed: %w", err), jr.write(record{Event: evEnded}))
	}
	j.hook("armed")
	ctx, cancel := context.WithTimeout(ctx, j.Within-j.Within/6) // we are done before the guard loses patience
	defer cancel()
	why := j.steps(ctx, jr)
	if why == nil {
		j.Say("looking again from the same vantages")
		res.Verdict, why = j.look(ctx)
	}
	if why == nil {
		j.hook("verified")
		if err := jr.write(record{Event: evKept, Text: res.Verdict.Text}); err != nil {
			why = err
		} else {
			j.hook("kept")
			res.Outcome = OutcomeKept
			return res, nil
		}
	}
	j.Say("taking it back")
	res.Why, res.Outcome = why.Error(), OutcomeUndone
	if err := takeBack(context.WithoutCancel(ctx), jr, j.Machine); err != nil {
		res.Outcome = OutcomePartly
		return res, err
	}
	return res, nil
}

// onlyOne takes the lock that one fix at a time has.
func onlyOne(root string) (*os.File, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w; choose another place with --journal DIR", err)
	}
	f, err := os.OpenFile(filepath.Join(root, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if ok, err := lock(f, false); err != nil || !ok {
		return nil, errors.Join(errors.New("another fix is being carried out on this machine"), err, f.Close())
	}
	return f, nil
}

// alone first finishes a fix that was left open.
func (j *Job) alone(ctx context.Context) error {
	ids, err := journals(j.Root)
	if err != nil {
		return err
	}
	for _, id := range ids {
		past, err := readLog(filepath.Join(j.Root, id, "log"))
		if err != nil {
			return err
		}
		if settled(past) || last(past) == evFailed {
			continue
		}
		if err := recoverJournal(ctx, j.Root, id, j.Machine, false); err != nil {
			return fmt.Errorf("an earlier fix is not finished: %w", err)
		}
	}
	return nil
}

// steps applies every step, each written down before it is taken.
func (j *Job) steps(ctx context.Context, jr *journal) error {
	for i, s := range jr.plan.Steps {
		change, err := s.Do.Plan(ctx, j.Machine)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Title, err)
		}
		if change.None {
			continue
		}
		j.hook(fmt.Sprintf("before %d", i))
		if err := jr.write(record{Event: evApply, Step: i, Before: change.Before, Text: s.Title}); err != nil {
			return err
		}
		j.hook(fmt.Sprintf("applying %d", i))
		j.Say(s.Title)
		if err := s.Do.Apply(ctx, j.Machine); err != nil {
			return fmt.Errorf("%s: %w", s.Title, err)
		}
		j.hook(fmt.Sprintf("applied %d", i))
		if err := jr.write(record{Event: evApplied, Step: i}); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}
	}
	return nil
}

func (j *Job) look(ctx context.Context) (Verdict, error) {
	j.hook("looking")
	v, err := j.Verify(ctx)
	if err != nil {
		return v, fmt.Errorf("looking again failed: %w", err)
	}
	if !v.Helped {
		return v, fmt.Errorf("it did not help: %s", v.Text)
	}
	return v, nil
}

// takeBack undoes every open step, the newest first, and goes on where one
// fails: the others must not stay because of it.
func takeBack(ctx context.Context, jr *journal, m *Machine) error {
	var errs []error
	for _, r := range openSteps(jr.past) {
		if r.Step >= len(jr.plan.Steps) {
			continue
		}
		s := jr.plan.Steps[r.Step]
		if err := jr.write(record{Event: evUndoing, Step: r.Step}); err != nil {
			errs = append(errs, err) // without a journal is better than not at all
		}
		var err error
		for range 3 {
			if err = s.Do.Undo(ctx, m, r.Before); err == nil {
				break
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("take back %q: %w", s.Title, err))
			continue
		}
		errs = append(errs, jr.write(record{Event: evUndone, Step: r.Step}))
	}
	if err := errors.Join(errs...); err != nil {
		return errors.Join(err, jr.write(record{Event: evFailed, Text: err.Error()}))
	}
	return jr.write(record{Event: evEnded})
}
