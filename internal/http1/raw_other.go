//go:build !unix

package http1

import "io"

// rawSource exists on Unix only; elsewhere a waiting reader holds its buffer.
type rawSource struct{}

func newRawSource(*rawSource, io.Reader) *rawSource { return nil }

func (*rawSource) read(*Reader, int) error { panic("http1: no raw source on this system") }
