package services

import (
	"net/netip"
	"time"

	"github.com/originward/originward/fact"
)

// unit is what the service manager says of a unit.
type unit struct {
	name     string
	active   string // active, inactive, failed, activating …
	enabled  fact.Tri
	restarts int
	result   string
	exit     *int
	signal   string
	since    time.Time
	pid      int
	exec     []string // command line of ExecStart
	ports    []uint16 // on which its program may listen, by its command line
	ipDeny   []netip.Prefix
	ipAllow  []netip.Prefix
	frozen   bool
	slice    string
}

// state names a unit's state in the words of fact.Service.
func (u *unit) state() string {
	switch u.active {
	case "active", "reloading", "refreshing":
		return "running"
	case "inactive", "deactivating", "maintenance":
		return "stopped"
	}
	return u.active // failed, activating
}
