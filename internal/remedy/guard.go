package remedy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// armLimit is how long the guard may take to say that it watches.
const armLimit = 10 * time.Second

// guardPoll is how often the guard looks whether the fix's process is gone.
const guardPoll = 50 * time.Millisecond

// fixer is who carries out a fix, written for the guard.
type fixer struct {
	Process process   `json:"process"`
	Until   time.Time `json:"until"`
}

// arm starts the guard and waits until it watches. Where systemd runs, the
// guard is a unit of its own: the end of an SSH session does not reach it.
func (j *Job) arm(ctx context.Context, jr *journal) error {
	until := j.Now().Add(j.Within)
	if err := writeJSON(filepath.Join(jr.dir, "fixer.json"), fixer{processOf(os.Getpid()), until}); err != nil {
		return err
	}
	args := append(append([]string{}, j.Guard...), "--journal", j.Root, "--id", jr.plan.ID)
	if err := j.startGuard(args, jr); err != nil {
		return err
	}
	end := time.Now().Add(armLimit)
	armed := filepath.Join(jr.dir, "armed")
	for {
		if _, err := os.Stat(armed); err == nil {
			return jr.write(record{Event: evArmed})
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("the guard did not report within %s", armLimit)
		}
		time.Sleep(5 * time.Millisecond) // another process's file: there is no event to wait for
	}
}

func (j *Job) startGuard(args []string, jr *journal) error {
	if len(args) == 0 || args[0] == "" {
		return errors.New("no program to guard with")
	}
	out, err := os.OpenFile(filepath.Join(jr.dir, "guard.out"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(args[0], args[1:]...)
	if underSystemd() && !jr.plan.tokenFromEnv() { // anybody may read a unit's environment
		unit := append([]string{"--quiet", "--collect", "--unit=originward-guard-" + jr.plan.ID, "--property=KillMode=process", "--"}, args...)
		cmd = exec.Command("systemd-run", unit...)
		if cmd.Run() == nil {
			return nil
		}
		cmd = exec.Command(args[0], args[1:]...)
	}
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, "/"
	apart(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // ends with the guard; nobody else reaps it while we live
	return nil
}

// tokenFromEnv reports whether steps can be taken back only with a token of this
// process's environment.
func (p Plan) tokenFromEnv() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool {
		a, ok := s.Do.(interface{ tokenFromEnv() bool })
		return ok && a.tokenFromEnv()
	})
}

// underSystemd reports whether systemd runs this system (sd_booted(3)).
func underSystemd() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil && has("systemd-run")
}

// Guard watches one fix until it is kept or taken back. When the process that
// carries it out is gone, or does not finish in time, everything is taken back.
func Guard(ctx context.Context, root, id string) error {
	dir := filepath.Join(root, id)
	var f fixer
	raw, err := os.ReadFile(filepath.Join(dir, "fixer.json"))
	if err == nil {
		err = json.Unmarshal(raw, &f)
	}
	if err != nil {
		return fmt.Errorf("guard %s: %w", id, err)
	}
	if err := writeJSON(filepath.Join(dir, "armed"), processOf(os.Getpid())); err != nil {
		return fmt.Errorf("guard %s: %w", id, err)
	}
	for {
		if time.Now().After(f.Until) {
			f.Process.kill() // it had its time; two must not work on one machine
			return recoverJournal(ctx, root, id, &Machine{}, true)
		}
		j, ok, err := openJournal(root, id, false)
		if err != nil {
			return fmt.Errorf("guard %s: %w", id, err)
		}
		if ok { // the fix's process is gone
			return finish(ctx, j, &Machine{Force: true})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(guardPoll):
		}
	}
}

// recoverJournal takes back what an unfinished fix left. Another process that
// works on it is waited for only when asked to.
func recoverJournal(ctx context.Context, root, id string, m *Machine, wait bool) error {
	j, ok, err := openJournal(root, id, wait)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("fix %s is being carried out now", id)
	}
	return finish(ctx, j, &Machine{within: m.within, Force: true})
}

// finish takes back what a journal left open, and closes it.
func finish(ctx context.Context, j *journal, m *Machine) error {
	defer j.close()
	if settled(j.past) {
		return nil
	}
	j.awaitProgram(ctx)
	return takeBack(ctx, j, m)
}

// noteProgram writes down which program a step runs: it is in a session of its
// own, and goes on when the fix's process is killed.
func (j *journal) noteProgram(pid int) {
	if raw, err := json.Marshal(processOf(pid)); err == nil {
		_ = os.WriteFile(j.programFile(), raw, 0o600) // without it the undo begins at once
	}
}

func (j *journal) programFile() string { return filepath.Join(j.dir, "program.json") }

// awaitProgram lets the program end that an interrupted step left running: what
// it does after the undo would stay.
func (j *journal) awaitProgram(ctx context.Context) {
	raw, err := os.ReadFile(j.programFile())
	var p process
	if err != nil || json.Unmarshal(raw, &p) != nil {
		return
	}
	for end := time.Now().Add(runLimit); p.runs() && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(guardPoll) // not our child any more: there is no event to wait for
	}
}

// writeJSON writes a small file of ours, whole or not at all.
func writeJSON(path string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return file{Path: path, There: true, Content: raw, Mode: 0o600, UID: -1, GID: -1}.write()
}

// Past is one fix that was carried out.
type Past struct {
	ID     string    `json:"id"`
	Host   string    `json:"host"`
	State  string    `json:"state"` // kept, undone, open, failed
	At     time.Time `json:"at"`
	Titles []string  `json:"steps"`
}

// History lists the fixes of this machine, the newest first.
func History(root string) ([]Past, error) {
	if root == "" {
		root = DefaultJournal
	}
	ids, err := journals(root)
	if err != nil {
		return nil, err
	}
	out := []Past{}
	for _, id := range ids {
		raw, err := os.ReadFile(filepath.Join(root, id, "plan.json"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("journal %s: %w", id, err)
		}
		var p Plan
		if err := json.Unmarshal(raw, &p); err != nil {
			return nil, fmt.Errorf("journal %s: %w", id, err)
		}
		past, err := readLog(filepath.Join(root, id, "log"))
		if err != nil {
			return nil, err
		}
		h := Past{ID: id, Host: p.Host, State: stateOf(past)}
		if len(past) > 0 {
			h.At = past[0].At
		}
		for _, s := range p.Steps {
			h.Titles = append(h.Titles, s.Title)
		}
		out = append(out, h)
	}
	return out, nil
}

func stateOf(past []record) string {
	switch last(past) {
	case evKept:
		return "kept"
	case evEnded, evOpened, "":
		return "undone"
	case evFailed:
		return "failed"
	}
	return "open"
}

// ErrNothing says that there is nothing to take back.
var ErrNothing = errors.New("no fix stands that could be taken back")

// Undo takes one fix back: the newest that stands when id is empty. Without
// force, what others changed since is left and reported.
func Undo(ctx context.Context, root, id string, force bool) (Past, error) {
	if root == "" {
		root = DefaultJournal
	}
	all, err := History(root)
	if err != nil {
		return Past{}, err
	}
	for _, p := range all {
		if id != "" && p.ID != id || id == "" && p.State == "undone" {
			continue
		}
		if p.State == "undone" {
			return p, fmt.Errorf("fix %s was taken back already", id)
		}
		j, ok, err := openJournal(root, p.ID, false)
		if err != nil {
			return p, err
		}
		if !ok {
			return p, fmt.Errorf("fix %s is being carried out now", p.ID)
		}
		defer j.close()
		return p, takeBack(ctx, j, &Machine{Force: force})
	}
	if id != "" {
		return Past{}, fmt.Errorf("no fix %q; `originward undo --list` shows them", id)
	}
	return Past{}, ErrNothing
}
