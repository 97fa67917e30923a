package host

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/netns"
)

// boot script: a small machine on an overlay of this one's files, with its own
// processes, mounts and cgroups; systemd is its first process.
const boot = `set -e
R=$1
mount --make-rprivate /
mount -t proc proc $R/proc
mount -t sysfs sysfs $R/sys
mount -t cgroup2 cgroup2 $R/sys/fs/cgroup
mount -t tmpfs tmpfs $R/dev
mknod $R/dev/null c 1 3; mknod $R/dev/zero c 1 5; mknod $R/dev/urandom c 1 9; mknod $R/dev/random c 1 8; mknod $R/dev/tty c 5 0
chmod 666 $R/dev/*
mkdir $R/dev/shm
mount -t tmpfs tmpfs $R/run
mount -t tmpfs tmpfs $R/tmp
: > $R/etc/machine-id
cd $R; mkdir -p .old; pivot_root . .old
umount -l /.old
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --log-target=journal --unit=test.target
`

// units of the small machine: a server whose unit and slice deny edge ranges,
// the distribution's nginx with a broken configuration, and one that is killed
// each time it starts.
var units = map[string]string{
	"etc/systemd/system/test.target": "[Unit]\nWants=dbus.service systemd-journald.service web.service nginx.service gunicorn.service\nAfter=web.service nginx.service gunicorn.service\n",
	"etc/systemd/system/web.slice":   "[Slice]\nIPAddressDeny=2400:cb00::/32\n",
	"etc/systemd/system/web.service": "[Service]\nType=forking\nPIDFile=/run/web.pid\nSlice=web.slice\nExecStart=/usr/sbin/nginx -c /etc/web.conf -g 'daemon on; master_process on;'\nIPAddressDeny=173.245.48.0/20\nIPAddressAllow=203.0.113.0/24\n",
	"etc/web.conf":                   "pid /run/web.pid; error_log /var/log/web.log; events {} http { access_log off; server { listen 80; return 200 hello; } }\n",
	"etc/nginx/nginx.conf":           "events {}\nhttp { server { listen 8080; ssl_certificate /none.pem; ssl_certificate_key /none.key; } server { listen 8443 ssl; ssl_certificate /none.pem; ssl_certificate_key /none.key; } }\n",
	"etc/systemd/system/gunicorn.service": "[Service]\nExecStart=/bin/sh -c 'kill -KILL $$$$'\n" +
		"[Install]\nWantedBy=multi-user.target\n",
}

// bootSystemd boots the small machine in a namespace and gives the process
// number of its first process.
func bootSystemd(t *testing.T, n *netns.NS) int {
	t.Helper()
	for _, p := range []string{"/lib/systemd/systemd", "/usr/bin/dbus-daemon", "/usr/sbin/nginx", "/usr/bin/nsenter"} {
		if _, err := os.Stat(p); err != nil {
			t.Skipf("needs %s", p)
		}
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, d := range []string{"up", "work", "root"} {
		must(t, os.Mkdir(at(d), 0o755))
	}
	for name, text := range units {
		must(t, os.MkdirAll(filepath.Dir(at("up/"+name)), 0o755))
		must(t, os.WriteFile(at("up/"+name), []byte(text), 0o644))
	}
	if out, err := exec.Command("mount", "-t", "overlay", "overlay", "-o", "lowerdir=/,upperdir="+at("up")+",workdir="+at("work"), at("root")).CombinedOutput(); err != nil {
		t.Skipf("needs overlay mounts: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", at("root")).Run() })
	group := cgroup(t)
	cmd := exec.Command("sh", "-ec", `echo $$ > "$1/cgroup.procs"; shift; exec "$@"`, "enter", group,
		"unshare", "-p", "-m", "-u", "-i", "-C", "-f", "--kill-child=SIGKILL", "sh", "-c", boot, "boot", at("root"))
	var log strings.Builder
	cmd.Stderr = &log
	must(t, n.Start(cmd))
	t.Cleanup(func() {
		_ = os.WriteFile(filepath.Join(group, "cgroup.kill"), []byte("1"), 0)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	var init int
	defer func() {
		if t.Failed() && init != 0 {
			out, _ := enter(init, "sh", "-c", "systemctl list-jobs; systemctl --no-pager status web.service; journalctl --no-pager -n 30").CombinedOutput()
			t.Logf("%s", out)
		}
	}()
	eventually(t, "systemd has booted", func() bool {
		kids := children(cmd.Process.Pid)
		if len(kids) != 1 {
			return false
		}
		init = kids[0]
		out, _ := enter(init, "systemctl", "is-system-running").Output()
		state := strings.TrimSpace(string(out))
		return state == "running" || state == "degraded"
	})
	return init
}

// cgroup makes a cgroup for the small machine, which is the root of all that
// it makes itself, and removes it with everything in it.
func cgroup(t *testing.T) string {
	t.Helper()
	for _, base := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(base + "/cgroup.controllers"); err != nil {
			continue
		}
		dir := filepath.Join(base, "ow-"+strconv.Itoa(os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Skipf("needs a cgroup of its own: %v", err)
		}
		t.Cleanup(func() {
			eventually(t, "the cgroup is empty", func() bool {
				_ = exec.Command("find", dir, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+").Run()
				_, err := os.Stat(dir)
				return err != nil
			})
		})
		return dir
	}
	t.Skip("needs cgroup version 2")
	return ""
}

func enter(init int, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"-t", strconv.Itoa(init), "-a"}, args...)...)
}

// TestSystemd: units that run, failed and were killed, their address filters,
// and a frozen one, on a booted systemd.
func TestSystemd(t *testing.T) {
	n := origin(t)
	init := bootSystemd(t, n)
	self := program(t)
	collect := func() *originward.Bundle {
		t.Helper()
		bin, err := os.ReadFile(self)
		must(t, err)
		in := "/proc/" + strconv.Itoa(init) + "/root/tmp/originward.test"
		must(t, os.WriteFile(in, bin, 0o755))
		cmd := enter(init, "/tmp/originward.test")
		cmd.Env = append(os.Environ(), childEnv+`={"Ports":[80]}`)
		out, err := cmd.Output()
		must(t, err)
		b, err := fact.ReadBundle(strings.NewReader(string(out)))
		must(t, err)
		return b
	}
	b := collect()
	unit := map[string]fact.Service{}
	f := only[fact.Services](t, b)
	for _, s := range f.Services {
		unit[s.Unit] = s
	}
	if f.Manager != "systemd" || f.Complete != fact.Yes {
		t.Errorf("manager %q, complete %q", f.Manager, f.Complete)
	}
	web := unit["web.service"]
	if web.Kind != "nginx" || web.State != "running" || web.Config != "/etc/web.conf" || web.Test == nil || web.Test.OK != fact.Yes || web.Stopped != fact.No {
		t.Errorf("web.service: %+v, test %+v; %s", web, web.Test, missing(b, fact.QServices))
	}
	deny := []netip.Prefix{netip.MustParsePrefix("173.245.48.0/20"), netip.MustParsePrefix("2400:cb00::/32")}
	if len(web.IPDeny) != 2 || web.IPDeny[0] != deny[0] || web.IPDeny[1] != deny[1] || len(web.IPAllow) != 1 {
		t.Errorf("addresses denied %v, allowed %v; want those of the unit and its slice", web.IPDeny, web.IPAllow)
	}
	dead := unit["nginx.service"]
	if dead.State != "failed" || dead.Result != "exit-code" || dead.StartError == nil || !strings.Contains(dead.StartError.Text, "/none.pem") ||
		dead.Test == nil || dead.Test.OK != fact.No || dead.Test.Errors[0].File != "/none.pem" {
		t.Errorf("nginx.service: %+v, start error %+v, test %+v", dead, dead.StartError, dead.Test)
	}
	if g := unit["gunicorn.service"]; g.Kind != "app" || g.State != "failed" || g.Signal != "SIGKILL" || g.Result != "signal" {
		t.Errorf("gunicorn.service: %+v", g)
	}
	for _, s := range only[fact.Listeners](t, b).Sockets {
		if s.Port == 80 && (s.Unit != "web.service" || s.Program != "nginx") {
			t.Errorf("socket: %+v", s)
		}
	}
	must(t, enter(init, "systemctl", "freeze", "web.service").Run())
	for _, s := range only[fact.Services](t, collect()).Services {
		if s.Unit == "web.service" && s.Stopped != fact.Yes {
			t.Errorf("frozen unit: %+v", s)
		}
	}
}
