package bans

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
	"github.com/originward/originward/internal/observe/host/procs"
)

// startFail2ban runs a real server with its own configuration, socket and
// database; its actions touch nothing.
func startFail2ban(t *testing.T) (dir string, client func(args ...string) string) {
	t.Helper()
	for _, p := range []string{"fail2ban-server", "fail2ban-client"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skip(p + " is not installed")
		}
	}
	dir = t.TempDir()
	write := func(name, text string) {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("fail2ban.conf", fmt.Sprintf("[Definition]\nloglevel = INFO\nlogtarget = %s/f2b.log\nsyslogsocket = auto\nsocket = %s/sock\npidfile = %s/pid\ndbfile = %s/f2b.sqlite3\ndbpurgeage = 1d\ndbmaxmatches = 10\n", dir, dir, dir, dir))
	write("jail.conf", "[DEFAULT]\nbantime = 600\nfindtime = 600\nmaxretry = 5\nignoreip = 127.0.0.1/8 173.245.48.0/20\nbackend = polling\n[web]\nenabled = true\nfilter = own\naction = own\nlogpath = "+dir+"/access.log\n[forever]\nenabled = true\nbantime = -1\nfilter = own\naction = own\nlogpath = "+dir+"/access.log\n")
	write("filter.d/own.conf", "[Definition]\nfailregex = ^<HOST> bad$\n")
	write("action.d/own.conf", "[Definition]\nactionstart =\nactionstop =\nactioncheck =\nactionban = true <blocktype>\nactionunban = true\n[Init]\nblocktype = REJECT --reject-with icmp-port-unreachable\n")
	write("access.log", "")
	cmd := exec.Command("fail2ban-server", "-xf", "-c", dir, "-s", dir+"/sock", "-p", dir+"/pid", "start")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-done })
	client = func(args ...string) string {
		out, _ := exec.Command("fail2ban-client", append([]string{"-c", dir, "-s", dir + "/sock"}, args...)...).CombinedOutput()
		return strings.TrimSpace(string(out))
	}
	deadline := time.Now().Add(30 * time.Second)
	for !strings.Contains(client("status"), "web") {
		select {
		case <-done:
			t.Fatal("fail2ban ended")
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("fail2ban does not answer")
		}
	}
	return dir, client
}

func TestRealFail2ban(t *testing.T) {
	dir, client := startFail2ban(t)
	for _, ip := range []string{"104.16.9.9", "198.51.100.5", "172.17.0.1", "2400:cb00::5"} {
		client("set", "web", "banip", ip)
	}
	client("set", "forever", "banip", "103.21.244.1")

	env := collect.NewEnv(collect.Ask{Ranges: ranges}, collect.Sources{
		Processes: func(ctx context.Context, e *collect.Env) procs.Table { return procs.Read(ctx, e.Proc) },
	})
	s := of("/")
	s.env = env
	deadline := time.Now().Add(20 * time.Second)
	var web, forever seen
	for { // bans are applied by the server's own thread
		list, gone := fail2ban(t.Context(), s)
		for _, x := range list {
			if !strings.Contains(x.show, dir) {
				continue
			}
			switch x.Jail {
			case "web":
				web = x
			case "forever":
				forever = x
			}
		}
		if web.Total == 4 && forever.Total == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v, not observed %+v", list, gone)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if web.State != fact.Yes || len(web.CDN) != 2 || len(web.Private) != 1 || web.Private[0].Gateway != fact.Yes {
		t.Errorf("web: %+v", web)
	}
	if web.Action != "own reject" || web.LogFile != dir+"/access.log" || web.IgnoreCDN != fact.No || len(web.Ignore) != 2 {
		t.Errorf("web: %+v", web)
	}
	b := web.CDN[0]
	if b.Since == "" || b.Until == "" || b.Remove != "fail2ban-client -c "+dir+" -s "+dir+"/sock set web unbanip "+b.Prefix.Addr().String() {
		t.Errorf("ban: %+v", b)
	}
	if len(forever.CDN) != 1 || forever.CDN[0].Until != "" {
		t.Errorf("forever: %+v", forever)
	}

	// Without the socket the database says the same of bans.
	servers := f2bServers(env, env.Processes(t.Context()))
	for _, f := range servers {
		if f.conf != dir {
			continue
		}
		if f.db != dir+"/f2b.sqlite3" {
			t.Errorf("database %s", f.db)
		}
		for {
			list, err := f.readDB(t.Context(), s)
			if err == nil && len(list) == 2 && list[0].Total+list[1].Total == 5 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("database: %+v, %v", list, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		return
	}
	t.Error("the server was not found among the processes")
}

func TestFail2banNotRunning(t *testing.T) {
	x := one(t, fail2ban, on(t, "-- /etc/fail2ban/jail.conf --\n"))
	if x.State != fact.No || x.Why == "" {
		t.Errorf("%+v", x)
	}
}

func TestUnpickle(t *testing.T) {
	py, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to write pickles")
	}
	for _, protocol := range []string{"2", "3", "4", "5"} {
		out, err := exec.Command(py, "-c", `import pickle,sys
class A:
    def __reduce__(self): return (str,("104.16.0.1",))
class B:
    def __reduce__(self): return (int,("7",))
x="same"
sys.stdout.buffer.write(pickle.dumps((0,[("Jail list","a, b"),{"k":[1,-5,2**40,1.5,None,True,"é"]},A(),B(),x,x,set(["z"])]),`+protocol+`))`).Output()
		if err != nil {
			t.Fatal(err)
		}
		v, err := unpickle(out)
		if err != nil {
			t.Fatalf("protocol %s: %v", protocol, err)
		}
		p := items(v)
		if len(p) != 2 || p[0] != int64(0) || lookup(p[1], "Jail list") != "a, b" {
			t.Fatalf("protocol %s: %v", protocol, v)
		}
		l := items(p[1])
		k := items(l[1].(map[string]any)["k"])
		if len(k) != 7 || k[0] != int64(1) || k[1] != int64(-5) || k[2] != int64(1<<40) || k[3] != 1.5 || k[4] != nil || k[5] != true || k[6] != "é" {
			t.Errorf("protocol %s: %v", protocol, k)
		}
		if l[2] != "104.16.0.1" || l[3] != (opaque{}) || l[4] != "same" || l[5] != "same" {
			t.Errorf("protocol %s: %v", protocol, l)
		}
	}
}

func TestPickleRequest(t *testing.T) {
	v, err := unpickle(pickleRequest([]string{"get", "web", "banip"}))
	if err != nil || strings.Join(texts(v), " ") != "get web banip" {
		t.Errorf("%v, %v", v, err)
	}
}

func FuzzUnpickle(f *testing.F) {
	f.Add(pickleRequest([]string{"status"}))
	f.Add([]byte("\x80\x04\x95\x0e\x00\x00\x00\x00\x00\x00\x00K\x00]\x94(\x8c\x01a\x94e\x86\x94."))
	f.Add([]byte("cposix\nsystem\n(S'id'\ntR."))
	f.Add([]byte("X\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := unpickle(b)
		if err == nil {
			texts(v)
			lookup(v, "x")
		}
	})
}

func FuzzBanLine(f *testing.F) {
	f.Add("104.16.0.1 \t2026-11-22 10:00:00 + -1 = 9999-12-31 23:59:59")
	f.Fuzz(func(t *testing.T, s string) {
		if e, ok := banLine(s); ok && !e.prefix.IsValid() {
			t.Errorf("%q gave %+v", s, e)
		}
	})
}
