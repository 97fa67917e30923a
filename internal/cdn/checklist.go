package cdn

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/gaissmai/bart"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/cdn/allowlist"
)

// Check is what a list of addresses means for one CDN.
type Check struct {
	File     string    `json:"file,omitempty"`
	CDN      ID        `json:"cdn"`
	Guessed  bool      `json:"guessed,omitempty"` // the CDN was worked out from the entries
	AsOf     time.Time `json:"as_of,omitzero"`    // day of the published list
	Complete bool      `json:"complete"`          // the published list is known as a whole
	Note     string    `json:"note,omitempty"`    // about the published list
	Kind     string    `json:"kind"`              // allow, block (it only refuses), empty
	Entries  int       `json:"entries"`           // ranges read
	OK       bool      `json:"ok"`                // every published range may connect

	Published int                 `json:"published"`           // ranges that the CDN publishes
	Covered   int                 `json:"covered"`             // of these, wholly allowed
	Missing   []netip.Prefix      `json:"missing"`             // not allowed at all
	Partly    []Partly            `json:"partly"`              // allowed in part
	Denied    []ListEntry         `json:"denied"`              // entries that refuse published ranges
	Stale     []ListEntry         `json:"stale"`               // entries that the CDN has withdrawn
	Wide      []ListEntry         `json:"wide"`                // entries that allow more than the CDN
	Absent    []originward.Family `json:"absent,omitempty"`    // families without a single entry
	Unread    []allowlist.Unread  `json:"unread"`              // lines that were not understood
	Elsewhere int                 `json:"elsewhere,omitempty"` // entries that have nothing to do with the CDN
}

// Partly is a published range of which only a part may connect.
type Partly struct {
	Range   netip.Prefix   `json:"range"`
	Missing []netip.Prefix `json:"missing"`
	Lines   []int          `json:"lines"`          // that allow the rest
	More    bool           `json:"more,omitempty"` // only the first 64 of each are listed
}

// maxShown bounds what is listed of one range: nobody reads more, and a list of
// single addresses would leave a gap beside each.
const maxShown = 64

// ListEntry is one entry that needs attention.
type ListEntry struct {
	Line  int            `json:"line"`
	Entry string         `json:"entry"` // as written, escaped
	Of    []netip.Prefix `json:"of,omitempty"`
	Note  string         `json:"note,omitempty"`
}

// CheckList reads an allow list from r and says which of a CDN's ranges it
// misses. file is only for the result and for errors. With the empty id the CDN
// is the one with the most ranges in the list, and Cloudflare when there is
// none. The file may be in any of the forms that package allowlist reads.
func CheckList(r io.Reader, file string, id ID) (*Check, error) {
	if id != "" {
		if ranges, _ := Ranges(id, ""); len(ranges) == 0 {
			return nil, fmt.Errorf("cdn %q publishes no ranges that are known here; allowed are %v", id, WithRanges())
		}
	}
	list, err := allowlist.Read(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	c := &Check{
		File: file, CDN: id, Entries: len(list.Entries), Unread: list.Unread,
		Missing: []netip.Prefix{}, Partly: []Partly{}, Denied: []ListEntry{}, Stale: []ListEntry{}, Wide: []ListEntry{},
	}
	if c.Unread == nil {
		c.Unread = []allowlist.Unread{}
	}
	if id == "" {
		c.CDN, c.Guessed = guess(list.Entries), true
	}
	for _, l := range Lists() {
		if l.CDN == c.CDN && l.Role != RoleVisitor {
			c.AsOf, c.Complete, c.Note = l.AsOf, l.Complete, l.Note
		}
	}
	c.judge(list.Entries)
	return c, nil
}

// guess is the CDN of which the list holds the most ranges.
func guess(entries []allowlist.Entry) ID {
	counts := map[ID]int{}
	for _, e := range entries {
		if id, p := LookupEgress(e.Prefix.Addr()); id != "" && p.Bits() <= e.Prefix.Bits() {
			counts[id]++
		}
	}
	best := Cloudflare
	for _, id := range WithRanges() {
		if counts[id] > counts[best] {
			best = id
		}
	}
	return best
}

func (c *Check) judge(entries []allowlist.Entry) {
	ranges, _ := Ranges(c.CDN, "")
	var allow, deny []allowlist.Entry
	for _, e := range entries {
		if e.Deny {
			deny = append(deny, e)
		} else {
			allow = append(allow, e)
		}
	}
	c.Published = len(ranges)
	c.Kind = "allow"
	switch {
	case len(allow) == 0 && len(deny) > 0:
		c.Kind = "block"
	case len(allow) == 0:
		c.Kind = "empty"
	}
	if c.Kind != "block" {
		c.cover(ranges, allow)
	} else {
		c.Covered = len(ranges)
	}
	for _, e := range deny {
		if of := overlapping(ranges, e.Prefix); len(of) > 0 {
			c.Denied = append(c.Denied, ListEntry{Line: e.Line, Entry: e.Text, Of: of})
		}
	}
	near := touching(ranges, allow)
	c.Elsewhere = len(allow) - len(near)
	for _, e := range near {
		c.extra(ranges, e)
	}
	for _, e := range allow {
		c.withdrawn(ranges, e)
	}
	c.OK = c.Covered == c.Published && len(c.Denied) == 0
}

// cover finds what the allowing entries leave out of each range.
func (c *Check) cover(ranges []netip.Prefix, allow []allowlist.Entry) {
	families := map[originward.Family]bool{}
	for _, e := range allow {
		families[originward.FamilyOf(e.Prefix.Addr())] = true
	}
	for _, f := range []originward.Family{originward.IP4, originward.IP6} {
		if !families[f] {
			c.Absent = append(c.Absent, f)
		}
	}
	all := touching(ranges, allow)
	for _, r := range ranges {
		var near []allowlist.Entry
		for _, e := range all {
			if e.Prefix.Overlaps(r) {
				near = append(near, e)
			}
		}
		left := uncovered(r, near)
		switch {
		case len(left) == 0:
			c.Covered++
		case len(left) == 1 && left[0] == r:
			c.Missing = append(c.Missing, r)
		default:
			p := Partly{Range: r, Missing: left[:min(len(left), maxShown)], More: len(left) > maxShown}
			for _, e := range near[:min(len(near), maxShown)] {
				p.Lines = append(p.Lines, e.Line)
			}
			c.Partly = append(c.Partly, p)
		}
	}
}

// touching keeps the entries that have anything to do with the ranges: few, of a
// list that may have a million.
func touching(ranges []netip.Prefix, entries []allowlist.Entry) []allowlist.Entry {
	var t bart.Lite
	for _, r := range ranges {
		t.Insert(r)
	}
	var out []allowlist.Entry
	for _, e := range entries {
		if t.OverlapsPrefix(e.Prefix) {
			out = append(out, e)
		}
	}
	return out
}

// extra says what an entry allows beyond the CDN's ranges.
func (c *Check) extra(ranges []netip.Prefix, e allowlist.Entry) {
	of := overlapping(ranges, e.Prefix)
	for _, r := range of {
		if r.Bits() <= e.Prefix.Bits() {
			return // wholly inside a published range
		}
	}
	if stale, _ := c.staleOf(e); stale {
		return // withdrawn says so
	}
	c.Wide = append(c.Wide, ListEntry{Line: e.Line, Entry: e.Text, Of: of})
}

// withdrawn lists an entry that an old copy of the CDN's list held.
func (c *Check) withdrawn(ranges []netip.Prefix, e allowlist.Entry) {
	stale, note := c.staleOf(e)
	if !stale {
		return
	}
	of := overlapping(ranges, e.Prefix)
	for _, r := range of {
		if r.Bits() <= e.Prefix.Bits() {
			return
		}
	}
	if len(of) == 0 {
		c.Elsewhere--
	}
	c.Stale = append(c.Stale, ListEntry{Line: e.Line, Entry: e.Text, Of: of, Note: note})
}

// staleOf tells whether an entry is, or lies in, a withdrawn one.
func (c *Check) staleOf(e allowlist.Entry) (bool, string) {
	for _, w := range load().withdrawn {
		if w.CDN == c.CDN && w.Prefix.Bits() <= e.Prefix.Bits() && w.Prefix.Overlaps(e.Prefix) {
			return true, w.Note
		}
	}
	return false, ""
}

func overlapping(ranges []netip.Prefix, p netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, r := range ranges {
		if r.Overlaps(p) {
			out = append(out, r)
		}
	}
	return out
}

// uncovered is what is left of r without the entries, in ascending order and
// with the fewest prefixes.
func uncovered(r netip.Prefix, entries []allowlist.Entry) []netip.Prefix {
	var in []allowlist.Entry
	for _, e := range entries {
		if !e.Prefix.Overlaps(r) {
			continue
		}
		if e.Prefix.Bits() <= r.Bits() {
			return nil
		}
		in = append(in, e)
	}
	if len(in) == 0 {
		return []netip.Prefix{r}
	}
	low, high := halves(r)
	return append(uncovered(low, in), uncovered(high, in)...)
}

func halves(p netip.Prefix) (low, high netip.Prefix) {
	bit := p.Bits()
	b := p.Addr().AsSlice()
	low = netip.PrefixFrom(p.Addr(), bit+1)
	b[bit/8] |= 1 << (7 - bit%8)
	a, _ := netip.AddrFromSlice(b)
	return low, netip.PrefixFrom(a, bit+1)
}
