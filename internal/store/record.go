package store

import (
	"encoding/json"
	"time"
)

// Record is a DNS record.
type Record struct {
	ID       string          `json:"id"`
	Zone     string          `json:"zone_id"`
	Type     string          `json:"type"`
	Name     string          `json:"name"`    // whole, lower case, without a final dot
	Content  string          `json:"content"` // as the API writes it
	Priority int             `json:"priority,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"` // of types that have parts; nil = none
	Proxied  bool            `json:"proxied"`
	TTL      int             `json:"ttl"` // seconds; 1 = automatic
	Comment  string          `json:"comment,omitempty"`
	Tags     []string        `json:"tags,omitempty"`
	Version  int64           `json:"version"`
	Created  time.Time       `json:"created_on"`
	Modified time.Time       `json:"modified_on"`
}

const recordColumns = `id, zone, type, name, content, priority, data, proxied, ttl, comment, tags, version, created, modified`

func scanRecord(r scanner) (Record, error) {
	var x Record
	var data, tags string
	var proxied int
	var created, modified int64
	err := r.Scan(&x.ID, &x.Zone, &x.Type, &x.Name, &x.Content, &x.Priority, &data, &proxied, &x.TTL, &x.Comment, &tags, &x.Version, &created, &modified)
	if err != nil {
		return x, err
	}
	x.Proxied, x.Created, x.Modified = proxied != 0, fromMicro(created), fromMicro(modified)
	if data != "" {
		x.Data = json.RawMessage(data)
	}
	if tags != "" {
		err = json.Unmarshal([]byte(tags), &x.Tags)
	}
	return x, err
}

func (x *Record) tags() (string, error) {
	if len(x.Tags) == 0 {
		return "", nil
	}
	b, err := json.Marshal(x.Tags)
	return string(b), err
}

// Records are a zone's records, by name and type.
func (t *Tx) Records(zone string) ([]Record, error) {
	return list(t, scanRecord, `SELECT `+recordColumns+` FROM records WHERE zone = ? ORDER BY name, type, content, id`, zone)
}

// RecordsOf are a zone's records of one name.
func (t *Tx) RecordsOf(zone, name string) ([]Record, error) {
	return list(t, scanRecord, `SELECT `+recordColumns+` FROM records WHERE zone = ? AND name = ? ORDER BY type, content, id`, zone, name)
}

// Record is one record of a zone.
func (t *Tx) Record(zone, id string) (Record, error) {
	return one(t, scanRecord, `SELECT `+recordColumns+` FROM records WHERE zone = ? AND id = ?`, zone, id)
}

// Lock holds back other writers of a zone until the transaction ends, so that
// what is read of it now stays true.
func (t *Tx) Lock(zone string) error { return t.advance(zone) }

// AddRecord adds a record; id, version and times are filled in.
func (t *Tx) AddRecord(x *Record) error {
	if err := t.advance(x.Zone); err != nil {
		return err
	}
	x.ID, x.Version, x.Created, x.Modified = NewID(t.at), 1, t.at, t.at
	tags, err := x.tags()
	if err != nil {
		return err
	}
	if _, err := t.exec(`INSERT INTO records (`+recordColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		x.ID, x.Zone, x.Type, x.Name, x.Content, x.Priority, string(x.Data), flag(x.Proxied), x.TTL, x.Comment, tags,
		x.Version, micro(x.Created), micro(x.Modified)); err != nil {
		return err
	}
	return t.audit(x.Zone, "add", "dns_record", x.ID, nil, x)
}

// PutRecord changes a record that was read at x.Version.
func (t *Tx) PutRecord(x *Record) error {
	if err := t.advance(x.Zone); err != nil {
		return err
	}
	old, err := t.Record(x.Zone, x.ID)
	if err != nil {
		return err
	}
	tags, err := x.tags()
	if err != nil {
		return err
	}
	was := x.Version
	x.Version, x.Created, x.Modified = was+1, old.Created, t.at
	n, err := t.exec(`UPDATE records SET type = ?, name = ?, content = ?, priority = ?, data = ?, proxied = ?, ttl = ?, comment = ?, tags = ?, version = ?, modified = ?
		WHERE zone = ? AND id = ? AND version = ?`,
		x.Type, x.Name, x.Content, x.Priority, string(x.Data), flag(x.Proxied), x.TTL, x.Comment, tags, x.Version, micro(x.Modified), x.Zone, x.ID, was)
	if err := t.updated(n, err, func() error { _, err := t.Record(x.Zone, x.ID); return err }); err != nil {
		return err
	}
	return t.audit(x.Zone, "change", "dns_record", x.ID, old, x)
}

// DeleteRecord deletes a record. A version other than 0 must be the record's.
func (t *Tx) DeleteRecord(zone, id string, version int64) error {
	if err := t.advance(zone); err != nil {
		return err
	}
	old, err := t.Record(zone, id)
	if err != nil {
		return err
	}
	if version != 0 && version != old.Version {
		return ErrConflict
	}
	if _, err := t.exec(`DELETE FROM records WHERE id = ?`, id); err != nil {
		return err
	}
	return t.audit(zone, "delete", "dns_record", id, old, nil)
}

// CountRecords is how many records a zone has.
func (t *Tx) CountRecords(zone string) (int, error) {
	return one(t, scanCount, `SELECT COUNT(*) FROM records WHERE zone = ?`, zone)
}
