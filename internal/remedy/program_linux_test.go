package remedy

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/originward/originward"
)

// TestProgramOutlivesFix: whoever takes an unfinished fix back first lets the
// program end that the killed fix had started; what it did later would stay.
func TestProgramOutlivesFix(t *testing.T) {
	dir := t.TempDir()
	target, half := filepath.Join(dir, "conf"), filepath.Join(dir, "half")
	want := Step{Kind: "config", Title: "write", On: originward.WhereHost, Do: &Config{Edits: []Edit{{Path: target, Content: []byte("new")}}}}
	j, err := createJournal(filepath.Join(dir, "journal"), Plan{Steps: []Step{want}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	change, err := want.Do.Plan(t.Context(), &Machine{})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.write(record{Event: evApply, Before: change.Before}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `while [ ! -e "$1" ]; do sleep 0.02; done; printf new >"$2"`, "slow", half, target)
	apart(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	j.noteProgram(cmd.Process.Pid)
	go func() { _ = cmd.Wait() }() // ends with the program
	done := make(chan error, 1)
	go func() { done <- finish(t.Context(), j, &Machine{Force: true}) }()
	select {
	case <-done:
		t.Fatal("taken back while the program still runs")
	case <-time.After(300 * time.Millisecond):
	}
	if err := (file{Path: half, There: true, Mode: 0o600, UID: -1, GID: -1}).write(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if now, err := readFile(target); err != nil || now.There {
		t.Errorf("what the program wrote late is left: %+v %v", now, err)
	}
}
