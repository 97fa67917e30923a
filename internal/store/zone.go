package store

import (
	"encoding/json"
	"time"
)

// Zone is a site that the store holds.
type Zone struct {
	ID       string                     `json:"id"`
	Name     string                     `json:"name"`
	Kind     string                     `json:"type"` // full, partial, secondary
	Paused   bool                       `json:"paused"`
	Settings map[string]json.RawMessage `json:"settings"` // those that are not at their default
	Serial   int64                      `json:"serial"`   // of its SOA record
	Version  int64                      `json:"version"`
	Created  time.Time                  `json:"created_on"`
	Modified time.Time                  `json:"modified_on"`
}

const zoneColumns = `id, name, kind, paused, settings, serial, version, created, modified`

func scanZone(r scanner) (Zone, error) {
	var z Zone
	var settings string
	var paused int
	var created, modified int64
	if err := r.Scan(&z.ID, &z.Name, &z.Kind, &paused, &settings, &z.Serial, &z.Version, &created, &modified); err != nil {
		return z, err
	}
	z.Paused, z.Created, z.Modified = paused != 0, fromMicro(created), fromMicro(modified)
	return z, json.Unmarshal([]byte(settings), &z.Settings)
}

// Zones are all zones, by name.
func (t *Tx) Zones() ([]Zone, error) {
	return list(t, scanZone, `SELECT `+zoneColumns+` FROM zones ORDER BY name`)
}

// Zone is one zone.
func (t *Tx) Zone(id string) (Zone, error) {
	return one(t, scanZone, `SELECT `+zoneColumns+` FROM zones WHERE id = ?`, id)
}

// ZoneByName is the zone of a name.
func (t *Tx) ZoneByName(name string) (Zone, error) {
	return one(t, scanZone, `SELECT `+zoneColumns+` FROM zones WHERE name = ?`, name)
}

// AddZone adds a zone; id, version and times are filled in.
func (t *Tx) AddZone(z *Zone) error {
	z.ID, z.Version, z.Created, z.Modified = NewID(t.at), 1, t.at, t.at
	z.Serial = t.nextSerial(0)
	settings, err := json.Marshal(nonNil(z.Settings))
	if err != nil {
		return err
	}
	if _, err := t.exec(`INSERT INTO zones (`+zoneColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		z.ID, z.Name, z.Kind, flag(z.Paused), string(settings), z.Serial, z.Version, micro(z.Created), micro(z.Modified)); err != nil {
		return err
	}
	return t.audit(z.ID, "add", "zone", z.ID, nil, z)
}

func nonNil(m map[string]json.RawMessage) map[string]json.RawMessage {
	if m == nil {
		return map[string]json.RawMessage{}
	}
	return m
}

// PutZone changes a zone that was read at z.Version.
func (t *Tx) PutZone(z *Zone) error {
	old, err := t.Zone(z.ID)
	if err != nil {
		return err
	}
	settings, err := json.Marshal(nonNil(z.Settings))
	if err != nil {
		return err
	}
	was := z.Version
	z.Version, z.Modified, z.Serial = was+1, t.at, t.nextSerial(old.Serial)
	n, err := t.exec(`UPDATE zones SET kind = ?, paused = ?, settings = ?, serial = ?, version = ?, modified = ? WHERE id = ? AND version = ?`,
		z.Kind, flag(z.Paused), string(settings), z.Serial, z.Version, micro(z.Modified), z.ID, was)
	if err := t.updated(n, err, func() error { _, err := t.Zone(z.ID); return err }); err != nil {
		return err
	}
	return t.audit(z.ID, "change", "zone", z.ID, old, z)
}

// DeleteZone deletes a zone with everything in it.
func (t *Tx) DeleteZone(id string) error {
	old, err := t.Zone(id)
	if err != nil {
		return err
	}
	for _, q := range []string{`DELETE FROM records WHERE zone = ?`, `DELETE FROM objects WHERE zone = ?`, `DELETE FROM events WHERE zone = ?`, `DELETE FROM zones WHERE id = ?`} {
		if _, err := t.exec(q, id); err != nil {
			return err
		}
	}
	return t.audit(id, "delete", "zone", id, old, nil)
}

// advance gives a zone a new serial. The statement also holds back other writers
// of the same zone until the transaction ends, so that what is checked stays true.
func (t *Tx) advance(zone string) error {
	n, err := t.exec(`UPDATE zones SET serial = CASE WHEN serial < ? THEN ? ELSE serial + 1 END WHERE id = ?`, t.at.Unix(), t.at.Unix(), zone)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

// nextSerial is the time in seconds unless that does not go forward.
func (t *Tx) nextSerial(last int64) int64 { return max(last+1, t.at.Unix()) }
