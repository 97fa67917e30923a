package bans

import (
	"database/sql"
	"net/url"

	_ "modernc.org/sqlite" // database/sql's driver "sqlite"

	"github.com/originward/originward/internal/observe/host/rootfs"
)

// openDB opens another program's database for reading only. Without a
// write-ahead log the file is taken as it is (immutable): no lock is taken and
// nothing is written beside it.
func openDB(fs rootfs.FS, name string) (*sql.DB, error) {
	f, err := fs.Open(name) // says why it cannot be read, which SQLite does not
	if err != nil {
		return nil, err
	}
	f.Close()
	real, err := fs.Real(name)
	if err != nil {
		return nil, err
	}
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(300)", "query_only(1)"}}
	if fi, err := fs.Stat(name + "-wal"); err != nil || fi.Size() == 0 {
		q.Set("immutable", "1")
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: real}).EscapedPath(), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}
