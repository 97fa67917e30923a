package edgeapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/dnsrec"
	"github.com/originward/originward/internal/store"
)

// recordIn is a record as a client writes it; what is nil stays as it is in a
// PATCH and takes its default else.
type recordIn struct {
	ID       string          `json:"id,omitempty"` // in a batch
	Type     *string         `json:"type,omitempty"`
	Name     *string         `json:"name,omitempty"`
	Content  *string         `json:"content,omitempty"`
	Priority *int            `json:"priority,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Proxied  *bool           `json:"proxied,omitempty"`
	TTL      *int            `json:"ttl,omitempty"`
	Comment  *string         `json:"comment,omitempty"`
	Tags     *[]string       `json:"tags,omitempty"`
}

// Codes of Cloudflare's API for DNS records.
const (
	codeNoRecord   = 81044
	codeQuota      = 81045
	codeHostTaken  = 81053
	codeCNAMETaken = 81054
	codeIdentical  = 81058
	codeTTL        = 9021
	codeNotProxied = 9004
	codeComment    = 9207
	codeTags       = 9208
)

// Bounds of records. The number in a zone is far above Cloudflare's plans; it
// keeps one zone from filling the edge's memory.
const (
	maxRecords = 100_000
	maxComment = 500
	maxTags    = 20
	maxTag     = 132
)

var errNoRecord = &failure{http.StatusNotFound, codeNoRecord, "Record does not exist."}

// noRecord gives the missing record its own answer.
func noRecord(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errNoRecord
	}
	return err
}

// fill puts what a client wrote into a record. When whole, what is not written
// takes its default.
func (in recordIn) fill(x *store.Record, zone string, whole bool) error {
	if whole {
		*x = store.Record{ID: x.ID, Zone: x.Zone, Version: x.Version, TTL: 1}
	}
	r := dnsrec.Record{Type: originward.RecordType(x.Type), Name: x.Name, Content: x.Content, Priority: x.Priority, Data: x.Data}
	if in.Type != nil {
		if r.Type = originward.RecordType(strings.ToUpper(*in.Type)); string(r.Type) != x.Type {
			r.Data = nil
		}
	}
	if in.Name != nil {
		r.Name = *in.Name
	}
	if in.Priority != nil {
		r.Priority = *in.Priority
	}
	if len(in.Data) > 0 && string(in.Data) != "null" {
		r.Data, r.Content = in.Data, ""
	}
	if in.Content != nil && (*in.Content != "" || r.Content != "") {
		r.Content = *in.Content
	}
	if in.TTL != nil {
		x.TTL = *in.TTL
	}
	if in.Proxied != nil {
		x.Proxied = *in.Proxied
	}
	if in.Comment != nil {
		x.Comment = *in.Comment
	}
	if in.Tags != nil {
		x.Tags = *in.Tags
	}
	r, p := dnsrec.Check(zone, r)
	if p != nil {
		return invalid(p.Code, p.Field, p.Msg)
	}
	x.Type, x.Name, x.Content, x.Priority, x.Data = string(r.Type), r.Name, r.Content, r.Priority, r.Data
	return checkRecord(x, zone)
}

// checkRecord checks what is not the record's data.
func checkRecord(x *store.Record, zone string) error {
	switch {
	case x.TTL != 1 && (x.TTL < 60 || x.TTL > 86400):
		return invalid(codeTTL, "/ttl", "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.")
	case x.Proxied && !originward.RecordType(x.Type).Origin():
		return invalid(codeNotProxied, "/proxied", "This record type cannot be proxied.")
	case len(x.Comment) > maxComment:
		return invalid(codeComment, "/comment", fmt.Sprintf("comment is longer than %d characters.", maxComment))
	case len(x.Tags) > maxTags:
		return invalid(codeTags, "/tags", fmt.Sprintf("More than %d tags.", maxTags))
	case x.Type == "NS" && x.Name == zone:
		return invalid(codeHostTaken, "/name", "The name servers of the zone itself are the edge's own.")
	}
	for i, tag := range x.Tags {
		if tag == "" || len(tag) > maxTag {
			return invalid(codeTags, fmt.Sprintf("/tags/%d", i), fmt.Sprintf("A tag must have 1 to %d characters.", maxTag))
		}
	}
	if x.Proxied {
		x.TTL = 1
	}
	return nil
}

// clash tells which other record of the name keeps one from being there.
func clash(t *store.Tx, x *store.Record, zone string) error {
	others, err := t.RecordsOf(x.Zone, x.Name)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.ID == x.ID {
			continue
		}
		origins := originward.RecordType(o.Type).Origin() && originward.RecordType(x.Type).Origin()
		switch {
		case o.Type == x.Type && o.Content == x.Content && o.Priority == x.Priority:
			return &failure{http.StatusBadRequest, codeIdentical, "An identical record already exists."}
		case origins && x.Type == "CNAME":
			return &failure{http.StatusBadRequest, codeHostTaken, "An A, AAAA, or CNAME record with that host already exists."}
		case origins && o.Type == "CNAME":
			return &failure{http.StatusBadRequest, codeCNAMETaken, "A CNAME record with that host already exists."}
		case hidesOthers(x, zone) || hidesOthers(&o, zone):
			// Proxied, or as the zone itself, the alias is answered by addresses and hides nothing.
			return &failure{http.StatusBadRequest, codeHostTaken, "A DNS-only CNAME record cannot stand beside another record of its name."}
		}
	}
	return nil
}

func hidesOthers(x *store.Record, zone string) bool {
	return x.Type == "CNAME" && !x.Proxied && x.Name != zone
}

// addRecord adds a record within a change.
func addRecord(t *store.Tx, zone zoneRef, in recordIn) (store.Record, error) {
	x := store.Record{Zone: zone.id}
	if err := in.fill(&x, zone.name, true); err != nil {
		return x, err
	}
	if err := t.Lock(zone.id); err != nil {
		return x, err
	}
	if err := clash(t, &x, zone.name); err != nil {
		return x, err
	}
	return x, t.AddRecord(&x)
}

// putRecord changes a record within a change; whole replaces it.
func putRecord(t *store.Tx, c *call, id string, in recordIn, whole bool) (store.Record, error) {
	if err := t.Lock(c.zone.id); err != nil {
		return store.Record{}, err
	}
	x, err := t.Record(c.zone.id, id)
	if err != nil {
		return x, noRecord(err)
	}
	if x.Version, err = c.version(x.Version); err != nil {
		return x, err
	}
	if err := in.fill(&x, c.zone.name, whole); err != nil {
		return x, err
	}
	if err := clash(t, &x, c.zone.name); err != nil {
		return x, err
	}
	return x, t.PutRecord(&x)
}

func quota(t *store.Tx, zone string, more int) error {
	n, err := t.CountRecords(zone)
	if err == nil && n+more > maxRecords {
		return &failure{http.StatusBadRequest, codeQuota, fmt.Sprintf("Record quota exceeded: a zone holds at most %d.", maxRecords)}
	}
	return err
}

func (a *API) createRecord(c *call) (*reply, error) {
	var in recordIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	var x store.Record
	err := a.change(c, func(t *store.Tx) (err error) {
		if err = quota(t, c.zone.id, 1); err != nil {
			return err
		}
		x, err = addRecord(t, c.zone, in)
		return err
	})
	return &reply{result: storeRecord(c.zone, x), tag: versionTag(x.Version)}, err
}

func (a *API) replaceRecord(c *call) (*reply, error) { return a.writeRecord(c, true) }

func (a *API) changeRecord(c *call) (*reply, error) { return a.writeRecord(c, false) }

func (a *API) writeRecord(c *call, whole bool) (*reply, error) {
	var in recordIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	var x store.Record
	err := a.change(c, func(t *store.Tx) (err error) {
		x, err = putRecord(t, c, c.PathValue("record"), in, whole)
		return err
	})
	return &reply{result: storeRecord(c.zone, x), tag: versionTag(x.Version)}, err
}

func (a *API) deleteRecord(c *call) (*reply, error) {
	id := c.PathValue("record")
	err := a.change(c, func(t *store.Tx) error {
		x, err := t.Record(c.zone.id, id)
		if err != nil {
			return err
		}
		version, err := c.version(x.Version)
		if err != nil {
			return err
		}
		return t.DeleteRecord(c.zone.id, id, version)
	})
	return &reply{result: map[string]string{"id": id}}, noRecord(err)
}

// batchIn is many changes; they are made in this order, all or none.
type batchIn struct {
	Deletes []recordIn `json:"deletes,omitempty"`
	Patches []recordIn `json:"patches,omitempty"`
	Puts    []recordIn `json:"puts,omitempty"`
	Posts   []recordIn `json:"posts,omitempty"`
}

// batchOut is what came of them.
type batchOut struct {
	Deletes []recordOut `json:"deletes"`
	Patches []recordOut `json:"patches"`
	Puts    []recordOut `json:"puts"`
	Posts   []recordOut `json:"posts"`
}

// maxBatch bounds a batch (Cloudflare's largest plan: 3,500).
const maxBatch = 3500

func (a *API) batchRecords(c *call) (*reply, error) {
	var in batchIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if n := len(in.Deletes) + len(in.Patches) + len(in.Puts) + len(in.Posts); n == 0 || n > maxBatch {
		return nil, invalid(codeField, "", fmt.Sprintf("a batch holds 1 to %d changes", maxBatch))
	}
	out := batchOut{[]recordOut{}, []recordOut{}, []recordOut{}, []recordOut{}}
	err := a.change(c, func(t *store.Tx) error {
		if err := quota(t, c.zone.id, len(in.Posts)-len(in.Deletes)); err != nil {
			return err
		}
		for _, step := range []struct {
			name string
			list []recordIn
			out  *[]recordOut
			do   func(recordIn) (store.Record, error)
		}{
			{"deletes", in.Deletes, &out.Deletes, func(x recordIn) (store.Record, error) {
				old, err := t.Record(c.zone.id, x.ID)
				if err != nil {
					return old, noRecord(err)
				}
				return old, t.DeleteRecord(c.zone.id, x.ID, 0)
			}},
			{"patches", in.Patches, &out.Patches, func(x recordIn) (store.Record, error) { return putRecord(t, c, x.ID, x, false) }},
			{"puts", in.Puts, &out.Puts, func(x recordIn) (store.Record, error) { return putRecord(t, c, x.ID, x, true) }},
			{"posts", in.Posts, &out.Posts, func(x recordIn) (store.Record, error) { return addRecord(t, c.zone, x) }},
		} {
			for i, x := range step.list {
				r, err := step.do(x)
				if err != nil {
					return within(err, fmt.Sprintf("/%s/%d", step.name, i))
				}
				*step.out = append(*step.out, storeRecord(c.zone, r))
			}
		}
		return nil
	})
	return &reply{result: out}, err
}

// within says in which part of the body an error lies.
func within(err error, pointer string) error {
	var many *failures
	var one *failure
	switch {
	case errors.As(err, &many):
		list := make([]message, len(many.list))
		for i, m := range many.list {
			if m.Source != nil {
				m.Source = &source{pointer + m.Source.Pointer}
			}
			list[i] = m
		}
		return &failures{many.status, list}
	case errors.As(err, &one):
		return &failures{one.status, []message{{Code: one.code, Message: one.text, Source: &source{pointer}}}}
	}
	return err
}
