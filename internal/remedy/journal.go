package remedy

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// DefaultJournal is where journals lie unless told otherwise.
const DefaultJournal = "/var/lib/originward/journal"

// Events of a journal, in the order of a fix that helps.
const (
	evOpened  = "opened"
	evArmed   = "armed"    // the guard watches
	evApply   = "applying" // from here on the step may have changed something
	evApplied = "applied"
	evKept    = "kept" // the fix helped and stays
	evUndoing = "undoing"
	evUndone  = "undone" // one step
	evFailed  = "failed" // one step could not be taken back
	evEnded   = "ended"  // everything is as it was before
)

// record is one line of a journal.
type record struct {
	At     time.Time       `json:"at"`
	Event  string          `json:"event"`
	Step   int             `json:"step,omitempty"`
	Before json.RawMessage `json:"before,omitempty"`
	Text   string          `json:"text,omitempty"`
}

// journal is one fix on disk: its plan and what was done of it. Whoever holds
// its lock may write and undo.
type journal struct {
	dir  string
	plan Plan
	log  *os.File
	held *os.File
	past []record
	now  func() time.Time
}

// newID is a name that sorts by time and is never used twice.
func newID(now time.Time) string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	return now.UTC().Format("20060102-150405.000") + "-" + hex.EncodeToString(b[:])
}

// createJournal writes the plan and takes the lock.
func createJournal(root string, plan Plan, now func() time.Time) (*journal, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w; choose another place with --journal DIR", err)
	}
	plan.ID = newID(now())
	j := &journal{dir: filepath.Join(root, plan.ID), plan: plan, now: now}
	if err := os.Mkdir(j.dir, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	raw, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return nil, err
	}
	f := file{Path: filepath.Join(j.dir, "plan.json"), There: true, Content: raw, Mode: 0o600, UID: -1, GID: -1}
	if err := f.write(); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := syncDir(root); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if ok, err := j.open(false); err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("journal %s is in use", plan.ID), err)
	}
	return j, j.write(record{Event: evOpened})
}

// openJournal reads a journal and takes its lock; ok is false when another
// process has it.
func openJournal(root, id string, wait bool) (j *journal, ok bool, err error) {
	if id == "" || filepath.Base(id) != id || id[0] == '.' {
		return nil, false, fmt.Errorf("journal %q: not an ID; `originward undo --list` shows them", id)
	}
	j = &journal{dir: filepath.Join(root, id), now: time.Now}
	raw, err := os.ReadFile(filepath.Join(j.dir, "plan.json"))
	if err != nil {
		return nil, false, fmt.Errorf("journal %s: %w", id, err)
	}
	if err := json.Unmarshal(raw, &j.plan); err != nil {
		return nil, false, fmt.Errorf("journal %s: %w", id, err)
	}
	ok, err = j.open(wait)
	return j, ok, err
}

// open takes the lock, reads what was done, and opens the log for more.
func (j *journal) open(wait bool) (ok bool, err error) {
	if j.held, err = os.OpenFile(filepath.Join(j.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return false, fmt.Errorf("journal: %w", err)
	}
	if ok, err = lock(j.held, wait); err != nil || !ok {
		return false, errors.Join(err, j.held.Close())
	}
	if j.past, err = readLog(j.logFile()); err != nil {
		return false, errors.Join(err, j.held.Close())
	}
	j.log, err = os.OpenFile(j.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return false, errors.Join(fmt.Errorf("journal: %w", err), j.held.Close())
	}
	return true, syncDir(j.dir)
}

func (j *journal) logFile() string { return filepath.Join(j.dir, "log") }

// readLog reads a log. Its last line may be cut: its writer died.
func readLog(path string) ([]record, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var out []record
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, len(raw)+1)
	for lines.Scan() {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			continue // a cut line was never acted on: it is written before the step
		}
		out = append(out, r)
	}
	return out, lines.Err()
}

// write adds a record and returns when it is on disk.
func (j *journal) write(r record) error {
	r.At = j.now().UTC()
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	// A cut line of an earlier writer must not swallow this one.
	if _, err := j.log.Write(append(append([]byte("\n"), line...), '\n')); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := j.log.Sync(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.past = append(j.past, r)
	return nil
}

// close gives the lock back.
func (j *journal) close() error { return errors.Join(j.log.Close(), j.held.Close()) }

// last reports the state that a log ends in.
func last(past []record) string {
	for i := len(past) - 1; i >= 0; i-- {
		switch past[i].Event {
		case evKept, evEnded, evFailed, evUndoing, evApply, evApplied, evArmed, evOpened:
			return past[i].Event
		}
	}
	return ""
}

// settled reports whether nothing is left to be done about a fix: it stays, it
// was taken back, or it never changed anything.
func settled(past []record) bool {
	switch last(past) {
	case evKept, evEnded, evOpened, "":
		return true
	}
	return false
}

// open steps are those that may have changed something and were not taken
// back, the newest first.
func openSteps(past []record) []record {
	var open []record
	for _, r := range past {
		switch r.Event {
		case evApply:
			open = append([]record{r}, open...)
		case evUndone:
			for i, o := range open {
				if o.Step == r.Step {
					open = append(open[:i], open[i+1:]...)
					break
				}
			}
		}
	}
	return open
}

// journals lists the IDs of all journals, the newest first.
func journals(root string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var out []string
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(root, e.Name(), "plan.json")); e.IsDir() && err == nil {
			out = append(out, e.Name())
		}
	}
	sort.Sort(sort.Reverse(sort.StringSlice(out)))
	return out, nil
}
