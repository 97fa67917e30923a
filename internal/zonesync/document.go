package zonesync

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Document is the zones of an edge, and the lists that their rules use.
type Document struct {
	Lists []List   `yaml:"lists,omitempty"`
	Pools []Object `yaml:"pools,omitempty"` // for the load balancers of all zones
	Zones []Zone   `yaml:"zones"`
}

// Zone is one zone.
type Zone struct {
	Name     string            `yaml:"name"`
	Paused   bool              `yaml:"paused,omitempty"`
	Settings map[string]any    `yaml:"settings,omitempty"` // those that can be changed
	Records  []Record          `yaml:"records"`
	Rulesets map[string][]Rule `yaml:"rulesets,omitempty"` // by phase
	Access   []Rule            `yaml:"ip_access,omitempty"`
	Agents   []Rule            `yaml:"user_agents,omitempty"`
	// LoadBalancers have pools by their names; nil = nothing is said of them.
	LoadBalancers []Object `yaml:"load_balancers,omitempty"`

	id       string
	entryIDs map[string]string // of Access and Agents, by what they are
}

// Record is a DNS record.
type Record struct {
	Name     string   `yaml:"name"` // whole, or @ and names below the zone
	Type     string   `yaml:"type"`
	Content  string   `yaml:"content"`
	Priority *int     `yaml:"priority,omitempty"`
	Proxied  bool     `yaml:"proxied,omitempty"`
	TTL      int      `yaml:"ttl,omitempty"` // seconds; 0 and 1 = automatic
	Comment  string   `yaml:"comment,omitempty"`
	Tags     []string `yaml:"tags,omitempty"`

	id string
}

// Rule is a rule in the API's form.
type Rule map[string]any

// made are fields of a rule that the API makes.
var made = []string{"id", "ref", "version", "last_updated"}

// plain is the rule without what the API makes, and without what is the default.
func (r Rule) plain() Rule {
	out := Rule{}
	for k, v := range r {
		if slices.Contains(made, k) || v == nil || v == "" || k == "enabled" && v == true {
			continue
		}
		out[k] = v
	}
	return out
}

// maxDocument bounds a document: 100,000 records are about 15 MiB.
const maxDocument = 64 << 20

// Parse reads a document (YAML, or JSON as the YAML it is). Unknown keys are errors.
func Parse(raw []byte) (*Document, error) {
	if len(raw) > maxDocument {
		return nil, fmt.Errorf("larger than %d MiB", maxDocument>>20)
	}
	var d Document
	if err := yaml.Load(raw, &d, yaml.WithKnownFields(), yaml.WithUniqueKeys()); err != nil {
		return nil, err
	}
	return &d, d.check()
}

func (d *Document) check() error {
	errs := checkNames("pools", d.Pools)
	seen := map[string]bool{}
	for i, l := range d.Lists {
		switch {
		case l.Name == "" || l.Kind == "":
			errs = append(errs, fmt.Errorf("lists[%d]: needs name and kind", i))
		case slices.ContainsFunc(d.Lists[:i], func(o List) bool { return o.Name == l.Name }):
			errs = append(errs, fmt.Errorf("lists[%d]: the list %s stands there twice", i, l.Name))
		}
	}
	for i := range d.Zones {
		z := &d.Zones[i]
		z.Name = strings.TrimSuffix(strings.ToLower(z.Name), ".")
		switch {
		case z.Name == "":
			errs = append(errs, fmt.Errorf("zones[%d]: name is missing", i))
		case seen[z.Name]:
			errs = append(errs, fmt.Errorf("zones[%d]: the zone %s stands there twice", i, z.Name))
		}
		seen[z.Name] = true
		errs = append(errs, checkNames(fmt.Sprintf("zones[%d].load_balancers", i), z.LoadBalancers)...)
		for j := range z.Records {
			r := &z.Records[j]
			if r.Name == "" || r.Type == "" || r.Content == "" {
				errs = append(errs, fmt.Errorf("zones[%d].records[%d]: needs name, type and content", i, j))
			}
			r.normal(z.Name)
		}
	}
	return errors.Join(errs...)
}

// checkNames wants a name for each object, and each name once.
func checkNames(where string, list []Object) (errs []error) {
	seen := map[string]bool{}
	for i, o := range list {
		switch n := o.str("name"); {
		case n == "":
			errs = append(errs, fmt.Errorf("%s[%d]: name is missing", where, i))
		case seen[n]:
			errs = append(errs, fmt.Errorf("%s[%d]: %s stands there twice", where, i, n))
		default:
			seen[n] = true
		}
	}
	return errs
}

// normal brings a record into the form in which records are compared.
func (r *Record) normal(zone string) {
	r.Type = strings.ToUpper(r.Type)
	r.Name = strings.TrimSuffix(strings.ToLower(r.Name), ".")
	if r.Name == "@" {
		r.Name = zone
	} else if r.Name != zone && !strings.HasSuffix(r.Name, "."+zone) {
		r.Name += "." + zone
	}
	if r.Type == "CNAME" || r.Type == "NS" || r.Type == "MX" || r.Type == "PTR" {
		r.Content = strings.TrimSuffix(strings.ToLower(r.Content), ".")
	}
	if r.TTL == 0 || r.Proxied {
		r.TTL = 1
	}
	if r.Type == "MX" || r.Type == "SRV" || r.Type == "URI" {
		if r.Priority == nil {
			r.Priority = new(int)
		}
	} else {
		r.Priority = nil
	}
}

// Dump writes a document, in an order of its own, so that equal edges give equal
// documents.
func (d *Document) Dump() ([]byte, error) {
	byName := func(a, b Object) int { return cmp.Compare(a.str("name"), b.str("name")) }
	slices.SortFunc(d.Lists, func(a, b List) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(d.Zones, func(a, b Zone) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(d.Pools, byName)
	for i := range d.Pools {
		delete(d.Pools[i], "id")
	}
	for i := range d.Zones {
		slices.SortFunc(d.Zones[i].LoadBalancers, byName)
		for _, b := range d.Zones[i].LoadBalancers {
			delete(b, "id")
		}
		slices.SortFunc(d.Zones[i].Records, func(a, b Record) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Content, b.Content))
		})
	}
	return yaml.Dump(d)
}
