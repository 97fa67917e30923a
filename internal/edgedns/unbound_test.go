package edgedns

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// startUnbound runs the resolver on a free port and gives its address. The port is
// free only until somebody else takes it, so another one is tried when it is gone.
func startUnbound(t *testing.T, program string, conf func(port string) string) string {
	t.Helper()
	for range 5 {
		free, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := free.LocalAddr().String()
		free.Close()
		_, port, _ := net.SplitHostPort(at)
		path := filepath.Join(t.TempDir(), "unbound.conf")
		if err := os.WriteFile(path, []byte(conf(port)), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer // read after the program's end only
		cmd := exec.Command(program, "-d", "-c", path)
		cmd.Stdout, cmd.Stderr = &log, &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			_ = cmd.Wait() // its log says why
			close(ended)
		}()
		stop := func() {
			_ = cmd.Process.Kill() // it may have ended
			<-ended
		}
		if answers(at, ended) {
			t.Cleanup(stop)
			return at
		}
		stop()
		if !strings.Contains(log.String(), "already in use") {
			t.Fatalf("unbound does not answer: %s", &log)
		}
	}
	t.Fatal("no port stays free")
	return ""
}

// askSigned asks as a resolver's client that wants signatures.
func askSigned(at, name string, qtype uint16) (*dns.Msg, time.Duration, error) {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	q.SetEdns0(1232, true)
	client := &dns.Client{Timeout: 5 * time.Second}
	return client.Exchange(q, at)
}

// answers waits until a resolver answers anything, or has ended.
func answers(at string, ended <-chan struct{}) bool {
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); {
		select {
		case <-ended:
			return false
		default:
		}
		if _, _, err := askSigned(at, "shop.example", dns.TypeNS); err == nil {
			return true
		}
		time.Sleep(20 * time.Millisecond) // another program's start: there is no event to wait for
	}
	return false
}

// unbound resolves through the server and finds its signatures good.
func TestBehindUnbound(t *testing.T) {
	unbound, err := exec.LookPath("unbound")
	if err != nil {
		t.Skip("unbound is not installed")
	}
	cfg := world(t, netip.AddrPort{})
	_, addr := start(t, cfg)
	host, port, _ := net.SplitHostPort(addr)
	k := NewKey("signed.example", &cfg.Zones[1].DNSSEC.Private.PublicKey)
	dir := t.TempDir()
	at := startUnbound(t, unbound, func(own string) string {
		return fmt.Sprintf(`server:
  interface: 127.0.0.1
  port: %[1]s
  username: ""
  chroot: ""
  directory: %[2]q
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor: "%[3]s"
  domain-insecure: "shop.example"
stub-zone:
  name: "shop.example"
  stub-addr: "%[4]s@%[5]s"
stub-zone:
  name: "signed.example"
  stub-addr: "%[4]s@%[5]s"
`, own, dir, strings.ReplaceAll(k.String(), "\t", " "), host, port)
	})
	resolve := func(name string) *dns.Msg {
		t.Helper()
		in, _, err := askSigned(at, name, dns.TypeA)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return in
	}
	if in := resolve("alias.shop.example"); len(in.Answer) != 3 {
		t.Errorf("alias: %v", in)
	}
	for name, want := range map[string]int{"www.signed.example": 2, "x.w.signed.example": 0, "none.signed.example": 0} {
		in := resolve(name)
		if !in.AuthenticatedData || len(in.Answer) != want || in.Rcode == dns.RcodeServerFailure {
			t.Errorf("%s is not found good: %v", name, in)
		}
	}
}
