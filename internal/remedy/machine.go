package remedy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/originward/originward/internal/escape"
)

// Machine is the host that a step changes, or a copy of its network.
type Machine struct {
	// within runs what follows in another network namespace; nil = in this one.
	within func(func() error) error
	// Force lets Undo overwrite what others changed since.
	Force bool
	// began is told of every program that runs: it may outlive this process.
	began func(pid int)
}

// runLimit bounds one program; a service may take long to start.
const runLimit = 60 * time.Second

// do runs f in the machine's network.
func (m *Machine) do(f func() error) error {
	if m.within == nil {
		return f()
	}
	return m.within(f)
}

// Run runs one program with the given standard input and gives its output. An
// error holds what the program said.
func (m *Machine) Run(ctx context.Context, input, name string, args ...string) (string, error) {
	path, err := find(name)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PATH="+strings.Join(append(sbin, os.Getenv("PATH")), ":"))
	cmd.WaitDelay = 200 * time.Millisecond // a daemon keeps what it inherited
	apart(cmd)
	if err = m.do(cmd.Start); err == nil {
		if m.began != nil {
			m.began(cmd.Process.Pid)
		}
		err = cmd.Wait()
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	if err != nil {
		said := strings.TrimSpace(errs.String() + "\n" + out.String())
		if len(said) > 2000 {
			said = said[:2000]
		}
		return out.String(), fmt.Errorf("%s: %w: %s", command(name, args...), err, said)
	}
	return out.String(), nil
}

// sbin are the directories of programs that only root's PATH holds.
var sbin = []string{"/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"}

// find looks a program up on PATH and where only root looks.
func find(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	for _, dir := range sbin {
		p := filepath.Join(dir, name)
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: %w", name, exec.ErrNotFound)
}

// has reports whether a program is there.
func has(name string) bool {
	_, err := find(name)
	return err == nil
}

// command writes a command as a shell would read it, for people.
func command(name string, args ...string) string {
	return escape.Shell(append([]string{name}, args...)...)
}
