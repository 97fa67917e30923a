package fact

import (
	"net/netip"
	"time"

	"github.com/originward/originward"
)

// Questions about the origin host's sockets, addresses and routes. All of them
// speak of the network namespace in which the collector runs.
const (
	QListeners originward.Question = "listeners"
	QCounters  originward.Question = "counters"
	QAddresses originward.Question = "addresses"
	QRoutes    originward.Question = "routes"
)

// Listeners are all listening TCP sockets of the namespace. A complete list
// proves absence; Complete says whether it is.
type Listeners struct {
	Complete Tri      `json:"complete"`
	Sockets  []Socket `json:"sockets"`
}

// Question names the question.
func (Listeners) Question() originward.Question { return QListeners }

// Socket is one listening TCP socket.
type Socket struct {
	Addr      netip.Addr        `json:"addr"` // 0.0.0.0 and :: are wildcards
	Port      uint16            `json:"port"`
	Family    originward.Family `json:"family"`           // of the socket
	V6Only    Tri               `json:"v6only,omitempty"` // for IPv6 wildcards: no = it also serves IPv4
	Device    string            `json:"device,omitempty"` // bound to this interface
	Queue     uint32            `json:"queue"`            // connections waiting to be accepted
	Backlog   uint32            `json:"backlog"`          // largest queue allowed
	Drops     uint32            `json:"drops"`            // packets this socket dropped since it was opened
	UID       uint32            `json:"uid"`
	PID       int               `json:"pid,omitempty"`     // 0 = not visible
	Program   string            `json:"program,omitempty"` // executable's base name
	Exe       string            `json:"exe,omitempty"`
	Cmdline   string            `json:"cmdline,omitempty"` // escaped, bounded
	Unit      string            `json:"unit,omitempty"`    // systemd unit, from the cgroup
	Container string            `json:"container,omitempty"`
	FDs       int               `json:"fds,omitempty"`      // open descriptors of the owner
	FDLimit   uint64            `json:"fd_limit,omitempty"` // its soft limit
	Waiting   Tri               `json:"waiting,omitempty"`  // queue was full at both of two readings
}

// Serves reports whether the socket takes connections to addr.
func (s Socket) Serves(addr netip.Addr) bool {
	addr = addr.Unmap()
	if s.Addr.IsUnspecified() {
		if addr.Is4() {
			return s.Addr.Is4() || s.V6Only == No
		}
		return s.Addr.Is6()
	}
	return s.Addr.Unmap() == addr
}

// Counters are kernel counters of the namespace, read twice. Since says how
// far apart; a counter that is missing was not readable.
type Counters struct {
	Between     time.Duration     `json:"between_ns"`
	First       map[string]uint64 `json:"first"` // ListenOverflows, ListenDrops, TCPReqQFullDrop, SyncookiesSent, IPReversePathFilter, PAWSPassive, OutNoRoutes …
	Growth      map[string]uint64 `json:"growth"`
	Values      map[string]string `json:"values"` // sysctls: net.ipv4.tcp_syncookies, net.core.somaxconn, net.ipv4.tcp_tw_recycle, ip_local_port_range …
	Conntrack   Conntrack         `json:"conntrack"`
	TimeWait    int               `json:"time_wait"`
	Established int               `json:"established"`
	SynRecv     int               `json:"syn_recv"`
	PortsInUse  []TupleUse        `json:"ports_in_use,omitempty"` // busiest (local address, remote) tuples
	PortRange   [2]int            `json:"port_range,omitzero"`
	ClientPeers []PeerUse         `json:"client_peers,omitempty"` // busiest remote networks on web ports
}

// Question names the question.
func (Counters) Question() originward.Question { return QCounters }

// Conntrack is the state of the connection-tracking table.
type Conntrack struct {
	Used       Tri    `json:"used"` // whether connection tracking is loaded
	Count      uint64 `json:"count"`
	Max        uint64 `json:"max"`
	Drop       uint64 `json:"drop"`        // since boot
	InsertFail uint64 `json:"insert_fail"` // since boot
	EarlyDrop  uint64 `json:"early_drop"`
	DropGrowth uint64 `json:"drop_growth"` // between the two readings
}

// TupleUse counts sockets towards one remote address and port, for
// ephemeral-port exhaustion.
type TupleUse struct {
	Local  netip.Addr     `json:"local"`
	Remote netip.AddrPort `json:"remote"`
	Count  int            `json:"count"`
}

// PeerUse counts connections on web ports from one network.
type PeerUse struct {
	Net   netip.Prefix `json:"net"`
	Count int          `json:"count"`
	CDN   string       `json:"cdn,omitempty"`
}

// Addresses are the host's interfaces and their addresses.
type Addresses struct {
	Interfaces []Interface  `json:"interfaces"`
	Public     []netip.Addr `json:"public"`          // global unicast addresses that are not private
	Asked      []AskedAddr  `json:"asked,omitempty"` // origin addresses named by the user or DNS: on this host?
}

// Question names the question.
func (Addresses) Question() originward.Question { return QAddresses }

// Has reports whether the host has the address on an interface.
func (a Addresses) Has(addr netip.Addr) bool {
	for _, i := range a.Interfaces {
		for _, p := range i.Addrs {
			if p.Addr() == addr.Unmap() {
				return true
			}
		}
	}
	return false
}

// AskedAddr says whether an address asked about is on the host.
type AskedAddr struct {
	Addr netip.Addr `json:"addr"`
	Here Tri        `json:"here"`
	NAT  Tri        `json:"nat,omitempty"` // the host has only private addresses of this family: it may stand behind NAT
}

// Interface is one network interface.
type Interface struct {
	Name      string         `json:"name"`
	Index     int            `json:"index"`
	MTU       int            `json:"mtu"`
	Up        Tri            `json:"up"`
	Carrier   Tri            `json:"carrier,omitempty"`
	Kind      string         `json:"kind,omitempty"` // bridge, veth, wireguard, tun …
	Addrs     []netip.Prefix `json:"addrs"`
	RPFilter  int            `json:"rp_filter"` // effective: 0 off, 1 strict, 2 loose; -1 = not readable
	XDP       Tri            `json:"xdp,omitempty"`
	Tentative []netip.Addr   `json:"tentative,omitempty"` // IPv6 addresses still in or failed duplicate detection
}

// Routes says, for CDN ranges, which route a reply would take and whether a
// packet from there passes the reverse-path filter.
type Routes struct {
	Default4 Tri            `json:"default4"`
	Default6 Tri            `json:"default6"`
	Groups   []RouteGroup   `json:"groups"`           // ranges that share one answer
	Special  []SpecialRoute `json:"special"`          // blackhole, unreachable, prohibit and private captures that touch CDN ranges
	Rules    []string       `json:"rules,omitempty"`  // policy rules beyond the three defaults, as `ip rule` prints them
	Silent   []Neighbor     `json:"silent,omitempty"` // addresses on connected networks that the kernel asked for and that did not answer
}

// Neighbor is an address on a connected network.
type Neighbor struct {
	Addr  netip.Addr `json:"addr"`
	Iface string     `json:"iface"`
	State string     `json:"state"` // failed, incomplete
}

// Question names the question.
func (Routes) Question() originward.Question { return QRoutes }

// RouteGroup is one answer of the kernel's route look-up for several ranges.
type RouteGroup struct {
	Ranges   []netip.Prefix    `json:"ranges"` // sampled at both ends and wherever the table splits them
	CDN      bool              `json:"cdn"`    // false = comparison addresses that are nobody's edge
	Family   originward.Family `json:"family"`
	Type     string            `json:"type"`              // unicast, blackhole, unreachable, prohibit, local, none
	Errno    string            `json:"errno,omitempty"`   // when the look-up failed
	Iface    string            `json:"iface,omitempty"`   // interface a reply leaves by
	Gateway  netip.Addr        `json:"gateway,omitzero"`  // next hop; zero = on link
	Private  bool              `json:"private,omitempty"` // next hop or interface leads to a private network (VPN, bridge)
	Default  bool              `json:"default,omitempty"` // taken through the default route
	InOK     Tri               `json:"in_ok"`             // the input look-up accepts a packet from there on the arriving interface
	InIface  string            `json:"in_iface,omitempty"`
	InErrno  string            `json:"in_errno,omitempty"`
	Neighbor string            `json:"neighbor,omitempty"` // state of the next hop: reachable, stale, failed …
}

// SpecialRoute is one table entry that captures part of a CDN range.
type SpecialRoute struct {
	Prefix  netip.Prefix   `json:"prefix"`
	Type    string         `json:"type"` // blackhole, unreachable, prohibit, throw, unicast
	Table   string         `json:"table"`
	Iface   string         `json:"iface,omitempty"`
	Gateway netip.Addr     `json:"gateway,omitzero"`
	Covers  []netip.Prefix `json:"covers"` // CDN ranges it captures, wholly or in part
	Text    string         `json:"text"`   // as `ip route` prints it
}
