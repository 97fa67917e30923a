package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors that callers tell apart.
var (
	// ErrNotFound says that no row has this id.
	ErrNotFound = errors.New("not found")
	// ErrExists says that another row has this name.
	ErrExists = errors.New("exists already")
	// ErrConflict says that the row was changed since it was read.
	ErrConflict = errors.New("changed by somebody else since it was read")
)

// Store is an open store. It is safe for concurrent use.
type Store struct {
	db       *sql.DB
	postgres bool
	now      func() time.Time
	writer   string // this process among those on the store
	seen     int64  // newest change of a file that was looked at; Follow's

	mu       sync.Mutex // held while those who serve are told: they see changes in order
	onCommit []func(Changed)
}

// Options are what a store is opened with beside its place. The zero Options work.
type Options struct {
	Now func() time.Time // nil = time.Now
}

// Changed says what a transaction has changed.
type Changed struct {
	// Zones are the ids of zones of which something was changed.
	Zones []string
	// Global tells that something beyond single zones was changed: lists, tokens.
	Global bool
	// All tells that anything may have changed.
	All bool
}

// Open opens a store and brings its schema up to date. A place that begins with
// postgres:// or postgresql:// is a PostgreSQL DSN, everything else the path of an
// SQLite file.
func Open(ctx context.Context, place string, o Options) (*Store, error) {
	s := &Store{now: o.Now, postgres: IsPostgres(place), writer: newWriter()}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	if s.postgres {
		s.db, err = sql.Open("pgx", place)
	} else {
		s.db, err = openSQLite(place)
	}
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", Redact(place), err)
	}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("store %s: %w", Redact(place), err), s.db.Close())
	}
	if !s.postgres {
		if s.seen, err = s.lastChange(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("store %s: %w", Redact(place), err), s.db.Close())
		}
	}
	return s, nil
}

// IsPostgres tells a DSN of PostgreSQL from the path of a file.
func IsPostgres(place string) bool {
	return strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://")
}

// Redact is a place without its password, for messages.
func Redact(place string) string {
	if !IsPostgres(place) {
		return place
	}
	u, err := url.Parse(place)
	if err != nil {
		return "postgres://…" // what cannot be read may hold the password anywhere
	}
	q := u.Query()
	q.Del("password")
	u.RawQuery = q.Encode()
	return u.Redacted()
}

// openSQLite opens a file. Commits wait for the disk: what was answered is kept.
func openSQLite(path string) (*sql.DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// The file holds hashes of tokens and private keys: made before SQLite makes it
	// for everybody to read.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
	}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4) // one writes, others read beside it (WAL)
	return db, nil
}

func (s *Store) migrate(ctx context.Context) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	dialect := goose.DialectSQLite3
	if s.postgres {
		dialect = goose.DialectPostgres
	}
	p, err := goose.NewProvider(dialect, s.db, dir)
	if err != nil {
		return err
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	known := p.ListSources()
	if newest := known[len(known)-1].Version; have > newest {
		return fmt.Errorf("its schema has version %d, this program knows %d: run a newer program", have, newest)
	}
	_, err = p.Up(ctx)
	return err
}

// Close closes the store.
func (s *Store) Close() error { return s.db.Close() }

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.db.PingContext(ctx) }

// OnCommit has f called after each committed change, one at a time, before the
// change's caller goes on; changes of other processes are told by Follow.
func (s *Store) OnCommit(f func(Changed)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onCommit = append(s.onCommit, f)
}

// bind writes PostgreSQL's placeholders for ours.
func (s *Store) bind(query string) string {
	if !s.postgres {
		return query
	}
	var b strings.Builder
	n := 0
	for _, c := range query {
		if c != '?' {
			b.WriteRune(c)
			continue
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
	}
	return b.String()
}

// classify gives errors of both databases the names of this package.
func classify(err error) error {
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return ErrNotFound
	case errors.As(err, &pg) && pg.Code == "23505", // unique_violation
		errors.As(err, &lite) && (lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
		return fmt.Errorf("%w: %w", ErrExists, err)
	case errors.As(err, &pg) && pg.Code == "23503", // foreign_key_violation
		errors.As(err, &lite) && lite.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}
