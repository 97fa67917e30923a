package cdn

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/gaissmai/bart"

	"github.com/originward/originward"
)

//go:embed data/*.json
var files embed.FS

// dataFiles lists the providers' files in the order in which lists are shown.
// A CDN more is one file and one line here.
var dataFiles = []string{
	"cloudflare", "cloudfront", "fastly", "akamai", "bunny", "azure-front-door", "google",
}

// Role says what the addresses of a list do.
type Role string

// The roles. Some CDNs use the same addresses for both.
const (
	RoleOrigin  Role = "origin"  // connect to origins: an allow list needs them
	RoleVisitor Role = "visitor" // answer visitors: names at the CDN resolve into them
	RoleBoth    Role = "both"
)

// List is one published list of ranges.
type List struct {
	CDN      ID             `json:"cdn"`
	Role     Role           `json:"role"`
	Source   string         `json:"source"`         // where the CDN publishes it
	AsOf     time.Time      `json:"as_of,omitzero"` // day on which it was read there; zero = not known
	Complete bool           `json:"complete"`       // false: the CDN uses other addresses too
	Note     string         `json:"note,omitempty"`
	Prefixes []netip.Prefix `json:"prefixes"`
}

// Withdrawn is an entry that old copies of a list hold and the list of today
// does not.
type Withdrawn struct {
	CDN    ID           `json:"cdn"`
	Prefix netip.Prefix `json:"prefix"`
	Note   string       `json:"note"`
}

// Lists gives every list, those of one CDN together.
func Lists() []List { return slices.Clone(load().lists) }

// WithdrawnEntries gives every entry known to have left a list.
func WithdrawnEntries() []Withdrawn { return slices.Clone(load().withdrawn) }

// Ranges are the ranges from which a CDN connects to origins, of one family or,
// with the empty family, of both; IPv4 first, in ascending order. It is empty
// for a CDN that publishes none. complete is false when the list does not hold
// every range that the CDN may use.
func Ranges(id ID, family originward.Family) (ranges []netip.Prefix, complete bool) {
	for _, l := range load().lists {
		if l.CDN != id || l.Role == RoleVisitor {
			continue
		}
		complete = l.Complete
		for _, p := range l.Prefixes {
			if family == "" || originward.FamilyOf(p.Addr()) == family {
				ranges = append(ranges, p)
			}
		}
	}
	return ranges, complete
}

// WithRanges lists the CDNs of which ranges towards origins are known, the most
// used first.
func WithRanges() []ID {
	var out []ID
	for _, l := range load().lists {
		if l.Role != RoleVisitor && !slices.Contains(out, l.CDN) {
			out = append(out, l.CDN)
		}
	}
	return out
}

type provider struct {
	id    ID
	title string
}

// tables is everything that is worked out from the embedded files.
type tables struct {
	providers []provider
	lists     []List
	withdrawn []Withdrawn
	all       bart.Table[ID] // every range, whatever its role
	egress    bart.Table[ID] // ranges that connect to origins
}

var load = sync.OnceValue(func() *tables {
	t, err := readTables()
	if err != nil {
		// The files are compiled in and a test reads them: this is a bug.
		panic("cdn: embedded data: " + err.Error())
	}
	return t
})

// fileFormat is a data file.
type fileFormat struct {
	CDN   ID     `json:"cdn"`
	Title string `json:"title"`
	Lists []struct {
		Role     Role           `json:"role"`
		Source   string         `json:"source"`
		AsOf     string         `json:"as_of"`
		Complete bool           `json:"complete"`
		Note     string         `json:"note"`
		Prefixes []netip.Prefix `json:"prefixes"`
	} `json:"lists"`
	Withdrawn []struct {
		Prefix netip.Prefix `json:"prefix"`
		Note   string       `json:"note"`
	} `json:"withdrawn"`
}

func readTables() (*tables, error) {
	t := &tables{}
	for _, name := range dataFiles {
		raw, err := files.ReadFile("data/" + name + ".json")
		if err != nil {
			return nil, err
		}
		var f fileFormat
		if err := json.Unmarshal(raw, &f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := t.add(f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return t, nil
}

func (t *tables) add(f fileFormat) error {
	t.providers = append(t.providers, provider{f.CDN, f.Title})
	for _, l := range f.Lists {
		var asOf time.Time
		if l.AsOf != "" {
			var err error
			if asOf, err = time.Parse(time.DateOnly, l.AsOf); err != nil {
				return err
			}
		}
		t.lists = append(t.lists, List{
			CDN: f.CDN, Role: l.Role, Source: l.Source, AsOf: asOf,
			Complete: l.Complete, Note: l.Note, Prefixes: l.Prefixes,
		})
		for _, p := range l.Prefixes {
			if p != p.Masked() {
				return fmt.Errorf("%s has host bits", p)
			}
			t.all.Insert(p, f.CDN)
			if l.Role != RoleVisitor {
				t.egress.Insert(p, f.CDN)
			}
		}
	}
	for _, w := range f.Withdrawn {
		t.withdrawn = append(t.withdrawn, Withdrawn{CDN: f.CDN, Prefix: w.Prefix, Note: w.Note})
	}
	return nil
}
