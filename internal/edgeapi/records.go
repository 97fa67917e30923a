package edgeapi

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/dnsrec"
	"github.com/originward/originward/internal/edge/rules"
	"github.com/originward/originward/internal/store"
)

type recordOut struct {
	ID         string          `json:"id"`
	ZoneID     string          `json:"zone_id"`
	ZoneName   string          `json:"zone_name"`
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Content    string          `json:"content"`
	Priority   *int            `json:"priority,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`
	Proxiable  bool            `json:"proxiable"`
	Proxied    bool            `json:"proxied"`
	TTL        int             `json:"ttl"` // 1 = automatic
	Settings   map[string]any  `json:"settings"`
	Meta       map[string]any  `json:"meta"`
	Comment    *string         `json:"comment"`
	Tags       []string        `json:"tags"`
	CreatedOn  *time.Time      `json:"created_on,omitempty"`
	ModifiedOn *time.Time      `json:"modified_on,omitempty"`
}

func recordID(zone string, r originward.Record) string {
	return rules.ID("record", zone, string(r.Type), r.Name, r.Content)
}

// fileRecord is a record of a zone of the configuration file.
func fileRecord(zone zoneRef, r originward.Record) recordOut {
	ttl := r.TTL
	if ttl == 0 || r.Proxied {
		ttl = 1
	}
	out := recordOut{
		ID: recordID(zone.name, r), ZoneID: zone.id, ZoneName: zone.name, Type: string(r.Type), Name: r.Name, Content: r.Content,
		Proxied: r.Proxied, Proxiable: r.Type.Origin(), TTL: ttl, Settings: map[string]any{}, Meta: map[string]any{}, Tags: []string{},
	}
	if dnsrec.HasPriority(r.Type) { // it stands before the content in the file's form
		first, rest, _ := strings.Cut(r.Content, " ")
		if n, err := strconv.Atoi(first); err == nil {
			out.Priority, out.Content = &n, rest
		}
	}
	return out
}

func storeRecord(zone zoneRef, r store.Record) recordOut {
	out := recordOut{
		ID: r.ID, ZoneID: zone.id, ZoneName: zone.name, Type: r.Type, Name: r.Name, Content: r.Content, Data: r.Data, Proxied: r.Proxied, TTL: r.TTL,
		Proxiable: originward.RecordType(r.Type).Origin(), Settings: map[string]any{}, Meta: map[string]any{}, Tags: r.Tags, CreatedOn: &r.Created, ModifiedOn: &r.Modified,
	}
	if dnsrec.HasPriority(originward.RecordType(r.Type)) {
		out.Priority = &r.Priority
	}
	if r.Comment != "" {
		out.Comment = &r.Comment
	}
	if out.Tags == nil {
		out.Tags = []string{}
	}
	return out
}

// allRecords are a zone's records, wherever it is kept.
func (a *API) allRecords(c *call) ([]recordOut, error) {
	out := []recordOut{}
	if c.zone.file != nil {
		for _, r := range c.zone.file.Records {
			out = append(out, fileRecord(c.zone, r))
		}
		return out, nil
	}
	err := a.view(c, func(t *store.Tx) error {
		all, err := t.Records(c.zone.id)
		for _, r := range all {
			out = append(out, storeRecord(c.zone, r))
		}
		return err
	})
	return out, err
}

// records lists a zone's records: ?type, ?proxied, ?name, ?content, ?comment with
// their forms, ?search, ?match=any, ?order, ?direction.
func (a *API) records(c *call) (*reply, error) {
	all, err := a.allRecords(c)
	if err != nil {
		return nil, err
	}
	keep, err := recordFilter(c.Request)
	if err != nil {
		return nil, err
	}
	out := slices.DeleteFunc(all, func(r recordOut) bool { return !keep(r) })
	q := c.URL.Query()
	if key := q.Get("order"); key != "" {
		less, ok := recordOrders[key]
		if !ok {
			return nil, &failure{http.StatusBadRequest, codeBadRequest, "order must be type, name, content, ttl or proxied"}
		}
		slices.SortStableFunc(out, less)
	}
	if q.Get("direction") == "desc" {
		slices.Reverse(out)
	}
	return page(c.Request, out)
}

var recordOrders = map[string]func(a, b recordOut) int{
	"type":    func(a, b recordOut) int { return cmp.Compare(a.Type, b.Type) },
	"name":    func(a, b recordOut) int { return cmp.Compare(a.Name, b.Name) },
	"content": func(a, b recordOut) int { return cmp.Compare(a.Content, b.Content) },
	"ttl":     func(a, b recordOut) int { return cmp.Compare(a.TTL, b.TTL) },
	"proxied": func(a, b recordOut) int {
		return cmp.Compare(strconv.FormatBool(a.Proxied), strconv.FormatBool(b.Proxied))
	},
}

// recordFilter reads the filters of a query.
func recordFilter(r *http.Request) (func(recordOut) bool, error) {
	q := r.URL.Query()
	var conds []func(recordOut) bool
	if f := newTextFilter(q, "name"); f.any() {
		conds = append(conds, func(x recordOut) bool { return f.match(x.Name) })
	}
	if f := newTextFilter(q, "content"); f.any() {
		conds = append(conds, func(x recordOut) bool { return f.match(x.Content) })
	}
	if f := newTextFilter(q, "comment"); f.any() {
		conds = append(conds, func(x recordOut) bool { return f.match(text(x.Comment)) })
	}
	if typ := strings.ToUpper(q.Get("type")); typ != "" {
		conds = append(conds, func(x recordOut) bool { return x.Type == typ })
	}
	if s := q.Get("proxied"); s != "" {
		on, err := strconv.ParseBool(s)
		if err != nil {
			return nil, &failure{http.StatusBadRequest, codeBadRequest, "proxied must be true or false"}
		}
		conds = append(conds, func(x recordOut) bool { return x.Proxied == on })
	}
	if s := strings.ToLower(q.Get("search")); s != "" {
		conds = append(conds, func(x recordOut) bool {
			return strings.Contains(strings.ToLower(x.Name+" "+x.Type+" "+x.Content+" "+text(x.Comment)), s)
		})
	}
	anyOf := q.Get("match") == "any" && len(conds) > 0
	return func(x recordOut) bool {
		for _, is := range conds {
			if is(x) == anyOf {
				return anyOf
			}
		}
		return !anyOf
	}, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (a *API) recordByID(c *call) (*reply, error) {
	id := c.PathValue("record")
	if c.zone.file != nil {
		for _, r := range c.zone.file.Records {
			if recordID(c.zone.name, r) == id {
				return &reply{result: fileRecord(c.zone, r)}, nil
			}
		}
		return nil, errNoRecord
	}
	var x store.Record
	if err := a.view(c, func(t *store.Tx) (err error) { x, err = t.Record(c.zone.id, id); return err }); err != nil {
		return nil, noRecord(err)
	}
	return &reply{result: storeRecord(c.zone, x), tag: versionTag(x.Version)}, nil
}
