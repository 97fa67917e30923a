package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Entry is a line of the audit log.
type Entry struct {
	ID     string
	At     time.Time
	Zone   string // id; empty = of the account
	Actor  Actor
	Action string          // add, change, delete, roll
	Kind   string          // zone, dns_record, token, ruleset, …
	Object string          // id
	Before json.RawMessage // nil = was not there
	After  json.RawMessage // nil = is gone
}

func scanEntry(r scanner) (Entry, error) {
	var x Entry
	var at int64
	var actor, before, after string
	if err := r.Scan(&x.ID, &at, &x.Zone, &actor, &x.Action, &x.Kind, &x.Object, &before, &after); err != nil {
		return x, err
	}
	x.At = fromMicro(at)
	if before != "" {
		x.Before = json.RawMessage(before)
	}
	if after != "" {
		x.After = json.RawMessage(after)
	}
	return x, json.Unmarshal([]byte(actor), &x.Actor)
}

// LogQuery selects lines of the audit log. Zero fields select everything.
type LogQuery struct {
	Zone, Kind, Object string
	Since, Before      time.Time
	Limit, Offset      int // Limit 0 = 100
	OldestFirst        bool
}

// Log are lines of the audit log, newest first unless asked otherwise, and how
// many there are in all.
func (t *Tx) Log(q LogQuery) ([]Entry, int, error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(cond string, arg any, on bool) {
		if on {
			where, args = append(where, cond), append(args, arg)
		}
	}
	add("zone = ?", q.Zone, q.Zone != "")
	add("kind = ?", q.Kind, q.Kind != "")
	add("object = ?", q.Object, q.Object != "")
	add("at >= ?", micro(q.Since), !q.Since.IsZero())
	add("at < ?", micro(q.Before), !q.Before.IsZero())
	cond := strings.Join(where, " AND ")
	total, err := one(t, scanCount, `SELECT COUNT(*) FROM audit WHERE `+cond, args...)
	if err != nil {
		return nil, 0, err
	}
	order := "DESC"
	if q.OldestFirst {
		order = "ASC"
	}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	entries, err := list(t, scanEntry, fmt.Sprintf(`SELECT id, at, zone, actor, action, kind, object, before, after FROM audit WHERE %s ORDER BY at %s, id %s LIMIT %d OFFSET %d`,
		cond, order, order, q.Limit, q.Offset), args...)
	return entries, total, err
}

func scanCount(r scanner) (int, error) {
	var n int
	return n, r.Scan(&n)
}

// Event is a security event. Its body belongs to the API.
type Event struct {
	ID   string
	Zone string
	At   time.Time
	Ray  string
	Body json.RawMessage
}

func scanEvent(r scanner) (Event, error) {
	var x Event
	var at int64
	var body string
	err := r.Scan(&x.ID, &x.Zone, &at, &x.Ray, &body)
	x.At, x.Body = fromMicro(at), json.RawMessage(body)
	return x, err
}

// maxEvents bounds the events kept of a zone: the oldest make room.
const maxEvents = 100_000

// AddEvents keeps events, in one transaction; those whose id is there already are
// left out. Nobody is told: they change nothing.
func (s *Store) AddEvents(ctx context.Context, events []Event) error {
	if !s.postgres {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	t, err := s.begin(ctx, Actor{}, nil)
	if err != nil {
		return err
	}
	zones := map[string]bool{}
	for _, e := range events {
		if e.ID == "" {
			e.ID = NewID(e.At)
		}
		if _, err = t.exec(`INSERT INTO events (id, zone, at, ray, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`, e.ID, e.Zone, micro(e.At), e.Ray, string(e.Body)); err != nil {
			_ = t.tx.Rollback() // the first error says why
			return err
		}
		zones[e.Zone] = true
	}
	for z := range zones {
		if _, err = t.exec(`DELETE FROM events WHERE zone = ? AND at <= (SELECT at FROM events WHERE zone = ? ORDER BY at DESC LIMIT 1 OFFSET `+fmt.Sprint(maxEvents)+`)`, z, z); err != nil {
			_ = t.tx.Rollback() // the first error says why
			return err
		}
	}
	return t.tx.Commit()
}

// EventQuery selects events of a zone. Zero fields select everything.
type EventQuery struct {
	Zone, Ray     string
	Since, Before time.Time
	Limit         int // 0 = 100
}

// Events are events, newest first.
func (t *Tx) Events(q EventQuery) ([]Event, error) {
	where, args := []string{"zone = ?"}, []any{q.Zone}
	if q.Ray != "" {
		where, args = append(where, "ray = ?"), append(args, q.Ray)
	}
	if !q.Since.IsZero() {
		where, args = append(where, "at >= ?"), append(args, micro(q.Since))
	}
	if !q.Before.IsZero() {
		where, args = append(where, "at < ?"), append(args, micro(q.Before))
	}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	return list(t, scanEvent, fmt.Sprintf(`SELECT id, zone, at, ray, body FROM events WHERE %s ORDER BY at DESC, id DESC LIMIT %d`,
		strings.Join(where, " AND "), q.Limit), args...)
}
