package host

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/netns"
)

// nginxConf writes a whole nginx configuration into a directory of its own,
// and gives the file.
func nginxConf(t *testing.T, http string) string {
	t.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Skip("needs nginx")
	}
	dir := t.TempDir()
	for d := dir; d != "/"; d = filepath.Dir(d) {
		if st, err := os.Stat(d); err == nil && st.Mode().Perm()&0o005 != 0o005 {
			must(t, os.Chmod(d, st.Mode().Perm()|0o055))
		}
	}
	file := filepath.Join(dir, "nginx.conf")
	must(t, os.WriteFile(file, []byte(conf(dir, http)), 0o644))
	return file
}

func conf(dir, http string) string {
	return `daemon off; worker_processes 2; user www-data;
pid ` + dir + `/pid; error_log ` + dir + `/error.log;
events { worker_connections 64; }
http { access_log ` + dir + `/access.log; client_body_temp_path ` + dir + `/a; proxy_temp_path ` + dir + `/b; fastcgi_temp_path ` + dir + `/c; uwsgi_temp_path ` + dir + `/d; scgi_temp_path ` + dir + `/e;
` + http + ` }
`
}

// startNginx runs nginx in the namespace until the test ends.
func startNginx(t *testing.T, n *netns.NS, file string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("nginx", "-c", file, "-p", filepath.Dir(file))
	must(t, n.Start(cmd))
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	eventually(t, "nginx has its workers", func() bool { return len(children(cmd.Process.Pid)) >= 2 })
	return cmd
}

func children(pid int) []int {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(pid) + "/children")
	var out []int
	for _, f := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(f); err == nil {
			out = append(out, n)
		}
	}
	return out
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

func service(t *testing.T, b *originward.Bundle, kind string) fact.Service {
	t.Helper()
	for _, s := range only[fact.Services](t, b).Services {
		if s.Kind == kind {
			return s
		}
	}
	t.Fatalf("no service of kind %s: %+v", kind, only[fact.Services](t, b))
	return fact.Service{}
}

func TestRunningServer(t *testing.T) {
	n := origin(t)
	file := nginxConf(t, "server { listen 80; return 200 hello; }")
	cmd := startNginx(t, n, file)
	b, _ := look(t, n, question{}, 0)
	s := service(t, b, "nginx")
	if s.State != "running" || s.Role != "web" || s.Config != file || s.Children != 2 || s.FDs == 0 || s.FDLimit == 0 || s.Stopped != fact.No || s.PIDs[0] != cmd.Process.Pid {
		t.Errorf("service: %+v", s)
	}
	if s.Test == nil || s.Test.OK != fact.Yes || !strings.Contains(s.Test.Command, "-t -c "+file) {
		t.Errorf("self-test: %+v; %s", s.Test, missing(b, fact.QServices))
	}

	// The file is broken after the start: it runs, and will not come back.
	must(t, os.WriteFile(file, []byte(conf(filepath.Dir(file), "server {\n listen 80;\n proxy_passs http://127.0.0.1:3000;\n}")), 0o644))
	before, _ := os.ReadDir(filepath.Dir(file))
	b, _ = look(t, n, question{}, 0)
	s = service(t, b, "nginx")
	if s.State != "running" || s.Test == nil || s.Test.OK != fact.No || len(s.Test.Errors) != 1 || s.Test.Errors[0].File != file || s.Test.Errors[0].Line != 7 ||
		!strings.Contains(s.Test.Errors[0].Text, "proxy_passs") {
		t.Errorf("broken configuration: %+v", s.Test)
	}
	if after, _ := os.ReadDir(filepath.Dir(file)); len(after) != len(before) {
		t.Errorf("files before %v, after %v", before, after)
	}

	for _, pid := range children(cmd.Process.Pid) {
		must(t, syscall.Kill(pid, syscall.SIGSTOP))
		defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
		eventually(t, "the worker is stopped", func() bool {
			b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
			return strings.Contains(string(b), ") T ")
		})
	}
	b, _ = look(t, n, question{}, 0)
	if s := service(t, b, "nginx"); s.Stopped != fact.Yes {
		t.Errorf("all workers are stopped: %+v", s)
	}
	silent := false
	for _, x := range fact.All[fact.Exchange](b) {
		silent = silent || x.Subject.Port == 80 && x.Fact.Connected() && x.Fact.Response == nil && x.Fact.Fault != nil
	}
	if !silent {
		t.Error("no exchange on the host shows a server that accepts and is silent")
	}
}

// TestLoopbackOnly parts a server that is dead from one that listens
// elsewhere.
func TestLoopbackOnly(t *testing.T) {
	n := origin(t)
	startNginx(t, n, nginxConf(t, "server { listen 127.0.0.1:80; return 200 hello; }"))
	b, _ := look(t, n, question{Origins: []netip.Addr{origin4}, Ports: []uint16{80}}, 0)
	got := map[string]string{}
	for _, x := range fact.All[fact.Exchange](b, originward.Host) {
		switch {
		case x.Fact.Response != nil:
			got[x.Subject.Addr.String()] = strconv.Itoa(x.Fact.Response.Status)
		case x.Fact.Fault != nil:
			got[x.Subject.Addr.String()] = x.Fact.Fault.Errno
		}
	}
	if got["127.0.0.1"] != "200" || got["203.0.113.10"] != "ECONNREFUSED" {
		t.Errorf("exchanges: %v", got)
	}
}

// TestFullDisk: the file system of a log that the server has open is full.
func TestFullDisk(t *testing.T) {
	n := origin(t)
	file := nginxConf(t, "server { listen 80; return 200 hello; }")
	disk := filepath.Join(filepath.Dir(file), "logs")
	must(t, os.Mkdir(disk, 0o755))
	if err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k,mode=0755", "tmpfs", disk).Run(); err != nil {
		t.Skipf("needs to mount: %v", err)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", disk).Run() })
	text, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(text), filepath.Dir(file)+"/access.log", disk+"/access.log")), 0o644))
	startNginx(t, n, file)
	if err := os.WriteFile(disk+"/fill", make([]byte, 128<<10), 0o644); err == nil {
		t.Fatal("the file system took twice its size")
	}
	b, _ := look(t, n, question{}, 0)
	for _, d := range only[fact.Load](t, b).Disks {
		if d.Mount == disk {
			if d.Avail != 0 || d.Size != 64<<10 || d.Type != "tmpfs" || d.UsedBy[0] != "log" {
				t.Errorf("%+v", d)
			}
			return
		}
	}
	t.Errorf("the disk of the log is missing: %+v", only[fact.Load](t, b).Disks)
}
