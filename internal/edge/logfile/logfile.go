// Package logfile is a file of lines that is put aside when it grows, and opened
// again when another program has moved it.
package logfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// File is a log file. It is safe for concurrent use. A write is not split over two
// files, so whole lines written at once stay whole.
type File struct {
	path string
	max  int64 // 0 = never put aside
	keep int

	mu   sync.Mutex
	f    *os.File // guarded by mu; nil after Close or a failure to open
	size int64    // guarded by mu
}

// Open opens the file for appending, making it when it is not there (mode 0640).
// Beyond max bytes it is put aside as path.1, path.1 as path.2, and so on up to keep.
func Open(path string, max int64, keep int) (*File, error) {
	l := &File{path: path, max: max, keep: keep}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.openLocked(); err != nil {
		return nil, err
	}
	return l, nil
}

// Path is where the file is.
func (l *File) Path() string { return l.path }

// Same tells whether the file is put aside by these bounds.
func (l *File) Same(max int64, keep int) bool { return l.max == max && l.keep == keep }

func (l *File) openLocked() error {
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640) //nolint:gosec // a log that a group may read
	if err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("log file: %w", err), f.Close())
	}
	l.f, l.size = f, info.Size()
	return nil
}

// Write appends b. When the file could not be opened before, it is tried again.
func (l *File) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		if err := l.openLocked(); err != nil {
			return 0, err
		}
	}
	if l.max > 0 && l.size > 0 && l.size+int64(len(b)) > l.max {
		if err := l.rotateLocked(); err != nil {
			return 0, err
		}
	}
	n, err := l.f.Write(b)
	l.size += int64(n)
	return n, err
}

// rotateLocked puts the file aside and begins another.
func (l *File) rotateLocked() error {
	if err := l.f.Close(); err != nil {
		return err
	}
	l.f = nil
	for i := l.keep; i > 0; i-- {
		from := l.path
		if i > 1 {
			from = fmt.Sprintf("%s.%d", l.path, i-1)
		}
		if err := os.Rename(from, fmt.Sprintf("%s.%d", l.path, i)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("log file put aside: %w", err)
		}
	}
	return l.openLocked()
}

// Reopen opens the path again: another program has moved the file (logrotate).
func (l *File) Reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.f
	if err := l.openLocked(); err != nil {
		return err
	}
	if old != nil {
		return old.Close()
	}
	return nil
}

// Close ends the file.
func (l *File) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}

var _ io.WriteCloser = (*File)(nil)
