package ruleset

import (
	"net/netip"
	"time"

	"github.com/originward/originward/internal/firewall/interval"
)

// IPSet is a set of the ipset subsystem.
type IPSet struct {
	Name string
	// Type is such as hash:net or bitmap:port.
	Type   string
	Rev    uint8
	Family Family // IP, IP6, or 0 for types without
	Index  uint16
	// Entries are those of all other types; of a list:set, the names of its members.
	Entries []IPSetEntry
	// Timeout is the default lifetime, 0 for none.
	Timeout time.Duration
	// Netmask is the prefix length addresses are cut to on add and look-up, 0 for none; Mask is the general form.
	Netmask uint8
	Mask    netip.Addr
	// MarkMask applies to hash:ip,mark.
	MarkMask uint32
	Comment  string
	// Keys are the entries of a set of plain addresses or networks (hash:ip, hash:net, bitmap:ip), sorted by their first
	// address; networks may contain each other. Half a million of them must stay small, so the rest is kept beside them.
	Keys []interval.Iv
	// Except marks the keys that are exceptions (nomatch); nil when there are none.
	Except []bool
	// Life is what is left of each key's time; nil when none expires.
	Life []time.Duration
	// Comments are by index into Keys.
	Comments map[int32]string
	// Unread says why entries are missing; a look-up is then unknown.
	Unread string
}

// IPSetEntry is one entry. Which fields are used depends on the type.
type IPSetEntry struct {
	IP, IPTo   netip.Addr
	CIDR       uint8
	IP2, IP2To netip.Addr
	CIDR2      uint8
	Port, PTo  uint16
	Proto      uint8
	MAC        [6]byte
	HasMAC     bool
	Iface      string
	IfaceWild  bool
	PhysDev    bool
	Mark       uint32
	NoMatch    bool
	Before     bool
	Set        string
	Timeout    time.Duration // what is left; 0 means it stays
	Comment    string
}

// Plain reports a set whose entries are single addresses or networks, kept in Keys.
func (s *IPSet) Plain() bool {
	return s.Type == "hash:ip" || s.Type == "hash:net" || s.Type == "bitmap:ip"
}
