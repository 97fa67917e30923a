package containers

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/observe/host/collect"
)

const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// list is what Docker 24 answers to /containers/json, cut down to what matters
// here and some that does not.
const list = `[{"Id":"` + id + `","Names":["/shop"],"Image":"nginx:1.25","State":"running","Labels":{"a":"b"},
"Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"PrivatePort":443,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":53,"PublicPort":53,"Type":"udp"}],
"NetworkSettings":{"Networks":{"bridge":{"IPAddress":"172.17.0.2","GlobalIPv6Address":""}}}},
{"Id":"` + otherID + `","Names":["/app"],"Image":"app","State":"exited","Ports":[]}]`

const otherID = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

// engineAt serves Docker's API on a socket below root.
func engineAt(t *testing.T, root string, h http.Handler) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(root, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(root, "run/docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
}

func TestDocker(t *testing.T) {
	root := t.TempDir()
	var asked []string
	engineAt(t, root, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String())
		switch {
		case r.URL.Path == "/containers/json":
			fmt.Fprint(w, list)
		case strings.HasPrefix(r.URL.Path, "/containers/"+otherID):
			fmt.Fprint(w, `{"State":{"ExitCode":137,"OOMKilled":true,"Running":false},"RestartCount":4}`)
		default:
			fmt.Fprint(w, `{"State":{"ExitCode":0,"OOMKilled":false,"Running":true},"RestartCount":0}`)
		}
	}))
	seen, missing := run(t.Context(), collect.NewEnv(collect.Ask{Root: root}, collect.Sources{}))
	if len(seen) != 1 || len(missing) != 0 {
		t.Fatalf("%+v %+v", seen, missing)
	}
	f := seen[0].Fact.(fact.Containers)
	if f.Engine != "docker" || f.State != fact.Yes || len(f.Containers) != 2 {
		t.Fatalf("%+v", f)
	}
	app, shop := f.Containers[0], f.Containers[1]
	if app.Name != "app" || app.State != "exited" || app.Exit == nil || *app.Exit != 137 || app.OOM != fact.Yes || app.Restart != 4 {
		t.Errorf("%+v", app)
	}
	if shop.Name != "shop" || shop.ID != id[:12] || shop.Exit != nil || len(shop.Ports) != 2 || shop.Ports[0].Host.String() != "0.0.0.0:8080" || shop.Ports[0].Container != 80 || shop.Addrs[0].String() != "172.17.0.2" {
		t.Errorf("%+v", shop)
	}
	for _, a := range asked {
		if !strings.HasPrefix(a, "GET ") {
			t.Errorf("asked %s: nothing but reading", a)
		}
	}
}

func TestStates(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setUp func(t *testing.T, root string)
		state fact.Tri
		why   string
	}{
		{"no engine", func(*testing.T, string) {}, fact.No, ""},
		{"stopped", func(t *testing.T, root string) {
			engineAt(t, root, http.NotFoundHandler())
			l, err := net.Listen("unix", filepath.Join(root, "run/dead.sock"))
			if err != nil {
				t.Fatal(err)
			}
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			l.Close()
			if err := os.Rename(filepath.Join(root, "run/dead.sock"), filepath.Join(root, "run/docker.sock")); err != nil {
				t.Fatal(err)
			}
		}, fact.No, ""},
		{"answers nonsense", func(t *testing.T, root string) {
			engineAt(t, root, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
		}, fact.Unknown, "does not answer"},
		{"fails", func(t *testing.T, root string) {
			engineAt(t, root, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
		}, fact.Unknown, "HTTP status 500"},
	} {
		root := t.TempDir()
		tt.setUp(t, root)
		seen, missing := run(t.Context(), collect.NewEnv(collect.Ask{Root: root}, collect.Sources{}))
		if tt.state == fact.Unknown {
			if len(seen) != 0 || len(missing) != 1 || !strings.Contains(missing[0].Why, tt.why) {
				t.Errorf("%s: %+v %+v", tt.name, seen, missing)
			}
			continue
		}
		if len(missing) != 0 || len(seen) != 1 || seen[0].Fact.(fact.Containers).State != tt.state {
			t.Errorf("%s: %+v %+v", tt.name, seen, missing)
		}
	}
}

func FuzzListed(f *testing.F) {
	f.Add(list)
	f.Add(`[{"Id":"","Names":[""],"Ports":[{"IP":"x","PublicPort":1,"Type":"tcp"}],"NetworkSettings":{"Networks":{"":{"IPAddress":"::"}}}}]`)
	f.Fuzz(func(t *testing.T, s string) {
		var l []listed
		if json.Unmarshal([]byte(s), &l) != nil {
			return
		}
		for _, v := range l {
			c := v.container()
			if len(c.ID) > 12 || len(c.Ports) > maxPorts || strings.ContainsAny(c.Name+c.Image+c.State, "\x1b\n") {
				t.Errorf("%+v", c)
			}
		}
	})
}
