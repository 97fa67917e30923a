package remote

import (
	"encoding/json"
	"errors"
	"net/netip"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/diagnose"
	"github.com/originward/originward/internal/remedy"
)

// Task is what a host is asked to do; one of its parts is set.
type Task struct {
	Fix    *FixTask      `json:"fix,omitempty"`
	Undo   *UndoTask     `json:"undo,omitempty"`
	List   bool          `json:"list,omitempty"` // of the fixes that were carried out
	Root   string        `json:"root,omitempty"` // where journals lie there; empty = remedy.DefaultJournal
	Within time.Duration `json:"within,omitempty"`
}

// FixTask cures the causes of a bundle, or locks the origin down.
type FixTask struct {
	Bundle json.RawMessage `json:"bundle"`
	Harden *Harden         `json:"harden,omitempty"`
	Wish   remedy.Wish     `json:"wish,omitzero"`
}

// Harden are the ports that the CDN alone may reach, and who else may.
type Harden struct {
	Ports []uint16       `json:"ports"`
	Keep  []netip.Prefix `json:"keep,omitempty"`
}

// UndoTask takes a fix back.
type UndoTask struct {
	ID    string `json:"id,omitempty"` // empty = the newest that stands
	Force bool   `json:"force,omitempty"`
}

// told is what a host is told.
type told struct {
	Task    *Task             `json:"task,omitempty"`
	Go      bool              `json:"go,omitempty"`      // the plan may be carried out
	Collect *diagnose.HostAsk `json:"collect,omitempty"` // look at yourself
	Verdict *remedy.Verdict   `json:"verdict,omitempty"` // of looking again
	Failed  string            `json:"failed,omitempty"`  // looking again did
	Stop    bool              `json:"stop,omitempty"`    // take back what was begun
}

// said is what a host answers.
type said struct {
	Shown    *remedy.Shown      `json:"shown,omitempty"`
	Say      string             `json:"say,omitempty"`
	Look     bool               `json:"look,omitempty"` // look again and tell the verdict
	Evidence *originward.Bundle `json:"evidence,omitempty"`
	Result   *remedy.Result     `json:"result,omitempty"`
	Past     *remedy.Past       `json:"past,omitempty"`
	History  []remedy.Past      `json:"history,omitempty"`
	Done     bool               `json:"done,omitempty"`
	Err      *failure           `json:"err,omitempty"`
}

// failure is an error that keeps what it is on its way.
type failure struct {
	Text string `json:"text"`
	Kind string `json:"kind,omitempty"`
}

// kinds are the errors that callers tell apart.
var kinds = map[string]error{
	"no-cause": remedy.ErrNoCause, "lock-out": remedy.ErrLockOut, "nothing": remedy.ErrNothing, "elsewhere": remedy.ErrElsewhere,
}

func failureOf(err error) *failure {
	f := &failure{Text: err.Error()}
	for kind, is := range kinds {
		if errors.Is(err, is) {
			f.Kind = kind
		}
	}
	return f
}

func (f *failure) Error() string { return f.Text }
func (f *failure) Unwrap() error { return kinds[f.Kind] }

// typed gives the facts of a bundle that came as a message their types.
func typed(b *originward.Bundle) error {
	for i := range b.Evidence {
		if err := fact.Type(&b.Evidence[i]); err != nil {
			return err
		}
	}
	return nil
}
