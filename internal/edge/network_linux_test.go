package edge

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// inNewNet runs the rest of the test in a process with a network of its own, in
// which routes and packet filters can be set. It is false in the parent, which has
// then reported the child's result.
func inNewNet(t *testing.T) bool {
	t.Helper()
	const mark = "ORIGINWARD_TEST_IN_NET"
	if os.Getenv(mark) == t.Name() {
		run(t, "ip", "link", "set", "lo", "up")
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	args := []string{"-test.run=^" + t.Name() + "$", "-test.v", "-test.timeout=120s"}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), mark+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("in its own network: %v\n%s", err, out)
	} else if !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("in its own network the test did not pass:\n%s", out)
	}
	return false
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// The rows that the network decides: routes and packet filters of a network of the
// test's own.
func TestNetworkFaults(t *testing.T) {
	if !inNewNet(t) {
		return
	}
	run(t, "ip", "addr", "add", "10.9.0.1/24", "dev", "lo")
	run(t, "ip", "-6", "addr", "add", "fd00:9::1/64", "dev", "lo", "nodad")
	run(t, "ip", "route", "add", "unreachable", "10.8.0.0/24")
	run(t, "nft", "add", "table", "inet", "t")
	run(t, "nft", "add chain inet t in { type filter hook input priority 0; }")
	for _, tc := range []struct {
		name, addr, rule    string
		number              int
		fault, phase, errno string
	}{
		{"nothing listens", "10.9.0.10", "", 521, "connection_refused", "connect", "ECONNREFUSED"},
		{"reject with tcp reset", "10.9.0.11", "reject with tcp reset", 521, "connection_refused", "connect", "ECONNREFUSED"},
		{"reject port-unreachable", "10.9.0.12", "reject with icmpx type port-unreachable", 521, "connection_refused", "connect", "ECONNREFUSED"},
		{"reject admin-prohibited", "10.9.0.13", "reject with icmpx type admin-prohibited", 523, "destination_ip_unroutable", "connect", "EHOSTUNREACH"},
		{"reject host-unreachable", "10.9.0.14", "reject with icmpx type host-unreachable", 523, "destination_ip_unroutable", "connect", "EHOSTUNREACH"},
		{"reject net-unreachable", "10.9.0.15", "reject with icmp type net-unreachable", 523, "destination_ip_unroutable", "connect", "ENETUNREACH"},
		{"drop", "10.9.0.16", "drop", 522, "connection_timeout", "connect", ""},
		{"unreachable route", "10.8.0.1", "", 523, "destination_ip_unroutable", "connect", "EHOSTUNREACH"},
		{"no route", "192.0.2.1", "", 523, "destination_ip_unroutable", "connect", "ENETUNREACH"},
		{"IPv6 refused", "fd00:9::10", "", 521, "connection_refused", "connect", "ECONNREFUSED"},
		{"IPv6 no route", "2001:db8::1", "", 523, "destination_ip_unroutable", "connect", "ENETUNREACH"},
	} {
		addr := netip.MustParseAddr(tc.addr)
		family := "ip"
		if addr.Is6() {
			family = "ip6"
			if strings.HasPrefix(tc.addr, "fd00") {
				run(t, "ip", "-6", "addr", "add", tc.addr+"/64", "dev", "lo", "nodad")
			}
		} else if strings.HasPrefix(tc.addr, "10.9.") {
			run(t, "ip", "addr", "add", tc.addr+"/24", "dev", "lo")
		}
		if tc.rule != "" {
			run(t, "nft", fmt.Sprintf("add rule inet t in %s daddr %s tcp dport 8080 %s", family, tc.addr, tc.rule))
		}
		w := start(t, fmt.Sprintf("%slisten: {http: ['10.9.0.1:8080']}\nzones: [%s]", shortTimers, siteZone("full", addr)))
		r := w.get("http://shop.example/", "Accept", "application/json")
		l := w.last(1)
		if r.StatusCode != tc.number || l.Error != tc.number || l.Fault != tc.fault || l.Phase != tc.phase || tc.errno != "" && l.Errno != tc.errno {
			t.Errorf("%s: status %d, log %+v; want %d, %s in %s, %s", tc.name, r.StatusCode, l, tc.number, tc.fault, tc.phase, tc.errno)
		}
		if tc.errno == "ECONNREFUSED" && l.MS > 1500 {
			t.Errorf("%s: a refusal took %v ms", tc.name, l.MS)
		}
		w.edge.Shutdown(t.Context())
	}
}
