//go:build amd64 || arm64

package sandbox

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNothingChanges(t *testing.T) {
	dir := t.TempDir()
	keep := filepath.Join(dir, "keep")
	if err := os.WriteFile(keep, []byte("old\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	script := `
cd ` + dir + `
echo new > keep; echo more >> keep; echo x > made; mkdir d; rm keep; mv keep moved; ln -s keep link
chmod 000 keep; touch -d 2001-01-01 keep; truncate -s 0 keep
kill -9 $PPID && echo killed
cat keep`
	out, err := Run(t.Context(), Command{Path: "/bin/sh", Args: []string{"-c", script}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(out.Text, "old\n") || strings.Contains(out.Text, "killed") {
		t.Errorf("output:\n%s", out.Text)
	}
	names, _ := os.ReadDir(dir)
	st, err := os.Stat(keep)
	if err != nil || len(names) != 1 || st.Mode().Perm() != 0o644 || time.Since(st.ModTime()) > time.Hour {
		t.Errorf("the directory changed: %v, %v, %v", names, st, err)
	}
	if b, _ := os.ReadFile(keep); string(b) != "old\n" {
		t.Errorf("the file changed: %q", b)
	}
	if !out.Faked {
		t.Error("refused steps are not told")
	}
	// Only the confined thread is bound: this process still writes.
	if err := os.WriteFile(keep, []byte("free"), 0o644); err != nil {
		t.Errorf("the caller is confined as well: %v", err)
	}
}

func TestErrorsOfTheRealPath(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ cmd, want string }{
		{"echo x > " + dir + "/none/file", "nonexistent"},
		{"echo x > " + dir, "irectory"},
		{"echo x > " + dir + "/fine && echo ok", "ok"},
		{"mkdir " + dir, "exists"},
		{"set -C; echo x > /etc/passwd", "exists"},
	} {
		out, err := Run(t.Context(), Command{Path: "/bin/sh", Args: []string{"-c", tt.cmd}})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.Text, tt.want) && !(tt.want == "nonexistent" && strings.Contains(out.Text, "No such file")) {
			t.Errorf("%s: got %q, want %q", tt.cmd, out.Text, tt.want)
		}
	}
}

func TestHangingProgramEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := Run(ctx, Command{Path: "/bin/sh", Args: []string{"-c", "sleep 613.25 & sleep 613.25"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v", err)
	}
	if out, _ := exec.Command("pgrep", "-f", "^sleep 613.25$").Output(); len(out) > 0 {
		t.Errorf("left behind: %s", out)
	}
}

func TestUntrustedProgram(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: the rule is about programs of other users")
	}
	prog := filepath.Join(t.TempDir(), "prog")
	if err := os.WriteFile(prog, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), Command{Path: prog}); err != nil {
		t.Errorf("root's own program is refused: %v", err)
	}
	for _, spoil := range []func() error{
		func() error { return os.Chmod(prog, 0o757) },
		func() error { return errors.Join(os.Chmod(prog, 0o755), os.Chown(prog, 65534, 0)) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), Command{Path: prog}); !errors.Is(err, ErrUntrusted) {
			t.Errorf("error %v, want ErrUntrusted", err)
		}
	}
}

// TestNginx checks the reason for all this: the self-test of a server that is
// not running leaves no pid file, no log, and no listening socket, and still
// tells a missing log directory and a taken address as it would.
func TestNginx(t *testing.T) {
	const nginx = "/usr/sbin/nginx"
	if _, err := os.Stat(nginx); err != nil {
		t.Skip("needs nginx")
	}
	dir := t.TempDir()
	test := func(conf string) Output {
		t.Helper()
		file := filepath.Join(dir, "nginx.conf")
		if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := Run(t.Context(), Command{Path: nginx, Args: []string{"-t", "-c", file, "-p", dir}})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	temp := "client_body_temp_path /var/lib; proxy_temp_path /var/lib; fastcgi_temp_path /var/lib; uwsgi_temp_path /var/lib; scgi_temp_path /var/lib;"
	good := "pid run.pid; error_log err.log; events {} http { access_log acc.log; " + temp + " server { listen 203.0.113.77:80; listen 127.0.0.1:8099; } }"
	if out := test(good); out.Code != 0 || !strings.Contains(out.Text, "test is successful") {
		t.Errorf("exit %d:\n%s", out.Code, out.Text)
	}
	if out := test(strings.Replace(good, "err.log", "none/err.log", 1)); out.Code == 0 || !strings.Contains(out.Text, "No such file") {
		t.Errorf("missing log directory: exit %d:\n%s", out.Code, out.Text)
	}
	if out := test(strings.Replace(good, "pid ", "pidd ", 1)); out.Code == 0 || !strings.Contains(out.Text, "nginx.conf:1") {
		t.Errorf("syntax error: exit %d:\n%s", out.Code, out.Text)
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}
