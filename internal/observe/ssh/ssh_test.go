package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets this binary stand for the program when it is run on the host.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "host" {
		fmt.Println(`{"schema":"originward.evidence/1","host":"printed by the test binary","asked_at":"2026-11-22T08:00:00Z","evidence":[],"not_observed":[]}`)
		return
	}
	os.Exit(m.Run())
}

// server is a real sshd on loopback with its own keys and configuration. The
// remote user's temporary directory is tmp, so that what is left behind shows.
type server struct {
	dest, tmp string
	flags     []string
}

const sshdPath = "/usr/sbin/sshd"

func startServer(t *testing.T, config ...string) *server {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: sshd opens sessions for other users")
	}
	for _, p := range []string{sshdPath, "/usr/bin/ssh", "/usr/bin/ssh-keygen"} {
		if _, err := os.Stat(p); err != nil {
			t.Skipf("needs %s", p)
		}
	}
	const privsep = "/run/sshd" // where sshd locks up its unprivileged half
	if err := os.Mkdir(privsep, 0o755); err == nil {
		t.Cleanup(func() { _ = os.Remove(privsep) })
	}
	dir := t.TempDir()
	s := &server{tmp: filepath.Join(dir, "tmp")}
	must(t, os.Mkdir(s.tmp, 0o777))
	must(t, os.Chmod(s.tmp, 0o777|os.ModeSticky))
	for _, k := range []string{"host", "user"} {
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, k))
	}
	port := freePort(t)
	lines := append([]string{
		fmt.Sprintf("Port %d", port), "ListenAddress 127.0.0.1", "HostKey " + dir + "/host", "PidFile none", "UsePAM no", "StrictModes no",
		"AuthorizedKeysFile " + dir + "/user.pub", "PermitRootLogin yes", "PasswordAuthentication no", "LogLevel ERROR", "SetEnv TMPDIR=" + s.tmp,
	}, config...)
	must(t, os.WriteFile(dir+"/sshd_config", []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	cmd := exec.Command(sshdPath, "-D", "-e", "-f", dir+"/sshd_config")
	var log bytes.Buffer
	cmd.Stderr = &log
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("sshd: %s", log.String())
		}
	})
	eventually(t, "sshd listens", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	s.dest = fmt.Sprintf("ssh://root@127.0.0.1:%d", port)
	s.flags = []string{"-F", "none", "-i", dir + "/user", "-o", "UserKnownHostsFile=" + dir + "/known", "-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"}
	return s
}

// options runs a shell script in the place of the program.
func (s *server) options(t *testing.T, program string) Options {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	must(t, os.WriteFile(file, []byte("#!/bin/sh\n"+program), 0o755))
	return Options{Flags: s.flags, Timeout: time.Minute, Binary: func(goos, goarch string) (string, error) {
		if goos != "linux" || goarch != runtime.GOARCH {
			return "", fmt.Errorf("asked for %s %s", goos, goarch)
		}
		return file, nil
	}}
}

// clean waits until nothing is left in the remote temporary directory.
func (s *server) clean(t *testing.T) {
	t.Helper()
	eventually(t, "the remote directory is removed", func() bool {
		left, err := os.ReadDir(s.tmp)
		return err == nil && len(left) == 0
	})
}

// echo prints a bundle whose host is its arguments, joined.
const echo = `
cat > "$0.in"
printf '{"schema":"originward.evidence/1","host":"'
for a in "$@"; do printf '<%s>' "$a" | sed 's/[\\"]/\\&/g'; done
printf '","asked_at":"2026-11-22T08:00:00Z","evidence":[],"not_observed":[{"vantage":"host","why":"%s"}]}\n' "$(stat -c %a "$0") $(stat -c %a "$(dirname "$0")")"
`

func TestCollect(t *testing.T) {
	s := startServer(t)
	o := s.options(t, echo)
	o.Args = []string{"--host", "shop.example", "", "a b", `quote's "double" $HOME $(id) \n ` + "`id`" + ` ; & | > ! #`, "*", "-x", "."}
	b, err := Collect(t.Context(), s.dest, o)
	if err != nil {
		t.Fatal(err)
	}
	want := "<host>"
	for _, a := range o.Args {
		want += "<" + a + ">"
	}
	if b.Host != want {
		t.Errorf("arguments arrived as\n%s, want\n%s", b.Host, want)
	}
	if got := b.NotObserved[0].Why; got != "700 700" {
		t.Errorf("modes of the program and its directory: %s, want 700 700", got)
	}
	s.clean(t)
}

func TestRealProgram(t *testing.T) {
	s := startServer(t)
	// A test binary is a real ELF file of several megabytes; it is enough that
	// it arrives whole and is executed.
	o := s.options(t, "")
	o.Binary = func(string, string) (string, error) { return os.Executable() }
	b, err := Collect(t.Context(), s.dest, o)
	if err != nil {
		t.Fatal(err)
	}
	if b.Host != "printed by the test binary" {
		t.Errorf("bundle of %q", b.Host)
	}
	s.clean(t)
}

func TestNoiseOfTheLoginShell(t *testing.T) {
	s := startServer(t, `ForceCommand echo "Welcome! originward is not here"; echo warn >&2; exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"`)
	if _, err := Collect(t.Context(), s.dest, s.options(t, echo)); err != nil {
		t.Fatal(err)
	}
	s.clean(t)
}

// TestInterrupted cuts the run in every phase; nothing may stay behind.
func TestInterrupted(t *testing.T) {
	s := startServer(t)
	pidfile := filepath.Join(t.TempDir(), "pid")
	hang := "echo $$ > " + pidfile + "; exec sleep 619"
	for _, tt := range []struct {
		name string
		cut  func(t *testing.T, cancel func())
	}{
		{"cancelled", func(_ *testing.T, cancel func()) { cancel() }},
		{"ssh killed", func(t *testing.T, _ func()) { killClients(t, s) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_ = os.Remove(pidfile)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() {
				_, err := Collect(ctx, s.dest, s.options(t, hang))
				done <- err
			}()
			eventually(t, "the program runs", func() bool { _, err := os.Stat(pidfile); return err == nil })
			pid, _ := os.ReadFile(pidfile)
			began := time.Now()
			tt.cut(t, cancel)
			if err := <-done; err == nil {
				t.Error("no error")
			}
			if d := time.Since(began); d > 10*time.Second {
				t.Errorf("took %v", d)
			}
			s.clean(t)
			eventually(t, "the remote program ends", func() bool {
				_, err := os.Stat("/proc/" + strings.TrimSpace(string(pid)) + "/fd")
				return err != nil
			})
		})
	}
}

// killClients kills this server's ssh clients the hard way.
func killClients(t *testing.T, s *server) {
	t.Helper()
	for _, pid := range clients(t, s) {
		p, err := os.FindProcess(pid)
		must(t, err)
		must(t, p.Kill())
	}
}

func clients(t *testing.T, s *server) (pids []int) {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	must(t, err)
	for _, p := range procs {
		b, _ := os.ReadFile(p)
		args := strings.Split(string(b), "\x00")
		if len(args) > 1 && filepath.Base(args[0]) == "ssh" && slices.Contains(args, s.dest) {
			var pid int
			if _, err := fmt.Sscanf(p, "/proc/%d/", &pid); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	if len(pids) == 0 {
		t.Fatal("no ssh client of this server runs")
	}
	return pids
}

func TestFailures(t *testing.T) {
	s := startServer(t)
	for _, tt := range []struct {
		name, program, want string
		edit                func(*Options)
	}{
		{"garbage", "echo no json", "is not evidence", nil},
		{"dies", "echo oops >&2; exit 3", "oops", nil},
		{"no program for it", "", "no program for the remote", func(o *Options) {
			o.Binary = func(string, string) (string, error) { return "", ErrNoBinary }
		}},
		{"file vanished", "", "no program for the remote", func(o *Options) {
			o.Binary = func(string, string) (string, error) { return "/nonexistent/originward", nil }
		}},
		{"wrong key", "", "could not connect", func(o *Options) {
			o.Flags = append(slices.Clone(o.Flags), "-o", "IdentityFile=none", "-o", "PubkeyAuthentication=no")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := s.options(t, tt.program)
			if tt.edit != nil {
				tt.edit(&o)
			}
			_, err := Collect(t.Context(), s.dest, o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			s.clean(t)
		})
	}
}

// TestNoExec: a directory mounted noexec is passed over for the next.
func TestNoExec(t *testing.T) {
	s := startServer(t)
	if err := exec.Command("mount", "-t", "tmpfs", "-o", "noexec,mode=1777", "tmpfs", s.tmp).Run(); err != nil {
		t.Skipf("needs to mount: %v", err)
	}
	t.Cleanup(func() { run(t, "umount", s.tmp) })
	if _, err := Collect(t.Context(), s.dest, s.options(t, echo)); err != nil {
		t.Fatal(err)
	}
	s.clean(t)
}

func TestDestinations(t *testing.T) {
	for _, d := range []string{"", "-oProxyCommand=touch /tmp/x", "a b", "host\nrm"} {
		if _, err := Collect(t.Context(), d, Options{Program: "/bin/false"}); !errors.Is(err, ErrDestination) {
			t.Errorf("%q: error %v, want ErrDestination", d, err)
		}
	}
	if _, err := Collect(t.Context(), "host", Options{Program: "/bin/false", Args: []string{"a\nb"}}); err == nil || !strings.Contains(err.Error(), "line break") {
		t.Errorf("argument with a line break: %v", err)
	}
}

// TestScriptIsOneQuotedWord guards what every login shell must be able to take.
func TestScriptIsOneQuotedWord(t *testing.T) {
	for sudo, end := range map[bool]string{false: once, true: talk} {
		c := command(sudo, end)
		inner, ok := strings.CutPrefix(c, "exec sh -c '")
		inner, ok2 := strings.CutSuffix(inner, "'")
		if !ok || !ok2 || strings.ContainsAny(strings.ReplaceAll(inner, "! ", ""), "'\\!\n\r`") {
			t.Errorf("not one plain quoted word: %s", c)
		}
		if strings.Contains(c, "SUDO") || strings.Contains(c, "sudo -n") != sudo {
			t.Errorf("sudo %v: %s", sudo, c)
		}
	}
}

// TestShells runs the script under every shell that is here, as the login
// shell and as sh.
func TestShells(t *testing.T) {
	found := 0
	for _, sh := range []string{"dash", "bash", "zsh", "ksh", "mksh", "fish", "tcsh", "csh", "busybox"} {
		path, err := exec.LookPath(sh)
		if err != nil {
			continue
		}
		found++
		t.Run(sh, func(t *testing.T) {
			tmp := t.TempDir()
			args := []string{"-c", command(false, once)}
			if sh == "busybox" {
				args = append([]string{"sh"}, args...)
			}
			cmd := exec.Command(path, args...)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + tmp, "HOME=" + tmp}
			prog := "#!/bin/sh\necho \"args $*\"\n"
			in, err := cmd.StdinPipe()
			must(t, err)
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			must(t, cmd.Start())
			_, err = fmt.Fprintf(in, "+host\n+a b\n.\n%d\n%s", len(prog), prog)
			must(t, err)
			err = cmd.Wait()
			in.Close()
			if err != nil || !strings.Contains(out.String(), "originward-ssh run\nargs host a b\n") {
				t.Errorf("%v\nout: %s\nerr: %s", err, out.String(), errs.String())
			}
			if left, _ := os.ReadDir(tmp); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			eventually(t, "every process of the script has ended", func() bool { return syscall.Kill(-cmd.Process.Pid, 0) != nil })
		})
	}
	if found == 0 {
		t.Skip("no shell found")
	}
}

// TestSilentCut: the other side goes away in the middle of the program, and
// nobody says so. The directory goes all the same.
func TestSilentCut(t *testing.T) {
	tmp := t.TempDir()
	cmd := exec.Command("sh", "-c", strings.Replace(command(false, once), "-lt 600", "-lt 1", 1))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + tmp, "HOME=" + tmp}
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	_, err = fmt.Fprint(in, ".\n1000\nhalf a program")
	must(t, err)
	entries := func() int { l, _ := os.ReadDir(tmp); return len(l) }
	eventually(t, "the directory is there", func() bool { return entries() == 1 })
	eventually(t, "the directory is gone", func() bool { return entries() == 0 })
	in.Close()
	if err := cmd.Wait(); err == nil {
		t.Error("an incomplete program was run")
	}
}

func TestChoose(t *testing.T) {
	dir := t.TempDir()
	self := filepath.Join(dir, "originward")
	must(t, os.WriteFile(self, []byte("#!/bin/sh\n"), 0o755))
	if _, err := choose(self, false, "linux-arm64"); !errors.Is(err, ErrNoBinary) || !strings.Contains(err.Error(), "originward-linux-arm64") {
		t.Errorf("error %v", err)
	}
	if got, err := choose(self, true, "linux-amd64"); err != nil || got != self {
		t.Errorf("got %s, %v; want this program as the last resort", got, err)
	}
	beside := self + "-linux-arm64"
	must(t, os.WriteFile(beside, nil, 0o755))
	if got, err := choose(self, false, "linux-arm64"); err != nil || got != beside {
		t.Errorf("got %s, %v; want %s", got, err, beside)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
