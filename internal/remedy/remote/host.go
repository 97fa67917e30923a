package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/observe/ssh"
	"github.com/originward/originward/internal/remedy"
)

// Host is an origin at the other end of ssh.
type Host struct {
	Dest string // as ssh takes it
	Sudo bool
	SSH  ssh.Options // flags and program of the client
}

// thinking is how long a person may take to agree to a plan.
const thinking = 30 * time.Minute

// parting is how long the host gets to take back what was stopped.
const parting = time.Minute

// maxSaid bounds what a host says in one conversation, in bytes: a bundle for
// each look, and some more.
const maxSaid = 512 << 20

// alive has a dead connection noticed within a quarter of a minute.
var alive = []string{"-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"}

// Hooks are what only whoever asks can do.
type Hooks struct {
	// Agree shows a plan and says whether it is to be carried out.
	Agree func(remedy.Shown) (bool, error)
	Say   func(string)
	// Look looks again; collect brings the host's own evidence.
	Look func(ctx context.Context, p remedy.Plan, collect Collector) (remedy.Verdict, error)
}

// Collector brings a host's evidence.
type Collector func(context.Context, diagnose.HostAsk) (*originward.Bundle, error)

// talk is one conversation with an agent.
type talk struct {
	mu  sync.Mutex
	to  *json.Encoder
	got *json.Decoder
}

func (t *talk) tell(x told) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.to.Encode(x)
}

// hear waits for what the host says next.
func (t *talk) hear() (said, error) {
	var s said
	if err := t.got.Decode(&s); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the connection ended")
		}
		return s, err
	}
	if s.Err != nil {
		return s, s.Err
	}
	return s, nil
}

// open runs the agent with a task and lets it be talked with. When ctx ends,
// the agent is told to stop, and is waited for.
func (h Host) open(ctx context.Context, task Task, limit time.Duration, with func(*talk) error) error {
	o := h.SSH
	o.Sudo, o.Args, o.Timeout = h.Sudo, []string{"agent"}, ssh.DefaultTimeout+limit
	o.Flags = append(append([]string{}, alive...), o.Flags...)
	held, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	return ssh.Run(held, h.Dest, o, func(in io.Writer, out io.Reader) error {
		t := &talk{to: json.NewEncoder(in), got: json.NewDecoder(io.LimitReader(out, maxSaid))}
		stop := context.AfterFunc(ctx, func() {
			_ = t.tell(told{Stop: true}) // a connection that is gone says so by its end
			time.AfterFunc(parting, func() { cancel(context.Cause(ctx)) })
		})
		defer stop()
		if err := t.tell(told{Task: &task}); err != nil {
			return err
		}
		return with(t)
	})
}

// Fix has the host plan a task and, when that is agreed to, carry it out. The
// result's ID is empty where nothing was carried out.
func (h Host) Fix(ctx context.Context, task Task, k Hooks) (shown remedy.Shown, res remedy.Result, err error) {
	begun := false
	err = h.open(ctx, task, thinking+task.Within, func(t *talk) error {
		for {
			s, err := t.hear()
			switch {
			case err != nil:
				return err
			case s.Shown != nil:
				shown = *s.Shown
				yes, err := k.Agree(shown)
				if err != nil || !yes || len(shown.Steps) == 0 {
					return err
				}
				begun = true
				err = t.tell(told{Go: true})
				if err != nil {
					return err
				}
			case s.Say != "":
				k.Say(s.Say)
			case s.Look:
				if err := t.answer(ctx, shown.Plan, k); err != nil {
					return err
				}
			case s.Result != nil:
				res = *s.Result
			case s.Done:
				return nil
			}
		}
	})
	var told *failure
	if err != nil && begun && res.ID == "" && !errors.As(err, &told) {
		err = fmt.Errorf("the connection to %s was lost while the fix was carried out; the guard there takes it back within %s, and `originward undo --ssh %s --list` shows what stands: %w", h.Dest, task.Within, h.Dest, err)
	}
	return shown, res, err
}

// answer looks again and tells the host what was seen.
func (t *talk) answer(ctx context.Context, p remedy.Plan, k Hooks) error {
	v, err := k.Look(ctx, p, t.collect)
	switch {
	case ctx.Err() != nil:
		return nil // it was told to stop
	case err != nil:
		return t.tell(told{Failed: err.Error()})
	}
	return t.tell(told{Verdict: &v})
}

func (t *talk) collect(ctx context.Context, ask diagnose.HostAsk) (*originward.Bundle, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := t.tell(told{Collect: &ask}); err != nil {
		return nil, err
	}
	s, err := t.hear()
	if err != nil {
		return nil, err
	}
	if s.Evidence == nil {
		return nil, errors.New("the host said something else than what it was asked")
	}
	return s.Evidence, typed(s.Evidence)
}

// Undo takes a fix of the host back.
func (h Host) Undo(ctx context.Context, root string, u UndoTask) (remedy.Past, error) {
	var past remedy.Past
	err := h.open(ctx, Task{Undo: &u, Root: root}, remedy.DefaultWithin, func(t *talk) error {
		s, err := t.hear()
		if err == nil && s.Past != nil {
			past = *s.Past
		}
		return err
	})
	return past, err
}

// History lists the fixes of the host, the newest first.
func (h Host) History(ctx context.Context, root string) ([]remedy.Past, error) {
	var all []remedy.Past
	err := h.open(ctx, Task{List: true, Root: root}, 0, func(t *talk) error {
		s, err := t.hear()
		all = s.History
		return err
	})
	return all, err
}
