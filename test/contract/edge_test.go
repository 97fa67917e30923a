package contract

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/miekg/dns"
)

const rootToken = "contract-test-token-of-the-file"

// binary is the program under test: ORIGINWARD, or one that is built here.
var binary = os.Getenv("ORIGINWARD")

func TestMain(m *testing.M) {
	if binary == "" {
		dir, err := os.MkdirTemp("", "ow-contract-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "originward")
		cmd := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/originward")
		cmd.Dir, cmd.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// edge is a running edge.
type edge struct {
	t         *testing.T
	api, http string // host:port
	dns       string
}

// free gives an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		pc, err := net.ListenPacket("udp", addr)
		l.Close()
		if err != nil {
			continue
		}
		pc.Close()
		return addr
	}
	t.Fatal("no free port")
	return ""
}

// start runs an edge with a store, its API and DNS.
func start(t *testing.T) *edge {
	t.Helper()
	dir := t.TempDir()
	e := &edge{t: t, api: free(t), http: free(t), dns: free(t)}
	config := fmt.Sprintf(`listen: {http: ["%s"], api: "%s", dns: ["%s"]}
dns: {addresses: [198.51.100.10], name_servers: [ns1.edge.example, ns2.edge.example]}
data: data
egress: [127.0.0.1]
api_tokens: [{name: root, file: token}]
`, e.http, e.api, e.dns)
	e.run(dir, config)
	return e
}

// run starts an edge with this configuration and waits until it serves.
func (e *edge) run(dir, config string) {
	t := e.t
	t.Helper()
	write(t, filepath.Join(dir, "token"), rootToken)
	write(t, filepath.Join(dir, "edge.yaml"), config)
	cmd := exec.Command(binary, "serve", "--config", filepath.Join(dir, "edge.yaml"))
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, cmd) })
	ready := make(chan string, 1)
	go func() {
		var log strings.Builder
		sc := bufio.NewScanner(errs)
		for sc.Scan() {
			fmt.Fprintln(&log, sc.Text())
			if strings.Contains(sc.Text(), "DNS listening") {
				ready <- ""
			}
			if strings.Contains(sc.Text(), rootToken) {
				t.Error("a token stands in the log")
			}
		}
		ready <- log.String()
	}()
	select {
	case log := <-ready:
		if log != "" {
			t.Fatalf("the edge does not start: %s", log)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the edge is not ready")
	}
}

// stop ends a process that the test started.
func stop(t *testing.T, cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the edge ended with %v", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// options are what the SDK is given: base URL and token, nothing else.
func (e *edge) options(token string) []option.RequestOption {
	return []option.RequestOption{option.WithBaseURL("http://" + e.api + "/client/v4/"), option.WithAPIToken(token), option.WithMaxRetries(0)}
}

// ask asks the edge's DNS server.
func (e *edge) ask(name string, qtype uint16) []string {
	e.t.Helper()
	in, _, err := (&dns.Client{Timeout: 5 * time.Second}).Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype), e.dns)
	if err != nil {
		e.t.Fatal(err)
	}
	var out []string
	for _, rr := range in.Answer {
		out = append(out, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return out
}

// with fills fields of the SDK's parameters: name, value, name, value. The SDK's
// own helper for it lives in its root package, which takes minutes to build.
func with[T any](params T, fields ...any) T {
	v := reflect.ValueOf(&params).Elem()
	for i := 0; i < len(fields); i += 2 {
		f := v.FieldByName(fields[i].(string))
		x := reflect.ValueOf(fields[i+1])
		if f.Kind() == reflect.Interface || f.Kind() == reflect.Slice {
			f.Set(x)
			continue
		}
		value := f.FieldByName("Value")
		if value.Kind() != reflect.Interface {
			x = x.Convert(value.Type())
		}
		value.Set(x)
		f.FieldByName("Present").SetBool(true)
	}
	return params
}

// must gives a result or ends the test.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ctx(t *testing.T) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return c
}
