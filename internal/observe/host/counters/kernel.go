// Package counters reads the kernel's counters of this network namespace
// twice, so that a count that grows now is told from one since boot, and
// counts sockets by state, remote tuple and client network.
package counters

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// names are the counters that bear on whether a connection is taken, under the
// names of /proc/net/netstat, /proc/net/snmp and /proc/net/snmp6. Those of
// snmp6 keep their Ip6 prefix.
var names = map[string]bool{
	// Accept and SYN queues.
	"ListenOverflows": true, "ListenDrops": true, "TCPReqQFullDrop": true, "TCPReqQFullDoCookies": true,
	"SyncookiesSent": true, "SyncookiesRecv": true, "SyncookiesFailed": true, "TCPBacklogDrop": true, "TCPMinTTLDrop": true,
	// Timestamps and TIME-WAIT.
	"PAWSPassive": true, "PAWSActive": true, "PAWSEstab": true, "TSEcrRejected": true, "TCPTimeWaitOverflow": true, "TW": true,
	// Routes and reverse-path filter.
	"IPReversePathFilter": true, "OutNoRoutes": true, "InAddrErrors": true, "InHdrErrors": true, "InNoRoutes": true,
	"Ip6OutNoRoutes": true, "Ip6InAddrErrors": true, "Ip6InNoRoutes": true,
	// Memory.
	"TCPMemoryPressures": true, "TCPAbortOnMemory": true, "PruneCalled": true, "RcvPruned": true, "TCPRcvQDrop": true,
	// Loss and path MTU.
	"TCPTimeouts": true, "TCPSynRetrans": true, "RetransSegs": true, "OutSegs": true, "InSegs": true, "FragFails": true,
	"TCPMTUPFail": true, "TCPMTUPSuccess": true, "Ip6FragFails": true, "TCPSpuriousRTOs": true,
	// Opens and resets.
	"PassiveOpens": true, "ActiveOpens": true, "AttemptFails": true, "EstabResets": true, "OutRsts": true, "InErrs": true,
	"InDiscards": true, "OutDiscards": true,
}

// snapshot reads every known counter that is readable.
func snapshot(proc string) map[string]uint64 {
	out := map[string]uint64{}
	for _, f := range []string{"net/netstat", "net/snmp"} {
		if b, err := os.ReadFile(filepath.Join(proc, f)); err == nil {
			parsePairs(b, out)
		}
	}
	if b, err := os.ReadFile(filepath.Join(proc, "net/snmp6")); err == nil {
		parseColumns(b, out)
	}
	return out
}

// parsePairs reads the form of netstat and snmp: a line of names, then a line
// of values, both beginning with the same prefix.
func parsePairs(b []byte, out map[string]uint64) {
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		head := strings.Fields(sc.Text())
		if !sc.Scan() {
			return
		}
		vals := strings.Fields(sc.Text())
		if len(head) == 0 || len(vals) == 0 || head[0] != vals[0] {
			return
		}
		if head[0] != "TcpExt:" && head[0] != "IpExt:" && head[0] != "Ip:" && head[0] != "Tcp:" {
			continue
		}
		for i := 1; i < min(len(head), len(vals)); i++ {
			put(out, head[i], vals[i], 10)
		}
	}
}

// parseColumns reads the form of snmp6: name and value on each line.
func parseColumns(b []byte, out map[string]uint64) {
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 2 && strings.HasPrefix(f[0], "Ip6") {
			put(out, f[0], f[1], 10)
		}
	}
}

func put(out map[string]uint64, name, value string, base int) {
	if !names[name] {
		return
	}
	if n, err := strconv.ParseUint(value, base, 64); err == nil {
		out[name] = n
	}
}

// growth is what each counter grew by. One that went back was reset.
func growth(first, second map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for n, v := range second {
		if was, ok := first[n]; ok && v >= was {
			out[n] = v - was
		}
	}
	return out
}

// sysctls are the settings that decide how the kernel takes connections.
var sysctls = []string{
	"net.ipv4.tcp_syncookies", "net.core.somaxconn", "net.ipv4.tcp_max_syn_backlog", "net.ipv4.tcp_abort_on_overflow",
	"net.ipv4.tcp_tw_recycle", "net.ipv4.tcp_tw_reuse", "net.ipv4.tcp_max_tw_buckets", "net.ipv4.tcp_timestamps",
	"net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_forward", "net.ipv4.ip_nonlocal_bind",
	"net.ipv6.ip_nonlocal_bind", "net.ipv6.bindv6only", "net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6",
	"net.ipv4.conf.all.rp_filter", "net.ipv4.conf.default.rp_filter", "net.ipv4.tcp_mtu_probing", "net.ipv4.ip_no_pmtu_disc",
	"net.core.netdev_max_backlog", "net.ipv4.tcp_mem", "net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_buckets",
	"net.netfilter.nf_conntrack_tcp_timeout_established", "net.netfilter.nf_conntrack_tcp_loose", "net.netfilter.nf_conntrack_tcp_be_liberal",
	"fs.file-max", "kernel.pid_max",
}

// settings reads the sysctls that exist here.
func settings(proc string) map[string]string {
	out := map[string]string{}
	for _, s := range sysctls {
		if b, err := os.ReadFile(filepath.Join(proc, "sys", strings.ReplaceAll(s, ".", "/"))); err == nil && len(b) < 256 {
			out[s] = strings.Join(strings.Fields(string(b)), " ")
		}
	}
	return out
}

// portRange is the range of ephemeral ports; zero when not readable.
func portRange(values map[string]string) [2]int {
	f := strings.Fields(values["net.ipv4.ip_local_port_range"])
	if len(f) != 2 {
		return [2]int{}
	}
	low, err1 := strconv.Atoi(f[0])
	high, err2 := strconv.Atoi(f[1])
	if err1 != nil || err2 != nil || low > high {
		return [2]int{}
	}
	return [2]int{low, high}
}
