package collect

import (
	"net/netip"
	"path/filepath"
	"time"

	"github.com/originward/originward"
)

// Ask is what is asked of a host. The zero Ask is usable: it asks about the
// machine itself, ports 80 and 443, and the last hour.
type Ask struct {
	Host    string         // site's name as visitors use it; empty = not known
	Origins []netip.Addr   // origin addresses asked about (from DNS, the CDN, the user)
	Ports   []uint16       // ports that the edge contacts; empty = 80 and 443
	From    time.Time      // failure window; zero = an hour before To
	To      time.Time      // zero = now
	Ray     string         // ray of the failing request, if known
	Ranges  []netip.Prefix // ranges the edge connects from, both families; nil = the default CDN's of today
	// CDN tells in which CDN's range an address lies. Nil = only Ranges are
	// known, under the name "edge".
	CDN func(netip.Addr) (name string, in netip.Prefix, ok bool)

	// Window is how long the kernel's own drops are watched; zero = not at all. Watching is called when the watch stands.
	Window   time.Duration
	Watching func()

	Prove bool // let the kernel confirm the firewall's answer in a copy of the ruleset (root)
	Live  bool // with Prove: and in the host's own interfaces, behind guards

	Root string           // prefix of every file that is read; empty = "/"
	Proc string           // procfs; empty = Root/proc
	Now  func() time.Time // nil = time.Now
}

// DefaultWindow is how far back logs are read when no failure time is known.
const DefaultWindow = time.Hour

func (a Ask) withDefaults() Ask {
	if a.Now == nil {
		a.Now = time.Now
	}
	if a.Root == "" {
		a.Root = "/"
	}
	if a.Proc == "" {
		a.Proc = filepath.Join(a.Root, "proc")
	}
	if len(a.Ports) == 0 {
		a.Ports = []uint16{80, 443}
	}
	if a.To.IsZero() {
		a.To = a.Now()
	}
	if a.From.IsZero() {
		a.From = a.To.Add(-DefaultWindow)
	}
	if a.CDN == nil {
		ranges := a.Ranges
		a.CDN = func(addr netip.Addr) (string, netip.Prefix, bool) {
			for _, p := range ranges {
				if p.Contains(addr.Unmap()) {
					return "edge", p, true
				}
			}
			return "", netip.Prefix{}, false
		}
	}
	return a
}

// File is where a path of the host is read from.
func (a Ask) File(path string) string {
	if a.Root == "" || a.Root == "/" {
		return path
	}
	return filepath.Join(a.Root, path)
}

// RangesOf gives the edge's ranges of one family.
func (a Ask) RangesOf(f originward.Family) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range a.Ranges {
		if originward.FamilyOf(p.Addr()) == f {
			out = append(out, p)
		}
	}
	return out
}
