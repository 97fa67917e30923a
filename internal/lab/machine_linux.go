package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// machineBoot makes a host of which systemd is the first process: with its own
// mounts, processes, cgroups and devices. Everything ends when the standard
// input ends, which is when the world is removed or the lab dies.
const machineBoot = `R=$1; G=$2
echo $$ >"$G/cgroup.procs"
unshare --mount --pid --uts --ipc --cgroup --fork --kill-child=SIGKILL /bin/sh -ec '
R=$1
mount --make-rprivate /
mount -t proc proc $R/proc
mount -t sysfs sysfs $R/sys
mount -t cgroup2 cgroup2 $R/sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs $R/dev
mknod -m 666 $R/dev/null c 1 3; mknod -m 666 $R/dev/zero c 1 5; mknod -m 666 $R/dev/full c 1 7
mknod -m 644 $R/dev/kmsg c 1 11; mknod -m 666 $R/dev/random c 1 8; mknod -m 666 $R/dev/urandom c 1 9; mknod -m 666 $R/dev/tty c 5 0
mkdir -m 1777 $R/dev/shm
mount -t tmpfs tmpfs $R/run
mount -t tmpfs tmpfs $R/tmp
cd $R/var/log; ls -d */ >$R/tmp/dirs 2>/dev/null || :; mount -t tmpfs -o mode=755 tmpfs $R/var/log
cd $R/var/log; xargs -r mkdir -p <$R/tmp/dirs; rm $R/tmp/dirs; chmod 1777 $R/tmp
: >$R/etc/machine-id
cd $R; mkdir -p .old; pivot_root . .old; umount -l /.old
hostname origin
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --log-target=journal --unit=shop.target
' boot "$R" </dev/null &
echo $!
cat >/dev/null
echo 1 >"$G/cgroup.kill"
`

// machineUnits are the units of every such host beside those of its software:
// a target that starts little, and what has no business there.
var machineUnits = map[string]string{
	"shop.target": "[Unit]\nDescription=A shop\nWants=dbus.service systemd-journald.service\nAfter=dbus.service\n",
}

// newMachine makes a node like newHost whose first process is systemd.
func newMachine(ctx context.Context, hint, dir, exe string) (*Node, error) {
	n, err := newRooted(hint, dir, exe)
	if err != nil {
		return nil, err
	}
	for name, text := range machineUnits {
		if err := os.WriteFile(filepath.Join(n.root, "etc/systemd/system", name), []byte(text), 0o644); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	if err := n.bootMachine(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// bootMachine starts systemd in a cgroup of its own and waits until it is up.
func (n *Node) bootMachine(ctx context.Context) (err error) {
	if n.cgroup, err = makeCgroup(filepath.Base(filepath.Dir(n.dir))); err != nil {
		return err
	}
	n.init = exec.Command("/bin/sh", "-euc", machineBoot, "machine", n.root, n.cgroup)
	out, errs, err := n.startInit()
	if err != nil {
		return err
	}
	var outer int
	if _, err := fmt.Fscan(out, &outer); err != nil {
		return fmt.Errorf("first process of the origin: %w: %s", err, errs.String())
	}
	state := ""
	err = poll(ctx, "systemd on the origin", func() bool {
		if n.pid, err = childOf(outer); err != nil {
			return false
		}
		said, _ := n.Run(ctx, "systemctl", "is-system-running")
		state = strings.TrimSpace(said)
		return state == "running" || state == "degraded"
	})
	if err != nil {
		return fmt.Errorf("%w (%s) %s", err, state, errs.String())
	}
	return n.settle()
}

// makeCgroup makes a cgroup, which is the root of all that a machine makes
// itself.
func makeCgroup(name string) (string, error) {
	for _, base := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(base, "cgroup.controllers")); err != nil {
			continue
		}
		dir := filepath.Join(base, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return "", fmt.Errorf("a cgroup for the origin: %w", err)
		}
		return dir, nil
	}
	return "", errors.New("a cgroup for the origin: this machine has no cgroups of version 2")
}

// removeCgroup removes a cgroup and all below it, as soon as its processes have
// ended.
func removeCgroup(dir string) error {
	if dir == "" {
		return nil
	}
	_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return poll(ctx, "the end of cgroup "+dir, func() bool {
		_ = exec.Command("find", dir, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+").Run()
		_, err := os.Stat(dir)
		return errors.Is(err, os.ErrNotExist)
	})
}
