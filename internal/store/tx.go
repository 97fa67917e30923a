package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Actor is who makes a change.
type Actor struct {
	Type  string `json:"type"`            // token, file-token, local, system
	ID    string `json:"id,omitempty"`    // of the token
	Name  string `json:"name,omitempty"`  // of the token
	IP    string `json:"ip,omitempty"`    // of the client
	Agent string `json:"agent,omitempty"` // its User-Agent, bounded
}

// Tx is a transaction.
type Tx struct {
	ctx     context.Context
	store   *Store
	tx      *sql.Tx
	who     Actor
	at      time.Time
	changed Changed
}

// Change runs f in a transaction. When f fails nothing is changed, and its error
// is returned.
func (s *Store) Change(ctx context.Context, who Actor, f func(*Tx) error) error {
	if !s.postgres { // SQLite has one writer: waiting here is fairer than its lock, and cannot time out
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	t, err := s.begin(ctx, who, nil)
	if err != nil {
		return err
	}
	if err := f(t); err != nil {
		return errors.Join(err, ignoreDone(t.tx.Rollback()))
	}
	if len(t.changed.Zones) == 0 && !t.changed.Global {
		return ignoreDone(t.tx.Rollback()) // nothing to keep
	}
	if err := t.announce(); err != nil {
		return errors.Join(fmt.Errorf("the change was not kept: %w", err), ignoreDone(t.tx.Rollback()))
	}
	if s.postgres { // those who serve see commits in their order: the lock is taken before
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	if err := t.tx.Commit(); err != nil {
		return fmt.Errorf("the change was not kept: %w", err)
	}
	for _, f := range s.onCommit {
		f(t.changed)
	}
	return nil
}

// View runs f in a transaction that only reads: f sees one state of the store.
func (s *Store) View(ctx context.Context, f func(*Tx) error) error {
	t, err := s.begin(ctx, Actor{}, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(f(t), ignoreDone(t.tx.Rollback()))
}

func (s *Store) begin(ctx context.Context, who Actor, o *sql.TxOptions) (*Tx, error) {
	if o != nil && s.postgres {
		o.Isolation = sql.LevelRepeatableRead
	}
	tx, err := s.db.BeginTx(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return &Tx{ctx: ctx, store: s, tx: tx, who: who, at: s.now().UTC().Truncate(time.Microsecond)}, nil
}

// ignoreDone leaves out the error of ending a transaction that its context has ended.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

func (t *Tx) exec(query string, args ...any) (int64, error) {
	res, err := t.tx.ExecContext(t.ctx, t.store.bind(query), args...)
	if err != nil {
		return 0, classify(err)
	}
	return res.RowsAffected()
}

// scanner is a row of either form of query.
type scanner interface{ Scan(...any) error }

func list[T any](t *Tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := t.tx.QueryContext(t.ctx, t.store.bind(query), args...)
	if err != nil {
		return nil, classify(err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		x, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, rows.Err()
}

func one[T any](t *Tx, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	x, err := scan(t.tx.QueryRowContext(t.ctx, t.store.bind(query), args...))
	return x, classify(err)
}

// touch notes that something of a zone was changed.
func (t *Tx) touch(zone string) {
	if zone == "" {
		t.changed.Global = true
	} else if !slices.Contains(t.changed.Zones, zone) {
		t.changed.Zones = append(t.changed.Zones, zone)
	}
}

// updated turns the number of rows that an update by id and version has hit into
// an error: none means that the row is gone or has another version.
func (t *Tx) updated(n int64, err error, exists func() error) error {
	if err != nil {
		return err
	}
	if n == 1 {
		return nil
	}
	if err := exists(); err != nil {
		return err
	}
	return ErrConflict
}

// audit writes a line of the audit log. before and after are nil for what was or is not.
func (t *Tx) audit(zone, action, kind, object string, before, after any) error {
	t.touch(zone)
	doc := func(v any) (string, error) {
		if v == nil {
			return "", nil
		}
		b, err := json.Marshal(v)
		return string(b), err
	}
	b, err := doc(before)
	if err != nil {
		return err
	}
	a, err := doc(after)
	if err != nil {
		return err
	}
	who, err := doc(t.who)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO audit (id, at, zone, actor, action, kind, object, before, after) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		NewID(t.at), micro(t.at), zone, who, action, kind, object, b, a)
	return err
}

// Note writes a line of the audit log about something that is not kept here.
func (t *Tx) Note(zone, action, kind, object string, about any) error {
	t.changed.Global = true
	err := t.audit(zone, action, kind, object, nil, about)
	t.changed.Zones = nil
	return err
}

// NewID makes an id: 32 hexadecimal digits that sort by time.
func NewID(at time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(at.UnixMicro())<<12) //nolint:gosec // after 1970
	_, _ = rand.Read(b[6:])                                       // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicro(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}
