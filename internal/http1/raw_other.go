//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package http1

import "io"

// rawSource exists where sockets are file descriptors to poll; elsewhere a waiting reader holds its buffer.
type rawSource struct{}

func newRawSource(*rawSource, io.Reader) *rawSource { return nil }

func (*rawSource) poll(*Reader) error { return nil }

func (*rawSource) read(*Reader, int) error { panic("http1: no raw source on this system") }
