package logfile

import (
	"io"
	"sync"
)

// gather is how many bytes are written at once: a system call for each line would
// cost more than the line.
const gather = 32 << 10

// Lines gathers lines and writes them together. It is safe for concurrent use; the
// zero Lines drops what it is given.
type Lines struct {
	mu     sync.Mutex
	w      io.Writer // guarded by mu; nil = nowhere
	buf    []byte    // guarded by mu
	failed error     // guarded by mu; the first failure since one was told
}

// Redirect changes where lines go; nil = nowhere. What was gathered goes where it
// would have.
func (l *Lines) Redirect(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushLocked()
	l.w = w
}

// Add takes whole lines; they are copied.
func (l *Lines) Add(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w == nil {
		return
	}
	l.buf = append(l.buf, b...)
	if len(l.buf) >= gather {
		l.flushLocked()
	}
}

// Fail notes a line that could not be made; Flush tells of it.
func (l *Lines) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = err
	}
}

// Flush writes what has been gathered. It returns the first failure since it was
// last called.
func (l *Lines) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushLocked()
	err := l.failed
	l.failed = nil
	return err
}

func (l *Lines) flushLocked() {
	if len(l.buf) > 0 {
		if _, err := l.w.Write(l.buf); err != nil && l.failed == nil {
			l.failed = err
		}
	}
	l.buf = l.buf[:0]
}
