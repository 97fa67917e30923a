package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/remedy"
)

// Why a fix is taken back before it is finished.
var (
	ErrGone    = errors.New("the connection to whoever asked for the fix was lost")
	ErrStopped = errors.New("stopped by whoever asked for the fix")
)

// Agent works on the host.
type Agent struct {
	Guard   []string // the guard's command line
	Collect func(context.Context, diagnose.HostAsk) *originward.Bundle

	in  chan told
	mu  sync.Mutex
	out *json.Encoder
}

// Serve carries out one task, and tells how it went.
func (a *Agent) Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a.in, a.out = make(chan told), json.NewEncoder(out)
	go a.listen(ctx, cancel, json.NewDecoder(in)) // ends with the input
	first, err := a.next(ctx)
	if err != nil {
		return err
	}
	if first.Task == nil {
		return errors.New("asked for nothing")
	}
	if err := a.do(ctx, *first.Task); err != nil {
		return a.say(said{Err: failureOf(err)})
	}
	return a.say(said{Done: true})
}

// listen reads what is told. Its end, and a word to stop, end what is going on.
func (a *Agent) listen(ctx context.Context, cancel context.CancelCauseFunc, in *json.Decoder) {
	for {
		var t told
		if err := in.Decode(&t); err != nil {
			cancel(ErrGone)
			return
		}
		if t.Stop {
			cancel(ErrStopped)
			continue
		}
		select {
		case a.in <- t:
		case <-ctx.Done():
		}
	}
}

func (a *Agent) next(ctx context.Context) (told, error) {
	select {
	case t := <-a.in:
		return t, nil
	case <-ctx.Done():
		return told{}, context.Cause(ctx)
	}
}

func (a *Agent) say(s said) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.out.Encode(s)
}

func (a *Agent) do(ctx context.Context, t Task) error {
	switch {
	case t.Fix != nil:
		return a.fix(ctx, t)
	case t.Undo != nil:
		// What was begun is brought to its end, whoever listens.
		p, err := remedy.Undo(context.WithoutCancel(ctx), t.Root, t.Undo.ID, t.Undo.Force)
		if err != nil {
			return err
		}
		return a.say(said{Past: &p})
	case t.List:
		all, err := remedy.History(t.Root)
		if err != nil {
			return err
		}
		return a.say(said{History: all})
	}
	return errors.New("asked for nothing that is known here: this program is of another version")
}

// plan works out what is to be done, and tries it in a copy of the network.
func (a *Agent) plan(ctx context.Context, t FixTask) (remedy.Plan, error) {
	b, err := fact.ReadBundle(bytes.NewReader(t.Bundle))
	if err != nil {
		return remedy.Plan{}, err
	}
	if err := remedy.Here(b); err != nil {
		return remedy.Plan{}, err
	}
	var p remedy.Plan
	if t.Harden != nil {
		p = remedy.Harden(b, t.Harden.Ports, t.Harden.Keep)
	} else if p, err = remedy.MakePlan(ctx, b, remedy.API{}, remedy.ScopeHost, t.Wish); err != nil {
		return p, err
	}
	return p, remedy.Simulate(ctx, &p, b)
}

func (a *Agent) fix(ctx context.Context, t Task) error {
	p, err := a.plan(ctx, *t.Fix)
	if err != nil {
		return err
	}
	shown, err := remedy.Show(ctx, p)
	if err != nil {
		return err
	}
	if err := a.say(said{Shown: &shown}); err != nil || len(p.Steps) == 0 {
		return err
	}
	switch t, err := a.next(ctx); {
	case errors.Is(err, ErrGone):
		return nil // nobody wants it
	case err != nil:
		return err
	case !t.Go:
		return errors.New("neither yes nor no was said")
	}
	job := remedy.Job{
		Plan: p, Root: t.Root, Within: t.Within, Guard: a.Guard, Verify: a.look,
		Say: func(text string) { _ = a.say(said{Say: text}) }, // who does not listen is noticed by the input
	}
	res, err := job.Run(ctx)
	if err != nil {
		if res.ID != "" {
			err = fmt.Errorf("%w; what was changed is in the journal %s", err, res.ID)
		}
		return err
	}
	return a.say(said{Result: &res})
}

// look has whoever asked look again, and shows this host when asked for it.
func (a *Agent) look(ctx context.Context) (remedy.Verdict, error) {
	if err := a.say(said{Look: true}); err != nil {
		return remedy.Verdict{}, fmt.Errorf("%w: %w", ErrGone, err)
	}
	for {
		t, err := a.next(ctx)
		switch {
		case err != nil:
			return remedy.Verdict{}, err
		case t.Verdict != nil:
			return *t.Verdict, nil
		case t.Failed != "":
			return remedy.Verdict{}, errors.New(t.Failed)
		case t.Collect != nil:
			if err := a.say(said{Evidence: a.Collect(ctx, *t.Collect)}); err != nil {
				return remedy.Verdict{}, fmt.Errorf("%w: %w", ErrGone, err)
			}
		}
	}
}
