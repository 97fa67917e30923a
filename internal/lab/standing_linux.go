package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/originward/originward/internal/netns"
)

// Standing is a world that a keeper process of its own leaves standing. Its
// state lies in a file, so that any later command finds it.
type Standing struct {
	World  string    `json:"world"`
	Title  string    `json:"title"`
	Keeper process   `json:"keeper"`
	Others []process `json:"others"` // processes outside the origin's own namespace
	Dir    string    `json:"dir"`
	Since  time.Time `json:"since"`
	Broken bool      `json:"broken"`
	Guide  string    `json:"guide"`
}

// process is a process by more than its number, which is used again.
type process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // start time in ticks since boot, of /proc/PID/stat
}

func processOf(pid int) process { return process{pid, startOf(pid)} }

// alive reports whether it still is that process.
func (p process) alive() bool { return p.Start != "" && startOf(p.PID) == p.Start }

// startOf is field 22 of /proc/PID/stat; empty = no such process, or a dead one
// that nobody has waited for.
func startOf(pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name may hold anything; the fields after its last bracket do not.
	text := string(raw)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

// stateDir is where states lie: /run/originward-lab, or below the directory
// for temporary files where /run is not ours to write.
func stateDir() string {
	if os.Geteuid() == 0 {
		return "/run/originward-lab"
	}
	return filepath.Join(os.TempDir(), "originward-lab")
}

func stateFile(world string) string { return filepath.Join(stateDir(), world+".json") }

// StandingWorlds lists the worlds that stand, and those whose keeper died.
func StandingWorlds() ([]Standing, error) {
	files, err := filepath.Glob(filepath.Join(stateDir(), "*.json"))
	if err != nil {
		return nil, err
	}
	var out []Standing
	for _, f := range files {
		s, err := readStanding(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func readStanding(file string) (s Standing, err error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("state of a standing world, %s: %w; remove the file when no such world stands", file, err)
	}
	return s, nil
}

// Keep builds a world, breaks it unless healthy, tells what stands, and waits
// for the end of ctx; then it removes the world.
func Keep(ctx context.Context, w *World, o Options, healthy bool, stands func(Standing)) (err error) {
	if s, err := readStanding(stateFile(w.Name)); err == nil && s.Keeper.alive() {
		return fmt.Errorf("%s stands already, since %s; `originward lab down %s` removes it", w.Name, s.Since.Format(time.RFC3339), w.Name)
	}
	st, err := UpWith(ctx, w, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Down(), removeState(w.Name)) }()
	if !healthy {
		if err := st.Break(ctx); err != nil {
			return err
		}
	}
	s := Standing{
		World: w.Name, Title: w.Title, Keeper: processOf(os.Getpid()), Others: st.processes(),
		Dir: st.Dir, Since: time.Now().UTC().Truncate(time.Second), Broken: !healthy, Guide: st.Guide(),
	}
	if err := s.write(); err != nil {
		return err
	}
	stands(s)
	<-ctx.Done()
	return nil
}

// processes are those that a keeper killed outright would leave behind.
func (s *Stage) processes() []process {
	var out []process
	for _, n := range append([]*Node{s.Client, s.Edge, s.Origin, s.Router}, s.more...) {
		for _, cmd := range n.bg {
			out = append(out, processOf(cmd.Process.Pid))
		}
		if n.init != nil {
			out = append(out, processOf(n.init.Process.Pid))
		}
	}
	return out
}

// write writes the state whole or not at all.
func (s Standing) write() error {
	if err := os.MkdirAll(stateDir(), 0o700); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	part := stateFile(s.World) + ".part"
	if err := os.WriteFile(part, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(part, stateFile(s.World))
}

func removeState(world string) error {
	if err := os.Remove(stateFile(world)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Remove asks the keeper to remove the world and waits for its end. Where the
// keeper is dead, what it left is removed here.
func (s Standing) Remove(ctx context.Context) error {
	if s.Keeper.alive() {
		if err := syscall.Kill(s.Keeper.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end the keeper of %s: %w", s.World, err)
		}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.Keeper.alive() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the end of %s: %w", s.World, ctx.Err())
		}
	}
	if _, err := os.Stat(s.Dir); errors.Is(err, fs.ErrNotExist) {
		return removeState(s.World)
	}
	return s.sweep()
}

// sweep removes what a keeper that was killed left behind.
func (s Standing) sweep() error {
	var errs []error
	for _, p := range s.Others {
		if p.alive() {
			_ = syscall.Kill(p.PID, syscall.SIGKILL) // it may end by itself meanwhile
		}
	}
	for _, m := range []string{"origin/root/dev", "origin/root"} {
		err := syscall.Unmount(filepath.Join(s.Dir, m), syscall.MNT_DETACH)
		if err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOENT) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", m, err))
		}
	}
	if len(errs) == 0 { // never below a mount that is still there
		errs = append(errs, os.RemoveAll(s.Dir))
	}
	_, err := netns.Sweep()
	return errors.Join(append(errs, err, removeState(s.World))...)
}
