package ssh

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/originward/originward/internal/escape"
)

// Bounds of what a remote shell may say before it gets to the point, and of
// the messages that are kept for an error.
const (
	maxNoise  = 1 << 20
	maxStderr = 4096
	maxBundle = 64 << 20
)

// farewell is how long the remote side gets to remove the program once it is
// told to stop; then it is removed over a connection of its own.
const farewell = 3 * time.Second

// session is one run.
type session struct {
	dest   string
	o      Options
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr *tail
	dir    string // remote directory; empty = not made yet
}

func newSession(dest string, o Options) *session {
	return &session{dest: dest, o: o, stderr: &tail{also: o.Stderr}}
}

// flags are what every connection is made with: no terminal, no forwarding, no
// master of our own.
func (s *session) flags(more ...string) []string {
	f := append([]string{"-T", "-x", "-a", "-o", "ControlMaster=no", "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no"}, more...)
	return append(append(f, s.o.Flags...), "--", s.dest)
}

// use is what is done with the program that runs on the host: in is its
// standard input, out its standard output.
type use func(in io.Writer, out io.Reader) error

// run brings the program there, runs it, and lets it be used.
func (s *session) run(ctx context.Context, end string, u use) error {
	s.cmd = exec.Command(s.o.Program, append(s.flags("-o", "Compression=yes"), command(s.o.Sudo, end))...)
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	s.stdout = bufio.NewReaderSize(out, 64<<10)
	s.cmd.Stderr = s.stderr
	s.cmd.WaitDelay = farewell
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start ssh: %w", err)
	}
	done := make(chan error, 1)
	go func() { // ends when ssh's output does: at its own end, or when it is killed
		err := s.begin()
		if err == nil {
			err = u(s.stdin, s.stdout)
		}
		s.stdin.Close()
		_, _ = io.Copy(io.Discard, io.LimitReader(s.stdout, maxBundle))
		if werr := s.cmd.Wait(); err != nil {
			err = s.explain(err, werr)
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	// Closing our end tells the remote side to clean up and end.
	s.stdin.Close()
	t := time.NewTimer(farewell)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
		_ = s.cmd.Process.Kill()
		<-done
		s.cleanUp()
	}
	return context.Cause(ctx)
}

// begin follows the protocol of the remote script until the program runs.
func (s *session) begin() error {
	line, err := s.expect(markReady)
	if err != nil {
		return err
	}
	words := strings.SplitN(line, " ", 3)
	if len(words) != 3 {
		return fmt.Errorf("%w: it calls itself %q", ErrSystem, escape.Line(line, 100))
	}
	s.dir = words[2]
	goarch := machines[words[1]]
	if words[0] != "Linux" || goarch == "" {
		s.giveUp()
		return fmt.Errorf("%w: it is %s %s; host evidence is collected on Linux", ErrSystem, escape.Line(words[0], 32), escape.Line(words[1], 32))
	}
	path, err := s.o.Binary("linux", goarch)
	if err != nil {
		s.giveUp()
		return err
	}
	if err := s.send(path); err != nil {
		return err
	}
	_, err = s.expect(markRun)
	return err
}

// expect reads lines until one begins with a mark, and gives its rest.
func (s *session) expect(mark string) (string, error) {
	for read := 0; read < maxNoise; {
		line, err := s.stdout.ReadString('\n')
		read += len(line)
		if rest, ok := strings.CutPrefix(line, mark); ok {
			return strings.TrimRight(rest, "\r\n"), nil
		}
		if err != nil {
			return "", fmt.Errorf("the remote shell did not get to “%s”: %w", strings.TrimSpace(mark), err)
		}
	}
	return "", fmt.Errorf("%w: the login shell prints without end", ErrSystem)
}

// giveUp tells the script that no program will come.
func (s *session) giveUp() { _, _ = io.WriteString(s.stdin, ".\n0\n") }

// send gives the script its arguments and the program.
func (s *session) send(path string) error {
	f, err := os.Open(path)
	if err != nil {
		s.giveUp()
		return fmt.Errorf("%w: %w", ErrNoBinary, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		s.giveUp()
		return fmt.Errorf("%w: %w", ErrNoBinary, err)
	}
	var head strings.Builder
	for _, a := range s.o.Args {
		head.WriteString("+" + a + "\n")
	}
	fmt.Fprintf(&head, ".\n%d\n", st.Size())
	if _, err := io.WriteString(s.stdin, head.String()); err != nil {
		return fmt.Errorf("send the program: %w", err)
	}
	if _, err := io.CopyN(s.stdin, f, st.Size()); err != nil {
		return fmt.Errorf("send the program: %w", err)
	}
	return nil
}

// explain adds what ssh and the remote side said to an error.
func (s *session) explain(err, exit error) error {
	said := escape.Line(strings.TrimSpace(s.stderr.String()), 500)
	var e *exec.ExitError
	code := 0
	if errors.As(exit, &e) {
		code = e.ExitCode()
	}
	hint := ""
	switch {
	case code == 255: // ssh's own status for a failed connection
		hint = "ssh could not connect"
	case code == exitNoDir:
		hint = "the remote user has no directory from which programs can be run (noexec)"
	case code == exitCut:
		hint = "the program did not arrive whole: is the disk full?"
	case strings.Contains(said, "password is required"), strings.Contains(said, "no tty present"):
		hint = "sudo wants a password there: allow it without (NOPASSWD), connect as root, or leave --sudo out"
	case code == 126 || code == 127:
		hint = "the program does not run there: use a static build (CGO_ENABLED=0)"
	}
	switch {
	case hint != "" && said != "":
		return fmt.Errorf("%s (%s): %w", hint, said, err)
	case hint != "":
		return fmt.Errorf("%s: %w", hint, err)
	case said != "":
		return fmt.Errorf("%w (%s)", err, said)
	}
	return err
}

// ours is the form of the directories that the script makes.
var ours = regexp.MustCompile(`^/[A-Za-z0-9._/-]*/originward\.[A-Za-z0-9]+$`)

// cleanUp removes the remote directory over a connection of its own, without
// asking anybody anything.
func (s *session) cleanUp() {
	if !ours.MatchString(s.dir) || strings.Contains(s.dir, "..") {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*farewell)
	defer cancel()
	args := append(s.flags("-o", "BatchMode=yes"), "rm -rf "+s.dir)
	_ = exec.CommandContext(ctx, s.o.Program, args...).Run()
}

// tail keeps the end of what is written to it.
type tail struct {
	also io.Writer
	b    []byte
}

func (t *tail) Write(p []byte) (int, error) {
	if t.also != nil {
		_, _ = t.also.Write(p)
	}
	t.b = append(t.b, p...)
	if n := len(t.b) - maxStderr; n > 0 {
		t.b = t.b[n:]
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.b) }
