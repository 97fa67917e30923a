package handover

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// envKept is the environment of a successor: the descriptor to read from what its
// predecessor keeps for it.
const envKept = "ORIGINWARD_KEPT"

// maxKept bounds what is handed over beside sockets. It fits into a pipe (64 KiB on
// Linux, pipe(7)), so that writing never waits for the successor.
const maxKept = 32 << 10

// Keep has a successor get what f gives when it is started. It goes through a pipe
// and never touches a disk.
func (s *Set) Keep(name string, f func() ([]byte, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keep == nil {
		s.keep = map[string]func() ([]byte, error){}
	}
	s.keep[name] = f
}

// Kept is what the predecessor has kept under a name; nil = nothing, or there is no
// predecessor.
func (s *Set) Kept(name string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[name]
}

// pack gives a file from which a successor reads what is kept; nil = nothing is.
func (s *Set) pack() (*os.File, error) {
	s.mu.Lock()
	keep := make(map[string]func() ([]byte, error), len(s.keep))
	for name, f := range s.keep {
		keep[name] = f
	}
	s.mu.Unlock()
	if len(keep) == 0 {
		return nil, nil
	}
	all := map[string][]byte{}
	for name, f := range keep {
		b, err := f()
		if err != nil {
			return nil, fmt.Errorf("keep %s: %w", name, err)
		}
		all[name] = b
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	if len(raw) > maxKept {
		return nil, fmt.Errorf("keep: %d bytes are more than %d", len(raw), maxKept)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if _, err := w.Write(raw); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// unpack reads what a predecessor has kept. What cannot be read is as if nothing
// had been kept: a program that serves without it is better than none.
func (s *Set) unpack(f *os.File) {
	if f == nil {
		return
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxKept+1))
	if err != nil || len(raw) > maxKept {
		return
	}
	_ = json.Unmarshal(raw, &s.kept)
}
