package logfile

import (
	"io"
	"sync"
)

const (
	// gather is how many bytes are written at once: a system call for each line would
	// cost more than the line.
	gather = 32 << 10
	// most is how many may wait for who looks after the log: then who adds a line writes
	// them, so that a slow disk slows visitors down rather than filling the memory.
	most = 1 << 20
)

// Lines gathers lines and writes them together. It is safe for concurrent use; the
// zero Lines drops what it is given.
type Lines struct {
	// writing is held during a write, and taken before mu: lines keep their order, and
	// who adds one does not wait for the disk.
	writing sync.Mutex
	w       io.Writer // guarded by writing; nil = nowhere
	spare   []byte    // guarded by writing

	mu     sync.Mutex
	on     bool          // guarded by mu; lines go somewhere
	buf    []byte        // guarded by mu
	failed error         // guarded by mu; the first failure since one was told
	full   chan struct{} // guarded by mu; nil = nobody looks after the log
}

// Redirect changes where lines go; nil = nowhere. What was gathered goes where it
// would have.
func (l *Lines) Redirect(w io.Writer) {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.writeLocked()
	l.w = w
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on = w != nil
}

// Full tells when there is enough to be worth a Write. Who asks has to look after it;
// else the lines are written by who adds them.
func (l *Lines) Full() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full == nil {
		l.full = make(chan struct{}, 1)
	}
	return l.full
}

// Add takes whole lines; they are copied.
func (l *Lines) Add(b []byte) {
	if l.add(b) {
		l.Write()
	}
}

// Write writes what has been gathered; a failure is for Flush to tell.
func (l *Lines) Write() {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.writeLocked()
}

// add tells whether the caller has to write.
func (l *Lines) add(b []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.on {
		return false
	}
	l.buf = append(l.buf, b...)
	switch {
	case len(l.buf) < gather:
		return false
	case l.full == nil || len(l.buf) > most:
		return true
	}
	select {
	case l.full <- struct{}{}:
	default: // it has been told
	}
	return false
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
	l.Write()
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.failed
	l.failed = nil
	return err
}

// writeLocked writes what there is; writing is held.
func (l *Lines) writeLocked() {
	l.mu.Lock()
	b := l.buf
	l.buf, l.spare = l.spare[:0], nil
	l.mu.Unlock()
	if len(b) > 0 && l.w != nil {
		if _, err := l.w.Write(b); err != nil {
			l.Fail(err)
		}
	}
	l.spare = b
}
