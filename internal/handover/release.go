package handover

import (
	"io"
	"os"
	"strconv"
)

// envRelease is the environment of a successor: the descriptor that ends when its
// predecessor reads no more from datagram sockets.
const envRelease = "ORIGINWARD_RELEASE"

// Released is closed when no predecessor reads from the datagram sockets any more. Of
// connections over one socket, as of QUIC, only one program can read at a time.
func (s *Set) Released() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released == nil {
		s.released = make(chan struct{})
		close(s.released)
	}
	return s.released
}

// Release tells the successor that this program reads from datagram sockets no more.
// The end of the program says the same.
func (s *Set) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold != nil {
		_ = s.hold.Close() // the successor sees the end either way
		s.hold = nil
	}
}

// watchRelease waits for the predecessor.
func (s *Set) watchRelease(env func(string) string) {
	fd, err := strconv.Atoi(env(envRelease))
	if err != nil || fd < firstFD {
		return
	}
	f := os.NewFile(uintptr(fd), "release")
	if f == nil {
		return
	}
	done := make(chan struct{})
	s.released = done
	go func() { // ends with the predecessor at the latest
		defer close(done)
		defer f.Close()
		_, _ = io.Copy(io.Discard, f) // nothing is written
	}()
}
