// Package conf holds what the readers of all server configurations share:
// where a configuration lies, loading its files within bounds, and the units
// in which they write times and sizes.
package conf

import (
	"errors"
	"io/fs"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/observe/host/rootfs"
)

// Source is one configuration to be read.
type Source struct {
	FS      rootfs.FS
	Main    string            // main file, absolute within FS
	Extra   []string          // further main files, in order (HAProxy's several -f)
	Prefix  string            // directory for relative paths, where the server has one
	Defines []string          // names given on the command line (Apache's -D)
	Env     map[string]string // the process's environment, as far as it is known
	Logs    []fact.LogPlace   // log files built into the program, used where none is written
	Ranges  []netip.Prefix    // the edge's ranges of today
}

// Bounds of one configuration. Hosting machines have a few thousand virtual
// hosts of a few KiB each.
const (
	maxFiles = 8192
	maxBytes = 32 << 20
	maxFile  = 8 << 20
	maxNotes = 64  // errors and unread files kept
	maxText  = 240 // bytes of a line that are shown
)

// Loader reads the files of one configuration and keeps what went wrong.
type Loader struct {
	FS     rootfs.FS
	Errors []fact.Place // what the server itself would refuse
	Unread []fact.Place // what only we could not read
	Newest time.Time    // youngest modification time of the files read
	Files  []string     // files read, in order

	bytes int64
}

// Read gives a file that the line at from names. A missing file is an error of
// the configuration; one that may not be read, or is too much, is unread.
func (l *Loader) Read(name string, from fact.Place) ([]byte, bool) {
	if len(l.Files) >= maxFiles || l.bytes >= maxBytes {
		l.skip(from, name, "the configuration is larger than is read")
		return nil, false
	}
	b, err := l.FS.Read(name, maxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.Fail(from, name+": no such file")
		return nil, false
	case errors.Is(err, rootfs.ErrTooLarge):
		l.skip(from, name, "larger than is read")
	case err != nil:
		l.skip(from, name, reason(err))
		return nil, false
	}
	if fi, err := l.FS.Stat(name); err == nil && fi.ModTime().After(l.Newest) {
		l.Newest = fi.ModTime()
	}
	l.Files = append(l.Files, name)
	l.bytes += int64(len(b))
	return b, true
}

// Glob expands an include pattern. Directories that may not be read are
// unread.
func (l *Loader) Glob(pattern string, from fact.Place) []string {
	names, err := l.FS.Glob(pattern)
	if err != nil {
		l.skip(from, pattern, reason(err))
	}
	return names
}

// Fail keeps an error of the configuration.
func (l *Loader) Fail(at fact.Place, text string) {
	if len(l.Errors) < maxNotes {
		at.Text = Show(text)
		l.Errors = append(l.Errors, at)
	}
}

func (l *Loader) skip(at fact.Place, name, why string) {
	if len(l.Unread) < maxNotes {
		at.Text = Show(name + ": " + why)
		l.Unread = append(l.Unread, at)
	}
}

// reason is an error without the path, which the caller has said already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// Show bounds and escapes a line of a configuration.
func Show(line string) string { return escape.Line(line, maxText) }

// Abs makes a path absolute against dir.
func Abs(path, dir string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join("/", dir, path)
}

// Parsed is yes for a configuration that was read without an error of its own,
// no when it has one, and unknown when its main file was not read at all.
func (l *Loader) Parsed() fact.Tri {
	switch {
	case len(l.Errors) > 0:
		return fact.No
	case len(l.Files) == 0:
		return fact.Unknown
	}
	return fact.Yes
}

// Finish writes what the loader knows into the answer.
func (l *Loader) Finish(c *fact.WebConfig) {
	c.Parsed = l.Parsed()
	c.Errors = l.Errors
	c.Unread = l.Unread
	if c.Parsed == fact.Unknown {
		c.Timeouts, c.Settings = nil, nil // the server's own values hold where nothing is written; here nobody looked
	}
}
