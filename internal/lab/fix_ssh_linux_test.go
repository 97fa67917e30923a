package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/originward/originward"
)

// afar is a broken world whose origin is reached over ssh alone.
type afar struct {
	*Stage
	path   string // of a directory whose ssh knows the way
	before map[string]string
}

func newAfar(t *testing.T, world string) *afar {
	t.Helper()
	w, err := Find(world)
	if err != nil {
		t.Fatal(err)
	}
	w.Needs = append(w.Needs, "sshd", "ssh", "ssh-keygen")
	if lacks := Lacks(w); lacks != "" {
		t.Skip(lacks)
	}
	exe, err := program()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Up(t.Context(), w, exe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Down(); err != nil {
			t.Error(err)
		}
	})
	a := &afar{Stage: s, path: filepath.Join(s.Dir, "bin")}
	a.sshd(t)
	if err := w.Break(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := s.restartEdge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.before, err = s.state(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// sshd starts a real one on the origin, and makes a client that has its key.
func (a *afar) sshd(t *testing.T) {
	t.Helper()
	key := filepath.Join(a.Dir, "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v %s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	config := "Port 22\nHostKey /root/host\nPidFile none\nUsePAM no\nStrictModes no\nAuthorizedKeysFile /root/keys\nPermitRootLogin yes\nLogLevel ERROR\n"
	for name, text := range map[string]string{"/root/sshd_config": config, "/root/keys": string(public)} {
		if err := a.Origin.Write(name, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Origin.Sh(t.Context(), "mkdir -p /run/sshd; ssh-keygen -q -t ed25519 -N '' -f /root/host; /usr/sbin/sshd -f /root/sshd_config"); err != nil {
		t.Fatal(err)
	}
	if err := a.WaitListen(t.Context(), 22); err != nil {
		t.Fatal(err)
	}
	client := fmt.Sprintf("#!/bin/sh\nexec /usr/bin/ssh -F none -i %s -o UserKnownHostsFile=%s.known -o StrictHostKeyChecking=accept-new -o BatchMode=yes -o LogLevel=ERROR \"$@\"\n", key, key)
	if err := os.Mkdir(a.path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.path, "ssh"), []byte(client), 0o755); err != nil {
		t.Fatal(err)
	}
}

var dest = "root@" + Origin4.String()

// command runs originward where the visitor stands; nothing of it runs on the
// origin but over ssh.
func (a *afar) command(ctx context.Context, out *bytes.Buffer, args ...string) *exec.Cmd {
	cmd := a.Client.Command(ctx, a.Exe, args...)
	cmd.Env = append(cmd.Env, "PATH="+a.path+":/usr/sbin:/usr/bin:/sbin:/bin", "XDG_STATE_HOME="+a.Dir)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd
}

// run gives what was printed and the exit status.
func (a *afar) run(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	cmd := a.command(t.Context(), &out, args...)
	if err := a.Client.NS.Start(cmd); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return out.String(), cmd.ProcessState.ExitCode()
}

func (a *afar) look() []string {
	return []string{"--ssh", dest, "--origin", Origin4.String(), "--ca-file", a.caFile(), "--edge", EdgeFront.String(), "--resolver", netip.AddrPortFrom(Resolver, 53).String()}
}

// asBefore wants the origin in the state that it was broken in.
func (a *afar) asBefore(t *testing.T, when string) {
	t.Helper()
	if err := a.compare(t.Context(), a.before, func(format string, args ...any) { t.Errorf(when+": "+format, args...) }); err != nil {
		t.Fatal(err)
	}
}

// TestFixOverSSH cures an origin from afar, takes that back, refuses what would
// cut the way there, and has the guard take back what is cut in the middle.
func TestFixOverSSH(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a world of real software: not with -short")
	}
	a := newAfar(t, "range-blocked-nft-set-drop")
	bundle := filepath.Join(a.Dir, "afar.json")
	out, code := a.run(t, append([]string{"diagnose", a.url(), "--save", bundle}, a.look()...)...)
	if code != originward.ExitCauseFound || !strings.Contains(out, "firewall.host.range-blocked") {
		t.Fatalf("diagnose ended with %d: %s", code, out)
	}
	fix := func(more ...string) []string { return append(append([]string{"fix", bundle}, a.look()...), more...) }

	out, code = a.run(t, fix("--dry-run")...)
	if code != 0 || !strings.Contains(out, "nft") || !strings.Contains(out, "your SSH connection (198.51.100.77 to 203.0.113.10:22) stays open") {
		t.Errorf("the plan ended with %d: %s", code, out)
	}
	a.asBefore(t, "after a dry run")

	out, code = a.run(t, fix("--yes")...)
	if code != 0 || a.visit(t.Context()) != 200 {
		t.Fatalf("fix ended with %d, and the edge answers %d: %s", code, a.visit(t.Context()), out)
	}
	if left, _ := a.Origin.Run(t.Context(), "/bin/sh", "-c", "ls -d /tmp/originward.* /run/user/*/originward.*"); left != "" {
		t.Errorf("left on the host: %s", left)
	}
	a.refusesLockOut(t)
	out, _ = a.run(t, "undo", "--ssh", dest, "--list", "--format", "json")
	var past []struct{ ID, State string }
	if err := json.Unmarshal([]byte(out), &past); err != nil || len(past) != 1 || past[0].State != "kept" {
		t.Errorf("the list of fixes: %v %s", err, out)
	}
	if out, code = a.run(t, "undo", "--ssh", dest); code != 0 {
		t.Errorf("undo ended with %d: %s", code, out)
	}
	a.asBefore(t, "after the undo")
	a.cut(t, fix("--yes", "--within", "2m"))
}

// refusesLockOut asks for a lock-down of the port by which it came.
func (a *afar) refusesLockOut(t *testing.T) {
	t.Helper()
	rules, err := a.state(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, code := a.run(t, append([]string{"harden", a.url(), "--yes", "--port", "22", "--port", "443"}, a.look()...)...)
	if code != originward.ExitCauseFound || !strings.Contains(out, "it would cut your own connection") {
		t.Errorf("a lock-down of port 22 ended with %d: %s", code, out)
	}
	if err := a.compare(t.Context(), rules, func(format string, args ...any) { t.Errorf("after what was refused: "+format, args...) }); err != nil {
		t.Fatal(err)
	}
}

// cut takes the way away without a word while the fix stands unproved, and then
// the agent: what is left is the guard.
func (a *afar) cut(t *testing.T, args []string) {
	t.Helper()
	var out bytes.Buffer
	cmd := a.command(t.Context(), &out, args...)
	if err := a.Client.NS.Start(cmd); err != nil {
		t.Fatal(err)
	}
	err := a.wait(t.Context(), "a fix that stands unproved", func() bool {
		return a.Origin.Sh(t.Context(), `f=$(ls -d /var/lib/originward/journal/*/log | tail -n 1); grep -q '"applied"' "$f" && ! grep -q -e '"kept"' -e '"undone"' "$f"`) == nil
	})
	if err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	for _, script := range []string{"nft add table inet cut; nft 'add chain inet cut f { type filter hook forward priority 0; }'; nft add rule inet cut f tcp dport 22 drop; nft add rule inet cut f tcp sport 22 drop"} {
		if _, err := a.Router.Run(t.Context(), "/bin/sh", "-euc", script); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Origin.Sh(t.Context(), `for p in /proc/[0-9]*; do if tr '\0' ' ' <$p/cmdline 2>/dev/null | grep -q '/originward agent *$'; then kill -9 ${p#/proc/}; fi; done`); err != nil {
		t.Fatal(err)
	}
	a.asBefore(t, "after the cut")
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code == 0 || !strings.Contains(out.String(), "the guard there takes it back") {
		t.Errorf("the fix that was cut ended with %d: %s", code, out.String())
	}
}

// TestLoopOverSSH: two independent causes are cured one after the other, until
// the site is healthy, and both fixes are taken back.
func TestLoopOverSSH(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a world of real software: not with -short")
	}
	a := newAfar(t, "two-stopped-and-closed")
	out, code := a.run(t, append([]string{"diagnose", a.url(), "--fix", "--yes"}, a.look()...)...)
	if code != originward.ExitHealthy || a.visit(t.Context()) != 200 {
		t.Fatalf("diagnose --fix ended with %d, and the edge answers %d: %s", code, a.visit(t.Context()), out)
	}
	for _, cured := range []string{"listener.none", "firewall.host.port-closed"} {
		if !strings.Contains(out, cured) {
			t.Errorf("%s is not among what was cured: %s", cured, out)
		}
	}
	for range 3 {
		if out, code = a.run(t, "undo", "--ssh", dest); code == originward.ExitCauseFound {
			break // nothing stands any more
		} else if code != 0 {
			t.Fatalf("undo ended with %d: %s", code, out)
		}
	}
	a.asBefore(t, "after both were taken back")
}
