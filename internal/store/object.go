package store

import (
	"encoding/json"
	"time"
)

// Object is anything else that the API keeps: a ruleset, an access rule, a list,
// a certificate, a custom page. Its body belongs to the API.
type Object struct {
	Kind     string // for example ruleset
	ID       string // empty when added: one is made
	Zone     string // id; empty = of the account
	Name     string // unique within kind and zone; empty when added: the id
	Body     json.RawMessage
	Version  int64
	Created  time.Time
	Modified time.Time
}

const objectColumns = `kind, id, zone, name, body, version, created, modified`

func scanObject(r scanner) (Object, error) {
	var x Object
	var body string
	var created, modified int64
	err := r.Scan(&x.Kind, &x.ID, &x.Zone, &x.Name, &body, &x.Version, &created, &modified)
	x.Body, x.Created, x.Modified = json.RawMessage(body), fromMicro(created), fromMicro(modified)
	return x, err
}

// Objects are all of a kind in a zone, in the order in which they were added.
func (t *Tx) Objects(kind, zone string) ([]Object, error) {
	return list(t, scanObject, `SELECT `+objectColumns+` FROM objects WHERE kind = ? AND zone = ? ORDER BY created, id`, kind, zone)
}

// ZoneObjects are all objects of a zone, of every kind.
func (t *Tx) ZoneObjects(zone string) ([]Object, error) {
	return list(t, scanObject, `SELECT `+objectColumns+` FROM objects WHERE zone = ? ORDER BY kind, created, id`, zone)
}

// Object is one object of a zone.
func (t *Tx) Object(kind, zone, id string) (Object, error) {
	return one(t, scanObject, `SELECT `+objectColumns+` FROM objects WHERE kind = ? AND zone = ? AND id = ?`, kind, zone, id)
}

// ObjectByName is the object of a name.
func (t *Tx) ObjectByName(kind, zone, name string) (Object, error) {
	return one(t, scanObject, `SELECT `+objectColumns+` FROM objects WHERE kind = ? AND zone = ? AND name = ?`, kind, zone, name)
}

// AddObject adds an object; id, version and times are filled in. shown is what
// the audit log gets to see; nil = the body.
func (t *Tx) AddObject(x *Object, shown any) error {
	if x.ID == "" {
		x.ID = NewID(t.at)
	}
	if x.Name == "" {
		x.Name = x.ID
	}
	x.Version, x.Created, x.Modified = 1, t.at, t.at
	if _, err := t.exec(`INSERT INTO objects (`+objectColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		x.Kind, x.ID, x.Zone, x.Name, string(x.Body), x.Version, micro(x.Created), micro(x.Modified)); err != nil {
		return err
	}
	return t.audit(x.Zone, "add", x.Kind, x.ID, nil, orBody(shown, x.Body))
}

func orBody(shown any, body json.RawMessage) any {
	if shown != nil {
		return shown
	}
	return body
}

// PutObject changes an object that was read at x.Version. before and after are
// what the audit log gets to see; nil = the bodies.
func (t *Tx) PutObject(x *Object, before, after any) error {
	old, err := t.Object(x.Kind, x.Zone, x.ID)
	if err != nil {
		return err
	}
	was := x.Version
	x.Version, x.Created, x.Modified = was+1, old.Created, t.at
	n, err := t.exec(`UPDATE objects SET name = ?, body = ?, version = ?, modified = ? WHERE kind = ? AND zone = ? AND id = ? AND version = ?`,
		x.Name, string(x.Body), x.Version, micro(x.Modified), x.Kind, x.Zone, x.ID, was)
	if err := t.updated(n, err, func() error { _, err := t.Object(x.Kind, x.Zone, x.ID); return err }); err != nil {
		return err
	}
	return t.audit(x.Zone, "change", x.Kind, x.ID, orBody(before, old.Body), orBody(after, x.Body))
}

// DeleteObject deletes an object. A version other than 0 must be the object's.
// shown is what the audit log gets to see; nil = the body.
func (t *Tx) DeleteObject(kind, zone, id string, version int64, shown any) error {
	old, err := t.Object(kind, zone, id)
	if err != nil {
		return err
	}
	if version != 0 && version != old.Version {
		return ErrConflict
	}
	n, err := t.exec(`DELETE FROM objects WHERE kind = ? AND zone = ? AND id = ? AND version = ?`, kind, zone, id, old.Version)
	if err := t.updated(n, err, func() error { return nil }); err != nil {
		return err
	}
	return t.audit(zone, "delete", kind, id, orBody(shown, old.Body), nil)
}
